import asyncio
import os
import signal
import subprocess
import sys

import pytest

from outpost.wishes import HEARD, Wishes, first_of


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


HELD_BACK = """
import asyncio, os, signal
from outpost.wishes import Wishes, hold

async def main():
    before, later = Wishes(), Wishes()
    before.hear()
    hold()
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGUSR2)
    await asyncio.sleep(0.05)
    print(before.stop.is_set(), before.upgrade.is_set())
    later.hear()
    await asyncio.wait_for(asyncio.gather(later.stop.wait(), later.upgrade.wait()), 10)
    print("heard")

asyncio.run(main())
"""


def test_what_is_held_back_is_heard_later():
    # In a process of its own: other threads, of which tests leave some, would take the signals.
    done = subprocess.run([sys.executable, "-c", HELD_BACK], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == ["False False", "heard"], done.stderr


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
