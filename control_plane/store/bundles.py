"""TUF metadata and targets in the database, exactly as signed; implements ``control_plane.release.BundleStore``."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from control_plane.errors import VersionTaken
from control_plane.release import HeadVersions, Publication
from control_plane.store.tables import tuf_heads, tuf_metadata, tuf_targets


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

    def head(self, org_id: str, audience: str) -> HeadVersions | None:
        """What an audience is shown, or None if it is shown nothing of its own."""
        columns = tuf_heads.c
        query = select(columns.snapshot_version, columns.timestamp_version).where(
            columns.org_id == org_id, columns.audience == audience
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else HeadVersions(row.snapshot_version, row.timestamp_version)

    def add(self, org_id: str, publication: Publication, at: datetime) -> None:
        """Store a publication; the primary key refuses a version that exists already.

        Raises:
            VersionTaken: Somebody else published it; this transaction is of no more use.
        """
        rows = [
            {"org_id": org_id, "role": file.role, "version": file.version, "content": file.content, "created_at": at}
            for file in publication.metadata
        ]
        try:
            if rows:
                self._connection.execute(insert(tuf_metadata), rows)
            for target in publication.targets:
                if self.target(org_id, target.name, target.sha256) is None:
                    row = {"org_id": org_id, "name": target.name, "sha256": target.sha256, "content": target.content}
                    self._connection.execute(insert(tuf_targets).values(**row, created_at=at))
        except IntegrityError as err:
            raise VersionTaken(f"another process has just published for org {org_id}; try again") from err
        for audience, versions in publication.heads.items():
            self._show(org_id, audience, versions)

    def _show(self, org_id: str, audience: str, versions: HeadVersions | None) -> None:
        columns = tuf_heads.c
        where = (columns.org_id == org_id, columns.audience == audience)
        if versions is None:
            self._connection.execute(delete(tuf_heads).where(*where))
            return
        values = {"snapshot_version": versions.snapshot, "timestamp_version": versions.timestamp}
        if self._connection.execute(update(tuf_heads).where(*where).values(**values)).rowcount == 0:
            self._connection.execute(insert(tuf_heads).values(org_id=org_id, audience=audience, **values))
