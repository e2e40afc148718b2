import contextlib
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import example, given
from hypothesis import strategies as st

from pki.errors import KeyFileError
from pki.keys import (
    MAX_KEY_PEM_BYTES,
    certificate_sha256,
    generate_private_key,
    private_key_from_pem,
    private_key_to_pem,
    spki_sha256,
)
from tests.fakes.pki import test_authority as authority

KEY = generate_private_key()
PLAIN = private_key_to_pem(KEY, None)
SEALED = private_key_to_pem(KEY, b"correct horse")


def _pem_of(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_keys_are_p256():
    assert isinstance(KEY.curve, ec.SECP256R1)


@pytest.mark.parametrize(("pem", "passphrase"), [(PLAIN, None), (SEALED, b"correct horse")], ids=["plain", "sealed"])
def test_a_key_survives_its_pem(pem, passphrase):
    assert private_key_from_pem(pem, passphrase).private_numbers() == KEY.private_numbers()


def test_a_sealed_key_does_not_show():
    assert b"ENCRYPTED" in SEALED
    assert PLAIN.splitlines()[1] not in SEALED


NOT_OUR_KEYS = {
    "wrong passphrase": (SEALED, b"battery staple"),
    "passphrase missing": (SEALED, None),
    "passphrase for a plain key": (PLAIN, b"correct horse"),
    "empty": (b"", None),
    "cut": (PLAIN[:100], None),
    "P-384": (_pem_of(ec.generate_private_key(ec.SECP384R1())), None),
    "RSA": (_pem_of(rsa.generate_private_key(65537, 2048)), None),
    "Ed25519": (_pem_of(ed25519.Ed25519PrivateKey.generate()), None),
    "too large": (PLAIN + b"\n" * MAX_KEY_PEM_BYTES, None),
}


@pytest.mark.parametrize(("pem", "passphrase"), NOT_OUR_KEYS.values(), ids=NOT_OUR_KEYS.keys())
def test_other_keys_are_refused(pem, passphrase):
    with pytest.raises(KeyFileError) as refusal:
        private_key_from_pem(pem, passphrase)
    assert "horse" not in str(refusal.value)


def test_an_empty_passphrase_is_refused():
    with pytest.raises(KeyFileError):
        private_key_to_pem(KEY, b"")


@given(st.binary(max_size=600), st.none() | st.binary(max_size=8))
@example(PLAIN, None)
@example(PLAIN.replace(b"PRIVATE KEY", b"EC PRIVATE KEY"), None)
def test_any_bytes_are_a_key_or_refused(pem, passphrase):
    with contextlib.suppress(KeyFileError):
        assert isinstance(private_key_from_pem(pem, passphrase).curve, ec.SECP256R1)


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255))
def test_a_key_with_one_byte_changed_is_a_key_or_refused(index, byte):
    pem = PLAIN[:index] + bytes([byte]) + PLAIN[index + 1 :]
    with contextlib.suppress(KeyFileError):
        assert isinstance(private_key_from_pem(pem, None).curve, ec.SECP256R1)


def test_fingerprints():
    certificate = authority().root.certificate
    assert certificate_sha256(certificate) == hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    assert spki_sha256(certificate.public_key()) == spki_sha256(authority().root_key.public_key())
    assert spki_sha256(certificate.public_key()) != spki_sha256(KEY.public_key())
