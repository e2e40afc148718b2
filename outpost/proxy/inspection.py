"""What the models say about the texts of one exchange, where the policy could care.

A pack that is configured and not there refuses everything: nobody could say what it would have found. One that is there
is asked only where a rule for this exchange names a kind that it finds. ``decide`` and ``whole`` give questions; here
they are put to the inference process, together with what patterns found, and the answers merged.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from outpost.dlp.merge import is_weak
from outpost.errors import CouldNotInspect, ModelUnavailable
from outpost.models.results import TextResult
from outpost.models.tiers import combined
from outpost.policy.evaluate import Facts
from outpost.policy.model_rules import missing_for, models_wanted
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding
from outpost.proxy.decide import Question
from outpost.proxy.enforcement import Enforcement

MESSAGE_CHARS: Final = 16_384
"""Longer texts are documents: they wait behind messages, for whose answers people wait."""


class Models(Protocol):
    """Whom to ask (``outpost.models.service.ModelService``)."""

    @property
    def kinds(self) -> frozenset[str] | None:
        """What they can find; None while they have never been there."""

    async def look(
        self, text: str, weak: Sequence[Finding] = (), *, priority: int = 0, pack: str | None = None
    ) -> TextResult:
        """What they say, or ``ModelUnavailable``: those of the pack of this digest, or of the one in use."""


@dataclass(frozen=True, slots=True)
class Look:
    """The models' part in one exchange."""

    models: Models
    enforcement: Enforcement

    async def answer(self, questions: Sequence[Question]) -> list[list[Finding]]:
        """All findings of each text: those of patterns that were given, and those of models that count.

        Raises:
            CouldNotInspect: ``inspection_unavailable``: the models say nothing about one of them.
        """
        tasks = [asyncio.ensure_future(self._one(question)) for question in questions]
        try:
            return list(await asyncio.gather(*tasks))
        except ModelUnavailable as err:
            raise unavailable() from err
        finally:
            for task in tasks:
                task.cancel()

    async def _one(self, question: Question) -> list[Finding]:
        weak = [finding for finding in question.patterns if is_weak(finding)]
        priority = 0 if len(question.text) <= MESSAGE_CHARS else 1
        pack = self.enforcement.bundle.pack
        digest = None if pack is None else pack.digest
        result = await self.models.look(question.text, weak, priority=priority, pack=digest)
        return combined(question.text, question.patterns, weak, result, self.enforcement.models.counting).findings


def look_for(models: Models | None, enforcement: Enforcement, facts: Facts) -> Look | None:
    """Whom to ask about an exchange with ``facts``; None if nobody, because no answer could matter.

    Raises:
        CouldNotInspect: ``inspection_unavailable``: the models have never been there, or find less than is demanded.
    """
    if models is None:
        return None  # a bundle that demands models was refused when it came
    kinds, pack = models.kinds, enforcement.bundle.pack
    if kinds is not None and pack is not None:
        kinds = pack.card.kinds  # also for what began before another pack came
    if kinds is None or missing_for(enforcement.policy, facts, kinds):
        raise unavailable()
    return Look(models, enforcement) if models_wanted(enforcement.policy, facts, kinds) else None


def unavailable() -> CouldNotInspect:
    """For the caller, who need not know why; operators read it in health, metrics and log."""
    return CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "the models that must look at it cannot at the moment")
