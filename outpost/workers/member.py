"""One worker as the parent sees it: born, told, asked, ended. Nothing here decides when."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outpost.models.frames import Message
from outpost.workers.audit_door import AuditDoor, Log
from outpost.workers.control import Channel, Gone
from outpost.workers.model_relay import Asked, relay
from outpost.workers.orders import Birth

_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
_MODULE: Final = "outpost.worker"
ENDING_S: Final = 10.0  # from letting go to the end; the worker itself takes less (DYING_S)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every worker of an outpost shares.

    Attributes:
        log: The one writer.
        models: Whom texts are put to.
        memory: File descriptor of ``Slots``.
        slots: How many there are.
        listeners: File descriptors on which clients come.
    """

    log: Log
    models: Asked
    memory: int
    slots: int
    listeners: Sequence[int]


class Member:
    """A worker process. ``ended`` is done when it is gone and everything that it handed over is settled."""

    def __init__(self, index: int, process: asyncio.subprocess.Process, channel: Channel, door: AuditDoor) -> None:
        self.index = index
        self._process = process
        self._channel = channel
        self._door = door
        self._relay: asyncio.Task[None] | None = None
        self.known_kinds: frozenset[str] | None = None
        """What it believes that the models can find."""
        self.reason = "it ended by itself"
        """Why it ended, for the log."""
        self.expected = False
        """Its end is wanted."""
        self.ended = asyncio.ensure_future(self._end())

    @classmethod
    async def spawn(cls, index: int, around: Surroundings) -> "Member":
        """Start a process; it knows nothing yet.

        Raises:
            OSError: No process or socket can be had.
        """
        pairs = [socket.socketpair() for _ in range(3)]
        ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        try:
            numbers = [end.fileno() for end in theirs]
            birth = Birth(
                control=numbers[0],
                audit=numbers[1],
                models=numbers[2],
                memory=around.memory,
                listeners=tuple(around.listeners),
                index=index,
                slots=around.slots,
            )
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                _MODULE,
                birth.to_json(),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[*numbers, around.memory, *around.listeners],
                env={name: value for name, value in os.environ.items() if name in _ENVIRONMENT},
            )
        except BaseException:
            for end in ours:
                end.close()
            raise
        finally:
            for end in theirs:
                end.close()
        member = cls(index, process, await Channel.open(ours[0], _unasked), await AuditDoor.open(ours[1], around.log))
        member._relay = asyncio.ensure_future(relay(ours[2], around.models, lambda: member.known_kinds))
        return member

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.returncode

    async def ask(self, kind: str, content: Mapping[str, Any] | None = None, *, timeout_s: float) -> Message:
        """Tell it something and wait until it has obeyed.

        Raises:
            Gone: It has not, in time. It is killed: nobody knows what it enforces.
        """
        try:
            return await self._channel.ask({"type": kind, **(content or {})}, timeout_s=timeout_s)
        except Gone as err:
            self.kill(f"{kind}: {err}")
            raise

    def kill(self, reason: str) -> None:
        """End it at once."""
        if self._process.returncode is None:
            self.reason = reason
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _end(self) -> None:
        exited = asyncio.ensure_future(self._process.wait())
        try:
            # One that closes an end is about to end; one that sends what is no event has broken.
            ends: set[asyncio.Future[Any]] = {exited, self._door.closed, self._channel.closed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._door.closed.done() and not self._door.closed.result():
                self.kill("it sent what is no event")
            await asyncio.wait({exited}, timeout=ENDING_S)
            self.kill("it let go of its parent and did not end")
            await exited
        finally:
            self._channel.close()
            if self._relay is not None:
                self._relay.cancel()
        # What it had written before is still in the socket; its children may hold the other end open no longer.
        await self._door.closed
        await self._door.settled()


async def _unasked(_question: Message) -> Message:
    raise Gone("workers do not ask")
