"""The proxy port as one thing: open it, keep its TLS current, drain it, close it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence
from typing import Final, Protocol

from outpost.config import Config
from outpost.proxy.client_tls import LOOK_EVERY_S, TlsFiles, Validity, keep_current, server_context, validity_of
from outpost.proxy.connection import ConnectionLimits, ProxyConnections
from outpost.proxy.cors import Cors
from outpost.proxy.crowd import Crowd
from outpost.proxy.drain import Drain
from outpost.proxy.listener import Listener, bind
from outpost.proxy.parts import ProxyParts
from outpost.proxy.server import Health, ProxyServer

_NOW: Final = Drain(grace_s=0)


class Accepting(Protocol):
    """What takes clients (``Listener``, or a worker's acceptor)."""

    addresses: list[tuple[str, int]]

    async def accept(self, tls: ssl.SSLContext | None) -> None:
        """Take connections; called again, those to come get the new ``tls``."""

    def close(self) -> None:
        """Take no more."""


def make_connections(
    config: Config, parts: ProxyParts, health: Health, crowd: Crowd | None = None, share: int = 1
) -> ProxyConnections:
    """What serves clients, with the configured limits, which hold for ``crowd``: ``share`` processes."""
    proxy = ProxyServer(
        parts,
        health,
        max_concurrent=config.max_concurrent_requests,
        max_header_bytes=config.max_header_bytes,
        cors=Cors(frozenset(config.cors_origins)),
        crowd=crowd,
        share=share,
    )
    limits = ConnectionLimits(
        keepalive_timeout_s=config.keepalive_timeout_s,
        header_timeout_s=config.header_timeout_s,
        max_header_bytes=config.max_header_bytes,
        max_connections=config.max_connections,
    )
    return ProxyConnections(proxy, limits)


def tls_files(config: Config) -> TlsFiles | None:
    """Which files the proxy's TLS is from; None without TLS."""
    if config.tls_certificate_file is None:
        return None
    return TlsFiles(config.tls_certificate_file, config.tls_key_file, config.tls_client_ca_file)


class ProxyPort:
    """``connections`` behind a listener."""

    def __init__(self, connections: ProxyConnections, tls: TlsFiles | None, *, handshake_timeout_s: float) -> None:
        self._connections = connections
        self._tls = tls
        self._handshake_timeout_s = handshake_timeout_s
        self._listener: Accepting | None = None
        self.validity: Validity | None = None
        """Of the certificate in use; None without TLS."""

    @property
    def scheme(self) -> str:
        """What clients' URLs begin with."""
        return "http" if self._tls is None else "https"

    @property
    def addresses(self) -> Sequence[tuple[str, int]]:
        """Host and port of each socket."""
        return [] if self._listener is None else self._listener.addresses

    async def open(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            ConfigError: The TLS files cannot be used.
            Unavailable: An address cannot be had.
        """
        context = self._context()
        await self._accept_on(bind(host, port), context)

    async def open_on_sockets(self, sockets: Sequence[socket.socket]) -> None:
        """Take clients from sockets that listen already, which are then this port's.

        Raises:
            ConfigError: The TLS files cannot be used.
        """
        await self._accept_on(sockets, self._context())

    async def open_on(self, accepting: Accepting) -> None:
        """Take clients from there.

        Raises:
            ConfigError: The TLS files cannot be used.
        """
        context = self._context()
        self._listener = accepting
        await accepting.accept(context)

    async def announce(self, most_s: float) -> None:
        """Go on, but tell each client with its answer to come back on a new connection.

        Until everybody who is connected now has gone, or ``most_s`` seconds.
        """
        self._connections.handler.leaving = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._connections.turnover().wait()

    async def leave(self, linger_s: float, how: Drain) -> int:
        """Let another process take the clients: each that asks again within ``linger_s`` is served and told to go."""
        self._connections.handler.leaving = True
        self._stop_accepting()
        await how.wait(self._connections.all_gone, linger_s)
        return await self.drain(how)

    async def keep_tls_current(self, stop: asyncio.Event, *, every_s: float = LOOK_EVERY_S) -> None:
        """Use changed TLS files for new connections, until ``stop``; nothing to do without TLS."""
        if self._tls is not None:
            await keep_current(self._tls, self._use, stop, every_s=every_s)

    async def run(self, ended: asyncio.Event) -> None:
        """Keep it as it should be, until ``ended``."""
        await self.keep_tls_current(ended)

    async def drain(self, how: Drain) -> int:
        """Let what is open end; how many connections had to be cut."""
        return await how.run(self._stop_accepting, self._connections)

    async def close(self) -> None:
        """End everything now; a port that has been drained has nothing left to end."""
        await self.drain(_NOW)

    async def _use(self, context: ssl.SSLContext) -> None:
        if self._listener is not None:
            await self._listener.accept(context)
            self.validity = None if self._tls is None else validity_of(self._tls)

    def _context(self) -> ssl.SSLContext | None:
        if self._tls is None:
            return None
        context = server_context(self._tls)
        self.validity = validity_of(self._tls)
        return context

    async def _accept_on(self, sockets: Sequence[socket.socket], context: ssl.SSLContext | None) -> None:
        self._listener = Listener(self._connections, sockets, handshake_timeout_s=self._handshake_timeout_s)
        await self._listener.accept(context)

    def _stop_accepting(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
