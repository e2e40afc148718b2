from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from pki.check import check_cross_signed, check_issued
from pki.errors import IssuanceRefused
from pki.issue import Issuer, issue
from pki.keys import generate_private_key
from pki.names import SpiffeId
from pki.profiles import intermediate_profile, outpost_profile, root_profile, server_profile
from pki.signer import LocalSigner
from tests.fakes.clock import NOON
from tests.fakes.forge import forge
from tests.fakes.pki import TRUST_DOMAIN, TestAuthority
from tests.fakes.pki import test_authority as authority

CA = authority()
KEY = generate_private_key()
SPIFFE_ID = SpiffeId(TRUST_DOMAIN, "acme", "o1")
PROFILE = outpost_profile(SPIFFE_ID)
SERIAL = 1 << 100
GOOD = issue(
    PROFILE, KEY.public_key(), Issuer(CA.intermediate.certificate, LocalSigner(CA.intermediate_key)), NOON, SERIAL
)
SECOND = timedelta(seconds=1)


def _check(certificate, profile=PROFILE, key=KEY, issuer=CA.intermediate.certificate, at=NOON):
    check_issued(certificate, profile, key.public_key(), issuer, at)


def _forge(**changes):
    return forge(GOOD, CA.intermediate_key, **changes)


def _name(*common_names):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names])


def _usage(**changed):
    fields = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**(dict.fromkeys(fields, False) | {"digital_signature": True} | changed))


URI = x509.UniformResourceIdentifier(SPIFFE_ID.uri)
EKU = ExtensionOID.EXTENDED_KEY_USAGE
SAN = ExtensionOID.SUBJECT_ALTERNATIVE_NAME
BC = ExtensionOID.BASIC_CONSTRAINTS
KU = ExtensionOID.KEY_USAGE
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
STRANGER = generate_private_key()

TWO_NAMES = (x509.SubjectAlternativeName([URI, x509.DNSName("a")]), False)
UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), False)

OFF = {
    "subject": ({"subject": _name("someone else")}, "subject"),
    "two names in the subject": ({"subject": _name("o1", "o1")}, "subject"),
    "issuer name": ({"issuer": _name("Test Root")}, "issuer name"),
    "another key": ({"public_key": STRANGER.public_key()}, "public key is not the one"),
    "serial too short": ({"serial": 12345}, "serial"),
    "not yet valid": ({"not_before": NOON + SECOND}, "not valid at the time"),
    "backdated too far": ({"not_before": NOON - timedelta(minutes=6)}, "backdated"),
    "not backdated": ({"not_before": NOON}, "validity"),
    "too long": ({"not_after": NOON + timedelta(days=7, seconds=1)}, "longer"),
    "too short": ({"not_after": NOON + timedelta(days=6)}, "validity"),
    "signed with SHA-512": ({"signature_hash": hashes.SHA512()}, "signature algorithm"),
    "extra usage": ({"extensions": {EKU: (x509.ExtendedKeyUsage([CLIENT, SERVER]), False)}}, "another value"),
    "no usage": ({"extensions": {EKU: None}}, "missing"),
    "critical usage": ({"extensions": {EKU: (x509.ExtendedKeyUsage([CLIENT]), True)}}, "criticality"),
    "extra name": ({"extensions": {SAN: TWO_NAMES}}, "another value"),
    "a CA": ({"extensions": {BC: (x509.BasicConstraints(ca=True, path_length=None), True)}}, "another value"),
    "not critical": ({"extensions": {BC: (x509.BasicConstraints(ca=False, path_length=None), False)}}, "criticality"),
    "signs certificates": ({"extensions": {KU: (_usage(key_cert_sign=True), True)}}, "another value"),
    "no key usage": ({"extensions": {KU: None}}, "missing"),
    "no authority key identifier": ({"extensions": {ExtensionOID.AUTHORITY_KEY_IDENTIFIER: None}}, "missing"),
    "other subject key identifier": (
        {"extensions": {ExtensionOID.SUBJECT_KEY_IDENTIFIER: (x509.SubjectKeyIdentifier(b"x" * 20), False)}},
        "another value",
    ),
    "an extension nobody asked for": (
        {"extensions": {ExtensionOID.OCSP_NO_CHECK: (x509.OCSPNoCheck(), False)}},
        "is extra",
    ),
    "an extension nobody knows": (
        {"extensions": {UNKNOWN[0].oid: UNKNOWN}},
        "is extra",
    ),
}  # fmt: skip


def test_what_issue_makes_passes():
    _check(GOOD)
    _check(_forge())


@pytest.mark.parametrize(("changes", "problem"), OFF.values(), ids=OFF.keys())
def test_what_is_off_is_refused_and_named(changes, problem):
    with pytest.raises(IssuanceRefused) as refusal:
        _check(_forge(**changes))
    assert any(problem in found for found in refusal.value.problems), refusal.value.problems


def test_every_problem_is_named():
    with pytest.raises(IssuanceRefused) as refusal:
        _check(_forge(serial=5, subject=_name("x"), extensions={EKU: None}))
    assert len(refusal.value.problems) == 3


