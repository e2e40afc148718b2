import asyncio
import socket

import pytest

from outpost.workers.control import Channel, Gone


async def nobody(_question):
    raise AssertionError("is not asked")


@pytest.fixture
async def pair():
    opened = []

    async def pair(handler):
        ours, theirs = socket.socketpair()
        opened.extend([await Channel.open(ours, nobody), await Channel.open(theirs, handler)])
        return opened[-2:]

    yield pair
    for channel in opened:
        channel.close()
    await asyncio.gather(*(channel.closed for channel in opened), return_exceptions=True)


async def test_answers_find_their_questions_in_any_order(pair):
    async def later_first(question):
        await asyncio.sleep(0.02 - question["number"] / 1000)
        return {"twice": 2 * question["number"]}

    asking, _ = await pair(later_first)
    answers = await asyncio.gather(*(asking.ask({"type": "bundle", "number": n}, timeout_s=5) for n in range(10)))
    assert [answer["twice"] for answer in answers] == [2 * n for n in range(10)]


async def test_one_who_does_not_answer_in_time_is_gone(pair):
    async def forever(_question):
        await asyncio.Event().wait()

    asking, _ = await pair(forever)
    with pytest.raises(Gone):
        await asking.ask({"type": "x"}, timeout_s=0.05)


async def test_who_waits_is_told_when_the_other_end_is_gone_and_so_is_who_asks_then(pair):
    async def forever(_question):
        await asyncio.Event().wait()

    asking, other = await pair(forever)
    waiting = asyncio.ensure_future(asking.ask({"type": "x"}, timeout_s=5))
    await asyncio.sleep(0.05)
    other.close()
    with pytest.raises(Gone):
        await waiting
    with pytest.raises(Gone):
        await asking.ask({"type": "x"}, timeout_s=5)


async def test_a_handler_that_fails_ends_the_connection(pair):
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: failures.append(about["exception"]))

    async def broken(_question):
        raise ValueError("broken")

    asking, _ = await pair(broken)
    with pytest.raises(Gone):
        await asking.ask({"type": "x"}, timeout_s=5)


@pytest.mark.parametrize("said", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x01{"])
async def test_what_is_no_message_ends_the_connection(said):
    ours, theirs = socket.socketpair()
    channel = await Channel.open(ours, nobody)
    theirs.sendall(said)
    await channel.closed
    with pytest.raises(Gone):
        await channel.ask({"type": "x"}, timeout_s=5)
    theirs.close()
