"""What is asked of the running process by signals: to end, to end at once, to renew its workers, to follow an upgrade.

While one program becomes another the signals are held back (``held``), and the next one hears them once it listens
(``heard``): none is lost, and none has its default effect, which is to end the process.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

END: Final = (signal.SIGTERM, signal.SIGINT)
RENEW: Final = signal.SIGHUP
UPGRADE: Final = signal.SIGUSR2
HEARD: Final = (*END, RENEW, UPGRADE)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Each is set when its signal comes; ``renew`` and ``upgrade`` are cleared by whoever fulfils them."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    """A second wish to end: at once."""
    renew: asyncio.Event = field(default_factory=asyncio.Event)
    upgrade: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self) -> None:
        """Take signals from now on, those held back too."""
        loop = asyncio.get_running_loop()
        for number in END:
            loop.add_signal_handler(number, self._end, number)
        for number, event in ((RENEW, self.renew), (UPGRADE, self.upgrade)):
            loop.add_signal_handler(number, event.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)

    def _end(self, number: int) -> None:
        if self.stop.is_set():
            self.hurry.set()
            asyncio.get_running_loop().remove_signal_handler(number)  # a third one is the kernel's
        self.stop.set()

    async def next(self) -> None:
        """Until one of them is set."""
        await first_of(self.stop.wait, self.renew.wait, self.upgrade.wait)


def hold() -> None:
    """Hold all of these signals back, also beyond becoming another program."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)


async def first_of(*waits: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Until the first of them is done; the others are cancelled. What it raised is raised."""
    tasks = [asyncio.ensure_future(wait()) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