def test_a_signature_by_another_key_of_the_same_name_is_refused():
    with pytest.raises(IssuanceRefused, match="signature is not the issuer's"):
        _check(forge(GOOD, STRANGER))


def test_the_profile_of_another_outpost_does_not_fit():
    with pytest.raises(IssuanceRefused, match="another value"):
        _check(GOOD, profile=outpost_profile(SpiffeId(TRUST_DOMAIN, "other", "o1")))


def test_a_server_profile_does_not_fit():
    with pytest.raises(IssuanceRefused):
        _check(GOOD, profile=server_profile(["localhost"]))


def test_another_time_does_not_fit():
    with pytest.raises(IssuanceRefused, match="validity"):
        _check(GOOD, at=NOON + timedelta(minutes=1))


def test_the_issuers_own_key_is_refused():
    certificate = forge(GOOD, CA.intermediate_key, public_key=CA.intermediate_key.public_key())
    with pytest.raises(IssuanceRefused, match="issuer's own"):
        _check(certificate, key=CA.intermediate_key)


def test_a_key_that_is_not_p256_is_refused():
    key = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(IssuanceRefused, match="not P-256"):
        _check(_forge(public_key=key.public_key()), key=key)


def test_outliving_the_issuer_is_refused():
    late = CA.intermediate.certificate.not_valid_after_utc - timedelta(days=1)
    certificate = _forge(not_before=late - timedelta(minutes=5), not_after=late + timedelta(days=7))
    with pytest.raises(IssuanceRefused, match="outlives"):
        _check(certificate, at=late)


AUTHORITY_PROFILES = {
    "root": (CA.root.certificate, root_profile(TRUST_DOMAIN, "Test Root"), CA.root_key, None),
    "intermediate": (
        CA.intermediate.certificate,
        intermediate_profile(TRUST_DOMAIN, "Test Intermediate"),
        CA.intermediate_key,
        CA.root.certificate,
    ),
}


@pytest.mark.parametrize(
    ("certificate", "profile", "key", "issuer"),
    AUTHORITY_PROFILES.values(),
    ids=AUTHORITY_PROFILES.keys(),
)
def test_authorities_pass_and_their_forgeries_do_not(certificate, profile, key, issuer):
    at = certificate.not_valid_before_utc + timedelta(minutes=5)
    signing_key = CA.root_key
    _check(certificate, profile, key, issuer, at)
    forgeries = [
        {"extensions": {BC: (x509.BasicConstraints(ca=True, path_length=7), True)}},
        {"extensions": {KU: (_usage(key_cert_sign=True, crl_sign=True), True)}},
        {"extensions": {SAN: (x509.SubjectAlternativeName([URI]), False)}},
        {"extensions": {ExtensionOID.NAME_CONSTRAINTS: (x509.NameConstraints([x509.DNSName("a")], None), True)}},
    ]
    for changes in forgeries:
        with pytest.raises(IssuanceRefused):
            _check(forge(certificate, signing_key, **changes), profile, key, issuer, at)


def test_a_root_signed_by_somebody_else_is_refused():
    stranger = TestAuthority.build()
    profile = root_profile(TRUST_DOMAIN, "Test Root")
    certificate = forge(CA.root.certificate, stranger.root_key)
    with pytest.raises(IssuanceRefused, match="signature"):
        _check(certificate, profile, CA.root_key, None, certificate.not_valid_before_utc + timedelta(minutes=5))


NEXT = TestAuthority.build()  # the root that comes after: same name, another key
CROSS_AT = NEXT.root.certificate.not_valid_before_utc + timedelta(days=1)
CROSS = CA.root.cross_sign(NEXT.root.certificate, CROSS_AT)
CROSS_FORGERIES = {
    "another name": {"subject": _name("Somebody")},
    "another key": {"public_key": STRANGER.public_key()},
    "a path length": {"extensions": {BC: (x509.BasicConstraints(ca=True, path_length=0), True)}},
    "a name constraint": {
        "extensions": {ExtensionOID.NAME_CONSTRAINTS: (x509.NameConstraints([x509.DNSName("a")], None), True)},
    },
    "another key identifier": {
        "extensions": {ExtensionOID.SUBJECT_KEY_IDENTIFIER: (x509.SubjectKeyIdentifier(b"x" * 20), False)},
    },
    "earlier than the new root": {"not_before": NEXT.root.certificate.not_valid_before_utc - SECOND},
    "later than the new root": {"not_after": NEXT.root.certificate.not_valid_after_utc + SECOND},
}


def test_a_cross_certificate_passes():
    check_cross_signed(CROSS, NEXT.root.certificate, CA.root.certificate, CROSS_AT)


@pytest.mark.parametrize("changes", CROSS_FORGERIES.values(), ids=CROSS_FORGERIES.keys())
def test_a_cross_certificate_that_says_anything_else_is_refused(changes):
    with pytest.raises(IssuanceRefused):
        check_cross_signed(forge(CROSS, CA.root_key, **changes), NEXT.root.certificate, CA.root.certificate, CROSS_AT)


def test_a_cross_certificate_stands_for_one_root_only():
    with pytest.raises(IssuanceRefused):
        check_cross_signed(CROSS, CA.root.certificate, CA.root.certificate, CROSS_AT)
