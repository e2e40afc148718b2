"""What the outpost keeps of its control plane, as received: the bundle, the sealed secrets, and its sync state.

``BundleStore.save`` replaces the whole bundle in one transaction, so a crash leaves the old one or the new one
and never a mixture. Nothing here verifies: bytes from disk are verified again by whoever loads them (design §5).
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from outpost.cache.db import Database
from outpost.cache.trusted import TrustedStore
from outpost.errors import CacheCorrupt


class StateKey(StrEnum):
    """Every key of ``StateStore``; ``_at`` keys hold times."""

    CLOCK_FLOOR_AT = "clock_floor_at"
    LAST_ASKED_AT = "last_asked_at"
    LAST_DOWNLOADED_AT = "last_downloaded_at"
    LAST_APPLIED_AT = "last_applied_at"
    REVOKED = "revoked"
    REVOKED_BY_NUMBER = "revoked_by_number"
    REFUSED_VERSION = "refused_version"
    REFUSED_REASON = "refused_reason"


_ROLES: Final = ("timestamp", "snapshot", "targets")


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """One bundle, every part exactly as signed and received.

    Attributes:
        roots: Root metadata versions 2..N, in order; version 1 belongs to the identity.
        timestamp: ``timestamp.json``.
        snapshot: ``N.snapshot.json``.
        targets: ``N.targets.json``.
        documents: Target name (``policy.json``) to content.
        delegated: Delegated role to its metadata: each role on the way to a document that ``targets`` does not list.
    """

    roots: tuple[bytes, ...]
    timestamp: bytes
    snapshot: bytes
    targets: bytes
    documents: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    delegated: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class StoredSecrets:
    """A set of secrets, still sealed to the outpost's key."""

    version: int
    sealed: bytes


class BundleStore:
    """The last bundle that was applied; what was verified after it, whole or not, is ``trusted``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.trusted = TrustedStore(database)

    def save(self, bundle: StoredBundle) -> None:
        """Replace the stored bundle by ``bundle``; durable when this returns, and all or nothing.

        Raises:
            CacheUnavailable: It could not be written; the previous one is still there.
            CacheCorrupt: The database is damaged.
        """
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM bundle_root WHERE position >= ?", (len(bundle.roots),))
            # Unchanged blobs are not written again: a new timestamp must not cost megabytes of log.
            connection.executemany(
                """INSERT INTO bundle_root (position, content) VALUES (?, ?)
                   ON CONFLICT (position) DO UPDATE SET content = excluded.content WHERE content <> excluded.content""",
                enumerate(bundle.roots),
            )
            connection.executemany(
                """INSERT INTO bundle_role (role, content) VALUES (?, ?)
                   ON CONFLICT (role) DO UPDATE SET content = excluded.content WHERE content <> excluded.content""",
                [(role, getattr(bundle, role)) for role in _ROLES],
            )
            _replace(connection, "bundle_document", "name", bundle.documents)
            _replace(connection, "bundle_delegated", "role", bundle.delegated)

    def clear(self) -> None:
        """Forget the stored bundle; durable when this returns.

        Raises:
            CacheUnavailable: It is still there.
        """
        with self._database.transaction() as connection:
            for table in ("bundle_root", "bundle_role", "bundle_document", "bundle_delegated"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - the names above

    def load(self) -> StoredBundle | None:
        """The stored bundle, unverified; None if there never was one.

        Raises:
            CacheUnavailable: It could not be read.
            CacheCorrupt: Parts of it are missing.
        """
        with self._database.transaction() as connection:
            roots = connection.execute("SELECT position, content FROM bundle_root ORDER BY position").fetchall()
            roles = dict(connection.execute("SELECT role, content FROM bundle_role").fetchall())
            documents = dict(connection.execute("SELECT name, content FROM bundle_document ORDER BY name").fetchall())
            delegated = dict(connection.execute("SELECT role, content FROM bundle_delegated ORDER BY role").fetchall())
        if not roots and not roles and not documents and not delegated:
            return None
        if set(roles) != set(_ROLES) or [position for position, _ in roots] != list(range(len(roots))):
            raise CacheCorrupt(
                f"{self._database.path} holds only parts of a bundle: someone edited it; move it away, and the outpost "
                "fetches its policy anew"
            )
        return StoredBundle(
            roots=tuple(content for _, content in roots),
            documents=MappingProxyType(documents),
            delegated=MappingProxyType(delegated),
            **roles,
        )


def _replace(connection: sqlite3.Connection, table: str, key: str, rows: Mapping[str, bytes]) -> None:
    """Make ``table`` hold exactly ``rows``; an unchanged blob is not written again."""
    there = {str(name) for (name,) in connection.execute(f"SELECT {key} FROM {table}")}  # noqa: S608 - names of ours
    connection.executemany(f"DELETE FROM {table} WHERE {key} = ?", [(name,) for name in there - rows.keys()])  # noqa: S608
    connection.executemany(
        f"""INSERT INTO {table} ({key}, content) VALUES (?, ?)
            ON CONFLICT ({key}) DO UPDATE SET content = excluded.content WHERE content <> excluded.content""",  # noqa: S608
        list(rows.items()),
    )


class SecretStore:
    """The newest sealed secrets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, secrets: StoredSecrets) -> None:
        """Replace the stored secrets; durable when this returns.

        Raises:
            CacheUnavailable: They could not be written; the previous ones are still there.
        """
        with self._database.transaction() as connection:
            connection.execute(
                """INSERT INTO sealed_secrets (id, version, sealed) VALUES (1, ?, ?)
                   ON CONFLICT (id) DO UPDATE SET version = excluded.version, sealed = excluded.sealed""",
                (secrets.version, secrets.sealed),
            )

    def load(self) -> StoredSecrets | None:
        """The stored secrets, still sealed; None if there are none.

        Raises:
            CacheUnavailable: They could not be read.
        """
        with self._database.transaction() as connection:
            row = connection.execute("SELECT version, sealed FROM sealed_secrets WHERE id = 1").fetchone()
        return None if row is None else StoredSecrets(version=row[0], sealed=row[1])


