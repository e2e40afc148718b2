"""What the proxy asks: the inference process behind a memory of what was said, counted for operators.

Nothing is answered that the models did not say about this very text; who is refused is told why, without the text.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from outpost.errors import ModelUnavailable
from outpost.models.cache import SegmentCache
from outpost.models.options import Choice, WorkerSettings
from outpost.models.process import Backing, Growth, ModelProcess, Pace
from outpost.models.results import Settled, TextResult, Wanted, of_growing
from outpost.protocol.findings import Finding
from outpost.protocol.topics import TopicSet

# Seconds: one short window takes a millisecond, a long document seconds.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Everything a service is made from; see the settings ``models_*``."""

    pack: Choice | None
    worker: WorkerSettings
    pace: Pace
    cache_entries: int


class ModelMetrics:
    """Counters of one service."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.texts = Counter(
            "outpost_models_texts_total",
            "Texts that models were asked about, by outcome: answered, remembered, refused",
            ["outcome"],
            registry=registry,
        )
        self.remembered = self.texts.labels("remembered")
        self.seconds = Histogram(
            "outpost_models_text_duration_seconds",
            "From a question to its answer, of texts that were not remembered",
            buckets=_BUCKETS,
            registry=registry,
        )
        self.tokens = Counter("outpost_models_tokens_total", "Tokens of texts that were answered", registry=registry)
        self.starts = Gauge("outpost_models_process_starts", "Starts of the inference process", registry=registry)
        self.up = Gauge("outpost_models_up", "1 while texts can be inspected", registry=registry)


class ModelService:
    """The pack in use for one event loop, if any. ``run`` keeps it alive."""

    def __init__(self, options: ModelOptions, registry: CollectorRegistry) -> None:
        self._in_use = options.pack
        self._process = ModelProcess(options.pack, options.worker, options.pace)
        self._cache = SegmentCache(options.cache_entries)
        self._metrics = ModelMetrics(registry)
        self._metrics.up.set_function(lambda: float(self.problem is None))
        self._metrics.starts.set_function(lambda: float(self._process.starts))

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the inference process alive until ``stop`` is set."""
        await self._process.run(stop)

    async def prepare(self, choice: Choice | None, topics: TopicSet | None = None) -> None:
        """Make a pack ready beside the one in use, and let it read an org's topics.

        Raises:
            PackInvalid, ModelUnavailable: It does not run here.
        """
        if choice is None:
            return
        await self._process.prepare(choice)
        if topics is not None:
            await self._process.tell(choice, topics)

    def use(self, choice: Choice | None) -> None:
        """Let this pack answer from now on; without one nothing does, and nothing is refused for it."""
        self._in_use = choice
        self._process.use(choice)

    @property
    def problem(self) -> str | None:
        """Why no text can be inspected now; None if it can, or none has to be."""
        return None if self._in_use is None else self._process.problem

    @property
    def warning(self) -> str | None:
        """Why the pack on disk is not the one that answers."""
        return None if self._in_use is None else self._process.warning

    @property
    def kinds(self) -> frozenset[str] | None:
        """What the pack in use offers: nothing without one; None while none has ever answered."""
        if self._in_use is None:
            return frozenset()
        backing = self._process.backing
        return None if backing is None else backing.pack.card.offered

    @property
    def judged_whole(self) -> frozenset[str]:
        """Those of ``kinds`` for which a text must have ended."""
        backing = self._process.backing
        return frozenset() if self._in_use is None or backing is None else backing.pack.card.judged_whole

    def remembered(
        self, text: str, weak: Sequence[Finding] = (), *, pack: str | None = None, topics: TopicSet | None = None
    ) -> TextResult | None:
        """What ``look`` would say without asking anybody; None if that is not known.

        Raises:
            ModelUnavailable: The models would say nothing.
        """
        _, _, key = self._question(text, weak, pack, topics)
        known = self._cache.get(key)
        if known is not None:
            self._metrics.remembered.inc()
        return known

    @property
    def digest(self) -> str | None:
        """Of the pack that answers where none is named; None while none has ever answered."""
        backing = self._process.backing
        return None if backing is None else backing.pack.digest

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
        known = self.remembered(text, weak, pack=pack, topics=topics)
        if known is not None:
            return known
        backing, topics, key = self._question(text, weak, pack, topics)
        began_s = time.perf_counter()
        try:
            result = await self._process.inspect(text, weak, priority=priority, pack=backing.pack.digest, topics=topics)
        except ModelUnavailable:
            self._metrics.texts.labels("refused").inc()
            raise
        self._metrics.texts.labels("answered").inc()
        self._metrics.tokens.inc(result.tokens)
        self._metrics.seconds.observe(time.perf_counter() - began_s)
        self._cache.put(key, result)
        return result

    def follow(self, wanted: Wanted, *, pack: str | None = None) -> "Following":
        """Read a text as it grows, by the pack of this digest, or the one in use.

        Raises:
            ModelUnavailable: They say nothing, or leave out something else.
        """
        backing = self._backing(pack)
        if backing.pack.card.judged_whole != wanted.judged_whole:
            raise ModelUnavailable("the models have just changed")
        growth = self._process.follow(backing.pack.digest, wanted)
        return Following(self._process, growth, self._cache, self._metrics)

    def _question(
        self, text: str, weak: Sequence[Finding], pack: str | None, topics: TopicSet | None
    ) -> tuple[Backing, TopicSet | None, bytes]:
        """Who is asked, about which topics, and what the answer is remembered by."""
        backing = self._backing(pack)
        if backing.pack.card.sentence_head is None:
            topics = None
        judge = backing.pack.digest + ("" if topics is None else topics.digest)
        return backing, topics, self._cache.key(judge, text, weak)

    def _backing(self, pack: str | None) -> Backing:
        backing = self._process.backing if pack is None else self._process.loaded(pack)
        if backing is None or self.problem is not None:
            # What was said before still holds, but nobody could say that the models are well.
            self._metrics.texts.labels("refused").inc()
            raise ModelUnavailable(self.problem or "the pack that was asked is not loaded")
        return backing

    def report(self) -> dict[str, Any]:
        """For ``/health``."""
        backing = self._process.backing
        card = None if backing is None else backing.pack.card
        return {
            "problem": self.problem,
            "pack": None if card is None else f"{card.name} {card.version}",
            "digest": self.digest,
            "provider": None if backing is None else backing.provider,
            "remembered": len(self._cache),
            "starts": self._process.starts,
        }


