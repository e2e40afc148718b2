"""Which authorities an outpost trusts after it has heard of others: the rules of a rotation, pure.

A new anchor is believed only if it was trusted already, or if a cross certificate for its name and key leads to an
anchor that was (RFC 4210 §4.4, NewWithOld). Anchors go only with a higher generation, and whoever calls must first
have proven a connection with what is left. The generation never goes down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from outpost.errors import ControlPlaneUntrusted
from outpost.protocol.messages import TrustUpdate
from pki.errors import CertificateInvalid
from pki.keys import certificate_sha256
from pki.pem import parse_certificate
from pki.verify import require_cross_certified


@dataclass(frozen=True, slots=True)
class Trust:
    """Authorities an outpost believes. ``generation`` is 0 for what came with the enrolment."""

    generation: int
    anchors: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()

    def drops_anchors_of(self, other: "Trust") -> bool:
        """True if ``other`` had an anchor that is gone here: the connection must then be proven with what is left."""
        mine = {certificate_sha256(anchor) for anchor in self.anchors}
        return any(certificate_sha256(anchor) not in mine for anchor in other.anchors)


def adopt(current: Trust, update: TrustUpdate, at: datetime) -> Trust:
    """What to trust after ``update``; ``current`` itself if it is of the same generation.

    An anchor that nothing vouches for is left out, not an error: a later generation may bring its cross certificate.

    Raises:
        ControlPlaneUntrusted: An older generation, unreadable certificates, or not one anchor that may be believed.
    """
    if update.generation < current.generation:
        raise ControlPlaneUntrusted(
            f"the control plane names authorities of generation {update.generation}, older than {current.generation}"
        )
    if update.generation == current.generation:
        return current
    try:
        anchors = [parse_certificate(pem.encode()) for pem in update.anchors_pem]
        intermediates = tuple(parse_certificate(pem.encode()) for pem in update.intermediates_pem)
        crosses = [parse_certificate(pem.encode()) for pem in update.cross_certificates_pem]
    except CertificateInvalid as err:
        raise ControlPlaneUntrusted("an authority that the control plane names cannot be read") from err
    held = {certificate_sha256(anchor) for anchor in current.anchors}
    believed = [
        anchor
        for anchor in anchors
        if certificate_sha256(anchor) in held or _is_vouched_for(anchor, crosses, current.anchors, at)
    ]
    if not believed:
        raise ControlPlaneUntrusted("the control plane names no authority that this outpost has reason to believe")
    return Trust(update.generation, tuple(believed), intermediates)


def _is_vouched_for(
    anchor: x509.Certificate, crosses: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate], at: datetime
) -> bool:
    """Other cross certificates may lie between: an outpost that missed two rotations climbs both."""
    try:
        require_cross_certified(anchor, crosses, trusted, at)
    except CertificateInvalid:
        return False
    return True
