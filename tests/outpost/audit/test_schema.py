import sqlite3
from contextlib import closing

import pytest

from outpost.audit import schema
from outpost.audit.schema import APPLICATION_ID, MIGRATIONS, connect, connect_read_only


def _pragma(connection, name):
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_every_commit_is_synced(tmp_path):
    with closing(connect(tmp_path / "audit.db")) as connection:
        assert (_pragma(connection, "journal_mode"), _pragma(connection, "synchronous")) == ("wal", 2)
        assert _pragma(connection, "application_id") == APPLICATION_ID
        assert _pragma(connection, "user_version") == len(MIGRATIONS)


def test_connecting_again_changes_nothing(tmp_path):
    path = tmp_path / "audit.db"
    dumps = []
    for _ in range(2):
        with closing(connect(path)) as connection:
            dumps.append(list(connection.iterdump()))
    assert dumps[0] == dumps[1]


def test_a_migration_that_fails_leaves_the_step_before_it(tmp_path, monkeypatch):
    path = tmp_path / "audit.db"
    connect(path).close()
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE added (x)", "CREATE TABLE events (x)")))
    with pytest.raises(sqlite3.OperationalError):
        connect(path)
    with closing(connect_read_only(path)) as connection:
        assert _pragma(connection, "user_version") == len(MIGRATIONS)
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'added'").fetchone() == (0,)
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE added (x)",)))
    with closing(connect(path)) as connection:
        assert _pragma(connection, "user_version") == len(MIGRATIONS) + 1


def test_read_only_means_it(tmp_path):
    path = tmp_path / "audit.db"
    connect(path).close()
    with closing(connect_read_only(path)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM events")
