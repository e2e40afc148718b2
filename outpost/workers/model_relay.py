"""The models as workers see them: questions go to the one inference process through the parent and its memory.

The parent remembers what was said about a text, so a conversation costs its new text only, whichever worker it comes
to; so does the worker, which spares both of them the question. What the models can find changes with their pack; a
worker that does not know yet is refused, and asks again later.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from outpost.errors import ModelUnavailable
from outpost.models.cache import SegmentCache
from outpost.models.connection import Connection
from outpost.models.frames import (
    FrameInvalid,
    FrameReader,
    Message,
    encode,
    finding_from_json,
    result_to_json,
    settled_to_json,
)
from outpost.models.results import Settled, TextResult, Wanted
from outpost.protocol.findings import Finding
from outpost.protocol.topics import TopicSet, TopicsInvalid

_READ_BYTES: Final = 1 << 18
_REMEMBERED: Final = 20_000  # as many texts as the parent remembers by default; without labels and vectors
_TOPIC_SETS: Final = 64  # one for each bundle that a worker has been given since it began; the oldest go


class Following(Protocol):
    """One text that grows (``outpost.models.service.Following``)."""

    async def add(self, text: str, weak: Sequence[Finding] = (), *, last: bool) -> Settled:
        """What is settled now, or ``ModelUnavailable``."""

    def close(self) -> None:
        """Nothing more comes."""


class Asked(Protocol):
    """Whom the parent asks (``outpost.models.service.ModelService``)."""

    @property
    def kinds(self) -> frozenset[str] | None:
        """What they can find now."""

    async def look(
        self,
        text: str,
        weak: Sequence[Finding] = (),
        *,
        priority: int = 0,
        pack: str | None = None,
        topics: TopicSet | None = None,
    ) -> TextResult:
        """What they say, or ``ModelUnavailable``."""

    def follow(self, wanted: Wanted, *, pack: str | None = None) -> Following:
        """Read a text as it grows, or ``ModelUnavailable``."""


class RelayedModels:
    """The worker's end."""

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._pack: str | None = None
        self._memory = SegmentCache(_REMEMBERED)
        self.kinds: frozenset[str] | None = None
        """What they can find, as the parent last said; None while they have never been there."""
        self.judged_whole: frozenset[str] = frozenset()
        """Those of ``kinds`` for which a text must have ended."""
        self.problem: str | None = "the models are starting"
        """Why no text can be inspected now, as the parent last said."""

    @classmethod
    async def open(cls, end: socket.socket, *, timeout_s: float) -> "RelayedModels":
        """Use one end of a pair; ``timeout_s`` is what the models may take, and the parent is given a little more."""
        return cls(await Connection.open(end), timeout_s)

    def told(self, standing: Message) -> None:
        """Take what ``models_standing`` gave at the other end."""
        kinds = standing.get("kinds")
        self.kinds = None if kinds is None else frozenset(kinds)
        self.judged_whole = frozenset(standing.get("judged_whole", ()))
        self.problem = standing.get("problem")
        if standing.get("pack") != self._pack:
            # What is still being answered is remembered in the old one, and goes with it.
            self._pack, self._memory = standing.get("pack"), SegmentCache(_REMEMBERED)

    async def look(
        self,
        text: str,
        weak: Sequence[Finding] = (),
        *,
        priority: int = 0,
        pack: str | None = None,
        topics: TopicSet | None = None,
    ) -> TextResult:
        """What the models say about ``text``: those of the pack of this digest, or of the one in use.

        Raises:
            ModelUnavailable: They say nothing.
        """
        if self.problem is not None:
            raise ModelUnavailable(self.problem)
        memory, key = self._memory, self._key(text, weak, pack, topics)
        digest = None
        if topics is not None:
            digest = topics.digest
            await self._connection.tell("", topics, timeout_s=self._timeout_s)  # once: then the parent knows them
        result = await self._connection.inspect(
            text, weak, priority=priority, timeout_s=self._timeout_s, pack=pack, topics=digest
        )
        if key is not None:
            memory.put(key, TextResult(result.findings, doubted=result.doubted))
        return result

    def follow(self, wanted: Wanted, *, pack: str | None = None) -> "RelayedFollowing":
        """Read a text as it grows, as ``ModelService.follow``.

        Raises:
            ModelUnavailable: They say nothing.
        """
        if self.problem is not None:
            raise ModelUnavailable(self.problem)
        return RelayedFollowing(self._connection, self._timeout_s, wanted, pack)

    def remembered(
        self, text: str, weak: Sequence[Finding] = (), *, pack: str | None = None, topics: TopicSet | None = None
    ) -> TextResult | None:
        """Findings and doubts of ``look``, if they are known without asking.

        Raises:
            ModelUnavailable: The models would say nothing.
        """
        if self.problem is not None:
            raise ModelUnavailable(self.problem)
        key = self._key(text, weak, pack, topics)
        return None if key is None else self._memory.get(key)

    def _key(self, text: str, weak: Sequence[Finding], pack: str | None, topics: TopicSet | None) -> bytes | None:
        judge = pack or self._pack
        if judge is None:
            return None
        return self._memory.key(judge + ("" if topics is None else topics.digest), text, weak)

    def close(self) -> None:
        """Let go; what waits is refused."""
        self._connection.close()


