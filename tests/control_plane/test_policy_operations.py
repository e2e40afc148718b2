from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner

from control_plane.defaults import default_routing
from control_plane.errors import InvalidRequest, KeysUnsafe, NotFound, ThresholdNotHeld
from control_plane.keys import KeyRequest
from control_plane.role_rotation import ROTATABLE
from outpost.policy.proposal import add_signature
from tests.control_plane.test_proposals import pem

ROUTING = {"routing.json": default_routing("https://llm.example/v1")}


@pytest.fixture
def officer():
    return CryptoSigner.generate_ecdsa()


def test_each_role_is_rotated_and_the_old_key_is_gone(operations, plane):
    policy = operations.policy
    for role in ROTATABLE:
        before = policy.status("acme")
        after = policy.rotate_key("acme", role)
        assert (after.held, after.threshold) == (1, 1)
        assert after.keyids != next(one for one in before if one.role == role).keyids
    assert not list((plane.path / "keys" / "orgs" / "acme").glob("*.next.key"))
    operations.publish("acme", ROUTING)


def test_a_rotation_that_was_cut_off_before_it_was_published_goes_on_with_the_same_key(operations):
    waiting = operations.keyring.org_keys("acme").following("snapshot").public_key.keyid
    assert operations.policy.rotate_key("acme", "snapshot").keyids == (waiting,)


def test_one_officer_takes_over_and_the_schedule_goes_on(operations, plane, officer, clock):
    policy = operations.policy
    proposal = policy.appoint_officers("acme", [pem(officer)], 1, 1)
    with pytest.raises(ThresholdNotHeld):
        policy.publish_proposal("acme", [proposal])
    assert (plane.path / "keys" / "orgs" / "acme" / "root.key").exists()
    version, _ = policy.publish_proposal("acme", [add_signature(proposal, officer)])
    assert policy.audiences(["acme"])["acme"].stable == version
    assert not (plane.path / "keys" / "orgs" / "acme" / "root.key").exists()
    with pytest.raises(ThresholdNotHeld):
        operations.publish("acme", ROUTING)
    clock.advance(timedelta(hours=2))
    assert operations.renew_bundles(timedelta(hours=1)) == {"acme": ("timestamp",)}
    again = policy.propose("acme", ROUTING, renew_root=True)
    assert policy.publish_proposal("acme", [add_signature(again, officer)])[0] > version


def test_there_must_be_such_an_org_and_such_a_role(operations):
    with pytest.raises(NotFound):
        operations.policy.status("globex")
    with pytest.raises(InvalidRequest):
        operations.policy.rotate_key("acme", "mirrors")


def test_the_schedule_warns_long_before_officers_must_sign(operations, officer, clock, capsys):
    proposal = operations.policy.appoint_officers("acme", [pem(officer)], 1, 1)
    operations.policy.publish_proposal("acme", [add_signature(proposal, officer)])
    clock.advance(timedelta(days=300))
    operations.renew_bundles(timedelta(hours=1))
    assert "officers_must_sign" not in capsys.readouterr().out
    clock.advance(timedelta(days=10))
    operations.renew_bundles(timedelta(hours=1))
    said = capsys.readouterr().out
    assert said.count("officers_must_sign") == 2  # root and targets


def test_a_lost_key_for_virtual_keys_is_replaced_by_rotating_it(operations, plane):
    """And an org from before the role had a key gets one without being asked."""
    (plane.path / "keys" / "orgs" / "acme" / "virtual-keys.key").unlink()
    with pytest.raises(ThresholdNotHeld, match="rotate"):
        operations.create_key("acme", KeyRequest(name="n"))
    operations.policy.rotate_key("acme", "virtual-keys")
    operations.create_key("acme", KeyRequest(name="n"))


def test_asking_for_an_org_that_is_none_leaves_nothing_behind(operations, plane):
    with pytest.raises(NotFound):
        operations.secrets.retire_pepper("globex", "pepper-1", revoke_keys=True)
    with pytest.raises(KeysUnsafe):
        operations.keyring.signers("globex")
    assert [path.name for path in (plane.path / "keys" / "orgs").iterdir()] == ["acme"]
