"""Unsealing a control plane that runs: people give their shares through a Unix socket in the data directory.

The socket (mode 0600, in a directory of mode 0700) is the only way in, so whoever unseals is on this machine as this
user; the network gets nothing but "not ready". The passphrase is used to open the installation and dropped; the keys
that it opened are in memory until ``seal`` or the end of the process.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Generic, Self, TypeVar

import structlog
from aiohttp import web

from control_plane.api.seal import door_app, sealed_app
from control_plane.config import Config
from control_plane.errors import AlreadyExists, ControlPlaneError, ShareRefused
from control_plane.seal import Seal, Unsealing, socket_path

_SOCKET_MODE: Final = 0o600
_GRACE_S: Final = 1.0  # what is answered here is answered at once

O = TypeVar("O")  # noqa: E741 - what is opened

_log = structlog.get_logger("control_plane.unsealing")


class SealDoor(Generic[O]):
    """The local socket. ``unsealed`` and ``sealed`` are set when it happened; ``take`` is what was opened."""

    def __init__(self, data_dir: Path, seal: Seal, open_with: Callable[[bytes], O]) -> None:
        self.unsealing = Unsealing(seal)
        self.unsealed, self.sealed = asyncio.Event(), asyncio.Event()
        self._path = socket_path(data_dir)
        self._open_with = open_with
        self._opened: O | None = None
        self._one_at_a_time = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Raises ``AlreadyExists`` if another process serves here; OSError if there can be no socket."""
        if await asyncio.to_thread(is_answered, self._path):
            raise AlreadyExists(f"{self._path}: another `control-plane serve` runs on this data directory")
        async with self._stack:
            runner = await _runner(self._stack, door_app(self))
            await web.UnixSite(runner, self._path).start()
            self._stack.callback(self._path.unlink, missing_ok=True)
            await asyncio.to_thread(self._path.chmod, _SOCKET_MODE)
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def is_sealed(self) -> bool:
        """True until enough shares were given, and again after ``seal``."""
        return not self.unsealed.is_set()

    async def give(self, share: str) -> None:
        """Take a share; the one that reaches the threshold opens the installation.

        Raises:
            ShareRefused: See ``Unsealing.give``; or nothing is sealed.
            ControlPlaneError: The installation does not open; the shares were dropped.
        """
        async with self._one_at_a_time:
            if not self.is_sealed:
                raise ShareRefused("this control plane is unsealed already; nothing was changed")
            passphrase = self.unsealing.give(share)
            if passphrase is None:
                _log.info("share_given", progress=self.unsealing.progress)
                return
            try:
                self._opened = await asyncio.to_thread(self._open_with, passphrase)
            except ControlPlaneError as err:
                _log.error("unsealing_failed", error=type(err).__name__)
                raise ShareRefused(f"the shares are right, but this does not open: {err.message}") from err
            self.sealed.clear()
            self.unsealed.set()
            _log.info("unsealed")

    def seal(self) -> None:
        """Stop serving and forget the keys."""
        self.unsealing.reset()
        self.unsealed.clear()
        self.sealed.set()

    def take(self) -> O:
        """What was opened; the door keeps nothing of it."""
        opened, self._opened = self._opened, None
        if opened is None:
            raise ShareRefused("nothing was opened")
        return opened


class SealedListeners:
    """Both listeners while sealed. ``async with`` starts and stops them."""

    def __init__(self, config: Config, tls: ssl.SSLContext, unsealing: Unsealing) -> None:
        self._config = config
        self._tls = tls
        self._unsealing = unsealing
        self._stack = AsyncExitStack()
        self._ports: list[int] = []

    async def __aenter__(self) -> Self:
        config = self._config
        async with self._stack:
            for name, host, port in (
                ("platform", config.platform_host, config.platform_port),
                ("outpost", config.outpost_host, config.outpost_port),
            ):
                runner = await _runner(self._stack, sealed_app(self._unsealing))
                await web.TCPSite(runner, host, port, ssl_context=self._tls).start()
                self._ports.append(runner.addresses[0][1])
                _log.info("listening_sealed", listener=name, port=self._ports[-1])
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def with_their_ports(self, config: Config) -> Config:
        """``config`` with the ports that the system chose, so that they stay the same once it serves."""
        platform, outpost = self._ports
        return config.model_copy(update={"platform_port": platform, "outpost_port": outpost})


async def _runner(stack: AsyncExitStack, app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


def is_answered(path: Path) -> bool:
    """True if somebody listens on the socket; a file that is left over from a crash does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_GRACE_S)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True
