"""What the models say about the texts of one exchange, where the policy could care.

A pack that is configured and not there refuses everything: nobody could say what it would have found. One that is there
is asked only where a rule for this exchange names a kind that it finds. ``decide`` and ``whole`` give questions; here
they are put to the inference process, together with what patterns found, and the answers merged.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Protocol, TypeVar

from outpost.dlp.merge import is_weak
from outpost.errors import CouldNotInspect, ModelUnavailable
from outpost.models.results import Settled, TextResult, Wanted
from outpost.models.tiers import combined
from outpost.policy.evaluate import Facts
from outpost.policy.model_rules import kinds_wanted, missing_for, models_wanted
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Direction
from outpost.protocol.findings import Finding
from outpost.protocol.topics import TopicSet
from outpost.proxy.decide import Inspectable, Question, Verdict, advance, judge, judge_with_models
from outpost.proxy.enforcement import Enforcement
from outpost.proxy.redaction import Redactor

T = TypeVar("T")

# Above this a scan takes longer than a fair turn of the event loop (about 1 ms at 60 MB/s), so a thread does it.
INLINE_SCAN_BYTES: Final = 65_536
_INDIRECT: Final = "attack.indirect_injection"
_SPOKEN: Final = frozenset({"attack.direct_injection", "attack.jailbreak", "attack.prompt_extraction"})
MESSAGE_CHARS: Final = 16_384
"""Longer texts are documents: they wait behind messages, for whose answers people wait."""


class Following(Protocol):
    """One text that grows (``outpost.models.service.Following``)."""

    async def add(self, text: str, weak: Sequence[Finding] = (), *, last: bool) -> Settled:
        """What is settled now, or ``ModelUnavailable``."""

    def close(self) -> None:
        """Nothing more comes."""


class Models(Protocol):
    """Whom to ask (``outpost.models.service.ModelService``)."""

    @property
    def kinds(self) -> frozenset[str] | None:
        """What they offer (``ModelCard.offered``); None while they have never been there."""

    @property
    def judged_whole(self) -> frozenset[str]:
        """Those of ``kinds`` for which a text must have ended (``ModelCard.judged_whole``)."""

    async def look(
        self,
        text: str,
        weak: Sequence[Finding] = (),
        *,
        priority: int = 0,
        pack: str | None = None,
        topics: TopicSet | None = None,
    ) -> TextResult:
        """What they say, or ``ModelUnavailable``: those of the pack of this digest, or of the one in use."""

    def follow(self, wanted: Wanted, *, pack: str | None = None) -> Following:
        """Read a text as it grows, or ``ModelUnavailable``."""

    def remembered(
        self, text: str, weak: Sequence[Finding] = (), *, pack: str | None = None, topics: TopicSet | None = None
    ) -> TextResult | None:
        """What ``look`` would say without asking, or ``ModelUnavailable``; None if that is not known."""


@dataclass(frozen=True, slots=True)
class Look:
    """The models' part in one exchange."""

    models: Models
    enforcement: Enforcement
    wanted: Wanted = field(default_factory=Wanted)
    """Of an answer that streams: the kinds for which a rule could care."""
    waits: bool = False
    """A rule could care for what is said about whole texts only."""

    async def answer(self, questions: Sequence[Question]) -> list[list[Finding]]:
        """All findings of each text: those of patterns that were given, and those of models that count.

        Raises:
            CouldNotInspect: ``inspection_unavailable``: the models say nothing about one of them.
        """
        tasks: list[asyncio.Future[TextResult]] = []
        try:
            weak = [[finding for finding in question.patterns if is_weak(finding)] for question in questions]
            # Most of a conversation was sent before; a task for each text of it would cost more than all the rest.
            results = [self._remembered(question, of) for question, of in zip(questions, weak, strict=True)]
            new = [at for at, result in enumerate(results) if result is None]
            tasks += (asyncio.ensure_future(self._said(questions[at], weak[at])) for at in new)
            said = dict(zip(new, await asyncio.gather(*tasks), strict=True))
        except ModelUnavailable as err:
            raise unavailable() from err
        finally:
            for task in tasks:
                task.cancel()
        return [
            self._combined(question, weak[at], said[at] if result is None else result)
            for at, (question, result) in enumerate(zip(questions, results, strict=True))
        ]

    def follow(self) -> Following:
        """Put a text to the models as it grows.

        Raises:
            ModelUnavailable: They say nothing.
        """
        return self.models.follow(self.wanted, pack=self._pack)

    def _remembered(self, question: Question, weak: Sequence[Finding]) -> TextResult | None:
        topics = self.enforcement.models.topics
        return self.models.remembered(question.text, weak, pack=self._pack, topics=topics)

    async def _said(self, question: Question, weak: Sequence[Finding]) -> TextResult:
        priority = 0 if len(question.text) <= MESSAGE_CHARS else 1
        topics = self.enforcement.models.topics
        return await self.models.look(question.text, weak, priority=priority, pack=self._pack, topics=topics)

    @property
    def _pack(self) -> str | None:
        pack = self.enforcement.bundle.pack
        return None if pack is None else pack.digest

    def _combined(self, question: Question, weak: list[Finding], result: TextResult) -> list[Finding]:
        if not question.patterns and not result.findings:
            return []  # of what follows nothing would add anything
        findings = combined(question.text, question.patterns, weak, result, self.enforcement.models.counting).findings
        return [*findings, *_indirect(findings)] if question.untrusted else findings


