"""What the parent and a worker tell each other beside events: questions with a number, each answered once.

The messages are those of ``outpost.models.frames``: JSON objects, each after its length. Whoever gets what is no
message, or waits too long for an answer, gives the connection up.
"""

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from outpost.models.frames import FrameInvalid, FrameReader, Message, encode

_READ_BYTES: Final = 1 << 18
_LARGE: Final = frozenset({"bundle"})

Handler = Callable[[Message], Awaitable[Message]]
"""Answers a question; what it raises ends the connection."""


class Gone(Exception):
    """The other end is not there any more, or does not answer in time."""


class Channel:
    """One end of a connected pair of stream sockets. ``closed`` is done when the other end is gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = asyncio.ensure_future(self._read())

    @classmethod
    async def open(cls, end: socket.socket, handler: Handler) -> "Channel":
        """Use one end of a pair; ``handler`` answers what the other end asks, several questions at a time."""
        return cls(*await asyncio.open_unix_connection(sock=end), handler)

    async def ask(self, question: Mapping[str, Any], *, timeout_s: float) -> Message:
        """The answer of the other end.

        Raises:
            Gone: There is none in time.
        """
        if self.closed.done():
            raise Gone("the other process has ended")
        number = next(self._numbers)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            async with asyncio.timeout(timeout_s):
                self._writer.write(await _encoded({"ask": number, **question}))
                return await future
        except TimeoutError:
            raise Gone("the other process does not answer") from None
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """Let go; who waits is told."""
        self._writer.close()
        self.closed.cancel()

    async def _read(self) -> None:
        frames = FrameReader()
        try:
            while data := await self._reader.read(_READ_BYTES):
                for message in frames.feed(data):
                    self._take(message)
        except (FrameInvalid, OSError):
            pass
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(Gone("the other process has ended"))
                    future.exception()
            for task in self._tasks:
                task.cancel()
            self._writer.close()

    def _take(self, message: Message) -> None:
        answered = self._waiting.get(_number(message, "answer"))
        if answered is not None:
            if not answered.done():
                answered.set_result(message)
        elif "ask" in message:
            task = asyncio.ensure_future(self._answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Message) -> None:
        try:
            answer = await self._handler(message)
        except BaseException:
            self._writer.close()  # fail closed: the other end sees that there is no answer
            raise
        if not self._writer.is_closing():
            self._writer.write(encode({**answer, "answer": _number(message, "ask")}))


async def _encoded(message: Message) -> bytes:
    """Megabytes, as bundles can be, are not for the event loop; the order of what is short stays."""
    return await asyncio.to_thread(encode, message) if message.get("type") in _LARGE else encode(message)


def _number(message: Message, name: str) -> int:
    value = message.get(name)
    return value if isinstance(value, int) else 0
