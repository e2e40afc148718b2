"""``outpost.db``: the one connection through which the outpost's own state is read and written.

WAL with ``synchronous=FULL``: a transaction that has returned survives a power cut. Every transaction begins
IMMEDIATE under one lock, so there is one writer and no upgrade deadlock (https://sqlite.org/lang_transaction.html).
A file is created whole beside its place and renamed into it, so an empty or half-made ``outpost.db`` is
never a normal state: a damaged, foreign or orphaned file is reported and left for a person, because
recreating it would silently forget the versions below which a bundle is a rollback.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Final, Self

from outpost.cache.migrations import migrate
from outpost.errors import CacheCorrupt, CacheUnavailable, OutpostError

FILENAME: Final = "outpost.db"
APPLICATION_ID: Final = 0x4F50_4342
"""``OPCB`` in ASCII; tells our file from any other SQLite database (https://sqlite.org/pragma.html#pragma_application_id)."""
_BUSY_TIMEOUT_MS: Final = 5_000  # an operator's tool may hold the lock for a moment; longer is a fault to report
_PRIMARY_CODE_MASK: Final = 0xFF  # https://sqlite.org/rescode.html#extrc: the low byte is the primary code
_CORRUPT_CODES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_WHAT_TO_DO: Final = (
    "stop the outpost, keep the file for examination, and restore it from a backup; "
    "without one, move it and its -wal and -shm files away: the outpost then refuses all requests until it "
    "has fetched its policy anew from the control plane"
)


class Database:
    """The owner of the only connection to one ``outpost.db``. Safe to use from any thread; one at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, read_only: bool = False) -> None:
        self._connection = connection
        self._begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
        self._path = path
        self._lock = RLock()
        self._in_transaction = False

    @property
    def path(self) -> Path:
        """Where the database lies."""
        return self._path

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the body in one ``BEGIN IMMEDIATE`` transaction; it commits when the body returns, else nothing stays.

        A transaction begun inside another one of the same thread joins it, so stores can be combined into one.

        Raises:
            CacheUnavailable: The database cannot be read or written now.
            CacheCorrupt: It is damaged.
        """
        with self._lock:
            if self._in_transaction:
                yield self._connection
                return
            with _translated(self._path):
                self._connection.execute(self._begin)
                self._in_transaction = True
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    # SQLite may have rolled back itself (disk full, I/O error); the first error is the one to tell.
                    with suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                    raise
                finally:
                    self._in_transaction = False

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_database(path: Path) -> Database:
    """Open ``path``, creating it whole (mode 0600) if there is none, and bring its schema up to date.

    Raises:
        CacheCorrupt: The file is damaged, is not ours, or is gone while its write-ahead log is still there.
        CacheUnavailable: It cannot be opened or created, or a newer version wrote it.
    """
    try:
        if not path.exists():
            _create(path)
        elif path.stat().st_size == 0:
            raise CacheCorrupt(f"{path} is empty, and it never is after its creation: {_WHAT_TO_DO}")
    except OSError as err:
        raise CacheUnavailable(f"cannot create or read {path}: {err.strerror}") from err
    with _translated(path):
        connection = _connect(path)
        try:
            _require_intact(connection, path)
            migrate(connection)
        except BaseException:
            connection.close()
            raise
    return Database(connection, path)


def open_read_only(path: Path) -> Database:
    """Open ``path`` to look at it, beside a running outpost too; nothing can be changed through it.

    Raises:
        CacheCorrupt: The file is damaged or not ours.
        CacheUnavailable: It is not there or cannot be read, or its schema is not this version's.
    """
    with _translated(path):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_MS / 1000)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA query_only = ON")
            _require_intact(connection, path)
        except BaseException:
            connection.close()
            raise
    return Database(connection, path, read_only=True)


def _create(path: Path) -> None:
    wal = path.with_name(path.name + "-wal")
    if wal.exists():
        # SQLite would replay a log that belongs to another file into the new one.
        raise CacheCorrupt(f"{path} is missing but {wal.name} is there: {_WHAT_TO_DO}")
    fresh = path.with_name(path.name + ".new")
    for leftover in (fresh, *(fresh.with_name(fresh.name + suffix) for suffix in ("-wal", "-shm", "-journal"))):
        leftover.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with _translated(path):
        connection = _connect(fresh)
        try:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
            migrate(connection)
        finally:
            connection.close()  # the last connection checkpoints its log into the file and removes it
    fresh.rename(path)
    _sync_directory(path.parent)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_MS / 1000)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")  # sqlite.org/security.html: a planted view runs nothing
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _require_intact(connection: sqlite3.Connection, path: Path) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID:
        raise CacheCorrupt(f"{path} is a database of another program: {_WHAT_TO_DO}")
    first = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if first != ("ok",):
        raise CacheCorrupt(f"{path} is damaged: {_WHAT_TO_DO}")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours at one place; the data that was being written is not in the message."""
    try:
        yield
    except OutpostError:
        raise
    except UnicodeDecodeError as err:
        # SQLite quotes a damaged schema in its message, and Python cannot even read that.
        raise CacheCorrupt(f"{path} is damaged: {_WHAT_TO_DO}") from err
    except sqlite3.DatabaseError as err:
        code = getattr(err, "sqlite_errorcode", None)
        if code is not None and code & _PRIMARY_CODE_MASK in _CORRUPT_CODES:
            raise CacheCorrupt(f"{path} is damaged: {_WHAT_TO_DO}") from err
        if isinstance(err, sqlite3.OperationalError):
            name = getattr(err, "sqlite_errorname", "SQLITE_ERROR")
            raise CacheUnavailable(f"cannot use {path} ({name}): check free space, permissions and the disk") from err
        raise  # a constraint or a misuse: a bug of ours, not a state of the file


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
