"""Identity events in the database. Implements ``control_plane.events.EventStore``."""

from sqlalchemy import Connection, delete, func, insert, select

from control_plane.events import KEPT_PER_OUTPOST, IdentityEvent
from control_plane.store.tables import identity_events

_PRUNE_EVERY = 100  # counting on each insert would cost more than a hundred rows too many


class SqlEventStore:
    """Inside one transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record(self, event: IdentityEvent) -> None:
        """Append an event; of an outpost only the newest are kept."""
        result = self._connection.execute(
            insert(identity_events).values(
                at=event.at, kind=event.kind, outpost_id=event.outpost_id, detail=event.detail
            )
        )
        key = result.inserted_primary_key
        if event.outpost_id is not None and key is not None and key[0] % _PRUNE_EVERY == 0:
            self._prune(event.outpost_id)

    def newest(self, limit: int, outpost_id: str | None = None) -> list[IdentityEvent]:
        """The newest events (of one outpost), newest first."""
        query = select(identity_events).order_by(identity_events.c.id.desc()).limit(limit)
        if outpost_id is not None:
            query = query.where(identity_events.c.outpost_id == outpost_id)
        return [IdentityEvent(row.at, row.kind, row.outpost_id, row.detail) for row in self._connection.execute(query)]

    def newest_of_kinds(self, kinds: tuple[str, ...]) -> dict[str, str]:
        """The kind of the newest of these events, by outpost."""
        columns = identity_events.c
        newest = (
            select(func.max(columns.id))
            .where(columns.kind.in_(kinds), columns.outpost_id.is_not(None))
            .group_by(columns.outpost_id)
        )
        rows = self._connection.execute(select(columns.outpost_id, columns.kind).where(columns.id.in_(newest)))
        return {row.outpost_id: row.kind for row in rows}

    def _prune(self, outpost_id: str) -> None:
        columns = identity_events.c
        oldest_kept = self._connection.execute(
            select(columns.id)
            .where(columns.outpost_id == outpost_id)
            .order_by(columns.id.desc())
            .offset(KEPT_PER_OUTPOST - 1)
            .limit(1)
        ).scalar()
        if oldest_kept is not None:
            self._connection.execute(
                delete(identity_events).where(columns.outpost_id == outpost_id, columns.id < oldest_kept)
            )
