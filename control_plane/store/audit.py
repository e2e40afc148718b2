"""Audit logs in the database; implements ``control_plane.audit.AuditStore``."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, select

from control_plane.audit import StoredEvent, StoredHead
from control_plane.store.tables import audit_events, audit_receipts


class SqlAuditStore:
    """Inside one write transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest_head(self, outpost_id: str, at_most: int | None = None) -> StoredHead | None:
        """The stored head of the greatest size (not above ``at_most``), or None."""
        columns = audit_receipts.c
        query = select(columns.size, columns.frontier, columns.note).where(columns.outpost_id == outpost_id)
        if at_most is not None:
            query = query.where(columns.size <= at_most)
        row = self._connection.execute(query.order_by(columns.size.desc()).limit(1)).one_or_none()
        return None if row is None else StoredHead(row.size, row.frontier, row.note)

    def leaf_hashes(self, outpost_id: str, first: int, end: int) -> list[bytes]:
        """The stored leaf hashes of events ``first`` to ``end`` (exclusive), in order."""
        columns = audit_events.c
        query = (
            select(columns.leaf_hash)
            .where(columns.outpost_id == outpost_id, columns.seq >= first, columns.seq < end)
            .order_by(columns.seq)
        )
        return list(self._connection.execute(query).scalars())

    def append(self, outpost_id: str, events: Sequence[StoredEvent], head: StoredHead, at: datetime) -> None:
        """Store new events and the head that ends with the last of them."""
        rows = [
            {
                "outpost_id": outpost_id,
                "seq": event.seq,
                "event": event.event,
                "leaf_hash": event.leaf_hash,
                "received_at": at,
            }
            for event in events
        ]
        self._connection.execute(insert(audit_events), rows)
        self._connection.execute(
            insert(audit_receipts).values(
                outpost_id=outpost_id, size=head.size, frontier=head.frontier, note=head.note, created_at=at
            )
        )
