import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.cache.db import APPLICATION_ID, Database, open_database, open_read_only
from outpost.errors import CacheCorrupt, CacheUnavailable, OutpostError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outpost.db"


def put(database: Database, key: str, value: str = "1") -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO state (key, value) VALUES (?, ?)", (key, value))


def keys(database: Database) -> list[str]:
    with database.transaction() as connection:
        return [key for (key,) in connection.execute("SELECT key FROM state ORDER BY key")]


def test_a_new_file_is_private_durable_and_ours(path):
    with open_database(path) as database, database.transaction() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["outpost.db"]


def test_what_was_committed_is_there_after_reopening(path):
    with open_database(path) as database:
        put(database, "a")
    with open_database(path) as database:
        assert keys(database) == ["a"]


def test_a_body_that_raises_leaves_nothing(path):
    with open_database(path) as database:

        def fails_after_writing() -> None:
            with database.transaction():
                put(database, "a")
                raise KeyError

        with pytest.raises(KeyError):
            fails_after_writing()
        assert keys(database) == []
        put(database, "b")
        assert keys(database) == ["b"]


def test_an_inner_transaction_belongs_to_the_outer_one(path):
    with open_database(path) as database, open_database(path) as other:
        with database.transaction():
            put(database, "a")
            put(database, "b")
            with sqlite3.connect(path) as reader:
                assert reader.execute("SELECT count(*) FROM state").fetchone() == (0,)
            reader.close()
        assert keys(other) == ["a", "b"]


def test_a_lock_held_elsewhere_is_unavailable_not_a_bare_sqlite_error(path):
    with open_database(path) as database, open_database(path) as other, other.transaction():
        database._connection.execute("PRAGMA busy_timeout = 1")
        with pytest.raises(CacheUnavailable, match="SQLITE_BUSY"):
            put(database, "a")


def test_a_full_disk_is_unavailable_and_the_old_state_stays(path):
    with open_database(path) as database:
        put(database, "a")
        (pages,) = database._connection.execute("PRAGMA page_count").fetchone()
        database._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(CacheUnavailable, match="SQLITE_FULL"):
            put(database, "b", "x" * 100_000)
        assert keys(database) == ["a"]


def test_two_writers_in_one_process_take_turns(path):
    from threading import Thread  # noqa: PLC0415 - only this test needs it

    with open_database(path) as database:
        threads = [Thread(target=lambda n=n: [put(database, f"{n}-{i}") for i in range(20)]) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(keys(database)) == 80


def test_an_empty_file_is_reported_and_left_alone(path):
    path.touch()
    with pytest.raises(CacheCorrupt, match="empty"):
        open_database(path)
    assert path.stat().st_size == 0


def test_another_programs_database_is_reported(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(CacheCorrupt, match="another program"):
        open_database(path)


def test_a_missing_file_beside_its_log_is_reported_not_recreated(path):
    path.with_name("outpost.db-wal").write_bytes(b"left behind")
    with pytest.raises(CacheCorrupt, match="missing"):
        open_database(path)
    assert not path.exists()


def test_a_crash_while_creating_is_recovered_from(path):
    path.with_name("outpost.db.new").write_bytes(b"half")
    path.with_name("outpost.db.new-wal").write_bytes(b"half")
    with open_database(path) as database:
        assert keys(database) == []
    assert [entry.name for entry in path.parent.iterdir()] == ["outpost.db"]


def test_a_directory_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(CacheUnavailable):
        open_database(tmp_path / "no" / "outpost.db")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_damage_gives_a_database_or_a_typed_error_and_the_bytes_stay(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("damage") / "outpost.db"
    with open_database(path) as database:
        put(database, "a")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(content[: data.draw(st.integers(1, len(content)))])
    path.write_bytes(damaged)
    try:
        with open_database(path) as database:
            keys(database)
    except OutpostError:
        # SQLite may set its own format fields; it must not have put a fresh database there.
        assert path.stat().st_size >= min(len(damaged), 1)
    else:
        assert path.stat().st_size > 0


def test_a_truncated_file_is_corrupt(path):
    with open_database(path) as database:
        put(database, "a", "x" * 50_000)
    path.write_bytes(path.read_bytes()[:8192])
    with pytest.raises(CacheCorrupt, match="restore it from a backup"):
        open_database(path)


def test_damage_that_even_the_message_cannot_quote_is_corrupt(path):
    """Found by the property above: a byte of the schema's text that is not UTF-8."""
    with open_database(path) as database:
        put(database, "a")
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE state", b"CREATE \x80ABLE state"))
    with pytest.raises(CacheCorrupt):
        open_database(path)


def test_looking_only_reads(tmp_path):
    path = tmp_path / "outpost.db"
    with pytest.raises(CacheUnavailable):
        open_read_only(path)
    assert not path.exists()
    with open_database(path) as database, open_read_only(path) as looking:
        with database.transaction() as connection:
            connection.execute("INSERT INTO state (key, value) VALUES ('a', '1')")
        with looking.transaction() as connection:
            assert connection.execute("SELECT value FROM state").fetchall() == [("1",)]
        with pytest.raises(CacheUnavailable), looking.transaction() as connection:
            connection.execute("DELETE FROM state")
