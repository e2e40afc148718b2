from datetime import UTC, datetime

from control_plane.canary import Audiences, Canary, State
from control_plane.outposts import OutpostRecord
from control_plane.release import CANARY, STABLE, HeadVersions, Publication
from control_plane.store.bundles import SqlBundleStore
from control_plane.store.canaries import SqlCanaryStore, visible_snapshot
from control_plane.store.outposts import SqlRegistryStore

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_a_canary_its_members_and_labels_come_back(connection):
    store = SqlCanaryStore(connection)
    for name in ("a", "b"):
        SqlRegistryStore(connection).add_outpost(OutpostRecord(name, "acme", name, AT))
    store.set_label("a", "ring", "first")
    store.set_label("a", "ring", "second")
    assert store.labels("acme") == {"a": {"ring": "second"}, "b": {}}
    store.set_label("a", "ring", None)
    assert store.labels("acme") == {"a": {}, "b": {}}
    assert (store.newest("acme"), store.audiences(["acme"]), visible_snapshot(connection, "acme", "a")) == (None, {}, 0)
    SqlBundleStore(connection).add("acme", _heads(stable=1), AT)
    assert store.audiences(["acme", "globex"]) == {"acme": Audiences(1)}
    canary = Canary("acme", 2, "50%", State.RUNNING, AT, AT)
    store.add(canary, ["a"])
    SqlBundleStore(connection).add("acme", _heads(canary=2), AT)
    assert store.newest("acme") == canary
    assert store.audiences(["acme"]) == {"acme": Audiences(1, 2, running=True, members={"a": False})}
    store.mark_shown(canary, "a", AT)
    store.mark_shown(canary, "a", AT.replace(year=2030))
    assert store.members(canary) == {"a": AT}
    store.change(canary, State.HALTED, AT)
    assert store.audiences(["acme"]) == {"acme": Audiences(1, 2, running=False, members={"a": True})}
    assert [visible_snapshot(connection, "acme", name) for name in ("a", "b")] == [2, 1]


def _heads(**versions):
    names = {"stable": STABLE, "canary": CANARY}
    return Publication((), (), {names[name]: HeadVersions(version, version) for name, version in versions.items()})
