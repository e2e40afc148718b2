"""Canaries, their members and outposts' labels; implements ``control_plane.canary.CanaryStore``."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from control_plane.canary import Audiences, Canary, State
from control_plane.release import CANARY, STABLE
from control_plane.store.tables import canaries, canary_members, outpost_labels, outposts, tuf_heads


class SqlCanaryStore:
    """Inside one transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest(self, org_id: str) -> Canary | None:
        """The org's newest canary, or None."""
        query = select(canaries).where(canaries.c.org_id == org_id).order_by(canaries.c.version.desc()).limit(1)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return Canary(row.org_id, row.version, row.audience, State(row.state), row.created_at, row.changed_at)

    def add(self, canary: Canary, members: Iterable[str]) -> None:
        """Store a new canary."""
        self._connection.execute(insert(canaries).values(**asdict(canary)))
        rows = [{"org_id": canary.org_id, "version": canary.version, "outpost_id": member} for member in members]
        self._connection.execute(insert(canary_members), rows)

    def members(self, canary: Canary) -> dict[str, datetime | None]:
        """By outpost id: when it was first shown the canary."""
        columns = canary_members.c
        query = select(columns.outpost_id, columns.served_at).where(
            columns.org_id == canary.org_id, columns.version == canary.version
        )
        return {row.outpost_id: row.served_at for row in self._connection.execute(query)}

    def change(self, canary: Canary, state: State, at: datetime) -> None:
        """Move it to another state."""
        where = (canaries.c.org_id == canary.org_id, canaries.c.version == canary.version)
        self._connection.execute(update(canaries).where(*where).values(state=state, changed_at=at))

    def mark_shown(self, canary: Canary, outpost_id: str, at: datetime) -> None:
        """Remember that a member has been shown it; the first time counts."""
        columns = canary_members.c
        where = (columns.org_id == canary.org_id, columns.version == canary.version, columns.outpost_id == outpost_id)
        self._connection.execute(update(canary_members).where(*where, columns.served_at.is_(None)).values(served_at=at))

    def labels(self, org_id: str) -> dict[str, dict[str, str]]:
        """By id of each outpost of the org that is not revoked: its labels."""
        query = (
            select(outposts.c.id, outpost_labels.c.name, outpost_labels.c.value)
            .outerjoin(outpost_labels, outpost_labels.c.outpost_id == outposts.c.id)
            .where(outposts.c.org_id == org_id, outposts.c.revoked_at.is_(None))
        )
        found: dict[str, dict[str, str]] = {}
        for row in self._connection.execute(query):
            own = found.setdefault(row.id, {})
            if row.name is not None:
                own[row.name] = row.value
        return found

    def set_label(self, outpost_id: str, name: str, value: str | None) -> None:
        """Set or (None) take away a label."""
        columns = outpost_labels.c
        self._connection.execute(delete(outpost_labels).where(columns.outpost_id == outpost_id, columns.name == name))
        if value is not None:
            self._connection.execute(insert(outpost_labels).values(outpost_id=outpost_id, name=name, value=value))

    def audiences(self, org_ids: list[str]) -> dict[str, Audiences]:
        """Which snapshot each outpost of these orgs is to be shown: one query, one more while a canary is under way."""
        columns = tuf_heads.c
        query = select(columns.org_id, columns.audience, columns.snapshot_version).where(columns.org_id.in_(org_ids))
        heads: dict[str, dict[str, int]] = {}
        for row in self._connection.execute(query):
            heads.setdefault(row.org_id, {})[row.audience] = row.snapshot_version
        return {org_id: self._audiences(org_id, shown) for org_id, shown in heads.items() if STABLE in shown}

    def _audiences(self, org_id: str, shown: dict[str, int]) -> Audiences:
        canary = self.newest(org_id) if CANARY in shown else None
        if canary is None:
            return Audiences(shown[STABLE])
        members = {outpost_id: at is not None for outpost_id, at in self.members(canary).items()}
        return Audiences(shown[STABLE], shown[CANARY], canary.state is State.RUNNING, members)


def visible_snapshot(connection: Connection, org_id: str, outpost_id: str) -> int:
    """The snapshot version that one outpost is to have; 0 if its org has published nothing."""
    found = SqlCanaryStore(connection).audiences([org_id]).get(org_id)
    return 0 if found is None else found.version_for(outpost_id)
