"""One measurement of a model pack and the shares, areas and intervals that measurements are made of; pure."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.eval_metrics import wilson


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement, as a card holds it."""

    dataset: str
    head: str
    label: str | None
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    count: int | None = None


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def share(dataset: str, head: str, metric: str, right: int, total: int, label: str | None = None) -> Figure:
    """``right`` of ``total`` with Wilson's interval, 95 %."""
    low, high = wilson(right, total)
    return Figure(dataset, head, label, metric, right / total if total else math.nan, low, high, total)


def auc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Probability that an attack scores above a harmless text (Mann and Whitney 1947)."""
    ordered = np.sort(np.asarray(negatives))
    below, upto = np.searchsorted(ordered, positives, "left"), np.searchsorted(ordered, positives, "right")
    return float(((below + upto) / 2).mean() / len(ordered))


def recall_at(positives: Sequence[float], negatives: Sequence[float], rate: float, dataset: str, metric: str) -> Figure:
    """How many attacks score above all but ``rate`` of the harmless texts."""
    limit = sorted(negatives, reverse=True)[int(len(negatives) * rate)]
    return share(dataset, "attacks", metric, sum(score > limit for score in positives), len(positives))
