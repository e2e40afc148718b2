import asyncio
import os
import signal

import pytest

from outpost.wishes import HEARD, Wishes, first_of, hold


@pytest.fixture
async def wishes():
    heard = Wishes()
    heard.hear()
    yield heard
    for number in HEARD:
        asyncio.get_running_loop().remove_signal_handler(number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)


@pytest.mark.parametrize(("number", "name"), [(signal.SIGHUP, "renew"), (signal.SIGUSR2, "upgrade")])
async def test_a_signal_is_one_wish(wishes, number, name):
    os.kill(os.getpid(), number)
    async with asyncio.timeout(5):
        await wishes.next()
    assert [one for one in ("stop", "hurry", "renew", "upgrade") if getattr(wishes, one).is_set()] == [name]


async def test_a_second_wish_to_end_is_one_for_haste(wishes):
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(5):
        await wishes.next()
    assert not wishes.hurry.is_set()
    os.kill(os.getpid(), signal.SIGINT)
    async with asyncio.timeout(5):
        await wishes.hurry.wait()


async def test_what_is_held_back_is_heard_later(wishes):
    hold()
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGUSR2)
    await asyncio.sleep(0.05)
    later = Wishes()
    assert not wishes.stop.is_set()
    later.hear()
    async with asyncio.timeout(5):
        await asyncio.gather(later.stop.wait(), later.upgrade.wait())


async def test_the_first_of_several_ends_the_others():
    ended = []

    async def never():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def fails():
        raise KeyError("why")

    await first_of(never, asyncio.Event().wait, lambda: asyncio.sleep(0))
    with pytest.raises(KeyError):
        await first_of(never, fails)
    assert ended == [True, True]
