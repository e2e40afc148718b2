from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from hypothesis import given
from hypothesis import strategies as st

from pki.authority import create_intermediate
from pki.errors import CertificateInvalid, Reason
from pki.keys import generate_private_key
from pki.names import SpiffeId
from pki.pem import certificates_to_pem
from pki.signer import LocalSigner
from pki.verify import (
    MAX_EXTRA_INTERMEDIATES,
    Purpose,
    TrustStore,
    verify_chain,
    verify_outpost,
    verify_server,
)
from tests.fakes.clock import NOON
from tests.fakes.forge import forge
from tests.fakes.pki import BUILT_AT, TRUST_DOMAIN, TestAuthority
from tests.fakes.pki import test_authority as authority

pytestmark = [  # cryptography's, on damaged certificates that it still reads
    pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning"),
    pytest.mark.filterwarnings("ignore:Parsed a serial number"),
]
CA = authority()
STRANGER = TestAuthority.build()  # the same names, other keys: names prove nothing
OUTPOST = CA.outpost("o1")
SERVER = CA.server("cp.example.org", "10.0.0.1", "::1")
URI = x509.UniformResourceIdentifier("spiffe://example.org/org/acme/outpost/o1")
EKU = ExtensionOID.EXTENDED_KEY_USAGE
SAN = ExtensionOID.SUBJECT_ALTERNATIVE_NAME
CLIENT, SERVING = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def _verify(certificate, *, trust=CA.trust, at=NOON, trust_domain=TRUST_DOMAIN):
    return verify_outpost(certificate, trust=trust, at=at, trust_domain=trust_domain)


def _forge(key=CA.intermediate_key, **changes):
    return forge(OUTPOST.certificate, key, **changes)


def _reason(certificate, **options):
    with pytest.raises(CertificateInvalid) as refusal:
        _verify(certificate, **options)
    return refusal.value.reason


def _names(*names):
    return {"extensions": {SAN: (x509.SubjectAlternativeName(names), False)}}


def _usages(*usages):
    return {"extensions": {EKU: (x509.ExtendedKeyUsage(usages), False)}}


def _key_usage(**set_bits):
    fields = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return {
        "extensions": {ExtensionOID.KEY_USAGE: (x509.KeyUsage(**(dict.fromkeys(fields, False) | set_bits)), True)},
    }


def _spiffe(domain):
    return x509.UniformResourceIdentifier(f"spiffe://{domain}/org/acme/outpost/o1")


def test_an_outpost_is_recognised():
    assert _verify(OUTPOST.certificate) == SpiffeId(TRUST_DOMAIN, "acme", "o1")


def test_the_verified_path_is_returned_leaf_first():
    path = verify_chain(OUTPOST.certificate, trust=CA.trust, at=NOON, purpose=Purpose.OUTPOST)
    assert path == (OUTPOST.certificate, CA.intermediate.certificate, CA.root.certificate)


