import asyncio
import contextlib
import socket

import pytest

from outpost.errors import ModelUnavailable
from outpost.models.connection import MAX_WAITING_CHARS, Connection, Stuck
from outpost.models.frames import FrameReader, encode, result_to_json, settled_to_json
from outpost.models.results import Settled, TextResult, Wanted
from outpost.protocol.findings import Finding

WANTED = Wanted(frozenset({"pii.person"}))
RESULT = TextResult(tokens=3)
GOOD = {"result": result_to_json(RESULT)}


class Other:
    """The other end, which a test plays by itself."""

    def __init__(self, end):
        end.setblocking(False)
        self._end = end
        self._frames = FrameReader()
        self._messages = []

    async def heard(self):
        while not self._messages:
            data = await asyncio.get_running_loop().sock_recv(self._end, 1 << 16)
            self._messages += self._frames.feed(data)
        return self._messages.pop(0)

    def say(self, message):
        self.say_bytes(encode(message))

    def say_bytes(self, data):
        self._end.sendall(data)

    def hang_up(self):
        self._end.close()


@contextlib.asynccontextmanager
async def connected():
    ours, theirs = socket.socketpair()
    connection = await Connection.open(ours)
    try:
        yield connection, Other(theirs)
    finally:
        connection.close()
        theirs.close()
        await asyncio.wait({connection.closed})


async def test_a_question_gets_its_own_answer():
    async with connected() as (connection, other):
        other.say({"type": "ready", "pack": "ab", "provider": "cpu"})
        assert (await connection.ready).digest == "ab"
        weak = [Finding("pii.phone", 0, 3, 0.5, "phone")]
        first = asyncio.ensure_future(connection.inspect("one", weak, timeout_s=9))
        second = asyncio.ensure_future(connection.inspect("two", priority=1, timeout_s=9))
        asked = [await other.heard(), await other.heard()]
        assert [(q["text"], len(q["weak"]), q["priority"]) for q in asked] == [("one", 1, 0), ("two", 0, 1)]
        other.say({"id": asked[1]["id"], "error": "no"})
        other.say({"id": 999, **GOOD})
        other.say({"id": asked[0]["id"], **GOOD})
        assert await first == RESULT
        with pytest.raises(ModelUnavailable, match="no"):
            await second


@pytest.mark.parametrize("answer", [{}, {"result": None}, {"result": {"findings": [1]}}])
async def test_an_answer_that_is_no_result_is_none(answer):
    async with connected() as (connection, other):
        asked = asyncio.ensure_future(connection.inspect("one", timeout_s=9))
        other.say({"id": (await other.heard())["id"], **answer})
        with pytest.raises(ModelUnavailable, match="no result"):
            await asked


@pytest.mark.parametrize("end", [Other.hang_up, lambda other: other.say_bytes(b"\xff" * 8)])
async def test_what_waits_is_refused_when_the_other_end_breaks_and_so_is_what_comes(end):
    async with connected() as (connection, other):
        asked = asyncio.ensure_future(connection.inspect("one", timeout_s=9))
        await other.heard()
        end(other)
        for waiting in (asked, connection.ready, connection.inspect("two", timeout_s=9)):
            with pytest.raises(ModelUnavailable):
                await waiting


async def test_a_pack_that_does_not_load_is_told():
    async with connected() as (connection, other):
        other.say({"type": "failed", "error": "altered"})
        with pytest.raises(ModelUnavailable, match="altered"):
            await connection.ready


async def test_no_answer_in_time_is_none_and_the_other_end_is_told(monkeypatch):
    monkeypatch.setattr("outpost.models.connection.GRACE_S", 0.0)
    async with connected() as (connection, other):
        with pytest.raises(Stuck):
            await connection.inspect("one", timeout_s=0.05)
        number = (await other.heard())["id"]
        assert await other.heard() == {"type": "cancel", "id": number}


async def test_others_are_answered_so_it_is_not_stuck(monkeypatch):
    monkeypatch.setattr("outpost.models.connection.GRACE_S", 0.0)
    async with connected() as (connection, other):
        slow = asyncio.ensure_future(connection.inspect("one", timeout_s=0.2))
        quick = asyncio.ensure_future(connection.inspect("two", timeout_s=9))
        await other.heard()
        other.say({"id": (await other.heard())["id"], **GOOD})
        await quick
        with pytest.raises(ModelUnavailable) as refused:
            await slow
        assert not isinstance(refused.value, Stuck)


async def test_whoever_asked_is_gone_and_the_other_end_is_told():
    async with connected() as (connection, other):
        asked = asyncio.ensure_future(connection.inspect("one", timeout_s=9))
        number = (await other.heard())["id"]
        asked.cancel()
        assert await other.heard() == {"type": "cancel", "id": number}


async def test_more_than_may_wait_is_refused_at_once():
    async with connected() as (connection, other):
        asked = asyncio.ensure_future(connection.inspect("one", timeout_s=9))
        await other.heard()
        with pytest.raises(ModelUnavailable, match="too much"):
            await connection.inspect("x" * MAX_WAITING_CHARS, timeout_s=9)
        asked.cancel()


async def test_a_text_grows_question_by_question_until_it_is_forgotten():
    async with connected() as (connection, other):
        stream = connection.new_stream()
        weak = [Finding("pii.phone", 0, 3, 0.5, "phone")]
        growing = asyncio.ensure_future(
            connection.grow(stream, "one", weak, last=False, timeout_s=9, pack="ab", wanted=WANTED)
        )
        asked = await other.heard()
        assert (asked["type"], asked["stream"], asked["text"], asked["last"], asked["pack"]) == (
            "grow", stream, "one", False, "ab",
        )  # fmt: skip
        assert (asked["kinds"], asked["judged_whole"]) == (["pii.person"], [])
        assert asked["weak"] == [["pii.phone", 0, 3, 0.5, "phone", 1]]
        other.say({"id": asked["id"], "settled": settled_to_json(Settled(2))})
        assert await growing == Settled(2)
        growing = asyncio.ensure_future(connection.grow(stream, "x", last=True, timeout_s=9, pack="ab", wanted=WANTED))
        other.say({"id": (await other.heard())["id"], "settled": {"upto": 1}})
        with pytest.raises(ModelUnavailable, match="no result"):
            await growing
        connection.forget(stream)
        assert await other.heard() == {"type": "forget", "stream": stream}
        connection._waiting_chars = MAX_WAITING_CHARS
        with pytest.raises(ModelUnavailable, match="too much"):
            await connection.grow(stream, "x", last=True, timeout_s=9, pack="ab", wanted=WANTED)
