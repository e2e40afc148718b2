"""What a recovering outpost signs with its old key, so that a proof serves one old certificate and one new key only.

Source: RFC 4211 §4.1 (proof of possession over the content of the request); the first line separates it from everything
else that key signs.
"""

import hashlib

_CONTEXT = b"hybrid-outpost/recover/v1\n"


def recovery_statement(old_certificate_der: bytes, csr_der: bytes) -> bytes:
    """The bytes to sign: a fixed line, then the SHA-256 of each."""
    return _CONTEXT + hashlib.sha256(old_certificate_der).digest() + hashlib.sha256(csr_der).digest()
