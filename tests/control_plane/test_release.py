from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata

from control_plane.errors import NotFound, VersionTaken
from control_plane.release import STABLE, HeadVersions, Publication, Release, Target, stored_file
from control_plane.signing import ROLES, RoleSigners, sign_root
from tests.fakes.clock import NOON
from tests.fakes.control_plane import MemoryBundleStore

DAY = timedelta(days=1)


@pytest.fixture
def held():
    return RoleSigners(*(CryptoSigner.generate_ed25519() for _ in ROLES))


@pytest.fixture
def store(held):
    store = MemoryBundleStore()
    store.add("acme", Publication((sign_root(1, held, NOON),), ()), NOON)
    return store


def test_nothing_is_stored_before_publish_and_then_all_of_it(store, held):
    release = Release(store, "acme", held, NOON, DAY)
    targets = release.new_targets({"policy.json": b"{}"}, None)
    assert release.show(STABLE, targets, None) == 1
    assert store.latest_version("acme", "targets") == 0
    release.publish()
    assert store.head("acme", STABLE) == HeadVersions(1, 1)
    assert store.target("acme", "policy.json", Target.of("policy.json", b"{}").sha256) == b"{}"
    Release(store, "acme", held, NOON, DAY).publish()  # of nothing
    assert store.head("acme", STABLE) == HeadVersions(1, 1)


def test_two_audiences_in_one_release_are_numbered_from_one_counter(store, held):
    release = Release(store, "acme", held, NOON, DAY)
    first, second = (release.new_targets({"policy.json": body}, None) for body in (b"1", b"2"))
    assert (first.version, second.version) == (1, 2)
    assert [release.show(audience, file, None) for audience, file in ((STABLE, first), ("canary", second))] == [1, 2]
    release.publish()
    assert (store.head("acme", STABLE), store.head("acme", "canary")) == (HeadVersions(1, 1), HeadVersions(2, 2))


def test_who_was_slower_stores_nothing(store, held):
    slow, fast = (Release(store, "acme", held, NOON, DAY) for _ in range(2))
    for release in (slow, fast):
        release.show(STABLE, release.new_targets({"policy.json": b"{}"}, None), None)
    fast.publish()
    before = dict(store.files)
    with pytest.raises(VersionTaken):
        slow.publish()
    assert store.files == before


def test_what_the_database_has_lost_is_said(store):
    assert Metadata.from_bytes(stored_file(store, "acme", "root", 1).content).signed.version == 1
    with pytest.raises(NotFound, match=r"2\.root\.json of org acme"):
        stored_file(store, "acme", "root", 2)
