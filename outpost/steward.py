"""Fulfils what signals ask of an outpost that serves, until it is to end: renewed workers, or the next program.

SIGHUP reads the settings anew and replaces the workers; with one process, where nobody is there to be replaced, it is
an upgrade. Whatever cannot be done is logged and changes nothing: the outpost serves on as it was (ADR 0013).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from outpost.config import Config
from outpost.doors import Doors, Named
from outpost.errors import ConfigError
from outpost.proxy.drain import Drain
from outpost.proxy.enforcement import Admission
from outpost.reload import Reloaded, reload
from outpost.upgrade import FRESH_S, NotUpgraded, Running, command_line, rehearse
from outpost.wishes import Wishes, first_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Handover:
    """The next program, and the sockets on which its clients wait."""

    command: Sequence[str]
    sockets: Sequence[Named]


class Port(Protocol):
    """Where clients are served (``ProxyPort``, or a ``Fleet``)."""

    async def announce(self, most_s: float) -> None:
        """Go on serving, and have everybody come back on a new connection; until all have, or ``most_s``."""

    async def leave(self, linger_s: float, how: Drain) -> int:
        """Take nobody new; how many connections had to be cut."""

    async def drain(self, how: Drain) -> int:
        """Take nobody new after a delay; how many connections had to be cut."""


class Steward:
    """``config`` is what counts now of the settings that may change."""

    def __init__(
        self,
        wishes: Wishes,
        config: Config,
        doors: Doors,
        read: Callable[[], Config],
        renew: Callable[[Reloaded], None] | None,
        *,
        enforces: Callable[[], bool],
    ) -> None:
        """``read`` gives the settings as they are now, ``renew`` replaces the workers, if there are any."""
        self._wishes = wishes
        self.config = config
        self._doors = doors
        self._read = read
        self._renew = renew
        self._enforces = enforces

    async def attend(self) -> list[str] | None:
        """Until it is time to end; then the command to go on with, or None for the end itself."""
        wishes = self._wishes
        while True:
            await wishes.next()
            if wishes.stop.is_set():
                return None
            if wishes.renew.is_set() and self._renew is not None:
                wishes.renew.clear()
                await self._reload(self._renew)
                continue
            wishes.renew.clear()
            wishes.upgrade.clear()
            command = command_line()
            if await self._would_start(command):
                return command

    async def leave(self, port: Port, admission: Admission, command: list[str] | None) -> Handover | None:
        """End serving: for ever, or until ``command`` serves. What follows; None if that is the end.

        Before another program takes over, clients are served and told to come back on new connections. Only who
        connects after that waits, in the sockets' queues: for what is in flight, then for the next program.
        """
        config, wishes = self.config, self._wishes
        if command is not None:
            await first_of(partial(port.announce, config.keepalive_timeout_s), wishes.stop.wait)
        going_on = command is not None and not wishes.stop.is_set()
        sockets = self._doors.twins() if going_on else []
        admission.draining = True
        log.info("draining")
        drain = Drain(0.0 if going_on else config.shutdown_delay_s, config.shutdown_grace_s, wishes.hurry)
        cut = await (port.leave(FRESH_S, drain) if going_on else port.drain(drain))
        log.info("drained", cut_off=cut)
        if command is not None and going_on and not wishes.stop.is_set():
            return Handover(command, sockets)
        for _, one in sockets:
            one.close()
        return None

    async def _reload(self, renew: Callable[[Reloaded], None]) -> None:
        try:
            read = await asyncio.to_thread(reload, self.config, self._read)
        except ConfigError as err:
            log.error("settings_refused", problems=err.problems, effect="nothing was changed, no worker is replaced")
            return
        if read.waiting:
            log.warning("settings_wait", settings=read.waiting, needs="an upgrade (SIGUSR2) or a restart")
        self.config = read.config
        log.info("settings_read", changed=read.changed)
        renew(read)

    async def _would_start(self, command: Sequence[str]) -> bool:
        log.info("upgrade_rehearsed", command=command[0])
        versions: list[str] = []

        async def find_out() -> None:
            running = Running(self.config, self._doors, self._enforces())
            versions.append(await rehearse(command, running))

        try:
            await first_of(find_out, self._wishes.stop.wait)
        except NotUpgraded as err:
            log.error("upgrade_refused", reason=str(err), effect="nothing was changed")
            return False
        if not versions:
            return False  # it is to end instead
        most_s = self.config.keepalive_timeout_s + self.config.shutdown_grace_s
        log.info("upgrade_begins", version=versions[0], takes_over_within_s=most_s)
        return True
