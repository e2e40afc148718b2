"""Takes clients from listening sockets that all workers share, so that each gets about as many.

Whoever wakes first could take a whole burst: measured, one of two workers got all of 32 clients. So a worker that
holds more than the least busy one lets the others go first, for a moment that a client does not notice (ADR 0010). A
socket that is shared keeps its queue when a worker goes: nobody who waits in it is turned away.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

YIELD_S: Final = 0.002  # a few turns of another worker's event loop
NO_DESCRIPTORS_S: Final = 0.1  # too many open files: some will be closed

_log = structlog.get_logger(__name__)


class Place(Protocol):
    """One worker among the others (``outpost.workers.slots.OwnSlot``)."""

    @property
    def leads(self) -> bool:
        """Whether it holds more clients than the least busy one."""


class Acceptor:
    """Accepts on ``sockets``, which it owns, until ``close``."""

    def __init__(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        sockets: Sequence[socket.socket],
        place: Place,
        handshake_timeout_s: float,
    ) -> None:
        """``factory`` makes the protocol of one client, which tells ``place`` that it has come and that it is gone."""
        self._factory = factory
        self._sockets = sockets
        self._place = place
        self._handshake_timeout_s = handshake_timeout_s
        self._tasks: list[asyncio.Task[None]] = []
        self._shaking: set[asyncio.Task[None]] = set()
        self._tls: ssl.SSLContext | None = None
        self.addresses: list[tuple[str, int]] = [tuple(one.getsockname()[:2]) for one in sockets]
        """Host and port of each socket."""

    async def accept(self, tls: ssl.SSLContext | None) -> None:
        """Take connections, with ``tls`` if given; called again, those to come get the new ``tls``."""
        self._tls = tls
        if not self._tasks:
            for one in self._sockets:
                one.setblocking(False)
            self._tasks = [asyncio.ensure_future(self._take_all(one)) for one in self._sockets]

    def close(self) -> None:
        """Take nobody any more. Those who wait in the queue are for other workers."""
        for task in self._tasks:
            task.cancel()
        for one in self._sockets:
            # Only when nothing looks at the descriptor any more: its number may be another's at once.
            asyncio.get_running_loop().call_soon(one.close)

    async def _take_all(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if self._place.leads:
                await asyncio.sleep(YIELD_S)
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as err:
                _log.warning("accept_failed", reason=err.strerror)
                await asyncio.sleep(NO_DESCRIPTORS_S)
                continue
            task = asyncio.ensure_future(self._take(client))
            self._shaking.add(task)
            task.add_done_callback(self._shaking.discard)
            await asyncio.sleep(0)  # let it count

    async def _take(self, client: socket.socket) -> None:
        patience_s = None if self._tls is None else self._handshake_timeout_s
        with contextlib.suppress(OSError):  # it went away, or its handshake failed
            await asyncio.get_running_loop().connect_accepted_socket(
                self._factory, client, ssl=self._tls, ssl_handshake_timeout=patience_s
            )
