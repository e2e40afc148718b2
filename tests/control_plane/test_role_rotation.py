import json
from datetime import UTC, datetime, timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root

from control_plane import bundles
from control_plane.defaults import default_policy, default_routing
from control_plane.errors import InvalidRequest, NotFound, ThresholdNotHeld
from control_plane.keys import keys_document
from control_plane.org_keys import OrgKeys
from control_plane.release import Release
from control_plane.role_rotation import ROTATABLE, named_keyids, repository_status, rotate
from control_plane.signing import ROLES, TOP_LEVEL, VIRTUAL_KEYS
from tests.fakes.control_plane import MemoryBundleStore
from tests.fakes.own_client import OwnClient
from tests.fakes.tuf_witness import Witness, served

NOW = datetime.now(UTC)  # python-tuf's client reads the real clock
DAY = timedelta(days=1)
FIRST = {"policy.json": default_policy(), "keys.json": keys_document([]), "routing.json": default_routing()}


@pytest.fixture
def keys(tmp_path):
    keys = OrgKeys(tmp_path / "keys")
    keys.complete(ROLES)
    return keys


@pytest.fixture
def store(keys):
    store = MemoryBundleStore()
    bundles.create_repository(store, "acme", keys.load(), NOW)
    bundles.publish(store, "acme", FIRST, keys.load(), NOW)
    return store


@pytest.fixture
def witness(store, tmp_path):
    def files(function):
        def read(filename):
            try:
                return function(store, "acme", filename)
            except NotFound as err:
                raise LookupError from err

        return read

    with served(files(bundles.metadata_by_filename), files(bundles.target_by_filename)) as url:
        yield Witness(tmp_path / "witness", url, store.files["root", 1])


def rotated(store, keys, role):
    """What ``Operations.rotate_role_key`` does, over a store in memory."""
    new = keys.following(role)
    rotate(Release(store, "acme", keys.load(), NOW, DAY), role, new)
    keys.settle(named_keyids(store, "acme"))
    return new.public_key.keyid


@pytest.mark.parametrize("role", ROTATABLE)
def test_another_client_follows_the_rotation_of_each_role(store, keys, witness, role):
    witness.read(*FIRST)
    old = keys.load().of(role).public_key.keyid
    new = rotated(store, keys, role)
    assert witness.read(*FIRST) == FIRST
    assert witness.version("root") == (1 if role == VIRTUAL_KEYS else 2)
    assert keys.load().of(role).public_key.keyid == new
    assert named_keyids(store, "acme") & {old, new} == {new}
    # and the repository goes on with the new key alone
    bundles.publish(store, "acme", {"routing.json": default_routing("https://llm.example/v1")}, keys.load(), NOW)
    bundles.publish(store, "acme", {"keys.json": keys_document([])}, keys.load(), NOW)
    assert (
        json.loads(witness.read("routing.json")["routing.json"])["providers"][0]["base_url"] == "https://llm.example/v1"
    )


def test_a_client_that_was_away_follows_many_rotations_at_once(store, keys, witness):
    witness.read(*FIRST)
    for _ in range(3):
        for role in ROTATABLE:
            rotated(store, keys, role)
    assert witness.read(*FIRST) == FIRST
    assert witness.version("root") == 1 + 3 * len(TOP_LEVEL)


async def test_our_outpost_follows_too_each_rotation_and_all_at_once(store, keys, tmp_path):
    near, away = (OwnClient(store, "acme", tmp_path / name) for name in ("near", "away"))
    for client in (near, away):
        client._path.parent.mkdir()
        assert await client.read(NOW) == FIRST
    for role in ROTATABLE:
        rotated(store, keys, role)
        assert await near.read(NOW) == FIRST
    bundles.publish(store, "acme", {"routing.json": default_routing("https://llm.example/v1")}, keys.load(), NOW)
    for client in (near, away):
        assert b"llm.example" in (await client.read(NOW))["routing.json"]


def test_what_the_old_key_signs_afterwards_is_worth_nothing(store, keys):
    old = keys.load().snapshot
    rotated(store, keys, "snapshot")
    root = Metadata[Root].from_bytes(store.files["root", 2]).signed
    stolen = Metadata.from_bytes(store.files["snapshot", 2])
    stolen.sign(old)
    assert not root.get_verification_result("snapshot", stolen.signed_bytes, stolen.signatures)


def test_the_keys_of_the_root_must_be_here(store, keys):
    keys.destroy("root")
    before = dict(store.files)
    for role in TOP_LEVEL:
        with pytest.raises(ThresholdNotHeld):
            rotate(Release(store, "acme", keys.load(), NOW, DAY), role, keys.following(role))
    assert store.files == before
    rotated(store, keys, VIRTUAL_KEYS)  # named by targets, not by the root


def test_a_role_that_is_not_there_cannot_be_rotated(store, keys):
    with pytest.raises(InvalidRequest):
        rotate(Release(store, "acme", keys.load(), NOW, DAY), "mirrors", CryptoSigner.generate_ed25519())


def test_the_status_says_who_holds_what(store, keys):
    keys.destroy("targets")
    status = {one.role: one for one in repository_status(store, "acme", keys.load())}
    assert list(status) == ["root", "targets", "snapshot", "timestamp", VIRTUAL_KEYS]
    assert [one.held for one in status.values()] == [1, 0, 1, 1, 1]
    assert {one.threshold for one in status.values()} == {1}
    assert status["timestamp"].expires_at == NOW.replace(microsecond=0) + DAY


def test_an_org_that_has_published_nothing_has_no_status(keys):
    empty = MemoryBundleStore()
    bundles.create_repository(empty, "acme", keys.load(), NOW)
    with pytest.raises(NotFound):
        repository_status(empty, "acme", keys.load())


@pytest.mark.parametrize("role", ROTATABLE)
def test_a_rotation_that_is_cut_off_before_the_old_key_goes_loses_nothing(store, keys, witness, role):
    new = keys.following(role)
    rotate(Release(store, "acme", keys.load(), NOW, DAY), role, new)  # and here the process dies
    bundles.publish(store, "acme", FIRST, keys.load(), NOW)
    assert witness.read(*FIRST) == FIRST
    keys.settle(named_keyids(store, "acme"))
    assert keys.load().of(role).public_key.keyid == new.public_key.keyid
    assert keys.load().others == ()
