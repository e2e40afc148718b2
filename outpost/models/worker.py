"""The inference process: runs a pack for several proxies, each at the other end of a socket it was born with.

``python -I -m outpost.models.worker SETTINGS`` (JSON, ``WorkerSettings``). It reads questions and writes answers
(``frames.py``), nothing else: no file but the pack, no network, nothing to standard output or error, because what
breaks in it may quote a text. It ends when nobody is at the other end of any socket. Who starts it: ``process.py``.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from outpost.errors import ModelUnavailable, PackInvalid
from outpost.models.frames import (
    FrameInvalid,
    FrameReader,
    Message,
    encode,
    finding_from_json,
    result_to_json,
    settled_to_json,
)
from outpost.models.growing import Growing
from outpost.models.inspector import NOTHING
from outpost.models.options import SessionOptions, WorkerSettings
from outpost.models.pack import open_pack
from outpost.models.queue import Limits
from outpost.models.results import Settled
from outpost.models.runners import NO_MEMORY, Job, Loaded, Outcome, Runners
from outpost.models.session import available
from outpost.models.topics import TopicIndex
from outpost.protocol.model_provider import Provider
from outpost.protocol.topics import TopicSet, TopicsInvalid

_READ_BYTES: Final = 1 << 18
_TICK_S: Final = 0.05  # how late a run that takes too long is stopped at most
_INLINE_CHARS: Final = 8192  # tokenised on the event loop: about a millisecond
_GPU_WINDOWS: Final = 32
_GPU_WAIT_S: Final = 0.002  # about what one batch takes
_TOPIC_SETS: Final = 8  # of one or two packs and the bundles of the last minutes
_MAX_GROWING: Final = 4096  # texts that grow, of one proxy: more than it serves streams at once
NOT_LOADED: Final = "the pack that was asked is not loaded"
_EXIT_PACK: Final = 3
_EXIT_BROKEN: Final = 4


class Worker:
    """Everything of the process but its birth."""

    def __init__(self, settings: WorkerSettings, loaded: Loaded) -> None:
        self._settings = settings
        self._packs = {loaded.digest: loaded}
        self._first = loaded
        self._loading = asyncio.Lock()
        self._topics: dict[tuple[str, str], TopicIndex] = {}
        self._clients: list[_Client] = []
        on_gpu = loaded.session.provider in (Provider.CUDA, Provider.TENSORRT)
        windows = settings.batch_windows or (_GPU_WINDOWS if on_gpu else 1)
        limits = Limits(settings.waiting_tokens, windows, _GPU_WAIT_S if on_gpu and windows > 1 else 0.0)
        # A device runs one batch at a time; a second thread prepares the next.
        self._runners = Runners(min(settings.runners, 2) if on_gpu else settings.runners, limits)

    async def serve(self, sockets: list[socket.socket]) -> None:
        """Answer until every socket is closed at its other end."""
        ticking = asyncio.ensure_future(self._tick())
        self._clients = [_Client(self, self._runners, self._first) for _ in sockets]
        await asyncio.gather(*(client.serve(end) for client, end in zip(self._clients, sockets, strict=True)))
        ticking.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._runners.tick()

    async def load(self, folder: str) -> Loaded:
        """The pack in ``folder``, beside those that are loaded.

        Raises:
            PackInvalid, ModelUnavailable, MemoryError: It is not used.
        """
        async with self._loading:  # two proxies want the same one at about the same time
            digest = (await asyncio.to_thread(open_pack, Path(folder))).digest
            known = self._packs.get(digest)
            if known is not None:
                return known
            loaded = await asyncio.to_thread(Loaded, Path(folder), _options(self._settings))
            self._packs[loaded.digest] = loaded
            return loaded

    async def learn(self, loaded: Loaded, topics: TopicSet) -> None:
        """Read the examples of an org's topics by a pack, unless that was done.

        Raises:
            ModelUnavailable, MemoryError: It cannot be done.
        """
        name = (loaded.digest, topics.digest)
        async with self._loading:
            if name not in self._topics:
                while len(self._topics) >= _TOPIC_SETS:
                    del self._topics[next(iter(self._topics))]
                self._topics[name] = await asyncio.to_thread(loaded.topics, topics)

    def topics(self, loaded: Loaded, digest: str) -> TopicIndex | None:
        """Topics that a pack has learned."""
        return self._topics.get((loaded.digest, digest))

    def free(self) -> None:
        """Let go of every pack that no proxy will ask any more; texts that are under way have it until they end."""
        held = {digest for client in self._clients for digest in client.packs}
        self._packs = {digest: loaded for digest, loaded in self._packs.items() if digest in held}
        self._topics = {name: index for name, index in self._topics.items() if name[0] in held}


class _Client:
    """One proxy: its questions, and what of them is under way."""

    def __init__(self, worker: Worker, runners: Runners, loaded: Loaded) -> None:
        self._worker = worker
        self._runners = runners
        self._last = loaded
        self.packs = {loaded.digest: loaded}
        """Those that it may ask."""
        self._jobs: dict[Any, Job] = {}
        self._growing: dict[Any, Growing] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, end: socket.socket) -> None:
        """Answer until the other end is closed."""
        reader, self._writer = await asyncio.open_unix_connection(sock=end)
        self._send({"type": "ready", "pack": self._last.digest, "provider": self._last.session.provider})
        frames = FrameReader()
        with contextlib.suppress(ConnectionError, FrameInvalid):
            while data := await reader.read(_READ_BYTES):
                for message in frames.feed(data):
                    task = asyncio.ensure_future(self._handle(message))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                    task.add_done_callback(_end_if_broken)
        for job in self._jobs.values():
            self._runners.cancel(job)
        self._jobs.clear()
        self._growing.clear()
        self.packs.clear()
        self._worker.free()
        self._writer.close()

    async def _handle(self, message: Message) -> None:
        number = message.get("id")
        match message.get("type"):
            case "inspect":
                await self._inspect(number, message)
            case "grow":
                await self._grow(number, message)
            case "forget":
                self._growing.pop(message.get("stream"), None)
            case "cancel":
                job = self._jobs.pop(number, None)
                if job is not None:
                    self._runners.cancel(job)
            case "load":
                self._send({"id": number, **await self._load(str(message.get("pack")))})
            case "topics":
                self._send({"id": number, **await self._learn(message)})
            case "drop":
                self.packs.pop(str(message.get("pack")), None)
                self._last = self.packs.get(self._last.digest) or next(iter(self.packs.values()), self._last)
                self._worker.free()
            case _:
                self._send({"id": number, "error": "no such question"})

    async def _inspect(self, number: Any, message: Message) -> None:
        digest = message.get("pack")
        loaded = self._last if digest is None else self.packs.get(str(digest))
        if loaded is None:
            self._send({"id": number, "error": NOT_LOADED})
            return
        wanted = message.get("topics")
        topics = None if wanted is None else self._worker.topics(loaded, str(wanted))
        if wanted is not None and topics is None:
            self._send({"id": number, "error": "the pack was not told these topics"})
            return
        text = str(message["text"])
        weak = [finding_from_json(value) for value in message.get("weak", ())]
        job = Job(loaded, NOTHING, time.monotonic() + float(message["timeout_s"]), self._done(number))
        self._jobs[number] = job
        try:
            if len(text) <= _INLINE_CHARS:
                job.prepared = loaded.inspector.prepare(text, weak, topics)
            else:
                job.prepared = await asyncio.to_thread(loaded.inspector.prepare, text, weak, topics)
        except (ModelUnavailable, MemoryError) as err:
            job.done(ModelUnavailable(str(err) or NO_MEMORY))
            return
        if not job.failed:  # cancelled meanwhile
            self._runners.add(job, int(message.get("priority", 0)))

    async def _grow(self, number: Any, message: Message) -> None:
        digest, stream = message.get("pack"), message.get("stream")
        loaded = self._last if digest is None else self.packs.get(str(digest))
        if loaded is None:
            self._send({"id": number, "error": NOT_LOADED})
            return
        if stream not in self._growing and len(self._growing) >= _MAX_GROWING:
            self._send({"id": number, "error": "too many texts grow at once"})
            return
        kinds = frozenset(map(str, message.get("kinds", ())))
        growing = self._growing.setdefault(stream, Growing(loaded.inspector, kinds))
        if growing.inspector is not loaded.inspector:
            self._send({"id": number, "error": "another pack has read the beginning"})
            return
        weak = [finding_from_json(value) for value in message.get("weak", ())]
        text, is_last = str(message["text"]), bool(message.get("last"))
        deadline_s = time.monotonic() + float(message["timeout_s"])
        job = Job(loaded, NOTHING, deadline_s, self._done(number), grows=growing)
        self._jobs[number] = job
        try:
            if len(text) <= _INLINE_CHARS:
                job.prepared = growing.add(text, weak, final=is_last)
            else:
                job.prepared = await asyncio.to_thread(growing.add, text, weak, final=is_last)
        except (ModelUnavailable, MemoryError) as err:
            job.done(ModelUnavailable(str(err) or NO_MEMORY))
            return
        if not job.failed:  # cancelled meanwhile
            self._runners.add(job, 0)  # somebody reads along

    async def _load(self, folder: str) -> Message:
        try:
            loaded = await self._worker.load(folder)
        except (PackInvalid, ModelUnavailable) as err:
            return {"error": str(err)}
        except MemoryError:
            return {"error": "not enough memory for two packs at once"}
        self._last = self.packs[loaded.digest] = loaded
        return {"loaded": loaded.digest, "provider": loaded.session.provider}

    async def _learn(self, message: Message) -> Message:
        loaded = self.packs.get(str(message.get("pack")))
        if loaded is None:
            return {"error": NOT_LOADED}
        try:
            await self._worker.learn(loaded, TopicSet.from_json(str(message.get("topics"))))
        except (ModelUnavailable, TopicsInvalid, MemoryError) as err:
            return {"error": str(err) or NO_MEMORY}
        return {"learned": True}

    def _done(self, number: Any) -> Callable[[Outcome], None]:
        loop = asyncio.get_running_loop()

        def send(answer: Message) -> None:
            if self._jobs.pop(number, None) is not None:
                self._send({"id": number, **answer})

        def done(outcome: Outcome) -> None:
            if isinstance(outcome, ModelUnavailable):
                loop.call_soon_threadsafe(send, {"error": str(outcome)})
            elif isinstance(outcome, Settled):
                loop.call_soon_threadsafe(send, {"settled": settled_to_json(outcome)})
            else:
                loop.call_soon_threadsafe(send, {"result": result_to_json(outcome)})

        return done

    def _send(self, message: Message) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))


def main() -> None:
    """Run until nobody is left."""
    settings = WorkerSettings.from_json(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the proxy ends first, then its end of the socket
    threading.excepthook = lambda _: os._exit(_EXIT_BROKEN)  # a runner less would be noticed by slowness only
    ends = [socket.socket(fileno=number) for number in settings.sockets]
    try:
        settings = replace(settings, provider=available(settings.provider))
        _limit(settings)
        loaded = Loaded(Path(settings.pack), _options(settings))
    except (PackInvalid, ModelUnavailable, MemoryError) as err:
        for end in ends:
            end.sendall(encode({"type": "failed", "error": str(err) or "not enough memory to load the pack"}))
        os._exit(_EXIT_PACK)
    asyncio.run(Worker(settings, loaded).serve(ends))
    os._exit(0)  # without waiting for runs that nobody waits for


def _end_if_broken(task: "asyncio.Task[None]") -> None:
    """End the process for what nobody foresaw: whoever started it refuses, and starts it again."""
    if not task.cancelled() and task.exception() is not None:
        os._exit(_EXIT_BROKEN)


def _options(settings: WorkerSettings) -> SessionOptions:
    return SessionOptions(settings.provider, settings.threads, settings.memory_bytes or None)


def _limit(settings: WorkerSettings) -> None:
    """Bound what the process may take: it is the one to fail, never the proxy."""
    with contextlib.suppress(OSError):
        # The kernel takes this process first when the machine runs out of memory.
        Path("/proc/self/oom_score_adj").write_text("500", "ascii")
    if settings.memory_bytes and settings.provider is Provider.CPU:
        # A GPU's driver maps far more than it uses; its own arena is bounded instead.
        resource.setrlimit(resource.RLIMIT_DATA, (settings.memory_bytes, settings.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold texts


if __name__ == "__main__":
    main()
