import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from pki.errors import CertificateInvalid, Reason
from pki.general import Wanted, dns_or_address, verify_general
from pki.path import TrustStore
from tests.fakes.clock import NOON
from tests.fakes.forge import forge
from tests.fakes.pki import test_authority as authority

CA = authority()
SERVER = CA.server("cp.example.org", "10.0.0.1").certificate
EKU, SAN, KU, NC, BC = (
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.BASIC_CONSTRAINTS,
)
SERVING, CLIENT, ANY = (
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
)
NOBODY = x509.Name([])
FREE = forge(CA.intermediate.certificate, CA.root_key, extensions={NC: None, EKU: None})


def _verify(leaf, *names, intermediate=FREE, crls=(), **wanted):
    names = tuple(dns_or_address(name) for name in names)
    trust = TrustStore((CA.root.certificate,), (intermediate,), crls)
    return verify_general(leaf, trust=trust, at=NOON, wanted=Wanted(names=names, **wanted))


def _leaf(*sans, extensions=None):
    """A server's certificate without a subject, for these names or SERVER's own."""
    names = x509.SubjectAlternativeName(sans) if sans else SERVER.extensions.get_extension_for_oid(SAN).value
    return forge(SERVER, CA.intermediate_key, subject=NOBODY, extensions={SAN: (names, True)} | (extensions or {}))


def _usages(*usages):
    return {EKU: (x509.ExtendedKeyUsage(usages), False)}


def _dns(*names):
    return _leaf(*(x509.DNSName(name) for name in names))


def _reason(leaf, *names, **options):
    with pytest.raises(CertificateInvalid) as refusal:
        _verify(leaf, *names, **options)
    return refusal.value.reason


def test_our_own_certificates_pass_the_general_rules():
    assert _verify(SERVER, "cp.example.org", "10.0.0.1") == (SERVER, FREE, CA.root.certificate)


NAMES = {
    "exact": (["a.example.org"], "a.example.org", True),
    "without regard to case": (["A.example.org"], "a.EXAMPLE.org", True),
    "another": (["a.example.org"], "b.example.org", False),
    "one of several": (["a.example.org", "b.example.org"], "b.example.org", True),
    "a wildcard covers one label": (["*.example.org"], "a.example.org", True),
    "not two": (["*.example.org"], "a.b.example.org", False),
    "not none": (["*.example.org"], "example.org", False),
    "not a public suffix": (["*.co.test"], "a.co.test", False),
    "not as part of a label": (["a*.example.org"], "ab.example.org", False),
    "not further in": (["a.*.example.org"], "a.b.example.org", False),
    "not alone": (["*"], "org", False),
    "an underscore": (["a_b.example.org"], "a_b.example.org", False),
    "an address as a DNS name": (["10.0.0.1"], "10.0.0.1", False),
}


@pytest.mark.parametrize(("sans", "wanted", "stands"), NAMES.values(), ids=NAMES.keys())
def test_dns_names(sans, wanted, stands):
    def verify():
        return _verify(_dns(*sans), wanted, is_public_suffix={"co.test"}.__contains__)

    if stands:
        assert verify()
        return
    with pytest.raises(CertificateInvalid) as refusal:
        verify()
    assert refusal.value.reason is Reason.NAME


def test_no_wildcard_matches_without_a_list_of_public_suffixes():
    assert _reason(_dns("*.example.org"), "a.example.org") is Reason.NAME


def test_mailboxes():
    mail = _leaf(x509.RFC822Name("*@example.org"), extensions=_usages(CLIENT))
    trust = TrustStore((CA.root.certificate,), (FREE,))

    def verify(wanted):
        return verify_general(mail, trust=trust, at=NOON, wanted=Wanted((CLIENT,), (x509.RFC822Name(wanted),)))

    assert verify("*@example.org")
    with pytest.raises(CertificateInvalid):
        verify("a@example.org")


@pytest.mark.parametrize("address", ["a@b@example.org", "@example.org", "a@", "a@10.0.0.1", "a"])
def test_what_is_no_mailbox(address):
    name = x509.RFC822Name._init_without_validation(address)  # ours refuses some of them itself
    assert _reason(_leaf(name)) is Reason.NAME