UNKNOWN = x509.ObjectIdentifier("1.2.3.4")
FORGED = {
    "signed by a stranger": (lambda: STRANGER.outpost().certificate, Reason.CHAIN),
    "signed by a stranger for us": (lambda: _forge(STRANGER.intermediate_key), Reason.CHAIN),
    "signed by the root's key in the intermediate's name": (lambda: _forge(CA.root_key), Reason.CHAIN),
    "signed by another outpost": (
        lambda: forge(OUTPOST.certificate, SERVER.key, issuer=SERVER.certificate.subject),
        Reason.CHAIN,
    ),
    "signed by itself": (lambda: _forge(OUTPOST.key, issuer=OUTPOST.certificate.subject), Reason.CHAIN),
    "a server": (lambda: SERVER.certificate, Reason.PURPOSE),
    "the intermediate": (lambda: CA.intermediate.certificate, Reason.PURPOSE),
    "the root": (lambda: CA.root.certificate, Reason.PURPOSE),
    "client and server": (lambda: _forge(**_usages(CLIENT, SERVING)), Reason.PURPOSE),
    "any usage": (lambda: _forge(**_usages(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)), Reason.PURPOSE),
    "no extended key usage": (lambda: _forge(extensions={EKU: None}), Reason.PURPOSE),
    "no key usage": (lambda: _forge(extensions={ExtensionOID.KEY_USAGE: None}), Reason.PURPOSE),
    "encrypts, does not sign": (lambda: _forge(**_key_usage(key_encipherment=True)), Reason.PURPOSE),
    "signs lists": (lambda: _forge(**_key_usage(digital_signature=True, crl_sign=True)), Reason.PURPOSE),
    "a CA": (
        lambda: _forge(
            extensions={
                ExtensionOID.BASIC_CONSTRAINTS: (x509.BasicConstraints(ca=True, path_length=0), True),
                **_key_usage(digital_signature=True, key_cert_sign=True)["extensions"],
            },
        ),
        Reason.PURPOSE,
    ),
    "two URIs": (lambda: _forge(**_names(URI, URI)), Reason.NAME),
    "a URI and a DNS name": (lambda: _forge(**_names(URI, x509.DNSName("a.example.org"))), Reason.NAME),
    "a DNS name": (lambda: _forge(**_names(x509.DNSName("a.example.org"))), Reason.NAME),
    "an address": (lambda: _forge(**_names(x509.IPAddress(ip_address("10.0.0.1")))), Reason.NAME),
    "no name": (lambda: _forge(extensions={SAN: None}), Reason.NAME),
    "a domain its authority may not certify": (lambda: _forge(**_names(_spiffe("other.org"))), Reason.NAME),
    "a subdomain": (lambda: _forge(**_names(_spiffe("sub.example.org"))), Reason.NAME),
    "a URI that is no identity": (
        lambda: _forge(**_names(x509.UniformResourceIdentifier("spiffe://example.org/admin"))),
        Reason.NAME,
    ),
    "an unknown critical extension": (
        lambda: _forge(extensions={UNKNOWN: (x509.UnrecognizedExtension(UNKNOWN, b"\5\0"), True)}),
        Reason.CHAIN,
    ),
    "no authority key identifier": (  # refused by strict mode alone
        lambda: _forge(extensions={ExtensionOID.AUTHORITY_KEY_IDENTIFIER: None}),
        Reason.CHAIN,
    ),
    "P-521": (lambda: _forge(public_key=ec.generate_private_key(ec.SECP521R1()).public_key()), Reason.CHAIN),
    "RSA": (lambda: _forge(public_key=rsa.generate_private_key(65537, 2048).public_key()), Reason.CHAIN),
    "signed over SHA-512": (lambda: _forge(signature_hash=hashes.SHA512()), Reason.CHAIN),
    "an unreadable alternative name": (
        lambda: _forge(extensions={SAN: (x509.UnrecognizedExtension(SAN, b"\xff\x00"), False)}),
        Reason.MALFORMED,
    ),
    "an unreadable key usage": (
        lambda: _forge(
            extensions={ExtensionOID.KEY_USAGE: (x509.UnrecognizedExtension(ExtensionOID.KEY_USAGE, b"\5"), True)},
        ),
        Reason.MALFORMED,
    ),
}


@pytest.mark.parametrize(("make", "reason"), FORGED.values(), ids=FORGED.keys())
def test_other_certificates_are_refused_with_the_reason(make, reason):
    assert _reason(make()) is reason


def test_an_outpost_of_another_trust_domain_is_a_name():
    assert _reason(OUTPOST.certificate, trust_domain="other.org") is Reason.NAME


TIMES = {
    "before its start": (OUTPOST.certificate.not_valid_before_utc - timedelta(seconds=1), Reason.NOT_YET_VALID),
    "after its end": (OUTPOST.certificate.not_valid_after_utc + timedelta(seconds=1), Reason.EXPIRED),
    "1970": (datetime(1970, 1, 2, tzinfo=UTC), Reason.NOT_YET_VALID),
    "2040": (datetime(2040, 1, 1, tzinfo=UTC), Reason.EXPIRED),
}


@pytest.mark.parametrize(("at", "reason"), TIMES.values(), ids=TIMES.keys())
def test_the_time_given_decides(at, reason):
    assert _reason(OUTPOST.certificate, at=at) is reason


@pytest.mark.parametrize("year", [1999, 2037, 2050])
def test_the_machines_clock_does_not_decide(year):
    """Whatever today is, a chain from another time stands at its own time and falls a month later."""
    at = datetime(year, 3, 1, 12, tzinfo=UTC)
    then = TestAuthority.build(at=at)
    certificate = then.outpost(at=at).certificate
    assert _verify(certificate, trust=then.trust, at=at)
    assert _reason(certificate, trust=then.trust, at=at + timedelta(days=30)) is Reason.EXPIRED


