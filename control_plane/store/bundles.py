"""TUF metadata and targets in the database, exactly as signed; implements ``control_plane.bundles.BundleStore``."""

from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from control_plane.bundles import Publication
from control_plane.store.tables import tuf_metadata, tuf_targets


class SqlBundleStore:
    """Inside one transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def latest_version(self, org_id: str, role: str) -> int:
        """The highest stored version of ``role``; 0 if there is none."""
        query = select(func.max(tuf_metadata.c.version)).where(
            tuf_metadata.c.org_id == org_id, tuf_metadata.c.role == role
        )
        return self._connection.execute(query).scalar() or 0

    def metadata(self, org_id: str, role: str, version: int) -> bytes | None:
        """Stored metadata as signed, or None."""
        query = select(tuf_metadata.c.content).where(
            tuf_metadata.c.org_id == org_id, tuf_metadata.c.role == role, tuf_metadata.c.version == version
        )
        found: bytes | None = self._connection.execute(query).scalar()
        return found

    def target(self, org_id: str, name: str, digest: str) -> bytes | None:
        """A stored target's bytes, or None."""
        query = select(tuf_targets.c.content).where(
            tuf_targets.c.org_id == org_id, tuf_targets.c.name == name, tuf_targets.c.sha256 == digest
        )
        found: bytes | None = self._connection.execute(query).scalar()
        return found

    def add(self, org_id: str, publication: Publication, at: datetime) -> None:
        """Store a publication; the primary key refuses a version that exists already."""
        rows = [
            {"org_id": org_id, "role": file.role, "version": file.version, "content": file.content, "created_at": at}
            for file in publication.metadata
        ]
        self._connection.execute(insert(tuf_metadata), rows)
        for target in publication.targets:
            if self.target(org_id, target.name, target.sha256) is None:
                row = {"org_id": org_id, "name": target.name, "sha256": target.sha256, "content": target.content}
                self._connection.execute(insert(tuf_targets).values(**row, created_at=at))

    def snapshot_versions(self, org_ids: list[str]) -> dict[str, int]:
        """The newest snapshot version of each of these orgs that has one, in one query."""
        query = (
            select(tuf_metadata.c.org_id, func.max(tuf_metadata.c.version))
            .where(tuf_metadata.c.role == "snapshot", tuf_metadata.c.org_id.in_(org_ids))
            .group_by(tuf_metadata.c.org_id)
        )
        return {org_id: version for org_id, version in self._connection.execute(query)}  # noqa: C416 - rows, not pairs
