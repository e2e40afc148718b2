from datetime import timedelta

from pki.revocation import is_revoked, parse_crl
from tests.fakes.installation import OutpostKeys

LIFETIME = timedelta(minutes=15)


def test_a_crl_is_signed_anew_for_a_revocation_or_when_it_ages_and_numbers_only_grow(operations, clock):
    record, token = operations.create_outpost("acme", "edge", LIFETIME)
    serial = int(operations.enroll(OutpostKeys().message(token.text))[0].certificate.serial, 16)
    first = operations.current_crl()
    assert operations.current_crl() == first
    operations.revoke_outpost(record.id)
    second = operations.current_crl()
    assert second.number == first.number + 1
    assert is_revoked(parse_crl(second.content), serial)
    clock.advance(timedelta(hours=13))
    assert operations.current_crl().number == second.number + 1
    clock.advance(timedelta(days=20))
    assert not is_revoked(parse_crl(operations.current_crl().content), serial)  # long past its own end
