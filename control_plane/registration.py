"""Enrolment: a one-use token buys one certificate for a key made on the outpost (design §4).

The caller runs ``enroll`` inside one write transaction, so either the certificate is recorded *and* the token is
spent, or neither. Of two simultaneous uses exactly one wins: spending is a compare-and-set in the database. The
same token with the same keys within its lifetime gets the certificate already issued (a lost answer must not strand
an outpost); with any other key it is a replay, which is counted. No message says which part of a token was wrong.
"""

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from control_plane.errors import (
    InvalidRequest,
    OutpostRevoked,
    TokenExpired,
    TokenInvalid,
    TokenUsed,
)
from control_plane.issuance import IssuedCertificate, OutpostIssuer
from control_plane.outposts import OutpostRecord
from control_plane.renewal import parse_request
from control_plane.tokens import EnrolmentToken, parse_token
from outpost.protocol.messages import EnrolRequest
from outpost.protocol.sealing import SealingError, seal_secrets
from pki.keys import spki_sha256

_ED25519_BYTES = 32  # RFC 8032 §5.1.5


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token as stored."""

    secret_sha256: bytes
    outpost_id: str
    expires_at: datetime
    spent_at: datetime | None
    certificate_sha256: bytes | None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A successful enrolment. ``repeated`` if it is the answer to a request that was answered before."""

    outpost: OutpostRecord
    certificate: IssuedCertificate
    repeated: bool


class RegistrationStore(Protocol):
    """What the rules need of a database, inside the caller's write transaction."""

    def token(self, secret_sha256: bytes) -> TokenRecord | None:
        """The token with this secret's hash, or None."""
        ...

    def outpost(self, outpost_id: str) -> OutpostRecord | None:
        """One outpost, or None."""
        ...

    def certificate(self, sha256: bytes) -> IssuedCertificate | None:
        """A recorded certificate, or None."""
        ...

    def add_certificate(self, certificate: IssuedCertificate) -> None:
        """Record a certificate before it is given out."""
        ...

    def spend_token(self, secret_sha256: bytes, certificate_sha256: bytes, at: datetime) -> bool:
        """Mark an unspent token spent; False if it was spent in the meantime."""
        ...

    def record_keys(self, outpost_id: str, hpke_public_key: bytes, audit_public_key: bytes, at: datetime) -> None:
        """Store the keys an outpost enrolled with."""
        ...

    def record_replay(self, secret_sha256: bytes, at: datetime) -> None:
        """Count a use of a token after it was spent on another key."""
        ...


def enroll(
    request: EnrolRequest,
    *,
    store: RegistrationStore,
    issuer: OutpostIssuer,
    anchors_sha256: Collection[bytes],
    at: datetime,
) -> Enrolment | TokenUsed:
    """Enrol one outpost: the sequence of the design, in order. A token may carry any anchor that counts now.

    A replay is *returned*, not raised, so that the caller's transaction commits its record; the caller raises it.

    Raises:
        TokenInvalid, TokenExpired: The token buys nothing; no state changes.
        OutpostRevoked: The outpost was revoked; no state changes.
        CsrRejected, InvalidRequest: A key is malformed or unproven; no state changes, the token stays good.
    """
    token = parse_token(request.token)
    record = _check_secret(token, store, anchors_sha256)
    outpost = _require_outpost(store, record)
    if at >= record.expires_at:
        raise TokenExpired("the enrolment token has expired; make a new one with `control-plane outpost token`")
    public_key = parse_request(request.csr_pem)
    _check_public_keys(request.hpke_public_key, request.audit_public_key)
    if record.spent_at is not None:
        return _answer_again(record, outpost, request, spki_sha256(public_key), store, at)
    certificate = issuer(outpost.org_id, outpost.id, public_key, at)
    store.add_certificate(certificate)
    if not store.spend_token(record.secret_sha256, certificate.sha256, at):
        raise TokenUsed("the enrolment token was used at this very moment")  # rolls the certificate back
    store.record_keys(outpost.id, request.hpke_public_key, request.audit_public_key, at)
    return Enrolment(outpost, certificate, repeated=False)


def _check_secret(token: EnrolmentToken, store: RegistrationStore, anchors_sha256: Collection[bytes]) -> TokenRecord:
    record = store.token(token.secret_sha256)
    refused = TokenInvalid("the enrolment token is not one of this control plane's")
    if record is None:
        raise refused
    # The lookup by hash is what finds the secret; these compare in constant time what it is bound to.
    bound = hmac.compare_digest(record.outpost_id, token.outpost_id)
    ours = any(hmac.compare_digest(token.anchor_sha256, anchor) for anchor in anchors_sha256)
    genuine = hmac.compare_digest(record.secret_sha256, token.secret_sha256)
    if not (bound and ours and genuine):
        raise refused
    return record


def _require_outpost(store: RegistrationStore, record: TokenRecord) -> OutpostRecord:
    outpost = store.outpost(record.outpost_id)
    if outpost is None:
        raise TokenInvalid("the enrolment token is not one of this control plane's")
    if outpost.revoked_at is not None:
        raise OutpostRevoked("this outpost is revoked and cannot enrol")
    return outpost


def _check_public_keys(hpke_public_key: bytes, audit_public_key: bytes) -> None:
    try:
        seal_secrets({}, hpke_public_key, b"probe")  # a key to which nothing can be sealed must not be recorded
    except SealingError as err:
        raise InvalidRequest(f"hpke_public_key: {err}") from err
    if len(audit_public_key) != _ED25519_BYTES:
        raise InvalidRequest("audit_public_key: an Ed25519 public key has 32 bytes")
    Ed25519PublicKey.from_public_bytes(audit_public_key)


def _answer_again(
    record: TokenRecord,
    outpost: OutpostRecord,
    request: EnrolRequest,
    spki: bytes,
    store: RegistrationStore,
    at: datetime,
) -> Enrolment | TokenUsed:
    certificate = store.certificate(record.certificate_sha256) if record.certificate_sha256 else None
    presented = (spki, request.hpke_public_key, request.audit_public_key)
    if certificate is not None and presented == (
        certificate.spki_sha256,
        outpost.hpke_public_key,
        outpost.audit_public_key,
    ):
        return Enrolment(outpost, certificate, repeated=True)
    store.record_replay(record.secret_sha256, at)
    return TokenUsed("the enrolment token was used before; if that was not this outpost, revoke it and make a new one")
