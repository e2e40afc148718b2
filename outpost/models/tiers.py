"""All tiers on one text, one after another, in this process: for files and simulations, where nobody else waits.

The proxy does the same with the inference process, and findings are combined by the same code.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from outpost.dlp.merge import is_weak, merge
from outpost.errors import CouldNotInspect, ModelUnavailable
from outpost.models.results import ModelFinding, TextResult
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding


class Looker(Protocol):
    """What looks at a text by models (``outpost.models.runners.Loaded``)."""

    def inspect(self, text: str, weak: Sequence[Finding] = ()) -> TextResult:
        """What they say, or ``ModelUnavailable``."""


Counting = Callable[[str, Iterable[Finding]], list[Finding]]
"""Of a text and what models found in it: what counts (``outpost.policy.model_rules``)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What all tiers say about one text. ``reasons`` has those of the models' findings that count."""

    findings: list[Finding]
    labels: dict[str, float] = field(default_factory=dict)
    reasons: dict[Finding, ModelFinding] = field(default_factory=dict)


def judge_text(models: Looker, counting: Counting, text: str, patterns: list[Finding]) -> Judged:
    """Add what the models say about ``text`` to what patterns found in it.

    Raises:
        CouldNotInspect: ``inspection_unavailable``: the models say nothing.
    """
    weak = [finding for finding in patterns if is_weak(finding)]
    try:
        result = models.inspect(text, weak)
    except ModelUnavailable as err:
        raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, str(err)) from err
    return combined(text, patterns, weak, result, counting)


def combined(text: str, patterns: list[Finding], weak: list[Finding], result: TextResult, counting: Counting) -> Judged:
    """What follows from a result. ``weak`` are those of ``patterns`` that were given to the models."""
    reasons = {item.finding: item for item in result.findings}
    doubted = [weak[index] for index in result.doubted if index < len(weak)]
    findings = merge(patterns, counting(text, reasons), doubted)
    return Judged(findings, dict(result.labels), {f: reasons[f] for f in findings if f in reasons})


class TieredScanner:
    """Patterns and models as one scanner; ``reasons`` gathers what led to the models' findings."""

    def __init__(self, patterns: Callable[[str], list[Finding]], models: Looker, counting: Counting) -> None:
        self._patterns = patterns
        self._models = models
        self._counting = counting
        self.reasons: dict[Finding, ModelFinding] = {}

    def scan(self, text: str) -> list[Finding]:
        """What all tiers find in ``text``.

        Raises:
            CouldNotInspect: It is beyond the engine's bounds, or the models say nothing.
        """
        judged = judge_text(self._models, self._counting, text, self._patterns(text))
        self.reasons |= judged.reasons
        return judged.findings
