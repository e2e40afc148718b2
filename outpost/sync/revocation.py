"""The signed word about a revocation: what a revocation list says of this outpost, judged purely.

A list counts if the issuer of the outpost's own certificate signed it, that issuer leads to the anchors, and its number
is not below the number seen before. A list past its next update still proves a revocation and clears nobody.
Source: RFC 5280 §5 and §6.3; whatever is not signed is only a rumour, on which nothing is persisted.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from outpost.errors import ControlPlaneUntrusted
from outpost.sync.identity import Identity
from pki.errors import CertificateInvalid
from pki.revocation import is_revoked, parse_crl, require_current, require_signed_by
from pki.verify import Purpose, TrustStore, verify_chain


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a list says. ``current`` is false after its next update."""

    revoked: bool
    number: int
    issuer: x509.Name
    current: bool


def judge(der: bytes, identity: Identity, at: datetime, seen: tuple[x509.Name, int] | None = None) -> Verdict:
    """What the list in ``der`` says of ``identity``; ``seen`` is the issuer and number of the newest list so far.

    Raises:
        ControlPlaneUntrusted: The list is unreadable, another's, older than one seen before, or not signed.
    """
    try:
        crl = parse_crl(der)
        require_signed_by(crl, _issuer(identity))
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        if seen is not None and seen[0] == crl.issuer and number < seen[1]:
            raise ControlPlaneUntrusted(f"revocation list {number} is older than {seen[1]}, which was seen before")
        listed = is_revoked(crl, identity.certificate.serial_number)
        return Verdict(listed, number, crl.issuer, _is_current(crl, at))
    except (CertificateInvalid, ValueError, x509.ExtensionNotFound) as err:
        raise ControlPlaneUntrusted(f"the revocation list does not count: {err}") from err


def _issuer(identity: Identity) -> x509.Certificate:
    leaf = identity.certificate
    store = TrustStore(identity.anchors, (*identity.intermediates, *identity.trust_intermediates))
    # As it was when the certificate was made: an expired one can still be revoked.
    return verify_chain(leaf, trust=store, at=leaf.not_valid_before_utc, purpose=Purpose.OUTPOST)[1]


def _is_current(crl: x509.CertificateRevocationList, at: datetime) -> bool:
    try:
        require_current(crl, at)
    except CertificateInvalid:
        return False
    return True