class Following:
    """One text that grows. Close it; after an error it says nothing more."""

    def __init__(self, process: ModelProcess, growth: Growth, cache: SegmentCache, metrics: ModelMetrics) -> None:
        self._process = process
        self._growth = growth
        self._cache = cache
        self._metrics = metrics
        self._texts: list[str] = []
        self._weak: list[Finding] = []
        self._said: list[Settled] = []
        self._seconds = 0.0

    async def add(self, text: str, weak: Sequence[Finding] = (), *, last: bool) -> Settled:
        """What is settled now that ``text`` has come, with the ``weak`` findings in it; offsets are those of the whole.

        What was said about the whole is remembered, as after ``ModelService.look``.

        Raises:
            ModelUnavailable: They say nothing.
        """
        self._texts.append(text)
        self._weak += weak
        began_s = time.perf_counter()
        try:
            settled = await self._process.grow(self._growth, text, weak, last=last)
        except ModelUnavailable:
            self._metrics.texts.labels("refused").inc()
            raise
        self._said.append(settled)
        self._seconds += time.perf_counter() - began_s
        if last:
            self._metrics.texts.labels("answered").inc()
            self._metrics.tokens.inc(settled.tokens)
            self._metrics.seconds.observe(self._seconds)
            self._cache.put(
                self._cache.key(self._growth.pack, "".join(self._texts), self._weak), of_growing(self._said)
            )
        return settled

    def close(self) -> None:
        """Nothing more comes."""
        self._growth.connection.forget(self._growth.stream)
