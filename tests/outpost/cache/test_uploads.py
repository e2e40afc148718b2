from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from outpost.cache import uploads
from outpost.cache.db import open_database
from outpost.cache.uploads import Upload, UploadStore
from outpost.errors import CacheCorrupt

AT = datetime(2026, 1, 1, tzinfo=UTC)
FOUND = (("pii.email", 0.9, "email", 1), ("pii.person", 0.8, "pack/entities", 2))
ONE = Upload("file-1", "standin", "key-1", "0" * 64, "by", True, FOUND, AT, AT + timedelta(days=30))


@pytest.fixture
def database(tmp_path):
    with open_database(tmp_path / "outpost.db") as opened:
        yield opened


@pytest.fixture
def store(database):
    return UploadStore(database)


def test_an_upload_is_remembered_until_it_expires(store):
    assert store.get("file-1", AT) is None
    store.keep(ONE, AT)
    assert store.get("file-1", AT) == ONE
    assert store.get("file-1", ONE.expires_at - timedelta(microseconds=1)) == ONE
    assert store.get("file-1", ONE.expires_at) is None
    assert store.of_key("key-1", AT) == {("standin", "file-1")}
    assert store.of_key("key-2", AT) == frozenset()
    assert store.of_key("key-1", ONE.expires_at) == frozenset()


def test_an_upload_is_forgotten(store):
    store.keep(ONE, AT)
    store.forget("file-1")
    store.forget("file-1")
    assert store.get("file-1", AT) is None


def test_a_newer_inspection_takes_the_place_of_the_one_before(store):
    store.keep(ONE, AT)
    store.keep(replace(ONE, inspected_by="other", found=()), AT)
    assert store.get("file-1", AT) == replace(ONE, inspected_by="other", found=())


def test_what_has_expired_is_deleted_by_the_next_upload(store, database):
    store.keep(ONE, AT)
    store.keep(replace(ONE, file_id="file-2", expires_at=AT + timedelta(days=90)), ONE.expires_at)
    with database.transaction() as connection:
        assert connection.execute("SELECT file_id FROM upload").fetchall() == [("file-2",)]


def test_the_oldest_are_forgotten_first(store, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_PER_KEY", 2)
    monkeypatch.setattr(uploads, "MAX_ALL", 3)
    for number, key in enumerate(["a", "a", "a", "b", "b"]):
        store.keep(replace(ONE, file_id=f"f{number}", key_id=key, uploaded_at=AT + timedelta(seconds=number)), AT)
    assert store.of_key("a", AT) == {("standin", "f2")}
    assert store.of_key("b", AT) == {("standin", "f3"), ("standin", "f4")}


def test_what_someone_edited_is_no_upload(store, database):
    store.keep(ONE, AT)
    for column, value in (("found", "[1]"), ("found", "no"), ("uploaded_at", "yesterday")):
        with database.transaction() as connection:
            connection.execute(f"UPDATE upload SET {column} = ?", (value,))
        with pytest.raises(CacheCorrupt):
            store.get("file-1", AT)
        store.keep(ONE, AT)
