"""The end of a proxy port: first it says that it will go, then it takes nothing new, then it waits for what is open.

Nobody's request is cut off before ``grace_s`` has passed, and none goes on longer; ``hurry`` ends every wait at once.
While it drains every answer says ``Connection: close`` (RFC 9112 §9.6), so that clients do not come back here.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Connections(Protocol):
    """The open connections of a port (``outpost/proxy/server.py``)."""

    def end_idle(self) -> int:
        """Close those on which nothing is asked; how many are left. They end by themselves with their answer."""

    async def cut(self) -> None:
        """End the rest now, and wait until their records are handed to the audit log."""

    @property
    def all_gone(self) -> asyncio.Event:
        """Set while there are none."""


@dataclass(frozen=True, slots=True)
class Drain:
    """How long to wait. ``delay_s``: with the port open, for load balancers to see that ``/readyz`` says no."""

    delay_s: float = 0.0
    grace_s: float = 10.0
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, stop_accepting: Callable[[], None], connections: Connections) -> int:
        """Drain; how many connections had to be cut."""
        await self._wait_for(self.hurry, self.delay_s)
        stop_accepting()
        await asyncio.sleep(0)  # what was accepted a moment ago gets its connection
        if not connections.end_idle():
            return 0
        await self.wait(connections.all_gone, self.grace_s)
        left = connections.end_idle()
        if left:
            await connections.cut()
        return left

    async def wait(self, event: asyncio.Event, most_s: float) -> None:
        """Until ``event``, ``hurry``, or ``most_s`` has passed."""
        waiting = [asyncio.ensure_future(one.wait()) for one in (event, self.hurry)]
        try:
            await asyncio.wait(waiting, timeout=most_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    @staticmethod
    async def _wait_for(event: asyncio.Event, most_s: float) -> None:
        if most_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(most_s):
                    await event.wait()