def _indirect(findings: Sequence[Finding]) -> list[Finding]:
    """What attacks are too where nobody at this end has said them: instructions of somebody else's.

    Only added, so that no rule about attacks sees less for it.
    """
    known = {(finding.start, finding.end) for finding in findings if finding.kind == _INDIRECT}
    spoken = [finding for finding in findings if finding.kind in _SPOKEN and (finding.start, finding.end) not in known]
    return [replace(finding, kind=_INDIRECT) for finding in spoken]


def look_for(models: Models | None, enforcement: Enforcement, facts: Facts) -> Look | None:
    """Whom to ask about an exchange with ``facts``; None if nobody, because no answer could matter.

    Raises:
        CouldNotInspect: ``inspection_unavailable``: the models have never been there, or find less than is demanded.
    """
    if models is None:
        return None  # a bundle that demands models was refused when it came
    kinds, pack = models.kinds, enforcement.bundle.pack
    if kinds is not None:
        # A bundle's own pack also for what began before another one came.
        kinds = enforcement.models.offered(kinds if pack is None else pack.card.offered)
    if kinds is None or missing_for(enforcement.policy, facts, kinds):
        raise unavailable()
    if not models_wanted(enforcement.policy, facts, kinds):
        return None
    if facts.direction is Direction.INPUT:
        return Look(models, enforcement)
    wanted = kinds_wanted(enforcement.policy, facts, kinds)
    whole = models.judged_whole if pack is None else pack.card.judged_whole
    waits = not wanted.isdisjoint(enforcement.models.offered(whole))
    return Look(models, enforcement, Wanted(wanted, whole), waits)


def unavailable() -> CouldNotInspect:
    """For the caller, who need not know why; operators read it in health, metrics and log."""
    return CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "the models that must look at it cannot at the moment")


async def inspected(
    models: Models | None,
    enforcement: Enforcement,
    facts: Facts,
    parsed: Inspectable,
    parse: Callable[[bytes], Inspectable],
    redactor: Redactor,
) -> Verdict:
    """What happens to a parsed body, by patterns and, where they could matter, by models.

    Raises:
        CouldNotInspect: As ``judge``, or the models say nothing.
    """
    # A small file can hold much text: what is scanned counts, not only what came.
    size = max(len(parsed.document.raw), sum(len(segment.text) for segment in parsed.segments))
    look = look_for(models, enforcement, facts)
    if look is None:
        run = partial(judge, enforcement.seen, enforcement.policy, facts, parsed, parse, redactor)
        return await off_loop(size, run)
    judging = judge_with_models(enforcement.seen, enforcement.policy, facts, parsed, parse, redactor)
    step = await off_loop(size, partial(advance, judging))
    while not isinstance(step, Verdict):
        step = await off_loop(size, partial(advance, judging, await look.answer(step)))
    return step


async def off_loop(size: int, run: Callable[[], T]) -> T:
    """Run what takes time in proportion to ``size`` bytes: here if that is short, else in a thread."""
    return run() if size <= INLINE_SCAN_BYTES else await asyncio.to_thread(run)
