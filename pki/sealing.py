"""Private keys under a passphrase: PKCS #8 with scrypt, which ``openssl pkey`` and ``cryptography`` both open.

``cryptography`` writes PKCS #8 with 2,048 rounds of PBKDF2 and no choice; scrypt makes each guess cost memory too.
The format is the standard one (RFC 5958 §3, PBES2 of RFC 8018 §6.2, scrypt of RFC 7914 §7), so that a key can be
opened in a ceremony without this program. CBC is not authenticated: damage shows as a key that does not parse, or
whose public half is not the certificate's, which ``Authority`` checks.
"""

import os
from base64 import encodebytes
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

# OWASP Password Storage Cheat Sheet lists N=2^14, r=8, p=5 as equal in strength to N=2^17, r=8, p=1. OpenSSL opens
# nothing that needs more than 32 MiB (SCRYPT_MAX_MEM); this needs 16 MiB and about 0.1 s.
SCRYPT_N: Final = 1 << 14
SCRYPT_R: Final = 8
SCRYPT_P: Final = 5
_SALT_BYTES: Final = 16  # RFC 8018 §4.1: at least 8
_KEY_BYTES: Final = 32
_BLOCK_BYTES: Final = 16

_SEQUENCE, _INTEGER, _OCTETS = 0x30, 0x02, 0x04
# Object identifiers in DER, tag and length included.
_PBES2: Final = bytes.fromhex("06092a864886f70d01050d")  # RFC 8018 appendix C
_SCRYPT: Final = bytes.fromhex("06092b06010401da47040b")  # RFC 7914 §7.1
_AES256_CBC: Final = bytes.fromhex("060960864801650304012a")  # NIST CSOR, aes 42


def seal_private_key(
    key: ec.EllipticCurvePrivateKey,
    passphrase: bytes,
    *,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> bytes:
    """``key`` as PEM ``ENCRYPTED PRIVATE KEY`` that only ``passphrase`` (not empty) opens."""
    salt, iv = random_bytes(_SALT_BYTES), random_bytes(_BLOCK_BYTES)
    secret = Scrypt(salt, _KEY_BYTES, SCRYPT_N, SCRYPT_R, SCRYPT_P).derive(passphrase)
    padder = padding.PKCS7(8 * _BLOCK_BYTES).padder()
    plain = padder.update(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())) + padder.finalize()
    encryptor = Cipher(algorithms.AES256(secret), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(plain) + encryptor.finalize()
    costs = [_integer(SCRYPT_N), _integer(SCRYPT_R), _integer(SCRYPT_P)]
    derivation = _tlv(_SEQUENCE, _SCRYPT, _tlv(_SEQUENCE, _tlv(_OCTETS, salt), *costs))
    cipher = _tlv(_SEQUENCE, _AES256_CBC, _tlv(_OCTETS, iv))
    algorithm = _tlv(_SEQUENCE, _PBES2, _tlv(_SEQUENCE, derivation, cipher))
    der = _tlv(_SEQUENCE, algorithm, _tlv(_OCTETS, sealed))
    label = b"ENCRYPTED PRIVATE KEY"
    lines = _wrap(der)
    return b"-----BEGIN " + label + b"-----\n" + lines + b"-----END " + label + b"-----\n"


def _wrap(der: bytes) -> bytes:
    """Base64 in lines of 64 characters (RFC 7468 §3)."""
    text = encodebytes(der).replace(b"\n", b"")
    return b"".join(text[start : start + 64] + b"\n" for start in range(0, len(text), 64))


def _tlv(tag: int, *contents: bytes) -> bytes:
    """DER (X.690 §8.1): tag, definite length in its shortest form, contents."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:  # noqa: PLR2004 - X.690 §8.1.3.4, the short form
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))
