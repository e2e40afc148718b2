"""The sockets of the proxy port, and what accepts on them.

``::`` is every interface, IPv6 and IPv4 (RFC 3493 §5.3): asyncio by itself would serve IPv6 only. New TLS settings take
effect by accepting on a second descriptor of the same socket before the first is closed: no connection is refused or
dropped, and those that are open stay as they are.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from outpost.errors import Unavailable

EVERY_INTERFACE: Final = "::"
BACKLOG: Final = 1_024  # connections that wait to be accepted; Linux cuts it to net.core.somaxconn
# No IPv6 in the kernel, or none on this machine.
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets for every address of ``host``; for ``::`` one that takes IPv4 too.

    Raises:
        Unavailable: One of them cannot be had; none is left open.
    """
    opened: list[socket.socket] = []
    try:
        if host == EVERY_INTERFACE:
            opened.append(_every_interface(port))
        else:
            flags = socket.AI_PASSIVE
            found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=flags)
            for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
                opened.append(socket.create_server(address, family=family, backlog=BACKLOG))
    except OSError as err:
        for one in opened:
            one.close()
        reason = err.strerror if isinstance(err, socket.gaierror) or not err.errno else os.strerror(err.errno)
        raise Unavailable(f"cannot listen on {host} port {port}: {reason}") from err
    for one in opened:
        one.setblocking(False)
    return opened


def _every_interface(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                (EVERY_INTERFACE, port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
            )
        except OSError as err:
            if err.errno not in _NO_IPV6:
                raise
    return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)  # noqa: S104 - what was asked for


class Listener:
    """Accepts on ``sockets``, which it owns, and hands each connection to a protocol of ``factory``."""

    def __init__(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        sockets: Sequence[socket.socket],
        *,
        handshake_timeout_s: float,
    ) -> None:
        self._factory = factory
        self._sockets = sockets
        self._handshake_timeout_s = handshake_timeout_s
        self._servers: list[asyncio.Server] = []
        self.addresses: list[tuple[str, int]] = [tuple(one.getsockname()[:2]) for one in sockets]
        """Host and port of each socket."""

    async def accept(self, tls: ssl.SSLContext | None) -> None:
        """Take connections, with ``tls`` if given; called again, those to come get the new ``tls``."""
        loop, servers = asyncio.get_running_loop(), list[asyncio.Server]()
        patience = None if tls is None else self._handshake_timeout_s
        for one in self._sockets:
            twin = one.dup()
            twin.setblocking(False)
            servers.append(
                await loop.create_server(
                    self._factory, sock=twin, ssl=tls, backlog=BACKLOG, ssl_handshake_timeout=patience
                )
            )
        previous, self._servers = self._servers, servers
        for server in previous:
            server.close()

    def close(self) -> None:
        """Take no more connections; those that are open stay."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        for one in self._sockets:
            one.close()
