import pytest

from outpost.errors import ControlPlaneUntrusted
from outpost.protocol.messages import TrustUpdate
from outpost.sync.trust import Trust, adopt
from pki.pem import certificates_to_pem
from tests.fakes.clock import NOON
from tests.fakes.pki import TestAuthority


@pytest.fixture
def old():
    return TestAuthority.build("outpost.test")


@pytest.fixture
def new():
    return TestAuthority.build("outpost.test")


@pytest.fixture
def current(old) -> Trust:
    return Trust(3, (old.root.certificate,))


def pem(certificate) -> str:
    return certificates_to_pem([certificate]).decode()


def update(generation, *authorities, crosses=()) -> TrustUpdate:
    return TrustUpdate(
        generation=generation,
        anchors_pem=[pem(each.root.certificate) for each in authorities],
        intermediates_pem=[pem(each.intermediate.certificate) for each in authorities],
        cross_certificates_pem=[pem(each) for each in crosses],
    )


def test_a_cross_certified_root_is_adopted_beside_the_old_one(old, new, current):
    cross = old.root.cross_sign(new.root.certificate, NOON)
    trust = adopt(current, update(4, old, new, crosses=[cross]), NOON)
    assert trust.anchors == (old.root.certificate, new.root.certificate)
    assert trust.generation == 4
    assert not trust.drops_anchors_of(current)


def test_a_root_that_nobody_vouches_for_is_left_out(old, new, current):
    assert adopt(current, update(4, old, new), NOON).anchors == (old.root.certificate,)


def test_a_cross_certificate_by_a_stranger_vouches_for_nothing(old, new, current):
    cross = TestAuthority.build("outpost.test").root.cross_sign(new.root.certificate, NOON)
    for crosses in ([cross], [new.root.certificate], [old.root.certificate]):
        assert adopt(current, update(4, old, new, crosses=crosses), NOON).anchors == (old.root.certificate,)


def test_a_cross_certificate_for_another_key_vouches_for_nothing(old, new, current):
    impostor = TestAuthority.build("outpost.test")
    cross = old.root.cross_sign(new.root.certificate, NOON)
    assert adopt(current, update(4, old, impostor, crosses=[cross]), NOON).anchors == (old.root.certificate,)


def test_the_old_root_goes_with_a_higher_generation(old, new, current):
    cross = old.root.cross_sign(new.root.certificate, NOON)
    trust = adopt(current, update(5, new, crosses=[cross]), NOON)
    assert trust.anchors == (new.root.certificate,)
    assert trust.drops_anchors_of(current)


def test_an_outpost_that_missed_two_rotations_climbs_both(old, new, current):
    third = TestAuthority.build("outpost.test")
    crosses = [
        old.root.cross_sign(new.root.certificate, NOON),
        new.root.cross_sign(third.root.certificate, NOON),
    ]
    assert adopt(current, update(9, third, crosses=crosses), NOON).anchors == (third.root.certificate,)


def test_the_same_generation_changes_nothing_and_an_older_one_is_refused(old, new, current):
    cross = old.root.cross_sign(new.root.certificate, NOON)
    assert adopt(current, update(3, new, crosses=[cross]), NOON) is current
    with pytest.raises(ControlPlaneUntrusted, match="older"):
        adopt(current, update(2, old), NOON)


def test_no_authority_to_believe_is_an_error_and_not_an_empty_set(new, current):
    with pytest.raises(ControlPlaneUntrusted, match="no authority"):
        adopt(current, update(4, new), NOON)


def test_what_cannot_be_read_is_refused(old, current):
    for field in ("anchors_pem", "intermediates_pem", "cross_certificates_pem"):
        with pytest.raises(ControlPlaneUntrusted, match="cannot be read"):
            adopt(current, update(4, old).model_copy(update={field: ["not a certificate"]}), NOON)
