"""Renewal over the real database: what the new certificate is, that the old one stays, and what is refused."""

from datetime import timedelta

import pytest
from cryptography import x509

from control_plane.errors import CsrRejected, RateLimited
from control_plane.renewal import CERTIFICATES_PER_HOUR
from pki.csr import make_csr
from pki.keys import generate_private_key
from tests.fakes.installation import OutpostKeys

LIFETIME = timedelta(minutes=15)


@pytest.fixture
def enrolled(operations):
    record, token = operations.create_outpost("acme", "edge", LIFETIME)
    keys = OutpostKeys()
    enrolment, _ = operations.enroll(keys.message(token.text))
    return record, keys, enrolment.certificate


def _csr(key):
    return make_csr(key).decode()


def test_a_new_key_gets_a_certificate_and_the_old_one_stays_good(operations, enrolled, clock):
    record, _, old = enrolled
    clock.advance(timedelta(days=4))
    key = generate_private_key()
    response = operations.renew(record, _csr(key), old.sha256)
    new = x509.load_pem_x509_certificate(response.certificate_pem.encode())
    assert new.public_key() == key.public_key()
    assert response.trust == operations.trust()
    assert operations.admit(new).id == operations.admit(x509.load_der_x509_certificate(old.der)).id == record.id
    clock.advance(timedelta(days=4))
    assert operations.admit(new).id == record.id
    assert [event.kind for event in operations.events(5, record.id)] == ["renewed", "enrolled"]


def test_a_lost_answer_is_given_again(operations, enrolled, clock):
    record, _, old = enrolled
    csr = _csr(generate_private_key())
    first = operations.renew(record, csr, old.sha256)
    clock.advance(timedelta(hours=1))
    assert operations.renew(record, csr, old.sha256).certificate_pem == first.certificate_pem
    assert [event.kind for event in operations.events(5, record.id)] == ["renewed", "enrolled"]


def test_the_key_in_use_and_another_outposts_are_refused(operations, enrolled):
    record, keys, old = enrolled
    with pytest.raises(CsrRejected, match="new key"):
        operations.renew(record, _csr(keys.private_key), old.sha256)
    _, token = operations.create_outpost("acme", "other", LIFETIME)
    theirs = OutpostKeys()
    operations.enroll(theirs.message(token.text))
    with pytest.raises(CsrRejected, match="new key"):
        operations.renew(record, _csr(theirs.private_key), old.sha256)
    with pytest.raises(CsrRejected):
        operations.renew(record, "nonsense", old.sha256)


def test_a_loop_is_stopped_and_let_go_again(operations, enrolled, clock):
    record, _, old = enrolled
    for _ in range(CERTIFICATES_PER_HOUR - 1):
        operations.renew(record, _csr(generate_private_key()), old.sha256)
    with pytest.raises(RateLimited) as caught:
        operations.renew(record, _csr(generate_private_key()), old.sha256)
    assert caught.value.retry_after_s == 3600
    clock.advance(timedelta(hours=2))
    operations.renew(record, _csr(generate_private_key()), old.sha256)


def test_a_revocation_takes_all_certificates_of_the_outpost(operations, enrolled):
    record, _, old = enrolled
    response = operations.renew(record, _csr(generate_private_key()), old.sha256)
    operations.revoke_outpost(record.id)
    new = x509.load_pem_x509_certificate(response.certificate_pem.encode())
    crl = x509.load_der_x509_crl(operations.current_crl().content)
    for serial in (new.serial_number, int(old.serial, 16)):
        assert crl.get_revoked_certificate_by_serial_number(serial) is not None
