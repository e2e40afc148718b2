"""Certificates for outposts and for this control plane's own servers, and the record of every one given out.

The issuer decides every field (``pki.profiles``) and checks every certificate independently before it leaves
(``pki.check``, inside ``Authority``). A certificate is recorded in the transaction that gives it out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from pki.authority import Authority
from pki.keys import certificate_sha256, spki_sha256
from pki.names import SpiffeId
from pki.revocation import CRL_LIFETIME, Revoked

CRL_REISSUE_AFTER = CRL_LIFETIME / 14  # 12 h: an ingress that fetches daily never holds one near its end


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate as recorded."""

    sha256: bytes
    outpost_id: str
    serial: str
    """Hexadecimal, without leading zeros."""
    spki_sha256: bytes
    der: bytes = field(repr=False)
    not_after: datetime
    issued_at: datetime

    @property
    def pem(self) -> str:
        """The certificate as PEM text."""
        return x509.load_der_x509_certificate(self.der).public_bytes(Encoding.PEM).decode()


OutpostIssuer = Callable[[str, str, EllipticCurvePublicKey, datetime], IssuedCertificate]
"""``(org_id, outpost_id, public_key, at) -> certificate``; the only way a rule reaches the authority's key."""


def outpost_issuer(authority: Authority, trust_domain: str) -> OutpostIssuer:
    """The issuer over an online authority."""

    def issue(org_id: str, outpost_id: str, public_key: EllipticCurvePublicKey, at: datetime) -> IssuedCertificate:
        certificate = authority.issue_outpost(SpiffeId(trust_domain, org_id, outpost_id), public_key, at)
        return IssuedCertificate(
            sha256=certificate_sha256(certificate),
            outpost_id=outpost_id,
            serial=f"{certificate.serial_number:x}",
            spki_sha256=spki_sha256(certificate.public_key()),
            der=certificate.public_bytes(Encoding.DER),
            not_after=certificate.not_valid_after_utc,
            issued_at=at,
        )

    return issue


@dataclass(frozen=True, slots=True)
class StoredCrl:
    """A signed CRL (DER) and how many revocations had happened when it was signed."""

    number: int
    content: bytes
    issued_at: datetime
    revoked_count: int


class CrlStore(Protocol):
    """What the rules need of a database, inside the caller's write transaction."""

    def newest_crl(self) -> StoredCrl | None:
        """The CRL of the highest number, or None."""

    def add_crl(self, crl: StoredCrl) -> None:
        """Store a new CRL; its number must be new."""

    def revoked_count(self) -> int:
        """How many certificates were ever revoked."""

    def revoked(self, unexpired_at: datetime) -> list[Revoked]:
        """Revoked certificates that are not past their own end."""


def current_crl(store: CrlStore, authority: Authority, at: datetime) -> StoredCrl:
    """A CRL that has every revocation and is fresh; signs the next number only if the newest is not that."""
    newest = store.newest_crl()
    count = store.revoked_count()
    if newest is not None and newest.revoked_count == count and at < newest.issued_at + CRL_REISSUE_AFTER:
        return newest
    number = 1 if newest is None else newest.number + 1
    # A certificate is kept on the list for a CRL's lifetime past its end, so no reader misses it (RFC 5280 §3.3).
    content = authority.issue_crl(store.revoked(at - CRL_LIFETIME), number, at).public_bytes(Encoding.DER)
    crl = StoredCrl(number, content, at, count)
    store.add_crl(crl)
    return crl
