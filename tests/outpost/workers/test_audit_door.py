import socket

import pytest

from outpost.audit.event import encode
from outpost.audit.read import read_events
from outpost.workers.audit_door import AuditDoor
from outpost.workers.frames import Submission, encode_submission
from tests.fakes.audit import event, open_test_log


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.db"


@pytest.fixture
def log(path):
    opened = open_test_log(path)
    yield opened
    opened.close()


def frames(*events: bytes) -> bytes:
    return b"".join(encode_submission(Submission(number, True, one)) for number, one in enumerate(events))


async def test_what_a_worker_wrote_before_it_died_is_committed(log, path):
    ours, theirs = socket.socketpair()
    theirs.sendall(frames(*(encode(event(number)) for number in range(200)))[:-5])  # died in the middle of the last
    theirs.close()
    door = await AuditDoor.open(ours, log)
    assert await door.closed
    await door.settled()
    assert door.accepted == 199
    assert [one.request_id for _, one in read_events(path)] == [f"request-{number}" for number in range(199)]


@pytest.mark.parametrize(
    "what",
    [b"{}", b'{"v":1}', b"\xff" * 40, encode(event()) + b" ", encode(event()).replace(b"BLOCK", b"\\u0042LOCK")],
)
async def test_what_is_no_event_is_refused_with_all_that_follows(log, path, what):
    ours, theirs = socket.socketpair()
    door = await AuditDoor.open(ours, log)
    theirs.sendall(frames(encode(event(1)), what, encode(event(2))))
    assert not await door.closed
    await door.settled()
    assert [one.request_id for _, one in read_events(path)] == ["request-1"]
    theirs.close()