class RelayedFollowing:
    """One text that grows, at the worker's end."""

    def __init__(self, connection: Connection, timeout_s: float, wanted: Wanted, pack: str | None) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._wanted = wanted
        self._pack = pack
        self._stream = connection.new_stream()

    async def add(self, text: str, weak: Sequence[Finding] = (), *, last: bool) -> Settled:
        """What is settled now that ``text`` has come, with the ``weak`` findings in it.

        Raises:
            ModelUnavailable: They say nothing.
        """
        return await self._connection.grow(
            self._stream,
            text,
            weak,
            last=last,
            timeout_s=self._timeout_s,
            pack=self._pack,
            wanted=self._wanted,
        )

    def close(self) -> None:
        """Nothing more comes."""
        self._connection.forget(self._stream)


async def relay(end: socket.socket, models: Asked, known: Callable[[], frozenset[str] | None]) -> None:
    """The parent's end: answer a worker's questions until it closes its end, or sends what is none.

    ``known`` is what the worker believes that the models can find: unless it asks those of a pack that it names, it is
    refused while that is not so.
    """
    reader, writer = await asyncio.open_unix_connection(sock=end)
    asked = _Questions(models, known, writer)
    frames = FrameReader()
    try:
        with contextlib.suppress(FrameInvalid, OSError):
            while data := await reader.read(_READ_BYTES):
                for message in frames.feed(data):
                    asked.take(message)
    finally:
        asked.cancel()
        writer.close()


class _Questions:
    """Of one worker, while they are answered."""

    def __init__(self, models: Asked, known: Callable[[], frozenset[str] | None], writer: asyncio.StreamWriter) -> None:
        self._models = models
        self._known = known
        self._writer = writer
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._topics: dict[str, TopicSet] = {}
        self._following: dict[int, Following] = {}

    def take(self, message: Message) -> None:
        if message.get("type") == "forget":
            self._forget(message.get("stream"))
        number = message.get("id")
        if not isinstance(number, int):
            return
        task = self._tasks.get(number)
        answering = {"inspect": self._inspect, "grow": self._grow}.get(str(message.get("type")))
        if answering is not None and task is None:
            task = asyncio.ensure_future(self._answer(number, message, answering))
            self._tasks[number] = task
            task.add_done_callback(lambda _: self._tasks.pop(number, None))
        elif message.get("type") == "topics" and task is None:
            self._learn(number, message)
        elif message.get("type") == "cancel" and task is not None:
            task.cancel()

    def cancel(self) -> None:
        for task in [*self._tasks.values()]:
            task.cancel()
        for stream in [*self._following]:
            self._forget(stream)

    def _forget(self, stream: object) -> None:
        following = self._following.pop(stream, None) if isinstance(stream, int) else None
        if following is not None:
            following.close()

    def _learn(self, number: int, message: Message) -> None:
        try:
            topics = TopicSet.from_json(str(message.get("topics")))
        except TopicsInvalid as err:
            self._send({"id": number, "error": str(err)})
            return
        while len(self._topics) >= _TOPIC_SETS:
            del self._topics[next(iter(self._topics))]
        self._topics[topics.digest] = topics
        self._send({"id": number, "learned": True})

    def _send(self, message: Message) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    async def _answer(
        self, number: int, question: Message, answering: Callable[[Message], Coroutine[Any, Any, Message]]
    ) -> None:
        message: Message = {"id": number}
        try:
            message |= await answering(question)
        except ModelUnavailable as err:
            message["error"] = str(err)
        except (FrameInvalid, KeyError, ValueError, TypeError):
            message["error"] = "no such question"
        self._send(message)

    async def _inspect(self, question: Message) -> Message:
        pack = self._pack_for(question)
        weak = [finding_from_json(value) for value in question.get("weak", ())]
        digest = question.get("topics")
        topics = None if digest is None else self._topics[str(digest)]
        result = await self._models.look(
            str(question["text"]), weak, priority=int(question.get("priority", 0)), pack=pack, topics=topics
        )
        return {"result": result_to_json(result)}

    async def _grow(self, question: Message) -> Message:
        stream, pack = int(question["stream"]), self._pack_for(question)
        weak = [finding_from_json(value) for value in question.get("weak", ())]
        text, is_last = str(question["text"]), bool(question["last"])
        if stream not in self._following:
            wanted = Wanted(*(frozenset(map(str, question[name])) for name in ("kinds", "judged_whole")))
            self._following[stream] = self._models.follow(wanted, pack=pack)
        settled = await self._following[stream].add(text, weak, last=is_last)
        return {"settled": settled_to_json(settled)}

    def _pack_for(self, question: Message) -> str | None:
        pack = question.get("pack")
        if pack is None and self._known() != self._models.kinds:
            raise ModelUnavailable("the models have just changed")
        return pack
