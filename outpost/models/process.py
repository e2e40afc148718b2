"""Keeps one inference process alive: starts it, watches it, kills it when it is stuck, starts it again.

While it is not there every question is refused and ``problem`` says why. It gets none of our environment but what a
runtime needs to find a GPU, so no key of a provider. A pack that changes on disk is put in place between two questions;
one that does not load leaves the one before in place.
"""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import structlog

from outpost.errors import ModelUnavailable, PackInvalid
from outpost.models.connection import Connection, Stuck
from outpost.models.options import WorkerSettings
from outpost.models.pack import Pack, open_pack
from outpost.models.results import TextResult
from outpost.protocol.findings import Finding

log = structlog.get_logger(__name__)

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
    """

    timeout_s: float
    start_s: float = 120.0
    look_every_s: float = 5.0
    backoff_s: float = 0.5
    most_backoff_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Backing:
    """The pack that answers now, and where it runs."""

    pack: Pack
    provider: str


class ModelProcess:
    """One process and the questions to it. ``run`` keeps it alive; the rest may be called meanwhile, on its loop."""

    def __init__(self, folder: Path, settings: WorkerSettings, pace: Pace) -> None:
        self._folder = folder
        self._settings = settings
        self._pace = pace
        self._connection: Connection | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._look = asyncio.Event()
        self._refused: str = ""
        self.backing: Backing | None = None
        """None until the first start has succeeded; then the last pack that answered."""
        self.problem: str | None = "the models are starting"
        """Why no text can be inspected now; None if it can."""
        self.warning: str | None = None
        """Why the pack on disk is not the one that answers."""
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def inspect(self, text: str, weak: Sequence[Finding] = (), *, priority: int = 0) -> TextResult:
        """What the models say about ``text``.

        Raises:
            ModelUnavailable: They say nothing, for whatever reason.
        """
        connection = self._connection
        if connection is None:
            raise ModelUnavailable(self.problem or "the models are not there")
        try:
            return await connection.inspect(text, weak, priority=priority, timeout_s=self._pace.timeout_s)
        except Stuck:
            self._kill("it did not answer")
            raise
        except ModelUnavailable:
            self._look.set()  # find out whether it was this text or any
            raise

    async def run(self, stop: asyncio.Event) -> None:
        """Keep a process alive until ``stop`` is set."""
        backoff_s = self._pace.backoff_s
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                began_s = time.monotonic()
                living = asyncio.ensure_future(self._live())
                await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not living.done():
                    living.cancel()
                    await asyncio.wait({living})
                    break
                living.result()
                if time.monotonic() - began_s > self._pace.most_backoff_s:
                    backoff_s = self._pace.backoff_s
                log.error("models_down", reason=self.problem, retry_in_s=backoff_s)
                await asyncio.wait({stopping}, timeout=backoff_s)
                backoff_s = min(2 * backoff_s, self._pace.most_backoff_s)
        finally:
            stopping.cancel()
            self.problem = "the outpost is shutting down"

    async def _live(self) -> None:
        """From the start of one process to its end."""
        ours, theirs = socket.socketpair()
        connection = await Connection.open(ours)
        try:
            with theirs:
                await self._spawn(theirs)
            async with asyncio.timeout(self._pace.start_s):
                ready = await connection.ready
            pack = open_pack(self._folder)
            if pack.digest != ready.digest:
                raise ModelUnavailable("the pack changed while it was loaded")  # noqa: TRY301 - the same way out
            self.backing = Backing(pack, ready.provider)
            self._connection, self.problem, self._refused, self.warning = connection, None, "", None
            log.info("models_ready", pack=pack.label, provider=ready.provider)
            await self._watch(connection)
            self.problem = "the inference process has ended"
        except TimeoutError:
            self.problem = f"the models did not start within {self._pace.start_s:.0f} s"
        except (ModelUnavailable, PackInvalid, OSError) as err:
            self.problem = str(err) or type(err).__name__
        finally:
            self._connection = None
            self.problem = self.problem or "the inference process has ended"
            connection.close()
            await _to_its_end(self._end())

    async def _spawn(self, theirs: socket.socket) -> None:
        self.starts += 1
        settings = replace(self._settings, sockets=(theirs.fileno(),), pack=str(self._folder))

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
            await asyncio.wait(
                {connection.closed, looking}, timeout=self._pace.look_every_s, return_when=asyncio.FIRST_COMPLETED
            )
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
        try:
            pack = await asyncio.to_thread(open_pack, self._folder)
            if self.backing is None or pack.digest in (self.backing.pack.digest, self._refused):
                if pack.digest != self._refused:
                    self.warning = None
                return
            ready = await connection.load(str(self._folder), timeout_s=self._pace.start_s)
        except PackInvalid as err:
            self.warning = f"the pack on disk is not the one in use: {err}"
            return
        except ModelUnavailable as err:
            self._refused = pack.digest
            self.warning = f"the pack on disk is not the one in use: {err}"
            log.error("pack_refused", pack=pack.label, reason=str(err))
            return
        if ready.digest == pack.digest:
            self.backing, self.warning = Backing(pack, ready.provider), None
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
