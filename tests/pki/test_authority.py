from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from pki.authority import Authority, create_intermediate, create_root
from pki.check import MAX_SERIAL_BITS
from pki.errors import CertificateInvalid, IssuanceRefused
from pki.keys import generate_private_key
from pki.names import SpiffeId
from pki.signer import LocalSigner
from tests.fakes.clock import NOON
from tests.fakes.pki import BUILT_AT, TRUST_DOMAIN
from tests.fakes.pki import test_authority as authority

CA = authority()
SPIFFE_ID = SpiffeId(TRUST_DOMAIN, "acme", "o1")
PUBLIC_KEY = generate_private_key().public_key()


def _extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind).value


def test_an_outposts_certificate():
    certificate = CA.intermediate.issue_outpost(SPIFFE_ID, PUBLIC_KEY, NOON)
    assert list(_extension(certificate, x509.SubjectAlternativeName)) == [x509.UniformResourceIdentifier(SPIFFE_ID.uri)]
    assert list(_extension(certificate, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert certificate.not_valid_before_utc == NOON - timedelta(minutes=5)
    assert certificate.not_valid_after_utc == NOON + timedelta(days=7)
    assert {ext.oid for ext in certificate.extensions if ext.critical} == {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
    }


def test_a_servers_certificate():
    certificate = CA.intermediate.issue_server(["cp.example.org", "10.0.0.1"], PUBLIC_KEY, NOON)
    names = _extension(certificate, x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.DNSName) == ["cp.example.org"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    assert list(_extension(certificate, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert certificate.not_valid_after_utc == NOON + timedelta(days=90)


def test_a_time_with_microseconds_is_fine():
    certificate = CA.intermediate.issue_outpost(SPIFFE_ID, PUBLIC_KEY, NOON + timedelta(microseconds=999_999))
    assert certificate.not_valid_before_utc == NOON - timedelta(minutes=5)


def test_a_leaf_does_not_outlive_its_issuer():
    issuer_end = CA.intermediate.certificate.not_valid_after_utc
    certificate = CA.intermediate.issue_outpost(SPIFFE_ID, PUBLIC_KEY, issuer_end - timedelta(days=1))
    assert certificate.not_valid_after_utc == issuer_end


def test_a_leaf_is_not_older_than_its_issuer():
    certificate = CA.intermediate.issue_outpost(SPIFFE_ID, PUBLIC_KEY, BUILT_AT - timedelta(minutes=1))
    assert certificate.not_valid_before_utc == CA.intermediate.certificate.not_valid_before_utc


@pytest.mark.parametrize("at", [BUILT_AT - timedelta(minutes=6), BUILT_AT + timedelta(days=731)], ids=["early", "late"])
def test_an_authority_that_is_not_valid_issues_nothing(at):
    with pytest.raises(IssuanceRefused, match="not valid now"):
        CA.intermediate.issue_outpost(SPIFFE_ID, PUBLIC_KEY, at)


def test_a_root_signs_no_leaf_and_an_intermediate_no_intermediate():
    with pytest.raises(IssuanceRefused):
        CA.root.issue_outpost(SPIFFE_ID, PUBLIC_KEY, NOON)
    with pytest.raises(IssuanceRefused):
        CA.root.issue_server(["localhost"], PUBLIC_KEY, NOON)
    with pytest.raises(IssuanceRefused):
        create_intermediate(
            CA.intermediate,
            LocalSigner(generate_private_key()),
            trust_domain=TRUST_DOMAIN,
            common_name="Deeper",
            at=NOON,
        )


def test_the_signer_must_hold_the_certificates_key():
    with pytest.raises(IssuanceRefused, match="signer's key"):
        Authority(CA.intermediate.certificate, LocalSigner(CA.root_key))


def test_a_leaf_is_no_authority():
    leaf = CA.outpost()
    with pytest.raises(IssuanceRefused, match="not an authority's"):
        Authority(leaf.certificate, LocalSigner(leaf.key))


def test_the_key_of_the_authority_is_not_certified_as_a_leaf():
    with pytest.raises(IssuanceRefused, match="issuer's own"):
        CA.intermediate.issue_outpost(SPIFFE_ID, CA.intermediate_key.public_key(), NOON)


@pytest.mark.parametrize("byte", [0xFF, 0x80, 0x01], ids=hex)
def test_serial_numbers_are_positive_and_short_enough(byte):
    root = create_root(
        LocalSigner(generate_private_key()),
        trust_domain=TRUST_DOMAIN,
        common_name="R",
        at=NOON,
        random_bytes=lambda count: bytes([byte]) * count,
    )
    serial = root.certificate.serial_number
    assert 0 < serial < 1 << MAX_SERIAL_BITS
    assert serial == int.from_bytes(bytes([byte]) * 20, "big") >> 1


def test_serial_numbers_that_are_not_random_are_refused():
    with pytest.raises(IssuanceRefused, match="random"):
        create_root(
            LocalSigner(generate_private_key()),
            trust_domain=TRUST_DOMAIN,
            common_name="R",
            at=NOON,
            random_bytes=bytes,
        )


def test_no_two_serial_numbers_are_the_same():
    serials = {CA.intermediate.issue_outpost(SPIFFE_ID, PUBLIC_KEY, NOON).serial_number for _ in range(50)}
    assert len(serials) == 50


class LyingSigner:
    """A key store that answers with a signature over something else."""

    public_key = CA.intermediate_key.public_key()

    def sign(self, data):
        return LocalSigner(CA.intermediate_key).sign(data + b"!")


class BrokenSigner:
    """A key store that does not answer."""

    public_key = CA.intermediate_key.public_key()

    def sign(self, data):
        raise ConnectionError("key store is gone")


def test_a_wrong_signature_never_leaves():
    liar = Authority(CA.intermediate.certificate, LyingSigner())
    with pytest.raises(IssuanceRefused, match="signature"):
        liar.issue_outpost(SPIFFE_ID, PUBLIC_KEY, NOON)
    with pytest.raises(CertificateInvalid):
        liar.issue_crl([], 1, NOON)


def test_a_key_store_that_fails_says_so_itself():
    with pytest.raises(ConnectionError):
        Authority(CA.intermediate.certificate, BrokenSigner()).issue_outpost(SPIFFE_ID, PUBLIC_KEY, NOON)
