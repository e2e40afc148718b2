from datetime import UTC, datetime

from control_plane.release import STABLE, HeadVersions, Publication, Target
from control_plane.signing import SignedFile
from control_plane.store.bundles import SqlBundleStore

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_orgs_are_apart_and_bytes_come_back_as_signed(connection):
    store = SqlBundleStore(connection)
    target = Target.of("policy.json", b"{}")
    for version in (9, 10):
        file = SignedFile("snapshot", version, b"\x00signed %d" % version)
        store.add(
            "acme", Publication((file,), (target,), {STABLE: HeadVersions(version, 3)}), AT
        )  # the same target twice is one row
    assert store.latest_version("acme", "snapshot") == 10
    assert store.metadata("acme", "snapshot", 9) == b"\x00signed 9"
    assert store.target("acme", "policy.json", target.sha256) == b"{}"
    assert (store.latest_version("globex", "snapshot"), store.metadata("globex", "snapshot", 9)) == (0, None)
    assert store.target("globex", "policy.json", target.sha256) is None
    assert store.head("acme", STABLE) == HeadVersions(10, 3)
    assert (store.head("acme", "canary"), store.head("globex", STABLE)) == (None, None)
