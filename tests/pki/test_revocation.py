from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st

from pki.errors import CertificateInvalid, IssuanceRefused, Reason
from pki.issue import Issuer
from pki.revocation import (
    CRL_LIFETIME,
    MAX_CRL_BYTES,
    Revoked,
    build_crl,
    is_revoked,
    parse_crl,
    require_not_revoked,
    verify_crl,
)
from pki.signer import LocalSigner
from tests.fakes.clock import NOON
from tests.fakes.pki import TestAuthority
from tests.fakes.pki import test_authority as authority

pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")  # cryptography, on damaged names
CA = authority()
STRANGER = TestAuthority.build()
INTERMEDIATE = CA.intermediate.certificate
LEAF = CA.outpost().certificate
PATH = (LEAF, INTERMEDIATE, CA.root.certificate)
EMPTY = CA.crl()
LISTED = CA.crl(LEAF, number=2)
LATE = NOON + CRL_LIFETIME


def _odd_crl(key=CA.intermediate_key, *extensions, serial=LEAF.serial_number, entry_extension=None, next_update=LATE):
    """A list we would not build, signed by ``key`` in the intermediate's name."""
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOON)
    if entry_extension is not None:
        entry = entry.add_extension(entry_extension, critical=True)
    builder = x509.CertificateRevocationListBuilder().issuer_name(INTERMEDIATE.subject)
    builder = builder.last_update(NOON).next_update(next_update).add_revoked_certificate(entry.build())
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(key, hashes.SHA256())


def _outcome(*crls, at=NOON, path=PATH):
    try:
        require_not_revoked(path, crls, at)
    except CertificateInvalid as err:
        return err.reason
    return None


ONLY_USERS = x509.IssuingDistributionPoint(
    full_name=None,
    relative_name=None,
    only_contains_user_certs=True,
    only_contains_ca_certs=False,
    only_some_reasons=None,
    indirect_crl=False,
    only_contains_attribute_certs=False,
)
OF_ANOTHER = x509.CertificateIssuer([x509.DirectoryName(CA.root.certificate.subject)])
ROOT_EMPTY = CA.root.issue_crl([], 1, NOON)
ROOT_LISTED = CA.root.issue_crl([Revoked(INTERMEDIATE.serial_number, NOON)], 2, NOON)

QUESTIONS = {
    "no list": ((), NOON, None),
    "not listed": ((EMPTY,), NOON, None),
    "listed": ((LISTED,), NOON, Reason.REVOKED),
    "listed in one of two": ((EMPTY, LISTED), NOON, Reason.REVOKED),
    "listed, late": ((LISTED,), LATE, Reason.REVOKED),
    "not listed, just in time": ((EMPTY,), LATE - timedelta(seconds=1), None),
    "not listed, late": ((EMPTY,), LATE, Reason.CRL_UNAVAILABLE),
    "not listed, from the future": ((EMPTY,), NOON - timedelta(seconds=1), Reason.CRL_UNAVAILABLE),
    "late, and a fresh one": ((CA.crl(at=NOON - timedelta(days=8)), EMPTY), NOON, None),
    "somebody else's": ((STRANGER.crl(),), NOON, Reason.CRL_UNAVAILABLE),
    "a forgery that accuses": ((_odd_crl(CA.root_key),), NOON, Reason.CRL_UNAVAILABLE),
    "a forgery beside a good one": ((_odd_crl(CA.root_key), EMPTY), NOON, None),
    "the root's only": ((ROOT_EMPTY,), NOON, Reason.CRL_UNAVAILABLE),
    "both authorities'": ((ROOT_EMPTY, EMPTY), NOON, None),
    "the intermediate is revoked": ((ROOT_LISTED, EMPTY), NOON, Reason.REVOKED),
    "the root's is late": ((ROOT_EMPTY, CA.crl(at=LATE)), LATE, Reason.CRL_UNAVAILABLE),
    "a partition": ((_odd_crl(CA.intermediate_key, ONLY_USERS, serial=5),), NOON, Reason.CRL_UNAVAILABLE),
    "a delta": ((_odd_crl(CA.intermediate_key, x509.DeltaCRLIndicator(1), serial=5),), NOON, Reason.CRL_UNAVAILABLE),
    "an entry for another issuer": ((_odd_crl(entry_extension=OF_ANOTHER),), NOON, Reason.CRL_UNAVAILABLE),
}


