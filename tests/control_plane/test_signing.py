from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Timestamp

from control_plane.errors import ThresholdNotHeld
from control_plane.signing import (
    TOP_LEVEL,
    VIRTUAL_KEYS,
    RoleKeys,
    RoleSigners,
    delegation_to,
    role_keys,
    sign,
    sign_root,
    snapshot_metadata,
    targets_metadata,
    timestamp_metadata,
)
from outpost.policy.bundle import SIGNED_AT_FIELD
from tests.fakes.clock import NOON


def signer():
    return CryptoSigner.generate_ed25519()


@pytest.fixture
def held():
    return RoleSigners(*(signer() for _ in (*TOP_LEVEL, VIRTUAL_KEYS)))


def read_root(file):
    return Metadata[Root].from_bytes(file.content).signed


def test_a_first_root_names_one_key_for_each_role(held):
    root = read_root(sign_root(1, held, NOON))
    for role in TOP_LEVEL:
        assert (root.roles[role].keyids, root.roles[role].threshold) == ([held.of(role).public_key.keyid], 1)
    assert role_keys(root) == {role: RoleKeys((held.of(role).public_key,)) for role in TOP_LEVEL}
    assert root.expires == NOON + timedelta(days=365)


def test_the_next_root_is_signed_by_the_old_keys_and_the_new(held):
    first = read_root(sign_root(1, held, NOON))
    new = signer()
    roles = role_keys(first) | {"root": RoleKeys((new.public_key,))}
    file = sign_root(2, RoleSigners(root=held.root, others=(new,)), NOON, roles=roles, previous=first)
    assert set(Metadata.from_bytes(file.content).signatures) == {held.root.public_key.keyid, new.public_key.keyid}
    for missing in (RoleSigners(root=held.root), RoleSigners(root=new)):
        with pytest.raises(ThresholdNotHeld) as caught:
            sign_root(2, missing, NOON, roles=roles, previous=first)
        assert caught.value.role == "root"


def test_a_threshold_needs_that_many_different_keys(held):
    officers = [signer() for _ in range(3)]
    keys = tuple(one.public_key for one in officers)
    root = read_root(
        sign_root(1, held, NOON, roles=role_keys(read_root(sign_root(1, held, NOON))) | {"targets": RoleKeys(keys, 2)})
    )
    targets = targets_metadata(1, {"a": b"1"}, NOON)
    for few in (RoleSigners(), held, RoleSigners(others=tuple(officers[:1])), RoleSigners(others=(officers[0],) * 2)):
        assert not few.reach(root.roles["targets"])
        with pytest.raises(ThresholdNotHeld):
            sign("targets", targets, [root], few)
    enough = RoleSigners(others=tuple(officers[1:]))
    assert enough.reach(root.roles["targets"])
    assert sign("targets", targets, [root], enough).version == 1


def test_only_keys_that_are_named_sign(held):
    root = read_root(sign_root(1, held, NOON))
    file = sign("snapshot", snapshot_metadata(1, [], NOON), [root], held)
    assert set(Metadata.from_bytes(file.content).signatures) == {held.snapshot.public_key.keyid}


def test_the_delegation_covers_the_virtual_keys_and_nothing_else(held):
    targets = targets_metadata(1, {}, NOON, delegations=delegation_to(held.virtual_keys.public_key))
    role = targets.delegations.roles[VIRTUAL_KEYS]
    assert (role.terminating, role.threshold) == (True, 1)
    assert [
        name for name in ("keys.json", "policy.json", "keys.json/x", "a/keys.json") if role.is_delegated_path(name)
    ] == ["keys.json"]
    file = sign(VIRTUAL_KEYS, targets_metadata(1, {"keys.json": b"{}"}, NOON), [targets], held)
    assert file.role == VIRTUAL_KEYS


def test_a_timestamp_says_when_it_was_signed_in_whole_seconds(held):
    root = read_root(sign_root(1, held, NOON))
    snapshot = sign("snapshot", snapshot_metadata(7, [], NOON), [root], held)
    at = NOON + timedelta(seconds=3, milliseconds=900)
    file = sign("timestamp", timestamp_metadata(2, snapshot, at, timedelta(hours=1)), [root], held)
    signed = Metadata[Timestamp].from_bytes(file.content).signed
    assert signed.unrecognized_fields[SIGNED_AT_FIELD] == f"{NOON + timedelta(seconds=3):%Y-%m-%dT%H:%M:%SZ}"
    assert (signed.snapshot_meta.version, signed.expires) == (7, NOON + timedelta(hours=1, seconds=3))
