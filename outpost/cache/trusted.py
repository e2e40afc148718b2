"""The newest verified metadata, file by file, as received: what the rollback checks of the next refresh stand on.

It is ahead of the applied bundle whenever a publication could not be fetched whole, did not compile, or failed its
smoke cases: the floor must not depend on that (TUF specification 5.3.8, 5.4.5, 5.5.7, 5.6.6). Each method is one
transaction. Nothing here verifies: bytes from disk are verified again by whoever loads them (design §5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outpost.cache.db import Database


@dataclass(frozen=True, slots=True)
class KeptMetadata:
    """What is kept, unverified.

    Attributes:
        roots: Root metadata by version.
        roles: Every other role's newest metadata by the role's name.
    """

    roots: Mapping[int, bytes]
    roles: Mapping[str, bytes]


class TrustedStore:
    """Verified metadata in ``outpost.db``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> KeptMetadata:
        """Everything that is kept.

        Raises:
            CacheUnavailable: It could not be read.
            CacheCorrupt: The database is damaged.
        """
        with self._database.transaction() as connection:
            roots = connection.execute("SELECT version, content FROM trusted_root ORDER BY version").fetchall()
            roles = connection.execute("SELECT role, content FROM trusted_role").fetchall()
        return KeptMetadata(dict(roots), dict(roles))

    def adopt(self, roots: Mapping[int, bytes], roles: Mapping[str, bytes]) -> None:
        """Begin with these, if nothing is kept yet: what an earlier version of this program had applied.

        Raises:
            CacheUnavailable: Nothing was changed.
        """
        with self._database.transaction():
            kept = self.load()
            if kept.roots or kept.roles:
                return
            for version, content in roots.items():
                self.keep_root(version, content, ())
            for role, content in roles.items():
                self.keep(role, content)

    def keep_root(self, version: int, content: bytes, discards: Sequence[str]) -> None:
        """Keep a root and, in the same transaction, drop the roles it takes back; durable when this returns.

        Raises:
            CacheUnavailable: Nothing was changed.
        """
        with self._database.transaction() as connection:
            connection.execute(
                """INSERT INTO trusted_root (version, content) VALUES (?, ?)
                   ON CONFLICT (version) DO UPDATE SET content = excluded.content""",
                (version, content),
            )
            connection.executemany("DELETE FROM trusted_role WHERE role = ?", [(role,) for role in discards])

    def keep(self, role: str, content: bytes) -> None:
        """Replace what is kept of ``role``; durable when this returns.

        Raises:
            CacheUnavailable: What was kept is still there.
        """
        with self._database.transaction() as connection:
            connection.execute(
                """INSERT INTO trusted_role (role, content) VALUES (?, ?)
                   ON CONFLICT (role) DO UPDATE SET content = excluded.content""",
                (role, content),
            )

    def drop(self, role: str) -> None:
        """Forget what is kept of ``role``.

        Raises:
            CacheUnavailable: It is still there.
        """
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM trusted_role WHERE role = ?", (role,))
