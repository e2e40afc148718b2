"""Renewal: a certificate for a new key, asked for over the current one (design §4).

The old certificate stays good until it ends, so a swap that fails half-way leaves a working identity. The same new key
gets the same certificate again (a lost answer must not strand an outpost); the key in use, or another outpost's, is
refused, for its reuse would undo what renewal is for.
"""

from datetime import datetime, timedelta
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from control_plane.errors import CsrRejected, RateLimited
from control_plane.issuance import IssuedCertificate, OutpostIssuer
from control_plane.outposts import OutpostRecord
from pki.csr import parse_csr
from pki.errors import CsrInvalid
from pki.keys import spki_sha256

# Twice a week is normal, one per failed swap is possible; beyond this something loops, and each one is a row for good.
CERTIFICATES_PER_HOUR = 10
_HOUR = timedelta(hours=1)


class RenewalStore(Protocol):
    """What the rules need of a database, inside the caller's write transaction."""

    def certificate_of_key(self, spki_sha256: bytes) -> IssuedCertificate | None:
        """The newest certificate issued for this key, or None."""
        ...

    def issued_since(self, outpost_id: str, since: datetime) -> int:
        """How many certificates the outpost got after ``since``."""
        ...

    def add_certificate(self, certificate: IssuedCertificate) -> None:
        """Record a certificate before it is given out."""
        ...


def renew(  # noqa: PLR0913 - the facts of one decision
    store: RenewalStore,
    outpost: OutpostRecord,
    *,
    csr_pem: str,
    presented_sha256: bytes,
    issuer: OutpostIssuer,
    authority: str,
    at: datetime,
) -> tuple[IssuedCertificate, bool]:
    """The new certificate, and whether it was given out before. ``authority`` names the one that issues now.

    Raises:
        CsrRejected: The request is malformed or unproven, or its key was certified before.
        RateLimited: This outpost asks for certificates in a loop.
    """
    public_key = parse_request(csr_pem)
    known = store.certificate_of_key(spki_sha256(public_key))
    if known is not None:
        if known.outpost_id != outpost.id or known.sha256 == presented_sha256:
            raise CsrRejected("this key has a certificate already; make a new key")
        if known.authority == authority and known.revoked_at is None and at < known.not_after:
            return known, True
    if store.issued_since(outpost.id, at - _HOUR) >= CERTIFICATES_PER_HOUR:
        raise RateLimited("this outpost got too many certificates in the last hour", int(_HOUR.total_seconds()))
    certificate = issuer(outpost.org_id, outpost.id, public_key, at)
    store.add_certificate(certificate)
    return certificate, False


def parse_request(csr_pem: str) -> EllipticCurvePublicKey:
    """The key of a signing request.

    Raises:
        CsrRejected: It is malformed, unproven, or asks for something.
    """
    try:
        return parse_csr(csr_pem.encode())
    except CsrInvalid as err:
        raise CsrRejected(f"the certificate signing request is refused: {err}") from err