def test_the_boundaries_belong_to_the_validity():
    """RFC 5280 §4.1.2.5: both ends inclusive."""
    assert _verify(OUTPOST.certificate, at=OUTPOST.certificate.not_valid_before_utc)
    assert _verify(OUTPOST.certificate, at=OUTPOST.certificate.not_valid_after_utc - timedelta(seconds=1))


def test_a_time_in_another_zone_is_the_same_time():
    east = timezone(timedelta(hours=14))
    edge = OUTPOST.certificate.not_valid_after_utc - timedelta(minutes=1)
    assert _verify(OUTPOST.certificate, at=edge.astimezone(east))
    assert _reason(OUTPOST.certificate, at=(edge + timedelta(minutes=2)).astimezone(east)) is Reason.EXPIRED


def test_a_time_without_zone_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="time zone"):
        _verify(OUTPOST.certificate, at=NOON.replace(tzinfo=None))


def test_an_expired_intermediate_is_refused_under_a_leaf_that_is_not():
    after = CA.intermediate.certificate.not_valid_after_utc + timedelta(days=1)
    leaf = _forge(not_before=NOON, not_after=after + timedelta(days=7))
    assert _reason(leaf, at=after) is Reason.EXPIRED


def test_an_expired_root_is_refused():
    after = CA.root.certificate.not_valid_after_utc + timedelta(days=1)
    intermediate = forge(CA.intermediate.certificate, CA.root_key, not_after=after + timedelta(days=7))
    leaf = _forge(not_before=NOON, not_after=after + timedelta(days=7))
    assert _reason(leaf, trust=TrustStore((CA.root.certificate,), (intermediate,)), at=after) is Reason.EXPIRED


