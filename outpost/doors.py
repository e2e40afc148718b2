"""The listening sockets of the outpost, by the port they belong to: inherited where they fit, opened where not.

What a supervisor opened (systemd: ``proxy``, ``admin``) counts as it is, whatever the settings say. What this program
opened itself before an upgrade counts if it is still where the settings want it. So nobody who connects is refused
while one program follows another (ADR 0013).
"""

import asyncio
import errno
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from outpost.config import Config
from outpost.errors import ConfigError, Unavailable
from outpost.listen_fds import UNNAMED
from outpost.proxy.listener import EVERY_INTERFACE, bind

PROXY: Final = "proxy"
ADMIN: Final = "admin"
_OURS: Final = ".opened"
"""Ends the name of a socket that an outpost opened itself, and hands on to the next."""
BIND_PATIENCE_S: Final = 10.0  # more than a worker without a parent lives (``outpost.worker.DYING_S``)
_BIND_PAUSE_S: Final = 0.1

Named = tuple[str, socket.socket]


@dataclass(frozen=True, slots=True)
class Door:
    """The sockets of one port. ``given``: a supervisor opened them, and they are where it wants them."""

    sockets: Sequence[socket.socket]
    given: bool


@dataclass(frozen=True, slots=True)
class Doors:
    """The sockets of both ports."""

    proxy: Door
    admin: Door

    @classmethod
    async def open(cls, config: Config, inherited: Sequence[Named] = ()) -> Self:
        """Sockets that listen; nobody is accepted yet, who connects waits.

        Raises:
            ConfigError: What was inherited has a name that is not ours.
            Unavailable: An address cannot be had.
        """
        strange = sorted({name for name, _ in inherited} - {PROXY, ADMIN, PROXY + _OURS, ADMIN + _OURS, UNNAMED})
        if strange:
            wanted = f"FileDescriptorName={PROXY} or FileDescriptorName={ADMIN}"
            raise ConfigError([f"socket {name!r} was handed over for no port of ours: {wanted}" for name in strange])
        inherited = [(PROXY if name == UNNAMED else name, one) for name, one in inherited]
        admin = await _open(ADMIN, config.admin_host, config.admin_port, inherited, 0.0)
        try:
            patience_s = BIND_PATIENCE_S if config.workers > 1 else 0.0
            proxy = await _open(PROXY, config.listen_host, config.listen_port, inherited, patience_s)
        except BaseException:
            _close(admin.sockets)
            raise
        kept = {id(one) for one in (*proxy.sockets, *admin.sockets)}
        _close([one for _, one in inherited if id(one) not in kept])
        return cls(proxy, admin)

    def close(self) -> None:
        """Close what is still open of them."""
        _close((*self.proxy.sockets, *self.admin.sockets))

    def twins(self) -> list[Named]:
        """Descriptors of the same sockets, for the next program: they stay open when these are closed."""
        doors = ((PROXY, self.proxy), (ADMIN, self.admin))
        return [(name if door.given else name + _OURS, one.dup()) for name, door in doors for one in door.sockets]


async def _open(name: str, host: str, port: int, inherited: Sequence[Named], patience_s: float) -> Door:
    given = [one for said, one in inherited if said == name]
    if given:
        return Door(given, given=True)
    ours = [one for said, one in inherited if said == name + _OURS]
    if ours and _are_at(ours, host, port):
        return Door(ours, given=False)
    _close(ours)  # the same port may be wanted at another address
    return Door(await _bind_patiently(host, port, patience_s), given=False)


def _are_at(sockets: Sequence[socket.socket], host: str, port: int) -> bool:
    """Whether they are what ``bind`` would open. A port of 0 is any."""
    if port and any(one.getsockname()[1] != port for one in sockets):
        return False
    at = {str(one.getsockname()[0]) for one in sockets}
    if host == EVERY_INTERFACE:
        return at in ({EVERY_INTERFACE}, {"0.0.0.0"})  # noqa: S104 - without IPv6 that is every interface
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False
    return at == {str(address[0]) for *_, address in found}


async def _bind_patiently(host: str, port: int, patience_s: float) -> list[socket.socket]:
    """Workers whose parent was killed hold the port for some moments."""
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            return bind(host, port)
        except Unavailable as err:
            taken = isinstance(err.__cause__, OSError) and err.__cause__.errno == errno.EADDRINUSE
            if not taken or time.monotonic() > deadline_s:
                raise
        await asyncio.sleep(_BIND_PAUSE_S)


def _close(sockets: Sequence[socket.socket]) -> None:
    for one in sockets:
        one.close()
