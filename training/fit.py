"""Temperatures, thresholds and reliability from scores and truths; pure.

A temperature minimises the negative log-likelihood (Guo et al. 2017). A threshold is the lowest one that keeps false
positives on held-back texts at or below a stated rate; it never goes below ``FLOOR``, because held-back texts are
kinder than real ones. For long texts it comes from the tail of many windows' logits: a generalised Pareto distribution
above a high quantile (Pickands 1975), fitted by probability-weighted moments (Hosking & Wallis 1987).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Place = tuple[int, int, str]
"""Where a span is, half-open, and its label."""
FLOOR, CEILING = 0.5, 0.99
BINS = 10
SLACK = 0.003  # of F2: less than its error on some hundred spans
TAIL_PART, TAIL_LEAST = 0.02, 40
"""The part of the windows that counts as the tail, and how many it must be before a distribution is fitted to it."""
_TEMPERATURES = np.geomspace(0.4, 4.0, 73)


def best_temperature(loss: Callable[[float], float]) -> float:
    """Of a fixed grid the temperature with the least loss."""
    return round(float(min(_TEMPERATURES, key=loss)), 3)


def binary_loss(logits: Floats, truths: Floats) -> Callable[[float], float]:
    """Mean negative log-likelihood of yes-or-no truths by temperature."""
    signs = np.where(truths > 0, 1.0, -1.0)  # log(1 + exp(-z)) for a truth, log(1 + exp(z)) otherwise
    return lambda temperature: float(np.logaddexp(0.0, -signs * logits / temperature).mean())


def class_loss(logits: Floats, truths: NDArray[np.int64]) -> Callable[[float], float]:
    """Mean negative log-likelihood of one class per row by temperature."""

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        scaled = scaled - scaled.max(axis=-1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(-1)) - scaled[np.arange(len(truths)), truths]).mean())

    return loss


def threshold(harmless: Sequence[float], rate: float, *, floor: float = FLOOR) -> float:
    """The lowest threshold at which at most ``rate`` of the scores of ``harmless`` texts reach it; rounded up.

    At least one false positive fewer than the rate allows is kept in hand, so a handful of texts proves nothing: with
    fewer than ``1 / rate`` of them the threshold lies above all.
    """
    ordered = sorted(harmless, reverse=True)
    allowed = int(len(ordered) * rate)
    above = ordered[allowed] if allowed < len(ordered) else 0.0
    return float(min(CEILING, max(floor, np.ceil((above + 1e-9) * 1000) / 1000)))


@dataclass(slots=True)
class Tally:
    """Spans of one label: marked, of these found, reported, of these right; by overlap.

    ``astray`` of them lie where nothing at all is marked; ``tokens`` are those of all texts.
    """

    marked: int = 0
    found: int = 0
    reported: int = 0
    right: int = 0
    astray: int = 0
    tokens: int = 0

    def add(self, marked: Sequence[Place], reported: Sequence[Place], label: str, tokens: int) -> None:
        """Count one text of ``tokens``. A reported span on a ``?`` counts for nothing."""
        gold = [place for place in marked if place[2] == label]
        free = [place for place in marked if place[2] == "?"]
        mine = [place for place in reported if place[2] == label and not _meets(place, free)]
        self.marked += len(gold)
        self.found += sum(_meets(place, mine) for place in gold)
        self.reported += len(mine)
        self.right += sum(_meets(place, gold) for place in mine)
        self.astray += sum(not _meets(place, marked) for place in mine)
        self.tokens += tokens

    def f(self, beta: float) -> float:
        """F score; 0 if nothing was found."""
        if not self.found or not self.right:
            return 0.0
        precision, recall = self.right / self.reported, self.found / self.marked
        return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def _meets(place: Place, others: Sequence[Place]) -> bool:
    return any(place[0] < other[1] and other[0] < place[1] for other in others)


def best_limit(by_limit: Mapping[float, Tally], judged: Mapping[float, Tally], rate: float) -> float:
    """The lowest threshold whose F2 is within ``SLACK`` of the best, of those with few spans astray.

    The lowest, because a network is less sure of itself on texts unlike those that it is calibrated on.

    Args:
        by_limit: All texts, by threshold. Few are at most ``rate`` astray per token of these; the highest threshold if
            none keeps them that rare.
        judged: The texts whose F2 counts.
        rate: Spans astray per token.
    """
    allowed = [limit for limit, tally in by_limit.items() if tally.astray <= rate * tally.tokens]
    best = max((judged[limit].f(2) for limit in allowed), default=0.0)
    return min((limit for limit in allowed if judged[limit].f(2) >= best - SLACK), default=max(by_limit))


def window_rate(text_rate: float, windows: int) -> float:
    """How rarely one window may reach a threshold so that ``text_rate`` of texts of ``windows`` of them do."""
    return float(1 - (1 - text_rate) ** (1 / windows))


def tail_quantile(logits: Sequence[float], rate: float) -> float:
    """What a share of ``rate`` of such logits exceeds, also where ``rate`` is less than one in as many as there are.

    At least the order statistic where there is one; with fewer than ``TAIL_LEAST`` values above the tail's foot, the
    highest value plus the distance from it to the foot, because nothing is known about the tail.
    """
    ordered = np.sort(np.asarray(logits, dtype=float))[::-1]
    allowed = int(len(ordered) * rate)
    observed = float(ordered[min(allowed, len(ordered) - 1)])
    count = int(len(ordered) * TAIL_PART)
    if rate >= TAIL_PART:
        return observed
    if count < TAIL_LEAST:
        return float(2 * ordered[0] - ordered[count])
    foot = ordered[count]
    above = np.sort(ordered[:count] - foot)
    first = above.mean()
    if first <= 0.0:  # all the same
        return observed
    weight = 1 - (np.arange(1, count + 1) - 0.35) / count
    second = float((weight * above).mean())
    shape = float(np.clip(2 - first / (first - 2 * second), -0.5, 0.5))  # of a heavier tail no moment would exist
    scale = first * (1 - shape)  # the mean of the distribution is scale / (1 - shape)
    ratio = count / len(ordered) / rate
    beyond = scale * np.log(ratio) if abs(shape) < 1e-6 else scale / shape * (ratio**shape - 1)
    return float(max(observed, foot + beyond))


def run_highest(values: Sequence[float], length: int) -> list[float]:
    """The highest of each run of ``length`` values, one run after the other; a last one that is shorter is left out."""
    return [max(values[at : at + length]) for at in range(0, len(values) - length + 1, length)]


def reliability(scores: Floats, truths: Floats) -> list[tuple[float, float, int]]:
    """Per bin of scores: their mean, the share that is true, and how many."""
    rows = []
    places = np.minimum((scores * BINS).astype(int), BINS - 1)
    for place in range(BINS):
        inside = places == place
        if inside.any():
            rows.append((float(scores[inside].mean()), float(truths[inside].mean()), int(inside.sum())))
    return rows


def calibration_error(rows: Sequence[tuple[float, float, int]]) -> float:
    """Expected calibration error: the mean distance of score and share, weighted by count."""
    total = sum(count for _, _, count in rows)
    return sum(abs(score - share) * count for score, share, count in rows) / total if total else 0.0


def reliability_svg(plots: dict[str, Sequence[tuple[float, float, int]]]) -> str:
    """A reliability plot as SVG: share that is true over score, one line per head, and the diagonal."""
    size, pad = 320, 40
    colours = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700")

    def place(x: float, y: float) -> tuple[float, float]:
        return pad + x * size, pad + (1 - y) * size

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size + 2 * pad + 130}" height="{size + 2 * pad}">',
        '<g font-family="sans-serif" font-size="11">',
        f'<rect x="{pad}" y="{pad}" width="{size}" height="{size}" fill="none" stroke="#888"/>',
        f'<line x1="{pad}" y1="{pad + size}" x2="{pad + size}" y2="{pad}" stroke="#bbb" stroke-dasharray="4"/>',
        f'<text x="{pad + size / 2}" y="{size + 2 * pad - 8}" text-anchor="middle">score</text>',
        f'<text x="14" y="{pad - 12}">share that is true</text>',
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = place(tick, tick)
        parts.append(f'<text x="{x:.0f}" y="{pad + size + 14}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{pad - 6}" y="{y + 4:.0f}" text-anchor="end">{tick:g}</text>')
    for index, (name, rows) in enumerate(plots.items()):
        colour = colours[index % len(colours)]
        points = [place(score, share) for score, share, _ in rows]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        label = f"{name} (ECE {calibration_error(rows):.3f})"
        parts.append(f'<text x="{pad + size + 8}" y="{pad + 16 + 18 * index}" fill="{colour}">{label}</text>')
    return "\n".join((*parts, "</g>", "</svg>")) + "\n"
