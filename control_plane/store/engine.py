"""One database, two kinds of transaction; the only file that knows SQLite from PostgreSQL.

SQLite (the embedded default) runs in WAL mode with foreign keys on; a write takes its lock at BEGIN IMMEDIATE, so
two writers queue instead of failing at COMMIT. Every rule runs inside exactly one ``read()`` or ``write()``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

from control_plane.errors import StoreUnavailable

BUSY_TIMEOUT_MS = 10_000  # a publish of a large bundle holds the write lock for well under a second
_WRITE = "control_plane_write"
_MIGRATIONS = Path(__file__).with_name("migrations")  # inside the package, so an installed wheel has them


class Database:
    """A database by URL. Threads may share it; transactions are per call."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, hide_parameters=True)  # parameters would put bytes of keys into errors
        self._sqlite = self._engine.dialect.name == "sqlite"
        if self._sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one consistent state and changes nothing.

        Raises:
            StoreUnavailable: The database cannot be reached.
        """
        with _translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits whole when the block ends, or leaves nothing behind when it raises.

        Raises:
            StoreUnavailable: The database cannot be reached, or another writer held it for too long.
        """
        with _translated(), self._engine.connect() as plain:
            connection = plain.execution_options(**{_WRITE: True})
            with connection.begin():
                yield connection

    def migrate(self) -> None:
        """Bring the schema to this version; each step commits together with its record.

        Raises:
            StoreUnavailable: The database cannot be reached.
        """
        config = _migrations()
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def is_current(self) -> bool:
        """True if the schema is exactly what this version expects.

        Raises:
            StoreUnavailable: The database cannot be reached.
        """
        head = ScriptDirectory.from_config(_migrations()).get_current_head()
        with self.read() as connection:
            return MigrationContext.configure(connection).get_current_revision() == head

    def close(self) -> None:
        """Close every pooled connection; SQLite folds its WAL into the file."""
        self._engine.dispose()


def _migrations() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))  # ConfigParser expands %
    return config


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as err:
        raise StoreUnavailable("the control plane's database cannot be used now") from err
    except DBAPIError as err:
        if err.connection_invalidated:
            raise StoreUnavailable("the connection to the control plane's database was lost") from err
        raise


def _prepare_sqlite(connection: SqliteConnection, _record: Any) -> None:
    # The driver's own implicit BEGIN comes too late for SELECT and is never IMMEDIATE; SQLAlchemy sends ours.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # an acknowledged audit batch must survive a power cut
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def engine_of(database: Database) -> Engine:
    """The SQLAlchemy engine, for tests that look at the schema itself."""
    return database._engine  # noqa: SLF001
