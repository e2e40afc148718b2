"""Threads that run windows: texts in, results out, each job's ``done`` called once whatever happens.

A run that nobody can wait for any longer is stopped; a batch that fails is run again one by one, because one text must
not make another's answer fail.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from outpost.errors import ModelUnavailable
from outpost.models.growing import Growing
from outpost.models.inspector import Inspector, Prepared
from outpost.models.options import SessionOptions
from outpost.models.pack import open_pack
from outpost.models.queue import Limits, QueueFull, WindowQueue
from outpost.models.results import Settled, TextResult
from outpost.models.scores import Floats
from outpost.models.session import Session, Stopper
from outpost.models.topics import TopicIndex
from outpost.protocol.findings import Finding
from outpost.protocol.model_card import REQUIRED_FILES
from outpost.protocol.topics import TopicSet

WARM_UP: Final = "Warm-up: the first run of each length is slower. " * 12
NO_MEMORY: Final = "the model ran out of memory"

Outcome = TextResult | Settled | ModelUnavailable


class Loaded:
    """A pack that is ready; ``digest`` names it."""

    def __init__(self, folder: Path, options: SessionOptions) -> None:
        """Load it and run it once.

        Raises:
            PackInvalid: It is not what it should be.
            ModelUnavailable: It does not run here.
        """
        pack = open_pack(folder)
        self.digest = pack.digest
        self.inspector = Inspector(pack)
        self.session = Session(pack, options)
        for name in pack.card.files.keys() - set(REQUIRED_FILES):  # those two were read and verified just now
            pack.read(name)
        self.inspect(WARM_UP)

    def topics(self, topics: TopicSet) -> TopicIndex:
        """The org's topics as this pack sees them; reads every example.

        Raises:
            ModelUnavailable: The pack cannot tell topics, or the graph fails.
        """
        return self.inspector.topics(topics, self.inspect)

    def inspect(self, text: str, weak: Sequence[Finding] = (), topics: TopicIndex | None = None) -> TextResult:
        """One text, window by window, here and now.

        Raises:
            ModelUnavailable: The text cannot be tokenised, or the graph fails.
        """
        prepared = self.inspector.prepare(text, weak, topics)
        batches = [self.inspector.batch([(prepared, index)]) for index in range(len(prepared.runs))]
        answers = [{name: array[0] for name, array in self.session.run(batch).items()} for batch in batches]
        return self.inspector.conclude(prepared, answers)


@dataclass(frozen=True, slots=True)
class Topical:
    """A loaded pack that also tells the topics of an org; a ``tiers.Looker``."""

    loaded: Loaded
    topics: TopicIndex

    def inspect(self, text: str, weak: Sequence[Finding] = ()) -> TextResult:
        """As ``Loaded.inspect``."""
        return self.loaded.inspect(text, weak, self.topics)


def looker(folder: Path, options: SessionOptions, topics: TopicSet | None) -> "Loaded | Topical":
    """A pack that is ready, and tells ``topics`` if it can tell any.

    Raises:
        PackInvalid: It is not what it should be.
        ModelUnavailable: It does not run here.
    """
    loaded = Loaded(folder, options)
    if topics is None or loaded.inspector.card.sentence_head is None:
        return loaded
    return Topical(loaded, loaded.topics(topics))


@dataclass(eq=False, slots=True)
class Job:
    """One text of one client, or what came of one that ``grows``. ``done`` is called once, in any thread."""

    loaded: Loaded
    prepared: Prepared
    deadline_s: float
    done: Callable[[Outcome], None]
    answers: dict[int, dict[str, Floats]] = field(default_factory=dict)
    failed: bool = False
    grows: Growing | None = None

    def concluded(self) -> TextResult | Settled:
        """What follows from the answers, which are all there.

        Raises:
            ModelUnavailable: Nothing.
        """
        answers = [self.answers[index] for index in range(len(self.prepared.runs))]
        if self.grows is not None:
            return self.grows.conclude(answers)
        return self.loaded.inspector.conclude(self.prepared, answers)


class Runners:
    """Threads that take windows from the queue and run them."""

    def __init__(self, count: int, limits: Limits) -> None:
        self._condition = threading.Condition()
        self._queue: WindowQueue[Job] = WindowQueue(limits)
        self._running: dict[Stopper, float] = {}
        for number in range(count):
            threading.Thread(target=self._work, name=f"runner-{number}", daemon=True).start()

    def add(self, job: Job, priority: int) -> None:
        """Let a job wait its turn; its ``done`` is called whatever happens."""
        if not job.prepared.windows:
            self._conclude(job)
            return
        try:
            with self._condition:
                self._queue.add(
                    job,
                    job.prepared.sizes,
                    model=job.loaded.digest,
                    priority=priority,
                    at_s=time.monotonic(),
                    deadline_s=job.deadline_s,
                )
                self._condition.notify_all()
        except QueueFull:
            self._fail(job, ModelUnavailable("the models have too much to do"))

    def cancel(self, job: Job) -> None:
        """Nobody waits for the job any more."""
        with self._condition:
            self._queue.drop(job)
            job.failed = True

    def tick(self) -> None:
        """Give up what is too late: windows that wait, and runs for which nobody can wait any longer."""
        at_s = time.monotonic()
        with self._condition:
            late = self._queue.expired(at_s)
            for stopper, deadline_s in self._running.items():
                if deadline_s <= at_s:
                    stopper.stop()
        for job in late:
            self._fail(job, ModelUnavailable("the models took too long"))

    def _work(self) -> None:
        while True:
            with self._condition:
                taken = self._queue.take(time.monotonic())
                while not isinstance(taken, list):
                    self._condition.wait(taken)
                    taken = self._queue.take(time.monotonic())
            self._run(taken)

    def _run(self, batch: list[tuple[Job, int]]) -> None:
        batch = [(job, index) for job, index in batch if not job.failed]
        if not batch:
            return
        stopper = Stopper()
        with self._condition:
            self._running[stopper] = max(job.deadline_s for job, _ in batch)
        loaded = batch[0][0].loaded
        try:
            feeds = loaded.inspector.batch([(job.prepared, index) for job, index in batch])
            outputs = loaded.session.run(feeds, stopper)
        except (ModelUnavailable, MemoryError) as err:
            if len(batch) > 1:  # one text must not make another's answer fail
                for one in batch:
                    self._run([one])
            else:
                self._fail(batch[0][0], ModelUnavailable(str(err) or NO_MEMORY))
            return
        finally:
            with self._condition:
                del self._running[stopper]
        for row, (job, index) in enumerate(batch):
            with self._condition:  # windows of one text may end at the same time in two threads
                job.answers[index] = {name: array[row] for name, array in outputs.items()}
                is_whole = len(job.answers) == len(job.prepared.runs) and not job.failed
            if is_whole:
                self._conclude(job)

    def _conclude(self, job: Job) -> None:
        try:
            job.done(job.concluded())
        except (ModelUnavailable, MemoryError) as err:
            self._fail(job, ModelUnavailable(str(err) or NO_MEMORY))

    def _fail(self, job: Job, reason: ModelUnavailable) -> None:
        with self._condition:
            self._queue.drop(job)
            first = not job.failed
            job.failed = True
        if first:
            job.done(reason)
