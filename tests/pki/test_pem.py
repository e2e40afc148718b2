import base64

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st

from pki.errors import CertificateInvalid, Reason
from pki.pem import MAX_CERTIFICATES, MAX_PEM_BYTES, certificates_to_pem, parse_certificate, parse_certificates
from tests.fakes.pki import test_authority as authority

pytestmark = [  # cryptography's, on damaged certificates that it still reads
    pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning"),
    pytest.mark.filterwarnings("ignore:Parsed a serial number"),
]
CHAIN = (authority().intermediate.certificate, authority().root.certificate)
PEM = certificates_to_pem(CHAIN)
DER = CHAIN[0].public_bytes(Encoding.DER)


def _block(der):
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def _outcome(pem):
    try:
        return parse_certificates(pem)
    except CertificateInvalid as err:
        return err.reason


REFUSED = {
    "empty": b"",
    "white space": b"\n\n",
    "DER": DER,
    "text between": PEM.replace(b"-----\n-----", b"-----\nhello\n-----"),
    "text before": b"subject=hello\n" + PEM,
    "another block": PEM + b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "too large": PEM + b"\n" * MAX_PEM_BYTES,
    "too many": certificates_to_pem([CHAIN[0]] * (MAX_CERTIFICATES + 1)),
    "cut": PEM[:-40],
    "not base64": b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
    "trailing byte in the DER": (
        b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(DER + b"\0") + b"-----END CERTIFICATE-----\n"
    ),
}


def test_certificates_survive_their_pem_in_order():
    assert parse_certificates(PEM) == CHAIN


def test_one_certificate_is_one():
    assert parse_certificate(certificates_to_pem(CHAIN[:1])) == CHAIN[0]
    with pytest.raises(CertificateInvalid):
        parse_certificate(PEM)


@pytest.mark.parametrize("pem", REFUSED.values(), ids=REFUSED.keys())
def test_other_contents_are_malformed(pem):
    with pytest.raises(CertificateInvalid) as refusal:
        parse_certificates(pem)
    assert refusal.value.reason is Reason.MALFORMED


@given(st.binary(max_size=400) | st.binary(max_size=300).map(_block))
@example(PEM)
def test_any_bytes_are_certificates_or_malformed(pem):
    outcome = _outcome(pem)
    assert outcome is Reason.MALFORMED or len(outcome) >= 1


@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_a_certificate_with_one_byte_changed_is_read_or_malformed(index, flip):
    der = bytearray(DER)
    der[index] ^= flip
    outcome = _outcome(_block(bytes(der)))
    assert outcome is Reason.MALFORMED or outcome != CHAIN[:1]