def test_an_intermediate_below_an_intermediate_is_refused():
    """root (pathLen=1) → intermediate (pathLen=0) → sub-authority → leaf: pathLen=0 allows no authority below."""
    key = generate_private_key()
    sub = forge(
        CA.intermediate.certificate,
        CA.intermediate_key,
        issuer=CA.intermediate.certificate.subject,
        subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Sub")]),
        public_key=key.public_key(),
        extensions={
            ExtensionOID.SUBJECT_KEY_IDENTIFIER: (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            ExtensionOID.AUTHORITY_KEY_IDENTIFIER: _aki(CA.intermediate_key),
        },
    )
    leaf = _forge(key, issuer=sub.subject, extensions={ExtensionOID.AUTHORITY_KEY_IDENTIFIER: _aki(key)})
    trust = TrustStore((CA.root.certificate,), (CA.intermediate.certificate, sub))
    assert _reason(leaf, trust=trust) is Reason.CHAIN


def _aki(key):
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False


def test_an_intermediate_for_servers_only_does_not_certify_outposts():
    usage = {EKU: (x509.ExtendedKeyUsage([SERVING]), False)}
    intermediate = forge(CA.intermediate.certificate, CA.root_key, extensions=usage)
    trust = TrustStore((CA.root.certificate,), (intermediate,))
    assert _reason(OUTPOST.certificate, trust=trust) is Reason.PURPOSE


def test_without_the_intermediate_there_is_no_chain():
    trust = TrustStore((CA.root.certificate,))
    assert _reason(OUTPOST.certificate, trust=trust) is Reason.CHAIN


def test_an_intermediate_the_peer_sends_helps_but_is_not_an_anchor():
    only_root = TrustStore((CA.root.certificate,))
    extra = (CA.intermediate.certificate,)
    path = verify_chain(
        OUTPOST.certificate, trust=only_root, at=NOON, purpose=Purpose.OUTPOST, extra_intermediates=extra
    )
    assert path[1:] == (CA.intermediate.certificate, CA.root.certificate)
    with pytest.raises(CertificateInvalid) as refusal:
        verify_chain(
            STRANGER.outpost().certificate,
            trust=only_root,
            at=NOON,
            purpose=Purpose.OUTPOST,
            extra_intermediates=(STRANGER.intermediate.certificate, STRANGER.root.certificate),
        )
    assert refusal.value.reason is Reason.CHAIN


def test_too_many_intermediates_are_refused_unread():
    with pytest.raises(CertificateInvalid, match="too many"):
        verify_chain(
            OUTPOST.certificate,
            trust=CA.trust,
            at=NOON,
            purpose=Purpose.OUTPOST,
            extra_intermediates=(CA.intermediate.certificate,) * (MAX_EXTRA_INTERMEDIATES + 1),
        )


def test_an_intermediate_alone_is_no_anchor():
    """Trust ends in a root: an authority put among the anchors by mistake does not shorten the path."""
    assert _reason(OUTPOST.certificate, trust=TrustStore((CA.intermediate.certificate,))) is Reason.CHAIN


def test_two_anchors_are_both_good_during_a_rotation():
    trust = TrustStore(
        (STRANGER.root.certificate, CA.root.certificate),
        (STRANGER.intermediate.certificate, CA.intermediate.certificate),
    )
    assert _verify(OUTPOST.certificate, trust=trust)
    assert _verify(STRANGER.outpost().certificate, trust=trust)


def test_no_anchor_trusts_nothing():
    with pytest.raises(CertificateInvalid) as refusal:
        TrustStore(())
    assert refusal.value.reason is Reason.CHAIN


def test_a_second_intermediate_of_the_same_name_does_not_confuse():
    key = generate_private_key()
    second = create_intermediate(
        CA.root, LocalSigner(key), trust_domain=TRUST_DOMAIN, common_name="Test Intermediate", at=BUILT_AT
    )
    public_key = generate_private_key().public_key()
    leaf = second.issue_outpost(SpiffeId(TRUST_DOMAIN, "acme", "o2"), public_key, NOON)
    trust = TrustStore((CA.root.certificate,), (CA.intermediate.certificate, second.certificate))
    assert _verify(leaf, trust=trust).outpost_id == "o2"
    assert _verify(OUTPOST.certificate, trust=trust).outpost_id == "o1"


@pytest.mark.parametrize("name", ["cp.example.org", "10.0.0.1", "::1"])
def test_a_server_is_good_for_its_names(name):
    verify_server(SERVER.certificate, trust=CA.trust, at=NOON, name=name)


@pytest.mark.parametrize("name", ["example.org", "a.cp.example.org", "10.0.0.2", "CP.example.org"])
def test_a_server_is_good_for_no_other_name(name):
    with pytest.raises(CertificateInvalid) as refusal:
        verify_server(SERVER.certificate, trust=CA.trust, at=NOON, name=name)
    assert refusal.value.reason is Reason.NAME


def test_an_outpost_is_no_server():
    with pytest.raises(CertificateInvalid) as refusal:
        verify_server(OUTPOST.certificate, trust=CA.trust, at=NOON, name="o1")
    assert refusal.value.reason is Reason.PURPOSE


def test_a_server_named_by_a_uri_is_refused():
    certificate = forge(SERVER.certificate, CA.intermediate_key, **_names(x509.DNSName("cp.example.org"), URI))
    with pytest.raises(CertificateInvalid) as refusal:
        verify_server(certificate, trust=CA.trust, at=NOON, name="cp.example.org")
    assert refusal.value.reason is Reason.NAME


def test_revocation_is_asked_when_there_is_a_list():
    other = CA.outpost("o2").certificate
    trust = CA.trust_with(CA.crl(other))
    assert _verify(OUTPOST.certificate, trust=trust)
    assert _reason(other, trust=trust) is Reason.REVOKED
    assert _reason(OUTPOST.certificate, trust=trust, at=NOON - timedelta(minutes=1)) is Reason.CRL_UNAVAILABLE


DER = OUTPOST.certificate.public_bytes(Encoding.DER)


@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_a_certificate_with_one_byte_changed_never_verifies(index, flip):
    der = bytearray(DER)
    der[index] ^= flip
    try:
        certificate = x509.load_der_x509_certificate(bytes(der))
    except (ValueError, x509.InvalidVersion):
        return  # what cannot even be loaded is ``pki.pem``'s to refuse
    assert _reason(certificate) in set(Reason)


def test_refusals_do_not_quote_the_certificate():
    with pytest.raises(CertificateInvalid) as refusal:
        _verify(STRANGER.outpost("zanzibar").certificate)
    assert "zanzibar" not in str(refusal.value)
    assert certificates_to_pem([OUTPOST.certificate])[30:60].decode() not in str(refusal.value)


def test_calls_from_many_threads_keep_their_own_time():
    times = [NOON, NOON + timedelta(days=8), NOON - timedelta(days=1)] * 100
    trust = CA.trust

    def outcome(at):
        try:
            return _verify(OUTPOST.certificate, trust=trust, at=at).outpost_id
        except CertificateInvalid as err:
            return err.reason

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, times)) == ["o1", Reason.EXPIRED, Reason.NOT_YET_VALID] * 100