class StateStore:
    """Small facts that must outlive a restart: one key, one JSON value. Times are RFC 3339 text in UTC."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> Any:
        """The value under ``key``; None if there is none.

        Raises:
            CacheUnavailable: It could not be read.
            CacheCorrupt: What is stored is not JSON.
        """
        with self._database.transaction() as connection:
            row = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        try:
            return json.loads(row[0])
        except (ValueError, RecursionError) as err:
            raise self._damaged(key) from err

    def update(self, values: Mapping[str, Any]) -> None:
        """Set every key of ``values`` in one transaction; a None removes the key.

        Raises:
            CacheUnavailable: Nothing was changed.
        """
        with self._database.transaction() as connection:
            for key, value in values.items():
                if value is None:
                    connection.execute("DELETE FROM state WHERE key = ?", (key,))
                else:
                    connection.execute(
                        """INSERT INTO state (key, value) VALUES (?, ?)
                           ON CONFLICT (key) DO UPDATE SET value = excluded.value""",
                        (key, json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False)),
                    )

    def get_time(self, key: str) -> datetime | None:
        """The time under ``key``, aware UTC; None if there is none.

        Raises:
            CacheUnavailable: It could not be read.
            CacheCorrupt: What is stored is not a time with an offset.
        """
        text = self.get(key)
        if text is None:
            return None
        try:
            at = datetime.fromisoformat(text)
        except (TypeError, ValueError) as err:
            raise self._damaged(key) from err
        if at.tzinfo is None:
            raise self._damaged(key)
        return at.astimezone(UTC)

    def set_time(self, key: str, at: datetime) -> None:
        """Store ``at`` under ``key``.

        Raises:
            CacheUnavailable: Nothing was changed.
        """
        self.update({key: at.astimezone(UTC).isoformat()})

    def raise_time(self, key: str, at: datetime) -> datetime:
        """Store ``at`` unless a later time is stored already; return the later of the two (a floor never sinks).

        Raises:
            CacheUnavailable: Nothing was changed.
            CacheCorrupt: What is stored is not a time.
        """
        with self._database.transaction():
            stored = self.get_time(key)
            if stored is not None and stored >= at:
                return stored
            self.set_time(key, at)
        return at.astimezone(UTC)

    def _damaged(self, key: str) -> CacheCorrupt:
        return CacheCorrupt(f"{self._database.path}: the value stored under {key} cannot be read; someone edited it")
