"""The registry of outposts: who exists, in which org, with which certificates, and who is revoked.

The registry is asked on every request of an outpost, also on open connections, so a revocation counts from the
next request on (design §4). An outpost's id is unique in the whole control plane, for a token carries it alone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from control_plane.errors import AlreadyExists, CertificateRejected, InvalidRequest, OutpostRevoked, UnknownOutpost
from control_plane.tokens import EnrolmentToken, make_token
from outpost.protocol.ids import ID_PATTERN, OrgId, OutpostId

_NAME = re.compile(ID_PATTERN)
_NAME_LIMIT = 54  # an id is the name, a hyphen and 8 hex digits, and has at most 63 characters
_SUFFIX_BYTES = 4


@dataclass(frozen=True, slots=True)
class OutpostRecord:
    """One registered outpost."""

    id: OutpostId
    org_id: OrgId
    name: str
    created_at: datetime
    enrolled_at: datetime | None = None
    revoked_at: datetime | None = None
    hpke_public_key: bytes | None = None
    audit_public_key: bytes | None = None
    recovery_approved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutpostStatus:
    """What an outpost last said about itself."""

    received_at: datetime
    sent_at: datetime
    outpost_version: str
    snapshot_version: int | None
    applied_at: datetime | None
    refused_version: int | None
    refused_reason: str | None
    audit_size: int
    audit_delivered: int
    certificate_sha256: str | None = None
    """Hexadecimal, the certificate of the connection."""
    authority: str | None = None
    """Which intermediate issued it."""
    trust_generation: int | None = None
    instance_id: str | None = None
    earlier_instances: tuple[str, ...] = ()
    """Instance ids seen before this one, newest first."""
    cloned_at: datetime | None = None
    """When an earlier instance was last heard again: two machines share this identity."""


class RegistryStore(Protocol):
    """What the rules need of a database, inside the caller's transaction."""

    def outpost(self, outpost_id: str) -> OutpostRecord | None:
        """One outpost, or None."""
        ...

    def outposts(self, org_id: str | None = None) -> list[tuple[OutpostRecord, OutpostStatus | None]]:
        """All outposts (of one org) by name, with what each last reported."""
        ...

    def name_is_taken(self, org_id: str, name: str) -> bool:
        """True if the org has an outpost of this name."""
        ...

    def add_outpost(self, record: OutpostRecord) -> None:
        """Store a new outpost."""
        ...

    def add_token(self, token: EnrolmentToken, created_at: datetime, expires_at: datetime) -> None:
        """Store a token's hash and lifetime."""
        ...

    def mark_revoked(self, outpost_id: str, at: datetime) -> bool:
        """Revoke an outpost and its certificates; False if it was revoked already."""
        ...

    def certificate_is_live(self, outpost_id: str, certificate_sha256: bytes, at: datetime) -> bool:
        """True if this certificate was issued to this outpost, has not ended at ``at`` and is not revoked."""
        ...

    def authority_of(self, certificate_sha256: bytes) -> str | None:
        """The name of the authority that issued a recorded certificate."""
        ...

    def status(self, outpost_id: str) -> OutpostStatus | None:
        """What the outpost last reported."""
        ...

    def set_recovery_approval(self, outpost_id: str, at: datetime | None) -> None:
        """Set or clear an operator's approval of a recovery."""
        ...

    def save_status(self, outpost_id: str, status: OutpostStatus) -> None:
        """Replace what the outpost last reported."""
        ...


def create_outpost(
    store: RegistryStore, org_id: str, name: str, at: datetime, random_bytes: Callable[[int], bytes]
) -> OutpostRecord:
    """Register an outpost that has not enrolled yet.

    Raises:
        InvalidRequest: The name cannot be part of an id.
        AlreadyExists: The org has an outpost of this name.
    """
    if len(name) > _NAME_LIMIT or not _NAME.fullmatch(name):
        raise InvalidRequest(f"an outpost's name has 1-{_NAME_LIMIT} characters of a-z, 0-9 and inner hyphens")
    if store.name_is_taken(org_id, name):
        raise AlreadyExists(f"org {org_id} has an outpost named {name}; see `control-plane outpost list`")
    outpost_id = OutpostId(f"{name}-{random_bytes(_SUFFIX_BYTES).hex()}")
    record = OutpostRecord(id=outpost_id, org_id=OrgId(org_id), name=name, created_at=at)
    store.add_outpost(record)
    return record


def create_token(
    store: RegistryStore,
    outpost_id: str,
    *,
    anchor_sha256: bytes,
    lifetime: timedelta,
    at: datetime,
    random_bytes: Callable[[int], bytes],
) -> EnrolmentToken:
    """A fresh one-use token for a registered outpost; its text is shown once.

    Raises:
        UnknownOutpost, OutpostRevoked: There is no such outpost, or it may not come back.
    """
    require_active(store, outpost_id)
    token = make_token(outpost_id, anchor_sha256, random_bytes)
    store.add_token(token, at, at + lifetime)
    return token


def require_active(store: RegistryStore, outpost_id: str) -> OutpostRecord:
    """The outpost, if it exists and is not revoked.

    Raises:
        UnknownOutpost, OutpostRevoked: Otherwise.
    """
    record = store.outpost(outpost_id)
    if record is None:
        raise UnknownOutpost("the registry has no such outpost; see `control-plane outpost list`")
    if record.revoked_at is not None:
        raise OutpostRevoked("this outpost is revoked for ever; register another with `control-plane outpost create`")
    return record


def admit(store: RegistryStore, org_id: str, outpost_id: str, certificate_sha256: bytes, at: datetime) -> OutpostRecord:
    """The outpost behind a verified certificate, if the registry knows exactly this certificate as live.

    Raises:
        UnknownOutpost: No such outpost.
        OutpostRevoked: It is revoked.
        CertificateRejected: The certificate names another org, or is not one of the outpost's recorded ones.
    """
    record = require_active(store, outpost_id)
    if record.org_id != org_id:
        raise CertificateRejected("the certificate names another org than the registry", "name")
    if not store.certificate_is_live(outpost_id, certificate_sha256, at):
        raise CertificateRejected("the registry has no live record of this certificate", "revoked")
    return record


def approve_recovery(store: RegistryStore, outpost_id: str, at: datetime) -> None:
    """Let an outpost whose certificate has ended recover once.

    Raises:
        UnknownOutpost, OutpostRevoked: There is no such outpost, or it may not come back.
    """
    require_active(store, outpost_id)
    store.set_recovery_approval(outpost_id, at)


def revoke_outpost(store: RegistryStore, outpost_id: str, at: datetime) -> None:
    """Revoke an outpost: its next request is refused, and its certificates go on the next CRL.

    Raises:
        UnknownOutpost: No such outpost.
        OutpostRevoked: It was revoked already.
    """
    require_active(store, outpost_id)
    store.mark_revoked(outpost_id, at)
