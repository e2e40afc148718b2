from datetime import UTC, datetime

from control_plane.events import KEPT_PER_OUTPOST, IdentityEvent
from control_plane.store.events import SqlEventStore

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_events_come_back_newest_first_and_by_outpost(connection):
    store = SqlEventStore(connection)
    first, second = IdentityEvent(AT, "renewed", "edge", {"x": 1}), IdentityEvent(AT, "rotation_prepare")
    store.record(first)
    store.record(second)
    assert store.newest(10) == [second, first]
    assert store.newest(1) == [second]
    assert store.newest(10, "edge") == [first]
    assert store.newest(10, "other") == []


def test_the_newest_of_some_kinds_by_outpost(connection):
    store = SqlEventStore(connection)
    for kind, outpost in (("a", "edge"), ("b", "edge"), ("c", "edge"), ("a", "other"), ("a", None)):
        store.record(IdentityEvent(AT, kind, outpost))
    assert store.newest_of_kinds(("a", "b")) == {"edge": "b", "other": "a"}


def test_one_outpost_cannot_fill_the_table(connection):
    store = SqlEventStore(connection)
    store.record(IdentityEvent(AT, "rotation_prepare"))
    for number in range(KEPT_PER_OUTPOST + 500):
        store.record(IdentityEvent(AT, "recovery_refused", "edge", {"n": number}))
    kept = store.newest(10 * KEPT_PER_OUTPOST, "edge")
    assert KEPT_PER_OUTPOST <= len(kept) <= KEPT_PER_OUTPOST + 100
    assert kept[0].detail == {"n": KEPT_PER_OUTPOST + 499}
    assert len(store.newest(10 * KEPT_PER_OUTPOST)) == len(kept) + 1
