"""Every kind of certificate and list we can issue, read by pkilint's RFC 5280 linters.

Two of its findings are its own: it takes a URI for invalid unless the scheme is a web browser's (RFC 3986 §3.1 knows
no such list, and SPIFFE-ID §2 fixes ours), and a DNS name unless it has a dot (``localhost`` has none). Both are
pinned to the exact finding, and to its going away when only that name is another one.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from pki.authority import create_root
from pki.keys import generate_private_key
from pki.names import SpiffeId
from pki.profiles import Kind
from pki.revocation import Revoked
from pki.signer import LocalSigner
from tests.fakes.clock import NOON
from tests.fakes.forge import forge
from tests.fakes.pki import TRUST_DOMAIN, TestAuthority
from tests.fakes.pki import test_authority as authority

CA = authority()
LATER = datetime(2049, 12, 31, 12, tzinfo=UTC)  # its validities cross into GeneralizedTime (RFC 5280 §4.1.2.5)
CA_2049 = TestAuthority.build(at=LATER)


def _key():
    return generate_private_key().public_key()


def _root(common_name):
    signer = LocalSigner(generate_private_key())
    return create_root(signer, trust_domain=TRUST_DOMAIN, common_name=common_name, at=NOON).certificate


def _outpost(ca=CA, at=NOON):
    return ca.intermediate.issue_outpost(SpiffeId(TRUST_DOMAIN, "acme", "o1"), _key(), at)


CERTIFICATES = {
    (Kind.ROOT, "now"): CA.root.certificate,
    (Kind.ROOT, "2049"): CA_2049.root.certificate,
    (Kind.INTERMEDIATE, "now"): CA.intermediate.certificate,
    (Kind.INTERMEDIATE, "2049"): CA_2049.intermediate.certificate,
    (Kind.CROSS, "same name"): CA.root.cross_sign(_root("Test Root"), NOON),
    (Kind.CROSS, "another name"): CA.root.cross_sign(_root("Test Root 2"), NOON),
    (Kind.SERVER, "names"): CA.server("cp.example.org", "10.0.0.1", "2001:db8::1").certificate,
    (Kind.SERVER, "an address"): CA.server("10.0.0.1").certificate,
    (Kind.SERVER, "a long name"): CA.server("cp.example.org", f"{'a' * 63}.{'b' * 63}.example.org").certificate,
    (Kind.INGRESS, "a name"): CA.intermediate.issue_ingress(["edge.example.org"], _key(), NOON),
}
OUTPOSTS = {"now": _outpost(), "2049": _outpost(CA_2049, LATER)}


def _lint(tmp_path, module, document, *options):
    path = tmp_path / "document.der"
    path.write_bytes(document.public_bytes(Encoding.DER))
    done = subprocess.run(
        [sys.executable, "-m", f"pkilint.bin.{module}", "lint", *options, "-s", "NOTICE", "-f", "JSON", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not done.stderr
    results = json.loads(done.stdout)["results"]
    return [finding for result in results for finding in result["finding_descriptions"]]


def _lint_certificate(tmp_path, certificate):
    return _lint(tmp_path, "lint_pkix_cert", certificate)


@pytest.mark.parametrize("certificate", CERTIFICATES.values(), ids=map(" ".join, CERTIFICATES))
def test_certificates(tmp_path, certificate):
    assert _lint_certificate(tmp_path, certificate) == []


@pytest.mark.parametrize("certificate", OUTPOSTS.values(), ids=OUTPOSTS.keys())
def test_an_outposts_certificate_but_for_the_scheme_of_its_uri(tmp_path, certificate):
    (finding,) = _lint_certificate(tmp_path, certificate)
    uri = f"spiffe://{TRUST_DOMAIN}/org/acme/outpost/o1"
    assert (finding["code"], finding["message"]) == ("pkix.invalid_uri_syntax", f'Invalid URI syntax: "{uri}"')
    browser = x509.UniformResourceIdentifier(uri.replace("spiffe:", "https:"))
    names = {ExtensionOID.SUBJECT_ALTERNATIVE_NAME: (x509.SubjectAlternativeName([browser]), False)}
    assert _lint_certificate(tmp_path, forge(certificate, CA.intermediate_key, extensions=names)) == []


def test_a_local_servers_certificate_but_for_its_name(tmp_path):
    (finding,) = _lint_certificate(tmp_path, CA.server("localhost", "127.0.0.1").certificate)
    assert (finding["code"], finding["message"]) == (
        "pkix.invalid_domain_name_syntax",
        'Invalid domain name syntax: "localhost"',
    )


def test_every_kind_is_looked_at():
    assert {kind for kind, _ in CERTIFICATES} | {Kind.OUTPOST} == set(Kind)


REASONS = [reason for reason in x509.ReasonFlags if reason is not x509.ReasonFlags.remove_from_crl]
LISTS = {
    "empty": (CA.intermediate.issue_crl([], 1, NOON), "CRL"),
    "every reason": (
        CA.intermediate.issue_crl([Revoked(n + 1, NOON, reason) for n, reason in enumerate(REASONS)], 2, NOON),
        "CRL",
    ),
    "after 2050": (CA_2049.intermediate.issue_crl([Revoked(1, LATER)], 1, LATER + timedelta(days=1)), "CRL"),
    "of the root": (CA.root.issue_crl([Revoked(1, NOON)], 1, NOON), "ARL"),
    "a high number": (CA.intermediate.issue_crl([], (1 << 159) - 1, NOON), "CRL"),
}


@pytest.mark.parametrize(("crl", "kind"), LISTS.values(), ids=LISTS.keys())
def test_lists(tmp_path, crl, kind):
    assert _lint(tmp_path, "lint_crl", crl, "-t", kind, "-p", "PKIX") == []


def test_the_linter_does_find_something(tmp_path):
    twice = {ExtensionOID.BASIC_CONSTRAINTS: (x509.BasicConstraints(ca=True, path_length=None), False)}
    codes = {
        finding["code"]
        for finding in _lint_certificate(tmp_path, forge(CA.root.certificate, CA.root_key, extensions=twice))
    }
    assert any("basic_constraints" in code for code in codes), codes
