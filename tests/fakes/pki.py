"""A real authority in memory: root, intermediate and leaves with real keys, built once per session.

``test_authority()`` returns the shared one (its keys are the same for the whole run); ``TestAuthority.build(...)``
makes another, for tests about strangers.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from pki.authority import Authority, create_intermediate, create_root
from pki.keys import generate_private_key
from pki.names import SpiffeId
from pki.revocation import Revoked
from pki.signer import LocalSigner
from pki.verify import TrustStore
from tests.fakes.clock import NOON

TRUST_DOMAIN = "example.org"
BUILT_AT = NOON - timedelta(days=30)  # old enough that a clock some days back still finds the authority valid


@dataclass(frozen=True)
class Leaf:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class TestAuthority:
    """Root and intermediate with their private keys."""

    __test__ = False  # pytest: this is not a test class

    trust_domain: str
    root: Authority
    intermediate: Authority
    root_key: ec.EllipticCurvePrivateKey
    intermediate_key: ec.EllipticCurvePrivateKey

    @classmethod
    def build(cls, trust_domain: str = TRUST_DOMAIN, at: datetime = BUILT_AT) -> "TestAuthority":
        root_key, intermediate_key = generate_private_key(), generate_private_key()
        root = create_root(LocalSigner(root_key), trust_domain=trust_domain, common_name="Test Root", at=at)
        intermediate = create_intermediate(
            root,
            LocalSigner(intermediate_key),
            trust_domain=trust_domain,
            common_name="Test Intermediate",
            at=at,
        )
        return cls(trust_domain, root, intermediate, root_key, intermediate_key)

    @property
    def trust(self) -> TrustStore:
        return self.trust_with()

    def trust_with(self, *crls: x509.CertificateRevocationList) -> TrustStore:
        return TrustStore((self.root.certificate,), (self.intermediate.certificate,), crls)

    def outpost(self, outpost_id: str = "outpost-1", org_id: str = "acme", at: datetime = NOON) -> Leaf:
        key = generate_private_key()
        spiffe_id = SpiffeId(self.trust_domain, org_id, outpost_id)
        return Leaf(self.intermediate.issue_outpost(spiffe_id, key.public_key(), at), key)

    def server(self, *names: str, at: datetime = NOON) -> Leaf:
        key = generate_private_key()
        names = names or ("localhost", "127.0.0.1", "::1")
        return Leaf(self.intermediate.issue_server(names, key.public_key(), at), key)

    def crl(self, *revoked: x509.Certificate, number: int = 1, at: datetime = NOON) -> x509.CertificateRevocationList:
        entries = [Revoked(certificate.serial_number, at) for certificate in revoked]
        return self.intermediate.issue_crl(entries, number, at)


@cache
def test_authority() -> TestAuthority:
    """The session's own authority."""
    return TestAuthority.build()


test_authority.__test__ = False  # type: ignore[attr-defined]  # pytest: this is not a test
