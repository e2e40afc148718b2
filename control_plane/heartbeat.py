"""Heartbeats: what an outpost says about itself, recorded as said; the answer carries our clock."""

from datetime import datetime

from control_plane.outposts import OutpostRecord, OutpostStatus, RegistryStore
from outpost.protocol.messages import Heartbeat, HeartbeatReply


def record_heartbeat(
    store: RegistryStore, outpost: OutpostRecord, beat: Heartbeat, at: datetime, interval_s: int
) -> HeartbeatReply:
    """Replace the outpost's last known status and answer with our time."""
    bundle = beat.bundle
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
    )
    store.save_status(outpost.id, status)
    return HeartbeatReply(server_time=at, interval_s=interval_s)
