"""Certificates for outposts and for this control plane's own servers, and the record of every one given out.

The issuer decides every field (``pki.profiles``) and checks every certificate independently before it leaves
(``pki.check``, inside ``Authority``). A certificate is recorded in the transaction that gives it out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from pki.authority import Authority
from pki.keys import certificate_sha256, spki_sha256
from pki.names import SpiffeId

CRL_REISSUE_AFTER = timedelta(hours=12)  # half of a day, the shortest nextUpdate an offline ingress can live with


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
