import pytest

from control_plane.errors import KeysUnsafe
from control_plane.org_keys import OrgKeys
from control_plane.signing import ROLES


@pytest.fixture
def keys(tmp_path):
    keys = OrgKeys(tmp_path / "acme")
    keys.complete(ROLES)
    return keys


def ids(signers):
    return {role: signers.of(role).public_key.keyid if signers.of(role) else None for role in ROLES}


def test_a_set_is_completed_never_replaced(keys, tmp_path):
    before = ids(keys.load())
    (tmp_path / "acme" / "root.key").unlink()
    keys.complete(ROLES)
    after = ids(keys.load())
    assert after.pop("root") != before.pop("root")
    assert after == before


def test_the_next_key_is_kept_until_it_is_named_and_then_takes_the_place(keys):
    old = ids(keys.load())["snapshot"]
    new = keys.following("snapshot").public_key.keyid
    assert keys.following("snapshot").public_key.keyid == new  # a rotation that was cut off goes on with the same key
    held = keys.load()
    assert ids(held)["snapshot"] == old
    assert [signer.public_key.keyid for signer in held.holding([new, old])] == [new, old]
    keys.settle({old})
    assert ids(keys.load())["snapshot"] == old
    keys.settle({new})
    assert ids(keys.load())["snapshot"] == new
    assert keys.load().holding([old]) == []


def test_keys_that_others_hold_now_are_gone(keys):
    keys.following("targets")
    for role in ("root", "targets"):
        keys.destroy(role)
    held = keys.load()
    assert (held.root, held.targets, held.others) == (None, None, ())


def test_what_is_signed_on_schedule_must_be_there(keys, tmp_path):
    (tmp_path / "acme" / "timestamp.key").unlink()
    with pytest.raises(KeysUnsafe, match=r"timestamp\.key"):
        keys.load()
