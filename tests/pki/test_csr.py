import base64
import contextlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from pki.csr import MAX_CSR_PEM_BYTES, make_csr, parse_csr
from pki.errors import CsrInvalid
from pki.keys import generate_private_key, spki_sha256

pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")  # cryptography, on damaged names
KEY = generate_private_key()
CSR = make_csr(KEY)
NOBODY = x509.Name([])
SOMEBODY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")])
SAN = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://example.org/org/acme/outpost/other")])


def _builder(subject=NOBODY):
    return x509.CertificateSigningRequestBuilder().subject_name(subject)


def _pem(builder, key=KEY, algorithm=None):
    return builder.sign(key, algorithm or hashes.SHA256()).public_bytes(Encoding.PEM)


def _with_broken_signature():
    der = bytearray(base64.b64decode(b"".join(CSR.splitlines()[1:-1])))
    der[-1] ^= 1
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE REQUEST-----\n"


def _with_another_key():
    """A request whose body names KEY's twin but is signed by KEY: no possession is proven."""
    other = x509.load_pem_x509_csr(make_csr(generate_private_key()))
    ours = x509.load_pem_x509_csr(CSR)
    der = other.public_bytes(Encoding.DER).replace(other.signature, ours.signature)
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE REQUEST-----\n"


ED_KEY = ed25519.Ed25519PrivateKey.generate()
REFUSED = {
    "empty": b"",
    "not PEM": b"\x30\x82\x01\x00",
    "a subject": _pem(_builder(SOMEBODY)),
    "an alternative name": _pem(_builder().add_extension(SAN, critical=False)),
    "a CA": _pem(_builder().add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)),
    "a challenge password": _pem(_builder().add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"secret")),
    "P-384": make_csr(ec.generate_private_key(ec.SECP384R1())),
    "P-256 with SHA-512": _pem(_builder(), algorithm=hashes.SHA512()),
    "RSA": _pem(_builder(), rsa.generate_private_key(65537, 2048)),
    "Ed25519": _builder().sign(ED_KEY, None).public_bytes(Encoding.PEM),
    "broken signature": _with_broken_signature(),
    "a key not possessed": _with_another_key(),
    "two requests": CSR + CSR,
    "text before": b"hello\n" + CSR,
    "text after": CSR + b"hello\n",
    "the old label": CSR.replace(b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"),
    "too large": CSR + b"\n" * MAX_CSR_PEM_BYTES,
    "cut": CSR[: len(CSR) // 2],
}


def test_a_request_proves_its_key_and_asks_for_nothing():
    csr = x509.load_pem_x509_csr(CSR)
    assert (len(csr.subject), len(csr.attributes), len(csr.extensions)) == (0, 0, 0)
    assert spki_sha256(parse_csr(CSR)) == spki_sha256(KEY.public_key())


@pytest.mark.parametrize("ending", [b"", b"\n\n", b"\r\n"])
def test_white_space_around_does_not_matter(ending):
    assert parse_csr(b"\n" + CSR.strip() + ending)
    assert parse_csr(CSR.replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("pem", REFUSED.values(), ids=REFUSED.keys())
def test_other_requests_are_refused(pem):
    with pytest.raises(CsrInvalid) as refusal:
        parse_csr(pem)
    assert "secret" not in str(refusal.value)


@given(st.binary(max_size=500))
@example(CSR)
def test_any_bytes_prove_a_key_or_are_refused(pem):
    with contextlib.suppress(CsrInvalid):
        assert isinstance(parse_csr(pem).curve, ec.SECP256R1)


@given(st.binary(max_size=400))
def test_any_der_in_a_pem_block_is_refused(der):
    block = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE REQUEST-----\n"
    with pytest.raises(CsrInvalid):
        parse_csr(block)


DER = x509.load_pem_x509_csr(CSR).public_bytes(Encoding.DER)


@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_a_request_with_one_byte_of_its_der_changed_never_proves_another_key(index, flip):
    der = bytearray(DER)
    der[index] ^= flip
    block = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE REQUEST-----\n"
    with contextlib.suppress(CsrInvalid):
        assert spki_sha256(parse_csr(block)) == spki_sha256(KEY.public_key())
