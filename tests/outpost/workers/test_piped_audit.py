import asyncio
import socket

import pytest

from outpost.audit.read import read_events
from outpost.errors import AuditUnavailable
from outpost.workers import piped_audit
from outpost.workers.audit_door import AuditDoor
from outpost.workers.frames import Answer, encode_answers
from outpost.workers.piped_audit import PipedAudit
from tests.fakes.audit import event, open_test_log


@pytest.fixture
def log(tmp_path):
    opened = open_test_log(tmp_path / "audit.db")
    yield opened
    opened.close()


async def test_an_event_is_durable_when_its_future_is_done(log, tmp_path):
    ours, theirs = socket.socketpair()
    door, pipe = await AuditDoor.open(ours, log), await PipedAudit.open(theirs)
    places = await asyncio.gather(*(pipe.submit(event(number), urgent=number % 2 == 0) for number in range(50)))
    stored = {seq: one.request_id for seq, one in read_events(tmp_path / "audit.db")}
    assert [stored[place] for place in places] == [f"request-{number}" for number in range(50)]
    assert pipe.healthy
    assert pipe.waiting == 0
    pipe.close()
    assert await door.closed


async def test_without_the_writer_nothing_is_accepted_and_what_waits_fails(log):
    ours, theirs = socket.socketpair()
    pipe = await PipedAudit.open(theirs)
    waiting, cancelled = pipe.submit(event()), pipe.submit(event())
    cancelled.cancel()
    ours.close()
    with pytest.raises(AuditUnavailable):
        await waiting
    assert pipe.gone.done()
    assert not pipe.healthy
    with pytest.raises(AuditUnavailable):
        pipe.submit(event())


async def test_a_writer_whose_disk_fails_says_so_to_each(log):
    ours, theirs = socket.socketpair()
    door, pipe = await AuditDoor.open(ours, log), await PipedAudit.open(theirs)
    log.close()
    with pytest.raises(AuditUnavailable):
        await pipe.submit(event())
    assert not pipe.gone.done(), "the writer is there; it may recover"
    pipe.writer_is_healthy = False
    assert not pipe.healthy
    door.close()


@pytest.mark.parametrize("limit", [{"MAX_WAITING": 3}, {"MAX_WAITING_BYTES": 600}])
async def test_no_more_waits_than_has_room(monkeypatch, limit):
    for name, value in limit.items():
        monkeypatch.setattr(piped_audit, name, value)
    ours, theirs = socket.socketpair()
    pipe = await PipedAudit.open(theirs)
    for number in range(3):
        pipe.submit(event(number))
    with pytest.raises(AuditUnavailable):
        pipe.submit(event())
    ours.close()
    await pipe.gone


@pytest.mark.parametrize("said", [encode_answers([Answer(7, 1)]), b"\xff" * 16])
async def test_an_answer_to_no_question_ends_the_connection(said):
    ours, theirs = socket.socketpair()
    pipe = await PipedAudit.open(theirs)
    waiting = pipe.submit(event())
    ours.sendall(said)
    with pytest.raises(AuditUnavailable):
        await waiting
    ours.close()
