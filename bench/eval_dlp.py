"""Tier-1 detection on labelled sentences: recall, precision and F1 per entity type, and its speed.

    python bench/eval_dlp.py [--data ../shared/data] [--no-speed]

The set is an evaluation set: no threshold, word or pattern may be chosen by its misses. ``evaluate`` takes any
``scan: str -> list[Finding]``, so that the running proxy can be measured with the same code.

Overlap matching: a labelled span is found if a finding of its type shares at least one character with it; a finding is
right if it shares one with a labelled span of its type. Exact: both ends are the same. Intervals are Wilson's, 95 %.
"""

import argparse
import json
import math
import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from outpost.dlp.engine import default_engine
from outpost.protocol.findings import Finding

# The labels of presidio-research that tier 1 covers.
KINDS = {
    "CREDIT_CARD": "pci.pan",
    "IBAN_CODE": "fin.iban",
    "US_SSN": "pii.national_id.us",
    "EMAIL_ADDRESS": "pii.email",
    "PHONE_NUMBER": "pii.phone",
    "IP_ADDRESS": "pii.ip",
}
_Z = 1.959963984540054  # 97.5 % quantile of the normal distribution


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

    @property
    def f1(self) -> float:
        total = self.recall + self.precision
        return 2 * self.recall * self.precision / total if total else 0.0


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927)."""
    if trials == 0:
        return math.nan, math.nan
    p = successes / trials
    centre = p + _Z**2 / (2 * trials)
    half = _Z * math.sqrt(p * (1 - p) / trials + _Z**2 / (4 * trials**2))
    scale = 1 + _Z**2 / trials
    return (centre - half) / scale, (centre + half) / scale


Span = tuple[int, int]


def overlaps(span: Span, others: Iterable[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)


def exact(span: Span, others: Iterable[Span]) -> bool:
    return span in others


def evaluate(
    scan: Callable[[str], list[Finding]], rows: Sequence[dict], matches: Callable[[Span, list[Span]], bool] = overlaps
) -> dict[str, Counts]:
    """Counts per entity type of ``KINDS`` over rows of ``text`` and ``spans``."""
    found = [scan(row["text"]) for row in rows]
    table = {}
    for label, kind in KINDS.items():
        counts = [0, 0, 0, 0]
        for row, findings in zip(rows, found, strict=True):
            gold = [(s["start"], s["end"]) for s in row["spans"] if s["type"] == label]
            mine = [(f.start, f.end) for f in findings if f.kind == kind]
            counts[0] += len(gold)
            counts[1] += sum(matches(span, mine) for span in gold)
            counts[2] += len(mine)
            counts[3] += sum(matches(span, gold) for span in mine)
        table[label] = Counts(*counts)
    return table


def markdown(table: dict[str, Counts]) -> str:
    """The table as Markdown."""
    lines = [
        "| type | labelled | recall | 95 % | reported | precision | 95 % | F1 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for label, c in table.items():
        recall, precision = wilson(c.found, c.labelled), wilson(c.right, c.reported)
        lines.append(
            f"| {label} | {c.labelled} | {c.recall:.3f} ({c.found}) | {recall[0]:.3f}-{recall[1]:.3f} "
            f"| {c.reported} | {c.precision:.3f} ({c.right}) | {precision[0]:.3f}-{precision[1]:.3f} | {c.f1:.3f} |"
        )
    return "\n".join(lines)


def load(data: Path) -> list[dict]:
    """The labelled sentences."""
    lines = (data / "dev-presidio-synth" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def speed(scan: Callable[[str], list[Finding]], rows: Sequence[dict]) -> str:
    """Latency on prompts of 1 KB made of the sentences, and throughput on 1 MB of them."""
    texts = [row["text"] for row in rows]
    rng = random.Random(7)
    prompts = []
    for _ in range(300):
        prompt = ""
        while len(prompt) < 1024:
            prompt += rng.choice(texts) + " "
        prompts.append(prompt[:1024])
    for prompt in prompts[:50]:
        scan(prompt)
    times_us = []
    for _ in range(10):
        for prompt in prompts:
            begin = time.perf_counter()
            scan(prompt)
            times_us.append((time.perf_counter() - begin) * 1e6)
    cuts = statistics.quantiles(times_us, n=100)
    large = " ".join(texts)
    large = (large * (1_000_000 // len(large) + 1))[:1_000_000]
    seconds = min(_timed(scan, large) for _ in range(5))
    return (
        f"1 KB prompt of these sentences: p50 {statistics.median(times_us):.0f} us, p99 {cuts[98]:.0f} us "
        f"({len(times_us)} scans). 1 MB: {len(large.encode()) / seconds / 1e6:.1f} MB/s."
    )


def _timed(scan: Callable[[str], list[Finding]], text: str) -> float:
    begin = time.perf_counter()
    scan(text)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--no-speed", action="store_true")
    arguments = parser.parse_args()
    rows, scan = load(arguments.data), default_engine().scan
    print(f"{len(rows)} sentences, overlap matching:\n\n{markdown(evaluate(scan, rows))}\n")
    print(f"exact spans:\n\n{markdown(evaluate(scan, rows, exact))}\n")
    if not arguments.no_speed:
        print(speed(scan, rows))


if __name__ == "__main__":
    main()
