"""One proxy's end of a socket to the inference process: questions out, answers in, each within its time.

Every question ends: with its answer, with ``ModelUnavailable`` when the process says so, breaks or is late, or
cancelled with whoever asked.
"""

import asyncio
import itertools
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from outpost.errors import ModelUnavailable
from outpost.models.frames import (
    FrameInvalid,
    FrameReader,
    Message,
    encode,
    finding_to_json,
    result_from_json,
    settled_from_json,
)
from outpost.models.results import Settled, TextResult, Wanted
from outpost.protocol.findings import Finding
from outpost.protocol.topics import TopicSet

MAX_WAITING_CHARS: Final = 64 * 1024 * 1024
"""Of all questions that wait for an answer; more are refused before they are sent."""
GRACE_S: Final = 1.0  # the process itself says when something took too long; this much later it is taken for stuck
_READ_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Ready:
    """What the process says when it has loaded its pack."""

    digest: str
    provider: str


class Connection:
    """A connected socket. Open until ``closed`` is done."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._waiting_chars = 0
        self._answered_s = 0.0
        self._told: dict[tuple[str, str], asyncio.Future[None]] = {}
        self.ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self.closed = asyncio.ensure_future(self._read())

    @classmethod
    async def open(cls, end: socket.socket) -> "Connection":
        """Use one end of a pair."""
        return cls(*await asyncio.open_unix_connection(sock=end))

    async def inspect(
        self,
        text: str,
        weak: Sequence[Finding] = (),
        *,
        priority: int = 0,
        timeout_s: float,
        pack: str | None = None,
        topics: str | None = None,
    ) -> TextResult:
        """What the models say about ``text``: those of the loaded ``pack`` of this digest, or the last that was loaded.

        ``topics`` is the digest of topics that this pack was told.

        Raises:
            ModelUnavailable: They do not, in time.
            Stuck: Nothing at all was answered in that time.
        """
        if self._waiting_chars and self._waiting_chars + len(text) > MAX_WAITING_CHARS:
            raise ModelUnavailable("the models have too much to do")
        question = {
            "type": "inspect",
            "text": text,
            "weak": [finding_to_json(finding) for finding in weak],
            "priority": priority,
            "timeout_s": timeout_s,
            "pack": pack,
            "topics": topics,
        }
        self._waiting_chars += len(text)
        try:
            answer = await self._ask(question, timeout_s)
            return result_from_json(answer.get("result"))
        except FrameInvalid as err:
            raise ModelUnavailable("the inference process answers with what is no result") from err
        finally:
            self._waiting_chars -= len(text)

    async def grow(  # noqa: PLR0913 - all of one question
        self,
        stream: int,
        text: str,
        weak: Sequence[Finding] = (),
        *,
        last: bool,
        timeout_s: float,
        pack: str | None,
        wanted: Wanted,
    ) -> Settled:
        """What is settled now that ``text`` has come to the text ``stream``; ``last`` ends it.

        ``wanted`` is that of the first question.

        Ask again when there is an answer; after an error, or one who was cancelled, ``forget`` is all that is left.

        Raises:
            ModelUnavailable, Stuck: As ``inspect``.
        """
        if self._waiting_chars and self._waiting_chars + len(text) > MAX_WAITING_CHARS:
            raise ModelUnavailable("the models have too much to do")
        question = {
            "type": "grow",
            "stream": stream,
            "text": text,
            "weak": [finding_to_json(finding) for finding in weak],
            "last": last,
            "timeout_s": timeout_s,
            "pack": pack,
            "kinds": sorted(wanted.kinds),
            "judged_whole": sorted(wanted.judged_whole),
        }
        self._waiting_chars += len(text)
        try:
            answer = await self._ask(question, timeout_s)
            return settled_from_json(answer.get("settled"))
        except FrameInvalid as err:
            raise ModelUnavailable("the inference process answers with what is no result") from err
        finally:
            self._waiting_chars -= len(text)

    def new_stream(self) -> int:
        """A number for a text that is going to grow."""
        return next(self._numbers)

    def forget(self, stream: int) -> None:
        """Nothing more comes to a text."""
        if not self._writer.is_closing():
            self._writer.write(encode({"type": "forget", "stream": stream}))

    async def load(self, folder: str, *, timeout_s: float) -> Ready:
        """Load another pack beside those that are loaded.

        Raises:
            ModelUnavailable: It is not; the message says why.
        """
        answer = await self._ask({"type": "load", "pack": folder}, timeout_s)
        return Ready(str(answer.get("loaded")), str(answer.get("provider")))

    async def tell(self, pack: str, topics: TopicSet, *, timeout_s: float) -> None:
        """Let the loaded ``pack`` of this digest know an org's topics, unless it does.

        Raises:
            ModelUnavailable: It cannot tell them.
        """
        name = (pack, topics.digest)
        telling = self._told.get(name)
        if telling is None:
            question = {"type": "topics", "pack": pack, "topics": topics.to_json()}
            telling = self._told[name] = asyncio.ensure_future(self._tell(question, timeout_s))
        try:
            await asyncio.shield(telling)  # others wait for the same
        except ModelUnavailable:
            self._told.pop(name, None)
            raise

    async def _tell(self, question: Message, timeout_s: float) -> None:
        await self._ask(question, timeout_s)

    def drop(self, digest: str) -> None:
        """Nothing will be asked of this pack any more; it is freed when nobody else does."""
        self._told = {name: telling for name, telling in self._told.items() if name[0] != digest}
        if not self._writer.is_closing():
            self._writer.write(encode({"type": "drop", "pack": digest}))

    def close(self) -> None:
        """Let go; what waits is refused."""
        self._writer.close()
        self.closed.cancel()

    async def _ask(self, question: Message, timeout_s: float) -> Message:
        loop = asyncio.get_running_loop()
        if self.closed.done():
            raise ModelUnavailable("the inference process has ended")
        number = next(self._numbers)
        future: asyncio.Future[Message] = loop.create_future()
        self._waiting[number] = future
        asked_s = loop.time()
        self._writer.write(encode({"id": number, **question}))
        try:
            async with asyncio.timeout(timeout_s + GRACE_S):
                answer = await future
        except TimeoutError:
            self._cancel(number)
            if self._answered_s < asked_s:
                raise Stuck("the inference process does not answer") from None
            raise ModelUnavailable("the models took too long") from None
        except asyncio.CancelledError:
            self._cancel(number)
            raise
        finally:
            self._waiting.pop(number, None)
        if "error" in answer:
            raise ModelUnavailable(str(answer["error"]))
        return answer

    def _cancel(self, number: int) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode({"type": "cancel", "id": number}))

    async def _read(self) -> None:
        frames = FrameReader()
        reason = "the inference process has ended"
        try:
            while data := await self._reader.read(_READ_BYTES):
                for message in frames.feed(data):
                    self._take(message)
        except FrameInvalid:
            reason = "the inference process sends what is no answer"
        except OSError:
            pass
        finally:
            for future in self._waiting.values():
                _refuse(future, reason)
            _refuse(self.ready, reason)
            self._writer.close()

    def _take(self, message: Message) -> None:
        if "id" in message:
            self._answered_s = asyncio.get_running_loop().time()
            future = self._waiting.get(_number(message["id"]))
            if future is not None and not future.done():
                future.set_result(message)
        elif not self.ready.done():
            if message.get("type") == "ready":
                self.ready.set_result(Ready(str(message.get("pack")), str(message.get("provider"))))
            else:
                self.ready.set_exception(ModelUnavailable(str(message.get("error"))))


class Stuck(ModelUnavailable):
    """The process answered nobody for longer than a question may take."""


def _refuse(future: "asyncio.Future[Any]", reason: str) -> None:
    if not future.done():
        future.set_exception(ModelUnavailable(reason))
        future.exception()  # whoever waited may be gone already


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
