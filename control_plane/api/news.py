"""Who waits for a newer bundle, and one cheap question to the database for all of them.

A publish comes from another process (the command line, another replica), so the database is the only common place:
every ``poll_s`` one query asks for the newest versions of the orgs somebody waits for, and nothing is asked while
nobody does. Waiting costs an entry in a table. Whoever hears of news comes back with half a dozen requests, so the
waiting are told in the order they came, and only as many at a time as there is ``room`` for.
"""

import asyncio
from collections.abc import Callable

import structlog

from control_plane.api.batch import Batcher
from control_plane.canary import Audiences
from control_plane.errors import StoreUnavailable

_log = structlog.get_logger("control_plane.news")

Versions = Callable[[list[str]], dict[str, Audiences]]
Room = Callable[[], int]
_PACE_S = 0.02  # between two rounds of telling: long enough for the told to be back and counted
_MANY = 1_000_000


class NewsBoard:
    """Newest snapshot versions by org and audience, and those who wait for a higher one."""

    def __init__(self, versions: Versions, poll_s: float, room: Room = lambda: _MANY) -> None:
        self._versions = Batcher[str, Audiences | None](lambda orgs: {**dict.fromkeys(orgs), **versions(orgs)})
        self._poll_s = poll_s
        self._room = room
        self._newest: dict[str, Audiences] = {}
        self._waiting: dict[str, dict[asyncio.Future[None], tuple[str, int]]] = {}
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return sum(map(len, self._waiting.values()))

    async def wait_above(self, org_id: str, after: int, timeout_s: float, outpost_id: str = "") -> int:
        """The snapshot version for one outpost, as soon as it is above ``after`` or ``timeout_s`` has passed.

        Raises:
            StoreUnavailable: The database cannot be asked.
        """
        self._learn(org_id, await self._versions.get(org_id))
        if not self._closed and self._version(org_id, outpost_id) <= after:
            await self._wait(org_id, outpost_id, after, timeout_s)
        return self._version(org_id, outpost_id)

    def _version(self, org_id: str, outpost_id: str) -> int:
        newest = self._newest.get(org_id)
        return 0 if newest is None else newest.version_for(outpost_id)

    async def _wait(self, org_id: str, outpost_id: str, after: int, timeout_s: float) -> None:
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(org_id, {})[told] = (outpost_id, after)
        try:
            await asyncio.wait([told], timeout=timeout_s)  # no news is an answer too
        finally:
            mine = self._waiting[org_id]
            del mine[told]
            if not mine:
                del self._waiting[org_id]

    async def run(self) -> None:
        """Ask for news until closed."""
        while not self._closed:
            await asyncio.sleep(self._poll_s)
            try:
                answers = await asyncio.gather(*map(self._versions.get, orgs := list(self._waiting)))
            except StoreUnavailable:
                _log.warning("news_unavailable")
                continue
            for org_id, version in zip(orgs, answers, strict=True):
                self._learn(org_id, version)
            more = True
            while more:
                more = self._tell(max(1, self._room() // 2))  # half: the told make more than one request each
                await asyncio.sleep(_PACE_S)

    async def close(self) -> None:
        """Let everybody go who waits."""
        self._closed = True
        self._tell(_MANY)

    def _tell(self, at_most: int) -> bool:
        """Wake as many as have news, oldest first; True if there were more."""
        concerned = (
            told
            for org_id, mine in self._waiting.items()
            for told, (outpost_id, after) in mine.items()
            if not told.done() and (self._closed or self._version(org_id, outpost_id) > after)
        )
        for count, told in enumerate(concerned):
            if count == at_most:
                return True
            told.set_result(None)
        return False

    def _learn(self, org_id: str, found: Audiences | None) -> None:
        known = self._newest.get(org_id)
        if found is not None and (known is None or found.stable >= known.stable):
            self._newest[org_id] = found
