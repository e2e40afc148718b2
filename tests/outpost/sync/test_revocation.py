from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import ControlPlaneUntrusted
from outpost.sync.revocation import judge
from pki.revocation import Revoked
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.control_plane import FakeControlPlane
from tests.fakes.enrolled import enrol
from tests.fakes.pki import TestAuthority


def signed(authority, *serials, number=7, at=NOON) -> bytes:
    return authority.issue_crl([Revoked(serial, at) for serial in serials], number, at).public_bytes(Encoding.DER)


def test_a_list_without_us_clears(identity, plane):
    verdict = judge(signed(plane.intermediate, 12345), identity, NOON)
    assert (verdict.revoked, verdict.number, verdict.current) == (False, 7, True)


def test_a_list_with_us_revokes(identity, plane):
    assert judge(signed(plane.intermediate, identity.certificate.serial_number), identity, NOON).revoked


def test_a_late_list_still_revokes_and_says_that_it_is_late(identity, plane):
    late = NOON + timedelta(days=30)
    verdict = judge(signed(plane.intermediate, identity.certificate.serial_number), identity, late)
    assert (verdict.revoked, verdict.current) == (True, False)


def test_a_list_of_anyone_else_does_not_count(identity, plane):
    serial = identity.certificate.serial_number
    stranger = TestAuthority.build("outpost.test")
    for authority in (stranger.intermediate, plane.root, plane.new_intermediate()):
        with pytest.raises(ControlPlaneUntrusted):
            judge(signed(authority, serial), identity, NOON)


def test_an_issuer_that_does_not_lead_to_our_anchors_does_not_count(identity, plane):
    stranger = TestAuthority.build("outpost.test")
    lost = replace(identity, anchors=(stranger.root.certificate,))
    with pytest.raises(ControlPlaneUntrusted):
        judge(signed(plane.intermediate, 1 << 80), lost, NOON)


def test_the_number_never_goes_down(identity, plane):
    newest = judge(signed(plane.intermediate, 1 << 80, number=9), identity, NOON)
    seen = (newest.issuer, newest.number)
    assert judge(signed(plane.intermediate, 1 << 80, number=9), identity, NOON, seen).number == 9
    with pytest.raises(ControlPlaneUntrusted, match="older"):
        judge(signed(plane.intermediate, 1 << 80, number=8), identity, NOON, seen)


def test_an_expired_certificate_can_still_be_revoked(identity, plane):
    at = NOON + timedelta(days=20)
    assert judge(signed(plane.intermediate, identity.certificate.serial_number, at=at), identity, at).revoked


@given(cut=st.integers(0, 600), junk=st.binary(max_size=60))
def test_any_bytes_give_a_verdict_or_the_typed_error(a_list, cut, junk):
    der, identity = a_list
    try:
        verdict = judge(der[:cut] + junk, identity, NOON)
    except ControlPlaneUntrusted:
        return
    assert verdict.number == 7


@pytest.fixture(scope="module")
def a_list(tmp_path_factory):

    clock = FakeClock()
    plane = FakeControlPlane(clock)
    identity = enrol(plane, tmp_path_factory.mktemp("revocation") / "data", clock)
    return signed(plane.intermediate, 1 << 80), identity
