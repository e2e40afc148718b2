"""Private keys: ECDSA P-256 everywhere, kept as PKCS #8 PEM, encrypted when a passphrase is given.

One curve for the whole chain: 128-bit strength holds beyond 2030 (NIST SP 800-57 part 1 §5.6), every key store we mean
to support offers it, and each signature of a chain is verified on each request, where P-384 costs seven times as much.
"""

import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from pki.errors import KeyFileError
from pki.sealing import seal_private_key

# A P-256 key in PKCS #8 PEM is 241 bytes, encrypted about 410; anything far larger is some other file.
MAX_KEY_PEM_BYTES = 16_384


def generate_private_key() -> ec.EllipticCurvePrivateKey:
    """A new P-256 key from the operating system's randomness."""
    return ec.generate_private_key(ec.SECP256R1())


def private_key_to_pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None) -> bytes:
    """PKCS #8 PEM; AES-256-CBC under scrypt if ``passphrase`` is given (``pki.sealing``)."""
    if passphrase is None:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if not passphrase:
        raise KeyFileError("an empty passphrase protects nothing")
    return seal_private_key(key, passphrase)


def private_key_from_pem(pem: bytes, passphrase: bytes | None) -> ec.EllipticCurvePrivateKey:
    """Read a P-256 private key.

    Raises:
        KeyFileError: not such a key, wrong passphrase, or a passphrase given for a key that is not encrypted.
    """
    if len(pem) > MAX_KEY_PEM_BYTES:
        raise KeyFileError("too large for a private key")
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        # TypeError: a passphrase is missing, or there is one and the key is plain.
        raise KeyFileError("not a private key that can be read with what was given") from err
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError("not an ECDSA P-256 key")
    return key


def spki_sha256(public_key: PublicKeyTypes) -> bytes:
    """SHA-256 of the DER SubjectPublicKeyInfo, 32 bytes: the identity of a key whatever certificate it is in."""
    return hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def certificate_sha256(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the DER certificate, 32 bytes."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
