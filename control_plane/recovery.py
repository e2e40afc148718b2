"""Recovery: a certificate that no longer opens the mutual-TLS door buys a new one (design §4).

What stands in for the door: the registry recorded exactly this certificate, its key signs the request, its outpost is
not revoked, it ended no longer ago than the window, and (if so set) an operator said yes. The proof comes before
everything that the registry tells, so only the key's holder learns why. Refusals are *returned*, so that the caller's
transaction commits their record.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from control_plane.errors import (
    OutpostRevoked,
    RecoveryExpired,
    RecoveryInvalid,
    RecoveryPending,
    Rejected,
    UnknownOutpost,
)
from control_plane.events import IdentityEvent
from control_plane.issuance import IssuedCertificate, OutpostIssuer
from control_plane.outposts import OutpostRecord
from control_plane.renewal import RenewalStore, parse_request, renew
from outpost.protocol.messages import RecoverRequest
from outpost.protocol.recovery import recovery_statement
from pki.errors import CertificateInvalid
from pki.keys import certificate_sha256, spki_sha256
from pki.pem import parse_certificate

RECOVERED, REFUSED, PENDING, APPROVED = "recovered", "recovery_refused", "recovery_pending", "recovery_approved"
EVENTS = (RECOVERED, REFUSED, PENDING, APPROVED)


@dataclass(frozen=True, slots=True)
class RecoveryPolicy:
    """How long after its end a certificate can be recovered, and whether a person must agree."""

    window: timedelta = timedelta(days=30)  # an outpost switched off over a long holiday; design §4
    needs_operator: bool = False


@dataclass(frozen=True, slots=True)
class RecoveryAttempt:
    """What came of it: a certificate, or why not. ``outpost_id`` is None if we never issued the old certificate."""

    outpost_id: str | None
    certificate: IssuedCertificate | None = None
    refusal: Rejected | None = None
    repeated: bool = False

    def event(self, at: datetime) -> IdentityEvent:
        """The record of it."""
        if self.certificate is not None:
            detail = {"certificate_sha256": self.certificate.sha256.hex()}
            return IdentityEvent(at, RECOVERED, self.outpost_id, detail)
        kind = PENDING if isinstance(self.refusal, RecoveryPending) else REFUSED
        return IdentityEvent(at, kind, self.outpost_id, {"why": type(self.refusal).__name__})


class RecoveryStore(RenewalStore, Protocol):
    """What the rules need of a database, inside the caller's write transaction."""

    def certificate(self, sha256: bytes) -> IssuedCertificate | None:
        """A recorded certificate, or None."""
        ...

    def outpost(self, outpost_id: str) -> OutpostRecord | None:
        """One outpost, or None."""
        ...

    def set_recovery_approval(self, outpost_id: str, at: datetime | None) -> None:
        """Set or clear an operator's approval."""
        ...


def recover(  # noqa: PLR0913 - the facts of one decision
    request: RecoverRequest,
    *,
    store: RecoveryStore,
    issuer: OutpostIssuer,
    authority: str,
    retired_at: dict[str, datetime],
    policy: RecoveryPolicy,
    at: datetime,
) -> RecoveryAttempt:
    """Recover one outpost. ``retired_at`` gives the end of those authorities that no longer count."""
    outpost_id = None
    try:
        presented = _parse(request.certificate_pem)
        old = store.certificate(certificate_sha256(presented))
        outpost = store.outpost(old.outpost_id) if old is not None else None
        if old is None or outpost is None:
            raise UnknownOutpost("this control plane never issued that certificate; register the outpost anew")
        outpost_id = outpost.id
        _require_proof(presented, request)
        if outpost.revoked_at is not None or old.revoked_at is not None:
            raise OutpostRevoked("this outpost is revoked and cannot recover")
        _require_in_window(old, retired_at, policy, at)
        if not _was_answered(store, request, old, authority, at):
            _require_approval(outpost, policy, at)
        certificate, repeated = renew(
            store,
            outpost,
            csr_pem=request.csr_pem,
            presented_sha256=old.sha256,
            issuer=issuer,
            authority=authority,
            at=at,
        )
        if outpost.recovery_approved_at is not None:
            store.set_recovery_approval(outpost.id, None)
    except Rejected as err:
        return RecoveryAttempt(outpost_id, refusal=err)
    return RecoveryAttempt(outpost_id, certificate, repeated=repeated)


def _parse(pem: str) -> x509.Certificate:
    try:
        return parse_certificate(pem.encode())
    except CertificateInvalid as err:
        raise RecoveryInvalid("the old certificate cannot be read") from err


def _require_proof(presented: x509.Certificate, request: RecoverRequest) -> None:
    parse_request(request.csr_pem)  # what cannot be parsed has no DER to sign
    csr = x509.load_pem_x509_csr(request.csr_pem.encode())
    statement = recovery_statement(presented.public_bytes(Encoding.DER), csr.public_bytes(Encoding.DER))
    key = presented.public_key()
    try:
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise RecoveryInvalid("the old certificate's key is not ECDSA")
        key.verify(request.proof, statement, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as err:
        raise RecoveryInvalid("the proof is not by the key of the old certificate") from err


def _require_in_window(
    old: IssuedCertificate, retired_at: dict[str, datetime], policy: RecoveryPolicy, at: datetime
) -> None:
    ended_at = min(old.not_after, retired_at.get(old.authority, old.not_after))
    if at - ended_at > policy.window:
        raise RecoveryExpired(
            "the certificate ended too long ago to be recovered; "
            "make a new token with `control-plane outpost token` and register again"
        )


def _require_approval(outpost: OutpostRecord, policy: RecoveryPolicy, at: datetime) -> None:
    if not policy.needs_operator:
        return
    approved_at = outpost.recovery_approved_at
    if approved_at is None or at - approved_at > policy.window:
        raise RecoveryPending("recovery waits for an operator: `control-plane outpost approve-recovery`")


def _was_answered(
    store: RecoveryStore, request: RecoverRequest, old: IssuedCertificate, authority: str, at: datetime
) -> bool:
    """True if this key got its certificate already and only the answer was lost: no second approval for that."""
    known = store.certificate_of_key(spki_sha256(parse_request(request.csr_pem)))
    return (
        known is not None
        and (known.outpost_id, known.authority) == (old.outpost_id, authority)
        and known.sha256 != old.sha256
        and at < known.not_after
    )
