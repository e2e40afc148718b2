"""Connections to providers: a pool for each, so that one that stalls takes none from the others."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp

from outpost.protocol.routing import Provider


class PoolBusy(Exception):
    """As many requests are with the provider as may be."""


@dataclass(slots=True)
class Connection:
    """Over what one request goes (its ``trace_request_ctx``)."""

    kept: bool = False
    """It served another before, and may have been closed by the other end in the meantime."""


async def _note_kept(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    if isinstance(context.trace_request_ctx, Connection):
        context.trace_request_ctx.kept = True


def _tracing() -> aiohttp.TraceConfig:
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_note_kept)
    return tracing


class Pools:
    """A session per provider, and one that keeps no connection, made when first needed. Whoever makes it closes it."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, bool], aiohttp.ClientSession] = {}
        self._in_use: Counter[str] = Counter()

    @contextmanager
    def lease(self, provider: Provider, *, fresh: bool = False) -> Iterator[aiohttp.ClientSession]:
        """A session with the provider, for one request; a ``fresh`` one makes a connection for each and keeps none.

        Raises:
            PoolBusy: ``max_connections`` of the provider are in use.
        """
        limit = provider.max_connections
        if limit is not None and self._in_use[provider.id] >= limit:
            raise PoolBusy
        self._in_use[provider.id] += 1
        try:
            yield self._session(provider, fresh=fresh)
        finally:
            self._in_use[provider.id] -= 1

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()

    def _session(self, provider: Provider, *, fresh: bool) -> aiohttp.ClientSession:
        session = self._sessions.get((provider.id, fresh))
        if session is None:
            session = self._sessions[provider.id, fresh] = aiohttp.ClientSession(
                # Bounded above, and by max_concurrent_requests.
                connector=aiohttp.TCPConnector(limit=0, force_close=fresh),
                # A provider's cookie for one caller must not go out with another's.
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trace_configs=[_tracing()],
            )
        return session
