import hashlib

from outpost.protocol.recovery import recovery_statement


def test_the_statement_binds_the_old_certificate_and_the_new_key():
    statement = recovery_statement(b"old", b"new")
    expected = b"hybrid-outpost/recover/v1\n" + hashlib.sha256(b"old").digest() + hashlib.sha256(b"new").digest()
    assert statement == expected
    assert len({statement, recovery_statement(b"new", b"old"), recovery_statement(b"oldn", b"ew")}) == 3