@pytest.mark.parametrize(
    ("permitted", "excluded", "stands"),
    [
        (["example.org"], None, True),
        (["a.example.org"], None, False),
        (None, ["a.example.org"], False),
        (None, ["example.org"], False),
        (None, ["other.org"], True),
        (["example.org"], ["x.example.org"], False),
    ],
)
def test_a_wildcard_stands_for_every_name_it_covers(permitted, excluded, stands):
    def trees(names):
        return None if names is None else [x509.DNSName(name) for name in names]

    constraints = x509.NameConstraints(trees(permitted), trees(excluded))
    intermediate = forge(FREE, CA.root_key, extensions={NC: (constraints, True)})
    leaf = _dns("*.example.org")
    if stands:
        assert _verify(leaf, intermediate=intermediate)
    else:
        assert _reason(leaf, intermediate=intermediate) is Reason.NAME


PURPOSES = {
    "both usages": (_leaf(extensions=_usages(SERVING, CLIENT)), True),
    "another": (_leaf(extensions=_usages(CLIENT)), False),
    "any": (_leaf(extensions=_usages(ANY)), False),
    "server and any": (_leaf(extensions=_usages(SERVING, ANY)), False),
    "none said": (_leaf(extensions={EKU: None}), False),
    "no key usage": (_leaf(extensions={KU: None}), True),
    "an authority": (
        forge(
            SERVER,
            CA.intermediate_key,
            extensions={
                BC: (x509.BasicConstraints(ca=True, path_length=None), True),
                KU: (FREE.extensions.get_extension_for_oid(KU).value, True),
            },
        ),
        False,
    ),
}


@pytest.mark.parametrize(("leaf", "stands"), PURPOSES.values(), ids=PURPOSES.keys())
def test_purposes(leaf, stands):
    if stands:
        assert _verify(leaf)
    else:
        assert _reason(leaf) is Reason.PURPOSE


def test_signing_is_asked_of_the_key_usage_only_if_wanted():
    assert _verify(SERVER, signs=True)
    silent = forge(SERVER, CA.intermediate_key, extensions={KU: None})
    assert _verify(silent)
    assert _reason(silent, signs=True) is Reason.PURPOSE


def test_an_authoritys_usage_narrows_and_any_does_not():
    for usages, stands in ((CLIENT,), False), ((SERVING,), True), ((ANY,), True):
        intermediate = forge(FREE, CA.root_key, extensions=_usages(*usages))
        if stands:
            assert _verify(SERVER, intermediate=intermediate)
        else:
            assert _reason(SERVER, intermediate=intermediate) is Reason.PURPOSE


def test_a_certificate_without_names_is_refused():
    assert _reason(forge(SERVER, CA.intermediate_key, extensions={SAN: None})) is Reason.NAME


def test_a_common_name_repeats_an_alternative_name():
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "other.example.org")])
    assert _reason(forge(SERVER, CA.intermediate_key, subject=subject), "cp.example.org") is Reason.NAME


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cryptography's opinion of the same keys
    KEYS = {
        "RSA 2048": (rsa.generate_private_key(65537, 2048).public_key(), True),
        "RSA 1024": (rsa.generate_private_key(65537, 1024).public_key(), False),
        "RSA 2052": (rsa.generate_private_key(65537, 2052).public_key(), False),
        "P-384": (ec.generate_private_key(ec.SECP384R1()).public_key(), True),
        "P-521": (ec.generate_private_key(ec.SECP521R1()).public_key(), True),
        "P-224": (ec.generate_private_key(ec.SECP224R1()).public_key(), False),
        "DSA": (dsa.generate_private_key(2048).public_key(), False),
    }


@pytest.mark.parametrize(("key", "stands"), KEYS.values(), ids=KEYS.keys())
def test_keys(key, stands):
    leaf = forge(SERVER, CA.intermediate_key, public_key=key)
    if stands:
        assert _verify(leaf)
    else:
        assert _reason(leaf) is Reason.CHAIN


def test_a_path_longer_than_wanted_is_refused():
    assert _verify(SERVER, max_depth=1)
    assert _reason(SERVER, max_depth=0) is Reason.CHAIN


def test_a_signature_over_sha_512_is_good_here():
    assert _verify(forge(SERVER, CA.intermediate_key, signature_hash=hashes.SHA512()))


def test_revocation_is_asked():
    other = CA.server("b.example.org").certificate
    assert _verify(SERVER, crls=(CA.crl(other),))
    assert _reason(SERVER, crls=(CA.crl(SERVER),)) is Reason.REVOKED


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_a_refusal(value):
    try:
        name = dns_or_address(value)
    except CertificateInvalid:
        return
    assert isinstance(name, x509.DNSName | x509.IPAddress)