@pytest.mark.parametrize(("crls", "at", "reason"), QUESTIONS.values(), ids=QUESTIONS.keys())
def test_who_is_revoked(crls, at, reason):
    assert _outcome(*crls, at=at) is reason


def test_a_list_carries_number_times_and_reasons():
    revoked = [
        Revoked(7, NOON - timedelta(days=1), x509.ReasonFlags.key_compromise),
        Revoked(5, NOON - timedelta(days=2, microseconds=5)),
    ]
    crl = build_crl(Issuer(INTERMEDIATE, LocalSigner(CA.intermediate_key)), revoked, number=9, at=NOON)
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 9
    assert (crl.last_update_utc, crl.next_update_utc) == (NOON, LATE)
    assert [entry.serial_number for entry in crl] == [5, 7]
    reasons = [[ext.value.reason for ext in entry.extensions] for entry in crl]
    assert reasons == [[], [x509.ReasonFlags.key_compromise]]


def test_a_list_needs_an_issuer_with_a_certificate():
    with pytest.raises(ValueError, match="certificate"):
        build_crl(Issuer(None, LocalSigner(CA.root_key)), [], number=1, at=NOON)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER], ids=["PEM", "DER"])
def test_a_list_survives_its_encoding(encoding):
    crl = parse_crl(LISTED.public_bytes(encoding))
    verify_crl(crl, issuer=INTERMEDIATE, at=NOON)
    assert is_revoked(crl, LEAF.serial_number)
    assert not is_revoked(crl, LEAF.serial_number + 1)


def test_a_leaf_signs_no_list():
    leaf = CA.outpost()
    builder = x509.CertificateRevocationListBuilder().issuer_name(leaf.certificate.subject)
    crl = builder.last_update(NOON).next_update(LATE).sign(leaf.key, hashes.SHA256())
    with pytest.raises(CertificateInvalid) as refusal:
        verify_crl(crl, issuer=leaf.certificate, at=NOON)
    assert refusal.value.reason is Reason.CRL_UNAVAILABLE


@pytest.mark.parametrize("data", [b"", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----", b"\x30\x00"])
def test_other_bytes_are_malformed(data):
    with pytest.raises(CertificateInvalid) as refusal:
        parse_crl(data)
    assert refusal.value.reason is Reason.MALFORMED


def test_a_list_that_is_too_large_is_not_read():
    with pytest.raises(CertificateInvalid, match="too large"):
        parse_crl(b"\x30" * (MAX_CRL_BYTES + 1))


DER = LISTED.public_bytes(Encoding.DER)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_list_or_malformed(data):
    with pytest.raises(CertificateInvalid) as refusal:
        parse_crl(data)
    assert refusal.value.reason is Reason.MALFORMED


@example(DER.index(b"\x0c"), 0x0C ^ 0x03)  # a name that claims to be a bit string
@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_a_list_with_one_byte_changed_clears_nobody(index, flip):
    data = bytearray(DER)
    data[index] ^= flip
    with pytest.raises(CertificateInvalid) as refusal:
        require_not_revoked(PATH, (parse_crl(bytes(data)),), NOON)
    assert refusal.value.reason in {Reason.MALFORMED, Reason.CRL_UNAVAILABLE}


@pytest.mark.parametrize("number", [-1, 1 << 159])
def test_a_number_that_does_not_fit_is_refused(number):
    with pytest.raises(IssuanceRefused, match="number"):
        CA.intermediate.issue_crl([], number, NOON)


def test_a_reason_that_only_delta_lists_have_is_refused():
    with pytest.raises(IssuanceRefused, match="full list"):
        CA.intermediate.issue_crl([Revoked(1, NOON, x509.ReasonFlags.remove_from_crl)], 1, NOON)
