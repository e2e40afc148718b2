"""A worker's audit log: every event goes to the one writer, and is durable when the writer says so.

The same promise as ``AuditLog.submit``. Without the writer nothing is accepted and nothing that waits succeeds, so that
nothing passes; an event that was handed over before may still turn up in the log, but was not acknowledged.
"""

import asyncio
import itertools
import socket
from typing import Final, cast

from outpost.audit.event import AuditEvent, encode
from outpost.errors import AuditUnavailable
from outpost.workers.frames import Answer, AnswerReader, FramesInvalid, Submission, encode_submission

MAX_WAITING: Final = 20_000  # as in the writer's own queue
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024  # 400 bytes an event usually; only here to bound the worst


class PipedAudit(asyncio.Protocol):
    """Where this process's events become durable. Make one with ``open``; ``gone`` is done when the writer is."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._reader = AnswerReader()
        self._waiting: dict[int, tuple[asyncio.Future[int], int]] = {}
        self._waiting_bytes = 0
        self._transport: asyncio.Transport | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.writer_is_healthy = True
        """What the writer last said of its disk; told by whoever hears it."""

    @classmethod
    async def open(cls, end: socket.socket) -> "PipedAudit":
        """Use one end of a connected pair of stream sockets, the other end of which is an ``AuditDoor``'s."""
        _, protocol = await asyncio.get_running_loop().create_unix_connection(cls, sock=end)
        return protocol

    @property
    def healthy(self) -> bool:
        """False while events cannot be made durable."""
        return self.writer_is_healthy and not self.gone.done()

    @property
    def waiting(self) -> int:
        """Events that were handed over and not answered."""
        return len(self._waiting)

    def submit(self, event: AuditEvent, *, urgent: bool = True) -> "asyncio.Future[int]":
        """As ``AuditLog.submit``.

        Raises:
            AuditUnavailable: At once, if the writer is gone or too many events are waiting already.
        """
        if self.gone.done() or self._transport is None:
            raise AuditUnavailable("the writer of the audit log is gone")
        if len(self._waiting) >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES:
            raise AuditUnavailable("too many audit events are waiting for the disk")
        number = next(self._numbers)
        frame = encode_submission(Submission(number, urgent, encode(event)))
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (future, len(frame))
        self._waiting_bytes += len(frame)
        self._transport.write(frame)
        return future

    async def settled(self, most_s: float) -> None:
        """Return when everything that was handed over has been answered, or ``most_s`` has passed."""
        waiting = [future for future, _ in self._waiting.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=most_s)

    def close(self) -> None:
        """Let go; what waits fails."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Of ``asyncio.Protocol``."""
        try:
            for answer in self._reader.feed(data):
                self._take(answer)
        except FramesInvalid:
            self.close()  # nobody could say any more which event is durable

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's; gone is gone
        """Of ``asyncio.Protocol``: refuse what waits."""
        if not self.gone.done():
            self.gone.set_result(None)
        waiting, self._waiting, self._waiting_bytes = self._waiting, {}, 0
        for future, _ in waiting.values():
            _settle(future, None)

    def _take(self, answer: Answer) -> None:
        entry = self._waiting.pop(answer.number, None)
        if entry is None:
            raise FramesInvalid("an answer to no question")
        future, size = entry
        self._waiting_bytes -= size
        _settle(future, answer.seq)


def _settle(future: "asyncio.Future[int]", seq: int | None) -> None:
    if future.done():  # its waiter was cancelled; the event is durable all the same
        return
    if seq is None:
        future.set_exception(AuditUnavailable("the audit log cannot be written"))
        future.exception()  # whoever waited may be gone already
    else:
        future.set_result(seq)
