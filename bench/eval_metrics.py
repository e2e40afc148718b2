"""How detection is counted: recall, precision, F1 and F2 per type, with Wilson's intervals at 95 %.

Overlap matching: a labelled span is found if a finding of its type shares at least one character with it; a finding is
right if it shares one with a labelled span of its type. Exact: both ends are the same.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_Z = 1.959963984540054  # 97.5 % quantile of the normal distribution
Span = tuple[int, int]


class Found(NamedTuple):
    """What a tool reports; ours reports more, and is read by the same names."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one entity type: labelled spans, those found, findings, those right."""

    labelled: int = 0
    found: int = 0
    reported: int = 0
    right: int = 0

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
    """95 % interval of a proportion (Wilson 1927)."""
    if trials == 0:
        return math.nan, math.nan
    p = successes / trials
    centre = p + _Z**2 / (2 * trials)
    half = _Z * math.sqrt(p * (1 - p) / trials + _Z**2 / (4 * trials**2))
    scale = 1 + _Z**2 / trials
    return (centre - half) / scale, (centre + half) / scale


def share(successes: int, trials: int) -> str:
    """A proportion with its interval, for a table."""
    if trials == 0:
        return "–"
    low, high = wilson(successes, trials)
    return f"{successes / trials:.3f} ({low:.3f}–{high:.3f})"


def overlaps(span: Span, others: Iterable[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)


def exact(span: Span, others: Iterable[Span]) -> bool:
    return span in others


def evaluate(
    findings: Sequence[Sequence[Found]],
    rows: Sequence[Mapping],
    kinds: Mapping[str, str],
    matches: Callable[[Span, list[Span]], bool] = overlaps,
) -> dict[str, Counts]:
    """Counts per label of ``kinds`` (label → kind) over rows with ``spans``; ``findings`` are of the same rows."""
    table = {}
    for label, kind in kinds.items():
        counts = [0, 0, 0, 0]
        for row, found in zip(rows, findings, strict=True):
            gold = [(s["start"], s["end"]) for s in row["spans"] if s["type"] == label]
            mine = [(f.start, f.end) for f in found if f.kind == kind]
            counts[0] += len(gold)
            counts[1] += sum(matches(span, mine) for span in gold)
            counts[2] += len(mine)
            counts[3] += sum(matches(span, gold) for span in mine)
        table[label] = Counts(*counts)
    return table


def markdown(tables: Mapping[str, Mapping[str, Counts]]) -> str:
    """One table of several tools' counts, type by type."""
    lines = [
        "| type | labelled | tool | recall | reported | precision | F1 | F2 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    labels = dict.fromkeys(label for table in tables.values() for label in table)
    for label in labels:
        for tool, table in tables.items():
            if label not in table:
                continue
            c = table[label]
            lines.append(
                f"| {label} | {c.labelled} | {tool} | {share(c.found, c.labelled)} | {c.reported} "
                f"| {share(c.right, c.reported)} | {c.f(1):.3f} | {c.f(2):.3f} |"
            )
    return "\n".join(lines)
