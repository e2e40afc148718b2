"""The steps that bring ``outpost.db`` from any earlier schema to this one.

Each step and the record of it (``PRAGMA user_version``) commit together, so a crash between two steps, or
inside one, leaves a file that the next start carries on with. A file written by a newer version is refused:
guessing at its meaning could lose a rollback floor. Steps are only ever appended.
"""

import sqlite3
from typing import Final

from outpost.errors import CacheUnavailable

_BUNDLE_SECRETS_STATE: Final = (
    # Bytes exactly as received; they are verified again at every start.
    "CREATE TABLE bundle_root (position INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT",
    """CREATE TABLE bundle_role (
        role TEXT PRIMARY KEY CHECK (role IN ('timestamp', 'snapshot', 'targets')),
        content BLOB NOT NULL
    ) STRICT""",
    "CREATE TABLE bundle_document (name TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT",
    # One row: the newest set of secrets, still sealed to the outpost's key.
    """CREATE TABLE sealed_secrets (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        version INTEGER NOT NULL CHECK (version >= 1),
        sealed BLOB NOT NULL
    ) STRICT""",
    "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
)

_TRUSTED_METADATA: Final = (
    # What was verified last, file by file, whether or not the whole of it could be applied (TUF 5.3.8 to 5.6.6).
    "CREATE TABLE trusted_root (version INTEGER PRIMARY KEY CHECK (version >= 1), content BLOB NOT NULL) STRICT",
    "CREATE TABLE trusted_role (role TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT",
    # Delegated roles of the bundle that is applied.
    "CREATE TABLE bundle_delegated (role TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT",
)

_UPLOADS: Final = (
    # Files that callers uploaded: whose they are and what was found in them, nothing of what they say.
    """CREATE TABLE upload (
        file_id TEXT PRIMARY KEY,
        provider TEXT NOT NULL,
        key_id TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        inspected_by TEXT NOT NULL,
        looked INTEGER NOT NULL,
        found TEXT NOT NULL,
        uploaded_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX upload_of_key ON upload (key_id, uploaded_at)",
    "CREATE INDEX upload_expires ON upload (expires_at)",
)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_BUNDLE_SECRETS_STATE, _TRUSTED_METADATA, _UPLOADS)
"""Step ``n`` (counted from 1) takes a file of ``user_version`` ``n - 1`` to ``n``."""


def migrate(connection: sqlite3.Connection, steps: tuple[tuple[str, ...], ...] = MIGRATIONS) -> int:
    """Apply every missing step, each in a transaction of its own; return the schema version reached.

    Raises:
        CacheUnavailable: The file was written by a newer version.
        sqlite3.Error: A step failed; it left no trace.
    """
    version = _user_version(connection)
    if version > len(steps):
        raise CacheUnavailable(
            f"the local database has schema {version}, this version knows {len(steps)}: "
            "start the newer version again, or restore the data directory from before its first start"
        )
    while version < len(steps):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Read again under the lock: another process may have taken the step meanwhile.
            version = _user_version(connection)
            if version < len(steps):
                for statement in steps[version]:
                    connection.execute(statement)
                version += 1
                connection.execute(f"PRAGMA user_version = {version:d}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return version


def _user_version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
