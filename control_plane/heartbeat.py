"""Heartbeats: what an outpost says about itself, recorded as said; the answer carries our clock and what to do next.

Instance ids tell a restart from a clone: a restarted outpost never comes back under an id it had before, two machines
with one identity take turns. Which certificate is in use is read from the connection, not from what it says.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from control_plane.outposts import OutpostRecord, OutpostStatus, RegistryStore
from outpost.protocol.messages import Heartbeat, HeartbeatReply

_QUIET = timedelta(hours=1)  # a clone that was not heard for as long is reported again; else once is enough
_REMEMBERED_INSTANCES = 8  # more machines than that on one identity also alternate within any eight


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """One heartbeat of ``outpost``, over a connection with this certificate. Two are never the same."""

    outpost: OutpostRecord
    beat: Heartbeat
    certificate_sha256: bytes | None


def record_heartbeat(  # noqa: PLR0913 - the facts of one heartbeat
    store: RegistryStore,
    outpost: OutpostRecord,
    beat: Heartbeat,
    at: datetime,
    interval_s: int,
    *,
    certificate_sha256: bytes | None = None,
    generation: int | None = None,
    active_authority: str | None = None,
) -> tuple[HeartbeatReply, bool]:
    """Replace the outpost's last known status; the answer, and whether it is news that the identity is cloned.

    Args:
        store: The registry.
        outpost: Who reports.
        beat: What it says.
        at: Now.
        interval_s: How soon the next one is wanted.
        certificate_sha256: Of the certificate that the connection was made with, if it is known.
        generation: The newest trust generation.
        active_authority: The intermediate that issues now; a certificate of another one is to be renewed.
    """
    before = store.status(outpost.id)
    earlier, cloned = _instances(before, beat.instance_id)
    bundle = beat.bundle
    digest = certificate_sha256.hex() if certificate_sha256 else beat.certificate_sha256
    authority = store.authority_of(bytes.fromhex(digest)) if digest else None
    status = OutpostStatus(
        received_at=at,
        sent_at=beat.sent_at,
        outpost_version=beat.outpost_version,
        snapshot_version=bundle.snapshot_version if bundle else None,
        applied_at=bundle.applied_at if bundle else None,
        refused_version=bundle.refused_version if bundle else None,
        refused_reason=bundle.refused_reason if bundle else None,
        audit_size=beat.audit_size,
        audit_delivered=beat.audit_delivered,
        certificate_sha256=digest,
        authority=authority,
        trust_generation=beat.trust_generation,
        instance_id=beat.instance_id,
        earlier_instances=earlier,
        cloned_at=at if cloned else before.cloned_at if before else None,
    )
    store.save_status(outpost.id, status)
    renew = None not in (authority, active_authority) and authority != active_authority
    reply = HeartbeatReply(server_time=at, interval_s=interval_s, trust_generation=generation, renew=renew)
    is_news = cloned and (before is None or before.cloned_at is None or at - before.cloned_at > _QUIET)
    return reply, is_news


def _instances(before: OutpostStatus | None, instance_id: str | None) -> tuple[tuple[str, ...], bool]:
    """The instance ids before this one, newest first, and whether this one was among them."""
    if before is None or instance_id is None:
        return (), False
    known = before.earlier_instances
    if before.instance_id in (None, instance_id):
        return known, False
    earlier = (before.instance_id, *(one for one in known if one not in (before.instance_id, instance_id)))
    return earlier[:_REMEMBERED_INSTANCES], instance_id in known
