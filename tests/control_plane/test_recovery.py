"""Recovery over the real database: who comes back, who does not, and which code says why."""

from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from control_plane.errors import (
    CsrRejected,
    OutpostRevoked,
    RateLimited,
    RecoveryExpired,
    RecoveryInvalid,
    RecoveryPending,
    Rejected,
    UnknownOutpost,
)
from control_plane.operations import Operations
from control_plane.recovery import RecoveryPolicy, recover
from control_plane.renewal import CERTIFICATES_PER_HOUR
from outpost.protocol.messages import RecoverRequest
from pki.csr import make_csr
from pki.keys import generate_private_key
from tests.fakes.control_plane import MemoryRegistrationStore
from tests.fakes.installation import OutpostKeys, recover_message
from tests.fakes.pki import test_authority

LIFETIME = timedelta(minutes=15)


@pytest.fixture
def enrolled(operations):
    record, token = operations.create_outpost("acme", "edge", LIFETIME)
    keys = OutpostKeys()
    enrolment, _ = operations.enroll(keys.message(token.text))
    return record, keys.private_key, x509.load_der_x509_certificate(enrolment.certificate.der)


def _with_operator(operations):
    return Operations(
        operations.database,
        operations.keyring,
        operations.trust_domain,
        clock=operations.clock,
        recovery=RecoveryPolicy(needs_operator=True),
    )


def _kinds(operations, record):
    *kinds, first = [event.kind for event in operations.events(10, record.id)]
    assert first == "enrolled"
    return kinds


def test_weeks_after_its_end_a_certificate_buys_a_new_one(operations, enrolled, clock):
    record, key, old = enrolled
    clock.advance(timedelta(days=7 + 29))
    new_key = generate_private_key()
    outpost_id, response = operations.recover(recover_message(old, key, new_key))
    new = x509.load_pem_x509_certificate(response.certificate_pem.encode())
    assert (outpost_id, new.public_key()) == (record.id, new_key.public_key())
    assert operations.admit(new).id == record.id
    assert response.trust == operations.trust()
    assert _kinds(operations, record) == ["recovered"]
    assert operations.registry_notes()[1] == {record.id: "recovered"}


def test_a_lost_answer_is_given_again_with_the_same_key(operations, enrolled, clock):
    record, key, old = enrolled
    clock.advance(timedelta(days=10))
    message = recover_message(old, key, generate_private_key())
    assert operations.recover(message) == operations.recover(message)
    assert _kinds(operations, record) == ["recovered"]


def test_the_window_counts_from_the_certificates_end(operations, enrolled, clock):
    record, key, old = enrolled
    clock.advance(timedelta(days=7 + 31))
    with pytest.raises(RecoveryExpired, match="outpost token"):
        operations.recover(recover_message(old, key, generate_private_key()))
    assert operations.events(1, record.id)[0].detail == {"why": "RecoveryExpired"}


def test_a_revoked_outpost_stays_out(operations, enrolled, clock):
    record, key, old = enrolled
    operations.revoke_outpost(record.id)
    clock.advance(timedelta(days=8))
    with pytest.raises(OutpostRevoked):
        operations.recover(recover_message(old, key, generate_private_key()))
    assert _kinds(operations, record) == ["recovery_refused", "revoked"]


def test_where_an_operator_must_agree_the_outpost_waits_and_comes_back_once(operations, enrolled, clock):
    record, key, old = enrolled
    operations = _with_operator(operations)
    clock.advance(timedelta(days=8))
    message = recover_message(old, key, generate_private_key())
    for _ in range(2):
        with pytest.raises(RecoveryPending):
            operations.recover(message)
    operations.approve_recovery(record.id)
    first = operations.recover(message)
    assert operations.recover(message) == first  # a lost answer needs no second approval
    with pytest.raises(RecoveryPending):
        operations.recover(recover_message(old, key, generate_private_key()))
    kinds = ["recovery_pending", "recovered", "recovery_approved", "recovery_pending", "recovery_pending"]
    assert _kinds(operations, record) == kinds


def test_an_old_approval_is_none(operations, enrolled, clock):
    record, key, old = enrolled
    operations = _with_operator(operations)
    operations.approve_recovery(record.id)
    clock.advance(timedelta(days=31))
    with pytest.raises(RecoveryPending):
        operations.recover(recover_message(old, key, generate_private_key()))


def test_only_the_old_keys_holder_learns_anything(operations, enrolled, clock):
    record, key, old = enrolled
    operations.revoke_outpost(record.id)
    clock.advance(timedelta(days=8))
    with pytest.raises(RecoveryInvalid):
        operations.recover(recover_message(old, generate_private_key(), generate_private_key()))
    good = recover_message(old, key, generate_private_key())
    other_csr = make_csr(generate_private_key()).decode()
    for change in ({"csr_pem": other_csr}, {"proof": b"x"}, {"proof": b""}):
        with pytest.raises(RecoveryInvalid):
            operations.recover(good.model_copy(update=change))


def test_a_certificate_we_never_issued_is_an_unknown_outpost_and_leaves_no_row(operations, clock):
    stranger = test_authority().outpost(at=clock())
    with pytest.raises(UnknownOutpost):
        operations.recover(recover_message(stranger.certificate, stranger.key, generate_private_key()))
    assert operations.events(10) == []


def test_the_old_key_cannot_be_certified_again(operations, enrolled, clock):
    _, key, old = enrolled
    clock.advance(timedelta(days=8))
    with pytest.raises(CsrRejected, match="new key"):
        operations.recover(recover_message(old, key, key))
    good = recover_message(old, key, generate_private_key())
    with pytest.raises(CsrRejected):
        operations.recover(good.model_copy(update={"csr_pem": "nonsense"}))
    with pytest.raises(RecoveryInvalid):
        operations.recover(good.model_copy(update={"certificate_pem": "nonsense"}))


def test_recovering_in_a_loop_is_stopped(operations, enrolled, clock):
    _, key, old = enrolled
    clock.advance(timedelta(days=8))
    for _ in range(CERTIFICATES_PER_HOUR):
        operations.recover(recover_message(old, key, generate_private_key()))
    with pytest.raises(RateLimited):
        operations.recover(recover_message(old, key, generate_private_key()))


@given(st.text(max_size=200), st.text(max_size=200), st.binary(max_size=100))
def test_any_message_is_a_typed_refusal(certificate, csr, proof):
    request = RecoverRequest.model_construct(certificate_pem=certificate, csr_pem=csr, proof=proof)
    attempt = recover(
        request,
        store=MemoryRegistrationStore(),
        issuer=lambda *_: pytest.fail("issued"),
        authority="intermediate",
        retired_at={},
        policy=RecoveryPolicy(),
        at=None,
    )
    assert isinstance(attempt.refusal, Rejected)
