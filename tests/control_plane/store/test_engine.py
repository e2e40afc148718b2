"""Transactions and migrations on real SQLite."""

import shutil
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from control_plane.errors import StoreUnavailable
from control_plane.store import engine
from control_plane.store.engine import Database
from control_plane.store.tables import metadata, orgs, users

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    database.migrate()
    yield database
    database.close()


def _add(connection, org_id, at=AT):
    connection.execute(insert(orgs).values(id=org_id, created_at=at, secrets_version=0))


def _ids(database):
    with database.read() as connection:
        return list(connection.execute(select(orgs.c.id)).scalars())


def test_the_migrations_make_exactly_the_tables(database):
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert database.is_current()
    database.migrate()  # again changes nothing


def test_an_empty_database_is_not_current(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    assert not database.is_current()
    database.close()


def test_a_write_that_raises_leaves_nothing(database):
    with pytest.raises(IntegrityError), database.write() as connection:
        [_add(connection, org_id) for org_id in ("acme", "globex", "acme")]
    assert _ids(database) == []


def test_sqlite_is_durable_patient_and_keeps_references(database):
    with database.read() as connection:
        values = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
    assert values == ["wal", 2]
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(
            insert(users).values(id="u", org_id="nobody", name="n", role="admin", password_hash="h", created_at=AT)
        )


def test_writers_queue_instead_of_failing(database):
    def write(number):
        with database.write() as connection:
            found = len(connection.execute(select(orgs.c.id)).all())
            _add(connection, f"org-{number}", AT + timedelta(seconds=found))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        times = connection.execute(select(orgs.c.created_at)).scalars().all()
    assert sorted(times) == [AT + timedelta(seconds=n) for n in range(12)]  # each saw all before it


def test_a_lock_held_too_long_is_a_typed_error(database, monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 50)
    impatient = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with database.write() as connection:
        _add(connection, "acme")
        with pytest.raises(StoreUnavailable), impatient.write():
            pass
        assert _ids(impatient) == []  # readers never wait
    impatient.close()


def test_times_come_back_aware_and_naive_ones_are_a_bug(database):
    with database.write() as connection:
        _add(connection, "acme", AT.astimezone(timezone(timedelta(hours=5))))
        assert connection.execute(select(orgs.c.created_at)).scalar() == AT
        assert connection.execute(select(orgs.c.created_at)).scalar().tzinfo is UTC
        with pytest.raises(Exception, match="naive"):
            _add(connection, "globex", AT.replace(tzinfo=None))


def test_the_database_cannot_be_reached(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")
    with pytest.raises(StoreUnavailable), database.read():
        pass


def test_errors_never_quote_parameters(database):
    with pytest.raises(IntegrityError) as caught, database.write() as connection:
        [_add(connection, "planted-value") for _ in range(2)]
    assert "planted-value" not in str(caught.value)


def test_a_path_with_a_percent_sign_is_no_template(tmp_path, monkeypatch):
    folder = tmp_path / "100%" / "migrations"
    shutil.copytree(Path(engine.__file__).with_name("migrations"), folder)
    monkeypatch.setattr(engine, "_MIGRATIONS", folder)
    other = Database(f"sqlite:///{tmp_path / 'x.db'}")
    other.migrate()
    assert other.is_current()
    other.close()
