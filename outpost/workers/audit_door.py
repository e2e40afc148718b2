"""The writer's end of a worker's events: each is checked, committed with everybody's, and answered when it is on disk.

What a worker handed over before it died is committed all the same. One that hands over what is no event has broken:
its connection is closed and nothing more of it is taken.
"""

import asyncio
import socket
from functools import partial
from typing import Protocol, cast

from outpost.audit.writer import Receipt
from outpost.errors import AuditCorrupt, AuditUnavailable
from outpost.workers.frames import Answer, FramesInvalid, Submission, SubmissionReader, encode_answers


class Log(Protocol):
    """Where events become durable (``outpost.audit.log.AuditLog``)."""

    def submit_encoded(self, event: bytes, receipt: Receipt, *, urgent: bool = True) -> None:
        """Queue the canonical bytes of an event; ``AuditCorrupt`` if they are none, ``AuditUnavailable`` if full."""


class _Waiting:
    """One event's; as a future, and for a tenth of the price."""

    __slots__ = ("_door", "_number")

    def __init__(self, door: "AuditDoor", number: int) -> None:
        self._door = door
        self._number = number

    def done(self) -> bool:
        return False  # nobody cancels it

    def set_result(self, seq: int) -> None:
        self._door.settle(self._number, seq)

    def set_exception(self, _error: Exception) -> None:
        self._door.settle(self._number, None)


class AuditDoor(asyncio.Protocol):
    """One worker's. ``closed`` is done when no more will come; True if the worker kept to the protocol."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._reader = SubmissionReader()
        self._answers: list[Answer] = []
        self._transport: asyncio.Transport | None = None
        self._waiting = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._kept = True
        self.closed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.accepted = 0
        """Events that were taken so far."""

    @classmethod
    async def open(cls, end: socket.socket, log: Log) -> "AuditDoor":
        """Serve one end of a connected pair of stream sockets."""
        _, protocol = await asyncio.get_running_loop().create_unix_connection(partial(cls, log), sock=end)
        return protocol

    async def settled(self) -> None:
        """Return when everything that was accepted is on disk or has failed."""
        await self._idle.wait()

    def close(self) -> None:
        """Take nothing more."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Of ``asyncio.Protocol``."""
        if not self._kept:
            return
        try:
            for submission in self._reader.feed(data):
                self._take(submission)
        except (FramesInvalid, AuditCorrupt):
            self._kept = False
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's; gone is gone
        """Of ``asyncio.Protocol``."""
        if not self.closed.done():
            self.closed.set_result(self._kept)

    def _take(self, submission: Submission) -> None:
        try:
            self._log.submit_encoded(submission.event, _Waiting(self, submission.number), urgent=submission.urgent)
        except AuditUnavailable:
            self._answer(Answer(submission.number, None))
            return
        self.accepted += 1
        self._waiting += 1
        self._idle.clear()

    def settle(self, number: int, seq: int | None) -> None:
        """What became of one event; on the event loop."""
        self._waiting -= 1
        if not self._waiting:
            self._idle.set()
        self._answer(Answer(number, seq))

    def _answer(self, answer: Answer) -> None:
        if not self._answers:  # one write for all that one commit made durable
            asyncio.get_running_loop().call_soon(self._flush)
        self._answers.append(answer)

    def _flush(self) -> None:
        answers, self._answers = self._answers, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode_answers(answers))
