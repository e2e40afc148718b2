import asyncio
import sqlite3
from contextlib import closing

import pytest

from outpost.audit.read import queue_length, read_events
from outpost.errors import AuditCorrupt, AuditUnavailable
from tests.fakes.audit import event, open_test_log


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "audit.db"
    log = open_test_log(path)
    asyncio.run(_append(log, 5))
    log.close()
    return path


async def _append(log, count):
    for number in range(count):
        await log.append(event(number))


def test_all_events_or_those_after_one(path):
    assert [seq for seq, _ in read_events(path)] == [0, 1, 2, 3, 4]
    assert [(seq, e.request_id) for seq, e in read_events(path, after=2)] == [(3, "request-3"), (4, "request-4")]
    assert list(read_events(path, after=99)) == []


def test_an_unreadable_event_says_which_so_that_a_reader_may_go_on(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE events SET event = x'00' WHERE seq = 2")
        connection.commit()
    events = read_events(path)
    assert [next(events)[0], next(events)[0]] == [0, 1]
    with pytest.raises(AuditCorrupt) as caught:
        next(events)
    assert caught.value.seq == 2
    assert [seq for seq, _ in read_events(path, after=2)] == [3, 4]


def test_how_long_the_queue_is(path, tmp_path):
    assert queue_length(path) == (5, 0)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE receipts")
    with pytest.raises(AuditUnavailable):
        queue_length(path)
    with pytest.raises(AuditCorrupt):
        queue_length(tmp_path / "none.db")


def test_no_log_and_a_damaged_one(path, tmp_path):
    with pytest.raises(AuditCorrupt):
        next(read_events(tmp_path / "none.db"))
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xff" * (len(data) - 100))
    with pytest.raises(AuditUnavailable):
        list(read_events(path))
