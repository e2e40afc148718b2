import pytest

from outpost.cache.db import open_database
from outpost.cache.trusted import KeptMetadata, TrustedStore


@pytest.fixture
def store(tmp_path):
    with open_database(tmp_path / "outpost.db") as database:
        yield TrustedStore(database)


def test_nothing_is_kept_at_first(store):
    assert store.load() == KeptMetadata({}, {})


def test_the_newest_of_each_role_is_kept(store):
    store.keep("timestamp", b"1")
    store.keep("timestamp", b"2")
    store.keep("a role / with a name", b"3")
    store.keep_root(2, b"r2", ())
    store.keep_root(3, b"r3", ())
    store.keep_root(3, b"r3 again", ())
    assert store.load() == KeptMetadata({2: b"r2", 3: b"r3 again"}, {"timestamp": b"2", "a role / with a name": b"3"})
    store.drop("timestamp")
    assert "timestamp" not in store.load().roles


def test_a_root_and_what_it_takes_back_are_one_change(store):
    for role in ("timestamp", "snapshot", "targets"):
        store.keep(role, b"x")
    store.keep_root(2, b"r2", ("timestamp", "snapshot"))
    assert store.load() == KeptMetadata({2: b"r2"}, {"targets": b"x"})


def test_only_an_empty_store_adopts(store):
    store.adopt({2: b"r2"}, {"timestamp": b"t"})
    assert store.load() == KeptMetadata({2: b"r2"}, {"timestamp": b"t"})
    store.adopt({3: b"r3"}, {"timestamp": b"other"})
    assert store.load() == KeptMetadata({2: b"r2"}, {"timestamp": b"t"})


def test_it_outlives_the_process(tmp_path):
    for _ in range(2):
        with open_database(tmp_path / "outpost.db") as database:
            store = TrustedStore(database)
            store.adopt({2: b"r2"}, {"timestamp": b"t"})
            assert store.load() == KeptMetadata({2: b"r2"}, {"timestamp": b"t"})
