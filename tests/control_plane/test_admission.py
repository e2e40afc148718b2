from datetime import timedelta

import pytest
from cryptography import x509

from control_plane import admission
from control_plane.admission import Verifier
from control_plane.errors import CertificateRejected, OutpostRevoked, UnknownOutpost
from pki.verify import TrustStore, verify_outpost
from tests.fakes.clock import FakeClock
from tests.fakes.installation import OutpostKeys
from tests.fakes.pki import TestAuthority

DAY = timedelta(days=1)


@pytest.fixture
def at():
    return FakeClock()()


@pytest.fixture
def authority(at):
    return TestAuthority.build(at=at)


@pytest.fixture
def verified(monkeypatch):
    """The certificates that were really verified."""
    seen = []

    def counting(certificate, **arguments):
        seen.append(certificate)
        return verify_outpost(certificate, **arguments)

    monkeypatch.setattr(admission, "verify_outpost", counting)
    return seen


@pytest.fixture
def trust(authority):
    return TrustStore((authority.root.certificate,), (authority.intermediate.certificate,))


@pytest.fixture
def verifier(authority):
    return Verifier(authority.trust_domain)


def test_signatures_are_checked_once_and_the_time_always(authority, trust, verifier, verified, at):
    leaf = authority.outpost(at=at).certificate
    for _ in range(3):
        assert verifier.identify(leaf, trust, at).outpost_id
    assert len(verified) == 1
    for wrong in (leaf.not_valid_after_utc + timedelta(seconds=1), leaf.not_valid_before_utc - timedelta(seconds=1)):
        with pytest.raises(CertificateRejected):
            verifier.identify(leaf, trust, wrong)
    assert verifier.identify(leaf, trust, leaf.not_valid_after_utc).outpost_id


def test_an_authority_that_has_ended_ends_what_was_remembered(authority, trust, verifier, at):
    ends_at = authority.intermediate.certificate.not_valid_after_utc
    near = ends_at - DAY
    leaf = authority.outpost(at=near).certificate
    assert leaf.not_valid_after_utc <= ends_at
    verifier.identify(leaf, trust, near)
    assert verifier._verified[leaf].last_at <= ends_at


def test_other_authorities_ask_for_a_whole_new_check(authority, trust, verifier, verified, at):
    leaf = authority.outpost(at=at).certificate
    verifier.identify(leaf, trust, at)
    verifier.identify(leaf, TrustStore(trust.anchors, trust.intermediates), at)
    assert len(verified) == 2
    stranger = TestAuthority.build(at=at)
    with pytest.raises(CertificateRejected):
        verifier.identify(leaf, TrustStore((stranger.root.certificate,), (stranger.intermediate.certificate,)), at)
    assert len(verifier) == 0


def test_no_refusal_is_remembered(authority, trust, verifier, verified, at):
    stranger = TestAuthority.build(at=at).outpost(at=at).certificate
    for _ in range(2):
        with pytest.raises(CertificateRejected):
            verifier.identify(stranger, trust, at)
    assert (len(verified), len(verifier)) == (2, 0)


def test_under_revocation_lists_nothing_is_remembered(authority, trust, verifier, verified, at):
    with_lists = TrustStore(trust.anchors, trust.intermediates, (authority.crl(at=at),))
    leaf = authority.outpost(at=at).certificate
    for _ in range(2):
        verifier.identify(leaf, with_lists, at)
    assert (len(verified), len(verifier)) == (2, 0)


def test_memory_has_a_bound(authority, trust, at):
    verifier = Verifier(authority.trust_domain, remembered=2)
    for _ in range(4):
        verifier.identify(authority.outpost(at=at).certificate, trust, at)
    assert len(verifier) == 2


def test_many_are_admitted_each_with_an_outcome_of_its_own(operations, clock):
    certificates, names = [], []
    for name in ("good", "revoked", "other"):
        record, token = operations.create_outpost("acme", name, timedelta(minutes=15))
        enrolment, _ = operations.enroll(OutpostKeys().message(token.text))
        certificates.append(x509.load_der_x509_certificate(enrolment.certificate.der))
        names.append(record.id)
    stranger = TestAuthority.build(at=clock()).outpost(at=clock()).certificate
    for _ in range(2):  # the second time from memory
        operations.admit_all([*certificates, stranger])
    operations.revoke_outpost(names[1])
    outcome = operations.admit_all([*certificates, stranger])
    assert [outcome[certificates[0]].id, outcome[certificates[2]].id] == [names[0], names[2]]
    assert isinstance(outcome[certificates[1]], OutpostRevoked)
    assert isinstance(outcome[stranger], CertificateRejected)
    assert not isinstance(outcome[stranger], UnknownOutpost)
    clock.advance(8 * DAY)
    assert all(isinstance(one, CertificateRejected) for one in operations.admit_all(certificates).values())
