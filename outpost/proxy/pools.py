"""Connections to providers: a pool for each, so that one that stalls takes none from the others."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection as Held
from aiohttp.tracing import Trace

from outpost.protocol.routing import Provider


class PoolBusy(Exception):
    """As many requests are with the provider as may be."""


@dataclass(slots=True)
class Connection:
    """Over what one request goes (``noting``)."""

    kept: bool = False
    """It served another before, and may have been closed by the other end in the meantime."""


_NOTED: Final[ContextVar[Connection | None]] = ContextVar("connection", default=None)


class noting:  # noqa: N801 - reads as a statement
    """Have a request that is made within note in ``connection`` over what it goes."""

    __slots__ = ("_before", "_connection")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._before = _NOTED.set(self._connection)

    def __exit__(self, *_: object) -> None:
        _NOTED.reset(self._before)


class _Connector(aiohttp.TCPConnector):
    """Tells requests whether their connection served another before; aiohttp's own tracing costs six calls each."""

    def __init__(self, *, force_close: bool) -> None:
        super().__init__(limit=0, force_close=force_close)  # bounded by leases, and by max_concurrent_requests
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own name
    ) -> Held:
        """As ``TCPConnector``."""
        held = await super().connect(req, traces, timeout)
        protocol, noted = held.protocol, _NOTED.get()
        if protocol in self._used:
            if noted is not None:
                noted.kept = True
        elif protocol is not None:
            self._used.add(protocol)
        return held


class Pools:
    """A session per provider, and one that keeps no connection, made when first needed. Whoever makes it closes it."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, bool], aiohttp.ClientSession] = {}
        self._in_use: Counter[str] = Counter()

    @contextmanager
    def lease(self, provider: Provider, *, fresh: bool = False) -> Iterator[aiohttp.ClientSession]:
        """``take`` and ``give_back``."""
        session = self.take(provider, fresh=fresh)
        try:
            yield session
        finally:
            self.give_back(provider)

    def take(self, provider: Provider, *, fresh: bool = False) -> aiohttp.ClientSession:
        """A session with the provider, for one request; a ``fresh`` one makes a connection for each and keeps none.

        ``give_back`` when it is over.

        Raises:
            PoolBusy: ``max_connections`` of the provider are in use.
        """
        limit = provider.max_connections
        if limit is not None and self._in_use[provider.id] >= limit:
            raise PoolBusy
        session = self._session(provider, fresh=fresh)
        self._in_use[provider.id] += 1
        return session

    def give_back(self, provider: Provider) -> None:
        """One request less."""
        self._in_use[provider.id] -= 1

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()

    def _session(self, provider: Provider, *, fresh: bool) -> aiohttp.ClientSession:
        session = self._sessions.get((provider.id, fresh))
        if session is None:
            session = self._sessions[provider.id, fresh] = aiohttp.ClientSession(
                connector=_Connector(force_close=fresh),
                # A provider's cookie for one caller must not go out with another's.
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return session
