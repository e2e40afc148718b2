"""Keeps one inference process alive: starts it, watches it, kills it when it is stuck, starts it again.

While it is not there every question is refused and ``problem`` says why. It gets none of our environment but what a
runtime needs to find a GPU, so no key of a provider. Another pack is loaded beside the one that answers and takes its
place between two questions: when one's own changes on disk, or when a bundle that names it comes in force (``prepare``,
``use``). One that does not load leaves the one before in place.
"""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from outpost.errors import ModelUnavailable, PackInvalid
from outpost.models.connection import Connection, Stuck
from outpost.models.options import Choice, WorkerSettings
from outpost.models.pack import Pack, open_pack
from outpost.models.results import Settled, TextResult, Wanted
from outpost.protocol.findings import Finding
from outpost.protocol.topics import TopicSet

log = structlog.get_logger(__name__)

STARTING: Final = "the models are starting"
PROBE: Final = "Is anybody there?"
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
_ENVIRONMENT_PREFIXES: Final = ("CUDA", "NVIDIA", "TRT", "OPENVINO", "ORT")


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient, and how often.

    Attributes:
        timeout_s: How long a text may take.
        start_s: How long a start may take: a large graph on a slow disk; TensorRT builds its engine first.
        look_every_s: How often the pack on disk is looked at, and a text without meaning is asked about.
        backoff_s: After the first end of a process; doubled after each, up to ``most_backoff_s``.
        prepare_s: How long a pack that is to be loaded beside another waits for a process that is starting.
        retire_s: How long a pack that was replaced can still be asked, by exchanges that began with it.
    """

    timeout_s: float
    start_s: float = 120.0
    look_every_s: float = 5.0
    backoff_s: float = 0.5
    most_backoff_s: float = 30.0
    prepare_s: float = 10.0
    retire_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Backing:
    """A pack that is loaded, and where it runs."""

    pack: Pack
    provider: str


@dataclass(frozen=True, slots=True)
class Growth:
    """A text that grows, as one process knows it."""

    connection: Connection
    stream: int
    pack: str
    wanted: Wanted


class ModelProcess:
    """One process and the questions to it. ``run`` keeps it alive; the rest may be called meanwhile, on its loop."""

    def __init__(self, choice: Choice | None, settings: WorkerSettings, pace: Pace) -> None:
        """Without a ``choice`` there is no process until ``prepare`` or ``use`` is given one."""
        self._choice = choice
        self._settings = settings
        self._pace = pace
        self._connection: Connection | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._loaded: dict[str, Backing] = {}
        self._look = asyncio.Event()
        self._chosen = asyncio.Event()
        self._settled = asyncio.Event()
        self._retiring: dict[str, asyncio.TimerHandle] = {}
        self._unwanted: asyncio.TimerHandle | None = None
        self._digests: dict[Choice, str] = {}
        self._refused: str = ""
        self.backing: Backing | None = None
        """The pack that answers. None until the first start has succeeded; then the last one that answered."""
        self.problem: str | None = STARTING
        """Why no text can be inspected now; None if it can."""
        self.warning: str | None = None
        """Why the pack on disk is not the one that answers."""
        self.starts = 0
        if choice is not None:
            self._chosen.set()

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def loaded(self, digest: str) -> Backing | None:
        """The pack of this digest, if it can be asked now."""
        return self._loaded.get(digest) if self._connection is not None else None

    async def inspect(
        self,
        text: str,
        weak: Sequence[Finding] = (),
        *,
        priority: int = 0,
        pack: str | None = None,
        topics: TopicSet | None = None,
    ) -> TextResult:
        """What the models say about ``text``: those of the loaded ``pack`` of this digest, or of the one that answers.

        They also say which of an org's ``topics`` it is of.

        Raises:
            ModelUnavailable: They say nothing, for whatever reason.
        """
        connection = self._connection
        if connection is None:
            raise ModelUnavailable(self.problem or "the models are not there")
        digest = pack or (self.backing.pack.digest if self.backing else None)
        asked = None if topics is None else topics.digest
        timeout_s = self._pace.timeout_s
        with self._noticed():
            if topics is not None and digest is not None:  # a process that was started again does not know them yet
                await connection.tell(digest, topics, timeout_s=self._pace.start_s)
            return await connection.inspect(
                text, weak, priority=priority, timeout_s=timeout_s, pack=digest, topics=asked
            )

    def follow(self, pack: str, wanted: Wanted) -> Growth:
        """A text that is going to grow, for the loaded ``pack`` of this digest.

        Raises:
            ModelUnavailable: There is no process.
        """
        connection = self._connection
        if connection is None:
            raise ModelUnavailable(self.problem or "the models are not there")
        return Growth(connection, connection.new_stream(), pack, wanted)

    async def grow(self, growth: Growth, text: str, weak: Sequence[Finding] = (), *, last: bool) -> Settled:
        """What is settled of a text now that ``text`` has come; by the process that it was begun with, or none.

        Raises:
            ModelUnavailable: Nothing, for whatever reason.
        """
        with self._noticed():
            return await growth.connection.grow(
                growth.stream,
                text,
                weak,
                last=last,
                timeout_s=self._pace.timeout_s,
                pack=growth.pack,
                wanted=growth.wanted,
            )

    @contextlib.contextmanager
    def _noticed(self) -> Iterator[None]:
        try:
            yield
        except Stuck:
            self._kill("it did not answer")
            raise
        except ModelUnavailable:
            self._look.set()  # find out whether it was this text or any
            raise

    async def tell(self, choice: Choice, topics: TopicSet) -> None:
        """Let a prepared pack read an org's topics. Nothing happens while no process runs.

        Raises:
            ModelUnavailable: It cannot.
        """
        connection, digest = self._connection, choice.digest or self._digests.get(choice)
        if digest is None and choice == self._choice and self.backing is not None:
            digest = self.backing.pack.digest
        if connection is not None and digest is not None:
            await connection.tell(digest, topics, timeout_s=self._pace.start_s)

    async def prepare(self, choice: Choice) -> None:
        """Load a pack beside the one that answers, so that ``use`` takes no time. Harmless if ``use`` never follows.

        While no process runs because there was nothing to run, it starts one. While a process that should run does
        not, it waits a moment and then lets be: every request is refused, and ``use`` cannot make that worse.

        Raises:
            PackInvalid, ModelUnavailable: It is not what it should be, or does not run here.
        """
        if self._choice is None and self._connection is None:
            await self._begin(choice)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace.prepare_s):
                while self._connection is None:
                    self._settled.clear()
                    await self._settled.wait()
        connection = self._connection
        is_answering = choice == self._choice and self.backing is not None
        if connection is None or is_answering or choice.digest in self._loaded:
            return
        try:
            await self._load(connection, choice)
        except ModelUnavailable:
            if not self._retiring:
                raise
            for digest in list(self._retiring):  # there may be room for two, and not for three
                self._drop(digest)
            await self._load(connection, choice)

    def use(self, choice: Choice | None) -> None:
        """Let the pack of ``choice`` answer from now on, or none.

        The one before can be asked for a while yet, by its digest: by exchanges that began with it.
        """
        if choice == self._choice:
            return
        before, self._choice = self.backing, choice
        self._chosen.set()
        self.backing = None if choice is None else self._loaded.get(choice.digest or self._digests.get(choice, ""))
        self.warning = None
        if self._unwanted is not None:
            self._unwanted.cancel()
        kept = {one.pack.digest for one in (before, self.backing) if one is not None} | self._retiring.keys()
        for digest in self._loaded.keys() - kept:
            self._drop(digest)
        if choice is None:
            loop = asyncio.get_running_loop()
            self._unwanted = loop.call_later(self._pace.retire_s, self._kill, "nothing is asked of it any more")
        elif self.backing is None:
            self._kill("its pack is not the one that is wanted")  # and starts again with the one that is
            self.problem = STARTING
        else:
            self._retire(before, self.backing)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep a process alive until ``stop`` is set."""
        backoff_s = self._pace.backoff_s
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                if self._choice is None and not await self._wait_for_choice(stopping):
                    break
                began_s = time.monotonic()
                choice = self._choice
                living = asyncio.ensure_future(self._live())
                await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not living.done():
                    living.cancel()
                    await asyncio.wait({living})
                    break
                living.result()
                self._settled.set()
                if choice != self._choice or time.monotonic() - began_s > self._pace.most_backoff_s:
                    backoff_s = self._pace.backoff_s
                if choice != self._choice:
                    continue
                log.error("models_down", reason=self.problem, retry_in_s=backoff_s)
                await asyncio.wait({stopping}, timeout=backoff_s)
                backoff_s = min(2 * backoff_s, self._pace.most_backoff_s)
        finally:
            stopping.cancel()
            for timer in (self._unwanted, *self._retiring.values()):
                if timer is not None:
                    timer.cancel()
            self.problem = "the outpost is shutting down"

    async def _wait_for_choice(self, stopping: "asyncio.Future[Any]") -> bool:
        """False if it is time to stop first."""
        self._chosen.clear()
        choosing = asyncio.ensure_future(self._chosen.wait())
        try:
            await asyncio.wait({choosing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return not stopping.done()
        finally:
            choosing.cancel()

    async def _begin(self, choice: Choice) -> None:
        """Start the first process for ``choice``; none again if it does not come up."""
        self._choice = choice
        self.problem = STARTING
        self._chosen.set()
        try:
            async with asyncio.timeout(self._pace.start_s):
                while self._connection is None and self.problem == STARTING:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            self.problem = "the models did not start in time"
        if self._connection is None:
            self._choice = None
            self._kill("it is not used")
            raise ModelUnavailable(self.problem or "the models did not start")

    async def _load(self, connection: Connection, choice: Choice) -> None:
        pack = await asyncio.to_thread(open_pack, choice.folder)
        if choice.digest not in (None, pack.digest):
            raise PackInvalid(f"{choice.folder}: the pack is another one than the bundle's")
        ready = await connection.load(str(choice.folder), timeout_s=self._pace.start_s)
        if ready.digest != pack.digest:
            raise ModelUnavailable("the pack changed while it was loaded")
        self._loaded[pack.digest] = Backing(pack, ready.provider)
        self._digests = {choice: pack.digest}

    def _retire(self, before: Backing | None, after: Backing) -> None:
        """Free a pack once no exchange can be under way that began with it."""
        again = self._retiring.pop(after.pack.digest, None)
        if again is not None:
            again.cancel()
        if before is not None and before.pack.digest != after.pack.digest:
            digest = before.pack.digest
            loop = asyncio.get_running_loop()
            self._retiring[digest] = loop.call_later(self._pace.retire_s, self._drop, digest)

    def _drop(self, digest: str) -> None:
        timer = self._retiring.pop(digest, None)
        if timer is not None:
            timer.cancel()
        if self._loaded.pop(digest, None) is not None and self._connection is not None:
            self._connection.drop(digest)

    async def _live(self) -> None:
        """From the start of one process to its end."""
        choice = self._choice
        if choice is None:
            return
        ours, theirs = socket.socketpair()
        connection = await Connection.open(ours)
        try:
            with theirs:
                await self._spawn(theirs, choice)
            async with asyncio.timeout(self._pace.start_s):
                ready = await connection.ready
            pack = open_pack(choice.folder)
            if pack.digest != ready.digest:
                raise ModelUnavailable("the pack changed while it was loaded")  # noqa: TRY301 - the same way out
            if choice.digest not in (None, pack.digest):
                raise PackInvalid(f"{choice.folder}: the pack is another one than the bundle's")  # noqa: TRY301 - as above
            self.backing = Backing(pack, ready.provider)
            self._loaded = {pack.digest: self.backing}
            self._connection, self.problem, self._refused, self.warning = connection, None, "", None
            self._settled.set()
            log.info("models_ready", pack=pack.label, provider=ready.provider)
            await self._watch(connection)
            self.problem = "the inference process has ended"
        except TimeoutError:
            self.problem = f"the models did not start within {self._pace.start_s:.0f} s"
        except (ModelUnavailable, PackInvalid, OSError) as err:
            self.problem = str(err) or type(err).__name__
        finally:
            self._connection = None
            self._loaded = {}
            if self._choice != choice:
                self.problem = STARTING
            self.problem = self.problem or "the inference process has ended"
            connection.close()
            await _to_its_end(self._end())

    async def _spawn(self, theirs: socket.socket, choice: Choice) -> None:
        self.starts += 1
        settings = replace(self._settings, sockets=(theirs.fileno(),), pack=str(choice.folder))

        async def start() -> None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                "outpost.models.worker",
                settings.to_json(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,  # what breaks may quote a text
                pass_fds=[theirs.fileno()],
                env=_environment(),
            )

        await _to_its_end(start())  # a process that nobody knows would never be waited for

    async def _watch(self, connection: Connection) -> None:
        """Until the process ends: ask it something now and then, and look whether its pack has changed."""
        while not connection.closed.done():
            looking = asyncio.ensure_future(self._look.wait())
            try:
                await asyncio.wait(
                    {connection.closed, looking}, timeout=self._pace.look_every_s, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                looking.cancel()
            self._look.clear()
            if not connection.closed.done():
                await self._probe(connection)
                await self._follow(connection)

    async def _probe(self, connection: Connection) -> None:
        try:
            # Before everything else that waits: a long queue is no illness.
            await connection.inspect(PROBE, priority=-1, timeout_s=self._pace.timeout_s)
        except Stuck:
            self._kill("it did not answer")
        except ModelUnavailable as err:
            if self.problem is None:
                log.error("models_failing", reason=str(err))
            self.problem = str(err)
        else:
            self.problem = None

    async def _follow(self, connection: Connection) -> None:
        """Load the pack on disk if it is another than the one that answers."""
        choice = self._choice
        if choice is None:
            return
        try:
            pack = await asyncio.to_thread(open_pack, choice.folder)
            if choice.digest not in (None, pack.digest):
                raise PackInvalid(f"{choice.folder}: not the bundle's")  # noqa: TRY301 - the same way out
            if choice.digest or self.backing is None or pack.digest in (self.backing.pack.digest, self._refused):
                if pack.digest != self._refused:
                    self.warning = None
                return
            await self._load(connection, choice)
        except PackInvalid as err:
            self.warning = f"the pack on disk is not the one in use: {err}"
            return
        except ModelUnavailable as err:
            self._refused = pack.digest
            self.warning = f"the pack on disk is not the one in use: {err}"
            log.error("pack_refused", pack=pack.label, reason=str(err))
            return
        after = self._loaded.get(pack.digest)
        if after is not None and self._choice == choice:
            self._retire(self.backing, after)
            self.backing, self.warning = after, None
            log.info("pack_replaced", pack=pack.label)

    def _kill(self, reason: str) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            log.error("models_killed", reason=reason)
            self._connection = None
            self.problem = "the inference process was stuck and is starting again"
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do ``work`` whole, also when this is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)
    }
    return {**kept, "TOKENIZERS_PARALLELISM": "false"}  # its threads are of use for batches of texts only
