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
from pki.verify import verify_server
from tests.fakes.clock import NOON
from tests.fakes.forge import forge
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


def test_an_ingress_serves_and_nothing_else():
    certificate = CA.intermediate.issue_ingress(["edge.example.org"], PUBLIC_KEY, NOON)
    assert list(_extension(certificate, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert certificate.not_valid_after_utc == NOON + timedelta(days=90)
    verify_server(certificate, trust=CA.trust, at=NOON, name="edge.example.org")
    with pytest.raises(IssuanceRefused):
        CA.root.issue_ingress(["edge.example.org"], PUBLIC_KEY, NOON)


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


def _root(common_name, at=NOON, key=None):
    signer = LocalSigner(key or generate_private_key())
    return create_root(signer, trust_domain=TRUST_DOMAIN, common_name=common_name, at=at)


@pytest.mark.parametrize("common_name", ["Test Root", "Test Root 2"], ids=["same name", "another name"])
def test_a_root_vouches_for_the_next(common_name):
    new_root = _root(common_name).certificate
    cross = CA.root.cross_sign(new_root, NOON)
    assert (cross.subject, cross.public_key()) == (new_root.subject, new_root.public_key())
    assert _extension(cross, x509.SubjectKeyIdentifier) == _extension(new_root, x509.SubjectKeyIdentifier)
    assert _extension(cross, x509.BasicConstraints) == x509.BasicConstraints(ca=True, path_length=None)
    cross.verify_directly_issued_by(CA.root.certificate)
    assert cross.not_valid_before_utc == new_root.not_valid_before_utc
    assert cross.not_valid_after_utc == CA.root.certificate.not_valid_after_utc


def _limited_root():
    """A root made when roots still had a path length."""
    limit = {ExtensionOID.BASIC_CONSTRAINTS: (x509.BasicConstraints(ca=True, path_length=1), True)}
    return Authority(forge(CA.root.certificate, CA.root_key, extensions=limit), LocalSigner(CA.root_key))


def test_a_root_with_a_path_length_vouches_under_its_own_name_only():
    assert _limited_root().cross_sign(_root("Test Root").certificate, NOON)
    with pytest.raises(IssuanceRefused, match="same name"):
        _limited_root().cross_sign(_root("Test Root 2").certificate, NOON)


NO_NEW_ROOTS = {
    "a leaf": (lambda: CA.outpost().certificate, "signed by itself"),
    "an intermediate": (lambda: CA.intermediate.certificate, "signed by itself"),
    "a root that somebody else signed": (lambda: forge(_root("R").certificate, CA.root_key), "signed by itself"),
    "a root of tomorrow": (lambda: _root("R", NOON + timedelta(days=1)).certificate, "not valid now"),
    "a root of the past": (
        lambda: _root("R", NOON - timedelta(days=20 * 365 + 1)).certificate,
        "not valid now",
    ),
    "itself": (lambda: CA.root.certificate, "issuer's own"),
}


@pytest.mark.parametrize(("make", "problem"), NO_NEW_ROOTS.values(), ids=NO_NEW_ROOTS.keys())
def test_what_no_root_vouches_for(make, problem):
    with pytest.raises(IssuanceRefused, match=problem):
        CA.root.cross_sign(make(), NOON)


def test_a_root_that_limits_itself_in_another_way_is_refused():
    key = generate_private_key()
    odd = {ExtensionOID.NAME_CONSTRAINTS: (x509.NameConstraints([x509.DNSName("a")], None), True)}
    with pytest.raises(IssuanceRefused, match="extensions"):
        CA.root.cross_sign(forge(_root("R", key=key).certificate, key, extensions=odd), NOON)


def test_an_intermediate_vouches_for_no_root():
    with pytest.raises(IssuanceRefused, match="leaves only"):
        CA.intermediate.cross_sign(_root("R").certificate, NOON)


def test_a_root_that_has_expired_vouches_for_nobody():
    late = CA.root.certificate.not_valid_after_utc + timedelta(days=1)
    with pytest.raises(IssuanceRefused, match="authority's own certificate"):
        CA.root.cross_sign(_root("R", late).certificate, late)
