import sqlite3

import pytest

from outpost.cache.migrations import MIGRATIONS, migrate
from outpost.errors import CacheUnavailable

ONE = ("CREATE TABLE one (x)",)
TWO = ("CREATE TABLE two (x)", "INSERT INTO two VALUES (1)")
BROKEN = ("CREATE TABLE three (x)", "INSERT INTO nowhere VALUES (1)")


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_all_steps_run_once(connection):
    assert migrate(connection, (ONE, TWO)) == 2
    assert migrate(connection, (ONE, TWO)) == 2
    assert connection.execute("SELECT count(*) FROM two").fetchone() == (1,)


def test_a_later_version_continues_where_an_earlier_one_stopped(connection):
    migrate(connection, (ONE,))
    assert version(connection) == 1
    migrate(connection, (ONE, TWO))
    assert tables(connection) == {"one", "two"}


def test_a_step_that_fails_leaves_neither_its_work_nor_its_record(connection):
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (ONE, BROKEN))
    assert version(connection) == 1
    assert tables(connection) == {"one"}
    assert not connection.in_transaction


def test_a_file_of_a_newer_version_is_refused_untouched(connection):
    migrate(connection, (ONE, TWO))
    with pytest.raises(CacheUnavailable, match="schema 2, this version knows 1"):
        migrate(connection, (ONE,))
    assert tables(connection) == {"one", "two"}


def test_the_real_steps_apply(connection):
    assert migrate(connection) == len(MIGRATIONS)
    assert {"bundle_root", "bundle_role", "bundle_document", "sealed_secrets", "state"} <= tables(connection)
