"""How detection is counted: per type, from labelled spans and findings. Pure; no file, no clock, no chance but a seed.

Overlap matching: a labelled span is found if a finding of its type shares at least one character with it; a finding is
right if it shares one with a labelled span of its type. Exact matching: both ends are the same.

Intervals are 95 %. Proportions (recall, precision, share of texts) have Wilson's; F scores have percentiles of a
bootstrap that draws whole groups (sentences of one template), for sentences of one group are not independent.
"""

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_Z = 1.959963984540054  # 97.5 % quantile of the normal distribution
# Enough for percentiles that move by less than 0.01 from seed to seed on these sets.
RESAMPLES = 400
Span = tuple[int, int]


class Found(NamedTuple):
    """A finding of any tool; ours has more fields and is read by the same names."""

    kind: str
    start: int
    end: int


class Label(NamedTuple):
    """A labelled span, by the set's own name of its type."""

    label: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one type: labelled spans, those found, findings, those right."""

    labelled: int = 0
    found: int = 0
    reported: int = 0
    right: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.labelled + other.labelled,
            self.found + other.found,
            self.reported + other.reported,
            self.right + other.right,
        )

    @property
    def recall(self) -> float:
        return self.found / self.labelled if self.labelled else math.nan

    @property
    def precision(self) -> float:
        return self.right / self.reported if self.reported else math.nan

    def f(self, beta: float) -> float:
        """F score: recall counts ``beta`` times as much as precision (van Rijsbergen 1979); 0 if nothing was right."""
        if not (self.right and self.found):
            return 0.0
        return (1 + beta**2) * self.precision * self.recall / (beta**2 * self.precision + self.recall)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927); not a number without trials."""
    if trials == 0:
        return math.nan, math.nan
    p = successes / trials
    centre = p + _Z**2 / (2 * trials)
    half = _Z * math.sqrt(p * (1 - p) / trials + _Z**2 / (4 * trials**2))
    scale = 1 + _Z**2 / trials
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def overlaps(span: Span, others: Iterable[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)


def exact(span: Span, others: Iterable[Span]) -> bool:
    return span in others


def is_kind(kind: str, wanted: Iterable[str]) -> bool:
    """Whether ``kind`` is one of ``wanted`` or below one of them: ``secret`` takes ``secret.jwt``."""
    return any(kind == one or kind.startswith(f"{one}.") for one in wanted)


def count(
    labels: Sequence[Label],
    found: Sequence[Found],
    kinds: Mapping[str, Sequence[str]],
    matches: Callable[[Span, list[Span]], bool] = overlaps,
) -> dict[str, Counts]:
    """Counts of one text, by label of ``kinds`` (label → the kinds that say the same)."""
    counts = {}
    for label, wanted in kinds.items():
        gold = [(one.start, one.end) for one in labels if one.label == label]
        mine = [(one.start, one.end) for one in found if is_kind(one.kind, wanted)]
        if gold or mine:
            counts[label] = Counts(
                len(gold),
                sum(matches(span, mine) for span in gold),
                len(mine),
                sum(matches(span, gold) for span in mine),
            )
    return counts


def totals(rows: Iterable[Mapping[str, Counts]]) -> dict[str, Counts]:
    """The counts of all texts together."""
    table: dict[str, Counts] = {}
    for row in rows:
        for label, counts in row.items():
            table[label] = table.get(label, Counts()) + counts
    return table


def by_group(rows: Iterable[Mapping[str, Counts]], groups: Iterable[str]) -> dict[str, dict[str, Counts]]:
    """The counts of each group of texts that belong together."""
    parts: dict[str, list[Mapping[str, Counts]]] = {}
    for row, group in zip(rows, groups, strict=True):
        parts.setdefault(group, []).append(row)
    return {group: totals(part) for group, part in parts.items()}


def bootstrap_f(
    groups: Mapping[str, Mapping[str, Counts]], label: str, beta: float, resamples: int = RESAMPLES, seed: int = 1
) -> tuple[float, float]:
    """95 % interval of an F score: percentiles over samples of as many groups, drawn with replacement.

    Samples without any span or finding of the type say nothing and are left out; not a number if all are.
    """
    counts = [table.get(label, Counts()) for table in groups.values()]
    if not any(one.labelled or one.reported for one in counts):
        return math.nan, math.nan
    rng = random.Random(seed)
    scores = []
    for _ in range(resamples):
        drawn = rng.choices(counts, k=len(counts))
        total = sum(drawn, Counts())
        if total.labelled or total.reported:
            scores.append(total.f(beta))
    scores.sort()
    resamples = len(scores)
    return scores[round(0.025 * (resamples - 1))], scores[round(0.975 * (resamples - 1))]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a tool found in each text of each set, and in what CPU time; ``kinds`` is what it looks for (empty: all)."""

    tool: str
    kinds: frozenset[str]
    found: Mapping[str, Sequence[Sequence[Found]]]
    cpu_s: Mapping[str, Sequence[float]]

    def covers(self, wanted: Iterable[str]) -> bool:
        """Whether the tool looks for any of ``wanted``."""
        return not self.kinds or any(is_kind(kind, wanted) for kind in self.kinds)

    def joined(self, names: Iterable[str]) -> list[Sequence[Found]]:
        """The findings of several sets' texts."""
        return [one for name in names for one in self.found.get(name, ())]


@dataclass(frozen=True, slots=True)
class Rate:
    """Findings in texts that should have none: how many, and in how many of the texts."""

    findings: int
    flagged: int
    texts: int

    @property
    def per_1000(self) -> float:
        """Findings per 1,000 texts."""
        return 1000 * self.findings / self.texts if self.texts else math.nan

    @property
    def flagged_per_1000(self) -> tuple[float, float, float]:
        """How many of 1,000 texts have a finding, and its 95 % interval (Wilson)."""
        low, high = wilson(self.flagged, self.texts)
        return 1000 * self.flagged / self.texts if self.texts else math.nan, 1000 * low, 1000 * high


def rates(found: Sequence[Sequence[Found]], wanted: Sequence[str] = ()) -> dict[str, Rate]:
    """By kind, what was found in texts that should have none (``wanted``: of these kinds only); ``""`` is all kinds."""
    findings: dict[str, int] = {"": 0}
    flagged: dict[str, int] = {"": 0}
    for row in found:
        kinds = [one.kind for one in row if not wanted or is_kind(one.kind, wanted)]
        for kind in kinds:
            findings[kind] = findings.get(kind, 0) + 1
        for kind in set(kinds):
            flagged[kind] = flagged.get(kind, 0) + 1
        findings[""] += len(kinds)
        flagged[""] += bool(kinds)
    return {kind: Rate(findings[kind], flagged[kind], len(found)) for kind in findings}
