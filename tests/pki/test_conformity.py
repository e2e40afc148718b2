import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from pki.conformity import require_conforming_authority, require_conforming_leaf, require_conforming_server_names
from pki.errors import CertificateInvalid, Reason
from tests.fakes.forge import forge
from tests.fakes.pki import test_authority as authority

CA = authority()
OUTPOST = CA.outpost().certificate
SERVER = CA.server("cp.example.org", "10.0.0.1").certificate
NOBODY = x509.Name([])
SAN, EKU, NC = ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.NAME_CONSTRAINTS
BC, AKI = ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.AUTHORITY_KEY_IDENTIFIER
NAMES = OUTPOST.extensions.get_extension_for_oid(SAN).value
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


def _permit(*names):
    return x509.NameConstraints(list(names), None)


def _leaf(**changes):
    return forge(OUTPOST, CA.intermediate_key, **changes)


def _root(**extensions):
    return forge(CA.root.certificate, CA.root_key, **extensions)


def _with_serial(content):
    """OUTPOST with these content octets as its serial number, written into the DER; its signature is void."""
    der = OUTPOST.public_bytes(Encoding.DER)
    tbs = OUTPOST.tbs_certificate_bytes
    serial = b"\x02" + bytes([len(content)]) + content
    old = OUTPOST.serial_number.to_bytes(OUTPOST.serial_number.bit_length() // 8 + 1, "big")
    body = tbs[4:].replace(b"\x02" + bytes([len(old)]) + old, serial, 1)
    rest = der[4 + len(tbs) :]
    return x509.load_der_x509_certificate(_sequence(_sequence(body) + rest))


def _sequence(content):
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content


def test_what_we_issue_conforms():
    for leaf in (OUTPOST, SERVER):
        require_conforming_leaf(leaf)
    require_conforming_server_names(SERVER, list(SERVER.extensions.get_extension_for_oid(SAN).value))
    require_conforming_authority(CA.intermediate.certificate, is_anchor=False)
    require_conforming_authority(CA.root.certificate, is_anchor=True)
    require_conforming_leaf(_leaf(subject=NOBODY, extensions={SAN: (NAMES, True)}))


LEAVES = {
    "constrains names": _leaf(extensions={NC: (_permit(x509.DNSName("example.org")), True)}),
    "critical names beside a subject": _leaf(extensions={SAN: (NAMES, True)}),
    "names not critical without a subject": _leaf(subject=NOBODY),
    "critical extended key usage": _leaf(extensions={EKU: (CLIENT, True)}),
}


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES.keys())
def test_leaves_that_do_not_conform(leaf):
    with pytest.raises(CertificateInvalid) as refusal:
        require_conforming_leaf(leaf)
    assert refusal.value.reason is Reason.MALFORMED


AUTHORITIES = {
    "basic constraints not critical": (
        _root(extensions={BC: (x509.BasicConstraints(ca=True, path_length=1), False)}),
        False,
    ),
    "name constraints not critical": (_root(extensions={NC: (_permit(x509.DNSName("example.org")), False)}), False),
    "policy constraints not critical": (
        _root(extensions={ExtensionOID.POLICY_CONSTRAINTS: (x509.PolicyConstraints(0, None), False)}),
        False,
    ),
    "a constraint with a leading period": (
        _root(extensions={NC: (_permit(x509.DNSName(".example.org")), True)}),
        False,
    ),
    "an anchor that limits its usage": (_root(extensions={EKU: (CLIENT, False)}), True),
    "an anchor whose authority key identifier is empty": (
        _root(
            extensions={
                AKI: (
                    x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(CA.root.certificate.subject)], 1),
                    False,
                ),
            },
        ),
        True,
    ),
}


@pytest.mark.parametrize(("certificate", "is_anchor"), AUTHORITIES.values(), ids=AUTHORITIES.keys())
def test_authorities_that_do_not_conform(certificate, is_anchor):
    with pytest.raises(CertificateInvalid) as refusal:
        require_conforming_authority(certificate, is_anchor=is_anchor)
    assert refusal.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "raw", [b"\x00", b"\x80" + b"\x01" * 15, b"\x00\xff" + b"\x01" * 19], ids=["0", "negative", "long"]
)
@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # cryptography still reads them
def test_serial_numbers_no_builder_makes(raw):
    certificate = _with_serial(raw)
    with pytest.raises(CertificateInvalid, match="serial"):
        require_conforming_leaf(certificate)
    with pytest.raises(CertificateInvalid, match="serial"):
        require_conforming_authority(certificate, is_anchor=False)


@pytest.mark.parametrize(
    ("common_name", "names"),
    [
        ("other.example.org", [x509.DNSName("cp.example.org")]),
        ("CP.example.org", [x509.DNSName("cp.example.org")]),
        ("*.example.org", [x509.DNSName("*.example.org")]),
        ("cp.example.org", [x509.DNSName("cp.example.org"), x509.DNSName("a_b.example.org")]),
    ],
)
def test_server_names_that_do_not_conform(common_name, names):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    leaf = forge(SERVER, CA.intermediate_key, subject=subject)
    with pytest.raises(CertificateInvalid) as refusal:
        require_conforming_server_names(leaf, names)
    assert refusal.value.reason is Reason.NAME
