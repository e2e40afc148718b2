from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.cache.bundles import BundleStore, SecretStore, StateStore, StoredBundle, StoredSecrets
from outpost.cache.db import Database, open_database
from outpost.errors import CacheCorrupt, CacheUnavailable

AT = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)

OLD = StoredBundle(
    roots=(b"root 2", b"root 3"),
    timestamp=b"timestamp 1",
    snapshot=b"snapshot 1",
    targets=b"targets 1",
    documents={"policy.json": b"policy 1", "keys.json": b"keys 1", "routing.json": b"routing 1"},
    delegated={"virtual-keys": b"virtual keys 1", "another": b"another 1"},
)
NEW = StoredBundle(
    roots=(b"root 2", b"root 3'", b"root 4"),
    timestamp=b"timestamp 2",
    snapshot=b"snapshot 2",
    targets=b"targets 2",
    documents={"policy.json": b"policy 2", "keys.json": b"keys 1"},
    delegated={"virtual-keys": b"virtual keys 2"},
)


@pytest.fixture
def database(tmp_path: Path):
    with open_database(tmp_path / "outpost.db") as database:
        yield database


class FailingConnection:
    """The real connection, whose n-th write from now on stops the program as a crash would."""

    class Crash(BaseException):
        pass

    def __init__(self, real, writes_before_crash: int) -> None:
        self.real = real
        self.left = writes_before_crash

    def _count(self) -> None:
        if self.left == 0:
            raise FailingConnection.Crash
        self.left -= 1

    def execute(self, sql, *args):
        if not sql.startswith(("SELECT", "ROLLBACK")):
            self._count()
        return self.real.execute(sql, *args)

    def executemany(self, sql, rows):
        for row in rows:
            self._count()
            self.real.execute(sql, row)


def test_there_is_no_bundle_at_first(database):
    assert BundleStore(database).load() is None


def test_save_replaces_everything_including_what_is_no_longer_there(database):
    store = BundleStore(database)
    store.save(OLD)
    assert store.load() == OLD
    store.save(NEW)
    assert store.load() == NEW
    store.save(OLD)
    assert store.load() == OLD


@settings(max_examples=40, deadline=None)
@given(
    bundle=st.builds(
        StoredBundle,
        roots=st.lists(st.binary(), max_size=3).map(tuple),
        timestamp=st.binary(),
        snapshot=st.binary(),
        targets=st.binary(),
        documents=st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.binary(), max_size=3),
    )
)
def test_bytes_come_back_as_received(bundle, tmp_path_factory):
    with open_database(tmp_path_factory.mktemp("bytes") / "outpost.db") as database:
        store = BundleStore(database)
        store.save(OLD)
        store.save(bundle)
        assert store.load() == bundle


def test_a_crash_between_any_two_writes_leaves_the_old_bundle_or_the_new_one(tmp_path):
    path = tmp_path / "outpost.db"
    outcomes = []
    for writes in range(40):
        with open_database(path) as database:
            BundleStore(database).save(OLD)
        real = open_database(path)
        failing = Database(FailingConnection(real._connection, writes), path)  # type: ignore[arg-type]
        try:
            BundleStore(failing).save(NEW)
        except FailingConnection.Crash:
            pass
        else:
            outcomes.append("done")
        real.close()
        with open_database(path) as database:
            found = BundleStore(database).load()
        assert found in (OLD, NEW)
        outcomes.append("new" if found == NEW else "old")
        if "done" in outcomes:
            break
    assert outcomes[-2:] == ["done", "new"]
    assert set(outcomes[:-2]) == {"old"}
    assert len(outcomes) > 10


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM bundle_role WHERE role = 'snapshot'",
        "DELETE FROM bundle_role",
        "DELETE FROM bundle_root WHERE position = 0",
    ],
)
def test_half_a_bundle_is_corrupt_not_absent(database, damage):
    BundleStore(database).save(OLD)
    with database.transaction() as connection:
        connection.execute(damage)
    with pytest.raises(CacheCorrupt, match="parts of a bundle"):
        BundleStore(database).load()


def test_secrets_are_kept_sealed_and_replaced(database):
    store = SecretStore(database)
    assert store.load() is None
    store.save(StoredSecrets(1, b"\x00sealed"))
    store.save(StoredSecrets(2, b"\x01sealed"))
    assert store.load() == StoredSecrets(2, b"\x01sealed")


def test_state_is_set_read_and_removed(database):
    store = StateStore(database)
    store.update({"revoked": True, "refused_version": 7, "refused_reason": "why"})
    assert (store.get("revoked"), store.get("refused_version"), store.get("refused_reason")) == (True, 7, "why")
    store.update({"revoked": False, "refused_version": None})
    assert store.get("revoked") is False
    assert store.get("refused_version") is None


def test_state_changes_of_one_update_come_together_or_not_at_all(database):
    store = StateStore(database)
    with pytest.raises(ValueError, match="JSON"):
        store.update({"a": 1, "b": float("nan")})
    assert store.get("a") is None


def test_times_come_back_aware_and_in_utc(database):
    store = StateStore(database)
    store.set_time("last_asked_at", AT.astimezone(timezone(timedelta(hours=9))))
    assert store.get_time("last_asked_at") == AT
    assert store.get_time("last_asked_at").tzinfo is UTC
    assert store.get_time("never") is None


@given(times=st.lists(st.datetimes(timezones=st.just(UTC)), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_a_floor_never_sinks(times, tmp_path_factory):
    with open_database(tmp_path_factory.mktemp("floor") / "outpost.db") as database:
        store = StateStore(database)
        for index, at in enumerate(times):
            assert store.raise_time("clock_floor_at", at) == max(times[: index + 1])
        assert store.get_time("clock_floor_at") == max(times)


@given(text=st.one_of(st.text(st.characters(codec="utf-8")), st.just("[" * 100_000), st.just('"2026-01-01T00:00:00"')))
@settings(max_examples=60, deadline=None)
def test_any_stored_text_gives_a_value_or_the_typed_error(text, tmp_path_factory):
    with open_database(tmp_path_factory.mktemp("state") / "outpost.db") as database:
        with database.transaction() as connection:
            connection.execute("INSERT INTO state VALUES ('k', ?)", (text,))
        store = StateStore(database)
        value, at = (_read_or_complaint(read) for read in (store.get, store.get_time))
    assert value != "complaint" or at == "complaint"
    assert at in ("complaint", None) or at.tzinfo is UTC


def _read_or_complaint(read):
    try:
        return read("k")
    except (CacheCorrupt, CacheUnavailable):
        return "complaint"
