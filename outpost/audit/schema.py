"""``audit.db``: its tables, its migrations and how to connect to it.

Rows are only ever added; what cannot be trusted is moved to ``quarantine``, never deleted. ``leaves`` of a
checkpoint repeats the hashes of the events that its commit added, so that the loss of a row can be named
exactly; ``frontier`` is kept for the newest checkpoints and every ``ANCHOR_EVERY`` events, the others are NULL.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from outpost.errors import AuditCorrupt, AuditUnavailable

APPLICATION_ID: Final = 0x4F504155  # "OPAU": tells our file from any other SQLite database
ANCHOR_EVERY: Final = 1024  # a frontier is ~0.7 KiB: under 1 byte per event
BUSY_TIMEOUT_MS: Final = 5_000  # the writer is alone; only an operator's tool can hold the lock
WAL_LIMIT_BYTES: Final = 64 << 20  # the file is cut back to this after a checkpoint

# One transaction per step; PRAGMA user_version is the number of steps done. Never edit a released step.
MIGRATIONS: Final = (
    (
        """CREATE TABLE events (
            seq INTEGER PRIMARY KEY,
            event BLOB NOT NULL,
            leaf_hash BLOB NOT NULL
        ) STRICT""",
        """CREATE TABLE checkpoints (
            size INTEGER PRIMARY KEY,
            note TEXT NOT NULL,
            leaves BLOB NOT NULL,
            frontier BLOB
        ) STRICT""",
        """CREATE TABLE receipts (
            size INTEGER PRIMARY KEY,
            note TEXT NOT NULL,
            frontier BLOB NOT NULL
        ) STRICT""",
        """CREATE TABLE quarantine (
            id INTEGER PRIMARY KEY,
            found_at TEXT NOT NULL,
            first_seq INTEGER NOT NULL,
            last_seq INTEGER NOT NULL,
            reason TEXT NOT NULL,
            payload BLOB,
            UNIQUE (first_seq, last_seq, reason)
        ) STRICT""",
        f"PRAGMA application_id = {APPLICATION_ID}",
    ),
)


def connect(path: Path) -> sqlite3.Connection:
    """A read-write connection in explicit-transaction mode; creates the file (0600) and migrates it.

    Raises:
        AuditCorrupt: If the file is another program's database.
        AuditUnavailable: If a newer version of this program wrote it.
        sqlite3.Error: If SQLite cannot open or read it.
    """
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        _migrate(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # in WAL mode: fsync at every commit
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # the writer does it when nobody waits
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A read-only connection, beside a running writer or on a copy, even in a folder that cannot be written.

    Raises:
        AuditCorrupt: If there is no audit log at ``path``.
    """
    if not path.is_file():
        raise AuditCorrupt("there is no audit log here")
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        found = connection.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.OperationalError:
        # A WAL database in a read-only folder needs a -shm file; without a -wal the file alone is complete.
        connection.close()
        if path.with_name(path.name + "-wal").exists():
            raise
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None, check_same_thread=False)
        found = connection.execute("PRAGMA application_id").fetchone()[0]
    if found != APPLICATION_ID:
        connection.close()
        raise AuditCorrupt("the file is not an audit log")
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    with closing(connection.execute("SELECT count(*) FROM sqlite_master")) as cursor:
        is_new = cursor.fetchone()[0] == 0
    if application_id != APPLICATION_ID and not is_new:
        raise AuditCorrupt("the file is not an audit log")
    if version > len(MIGRATIONS):
        raise AuditUnavailable("the audit log was written by a newer version of this program")
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
