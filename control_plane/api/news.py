"""Who waits for a newer bundle, and one cheap question to the database for all of them.

A publish comes from another process (the command line, another replica), so the database is the only common place:
every ``poll_s`` one query asks for the newest versions of the orgs somebody waits for, and nothing is asked while
nobody does.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog

from control_plane.errors import StoreUnavailable

_log = structlog.get_logger("control_plane.news")

Versions = Callable[[list[str]], dict[str, int]]


class NewsBoard:
    """Newest snapshot versions by org, and those who wait for a higher one."""

    def __init__(self, versions: Versions, poll_s: float) -> None:
        self._versions = versions
        self._poll_s = poll_s
        self._newest: dict[str, int] = {}
        self._waiting: Counter[str] = Counter()
        self._changed = asyncio.Condition()
        self._closed = False

    async def wait_above(self, org_id: str, after: int, timeout_s: float) -> int:
        """The org's newest snapshot version, as soon as it is above ``after`` or ``timeout_s`` has passed.

        Raises:
            StoreUnavailable: The database cannot be asked.
        """
        self._learn(await asyncio.to_thread(self._versions, [org_id]))
        self._waiting[org_id] += 1
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self._closed or self._newest.get(org_id, 0) > after)
        except TimeoutError:
            pass  # no news is an answer too
        finally:
            self._waiting[org_id] -= 1
            if not self._waiting[org_id]:
                del self._waiting[org_id]
        return self._newest.get(org_id, 0)

    async def run(self) -> None:
        """Ask for news until closed."""
        while not self._closed:
            await asyncio.sleep(self._poll_s)
            if not self._waiting:
                continue
            try:
                self._learn(await asyncio.to_thread(self._versions, list(self._waiting)))
            except StoreUnavailable:
                _log.warning("news_unavailable")
                continue
            async with self._changed:
                self._changed.notify_all()

    async def close(self) -> None:
        """Let everybody go who waits."""
        self._closed = True
        async with self._changed:
            self._changed.notify_all()

    def _learn(self, versions: dict[str, int]) -> None:
        for org_id, version in versions.items():
            self._newest[org_id] = max(version, self._newest.get(org_id, 0))
