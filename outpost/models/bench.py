"""Measures a pack on this machine: how long windows take by length and batch, and texts from one end to the other.

Wall time is what a caller waits; processor time is what a window costs, and is the figure to compare where other work
runs beside it. Prints nothing; ``command.py`` does.
"""

import os
import queue
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from outpost.models.options import SessionOptions
from outpost.models.queue import Limits
from outpost.models.runners import Job, Loaded, Outcome, Runners
from outpost.protocol.model_card import Input

LENGTHS: Final = (16, 32, 64, 128, 256, 512)
BATCHES: Final = (1, 4, 16, 64)
TEXT: Final = (
    "Dear team, the customer called again about the delivery of last week; the depot says that it left on Tuesday, and "
    "nobody there can tell where it is now. Could you look into it and write back before noon?\n"
)
TEXT_CHARS: Final = (128, 1024, 8192, 32768)
_PER_TEXT: Final = 2  # axes of an output that is not per token
_LEAST_RUNS: Final = 5
_WAIT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class WindowPoint:
    """Windows of one length, so many at once."""

    tokens: int
    windows: int
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class TextPoint:
    """Texts of one length, one after another: ``p50_ms``; and as many at once as there are runners, and some more."""

    chars: int
    tokens: int
    windows: int
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured."""

    pack: str
    digest: str
    provider: str
    processors: int
    runners: int
    load_s: float
    rss_mb: float
    batch_drift: float
    """How far company in a batch moves a logit at most; more than rounding where int8 ranges are dynamic."""
    windows: tuple[WindowPoint, ...]
    texts: tuple[TextPoint, ...]


def measure(folder: Path, options: SessionOptions, *, runners: int, seconds: float, batches: tuple[int, ...]) -> Report:
    """Measure the pack in ``folder``; each point for about ``seconds``.

    Raises:
        PackInvalid: It is not what it should be.
        ModelUnavailable: It does not run here.
    """
    began_s = time.perf_counter()
    loaded = Loaded(folder, options)
    load_s = time.perf_counter() - began_s
    most = loaded.inspector.card.window.max_tokens
    lengths = [length for length in LENGTHS if length < most] + [most]
    windows = tuple(_window(loaded, length, count, seconds) for length in lengths for count in batches)
    limits = Limits(waiting_tokens=1 << 30, batch_windows=max(batches) if len(batches) > 1 else 1)
    if str(loaded.session.provider) == "cpu":
        limits = Limits(waiting_tokens=1 << 30)
    texts = tuple(_text(loaded, Runners(runners, limits), chars, seconds) for chars in TEXT_CHARS)
    card = loaded.inspector.card
    return Report(
        f"{card.name} {card.version}",
        loaded.digest,
        str(loaded.session.provider),
        len(os.sched_getaffinity(0)),
        runners,
        load_s,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,  # KiB on Linux (getrusage(2))
        _drift(loaded),
        windows,
        texts,
    )


def _window(loaded: Loaded, tokens: int, count: int, seconds: float) -> WindowPoint:
    ids = loaded.inspector.prepare(TEXT).tokens.ids
    feeds = {item.value: np.zeros((count, tokens), np.int64) for item in loaded.inspector.card.inputs}
    feeds[Input.ATTENTION_MASK][:] = 1
    feeds[Input.INPUT_IDS][:] = np.resize(np.array(ids, np.int64), tokens)
    walls, cpu_s = _timed(lambda: loaded.session.run(feeds), seconds)
    return WindowPoint(
        tokens, count, *_percentiles(walls), 1000 * cpu_s / len(walls), count * tokens * len(walls) / sum(walls)
    )


def _drift(loaded: Loaded) -> float:
    prepared = [loaded.inspector.prepare(text) for text in (TEXT[:60], TEXT)]
    alone = loaded.session.run(loaded.inspector.batch([(prepared[0], 0)]))
    together = loaded.session.run(loaded.inspector.batch([(one, 0) for one in prepared]))
    tokens = prepared[0].sizes[0]
    return max(
        float(np.abs(output[0] - together[name][0][: tokens if output.ndim > _PER_TEXT else None]).max())
        for name, output in alone.items()
    )


def _text(loaded: Loaded, runners: Runners, chars: int, seconds: float) -> TextPoint:
    text = (TEXT * (chars // len(TEXT) + 1))[:chars]
    prepared = loaded.inspector.prepare(text)

    def ask(copies: int) -> None:
        outcomes: queue.Queue[Outcome] = queue.Queue()
        for _ in range(copies):
            again = loaded.inspector.prepare(text)
            runners.add(Job(loaded, again, time.monotonic() + _WAIT_S, outcomes.put), 0)
        for _ in range(copies):
            outcome = outcomes.get(timeout=_WAIT_S)
            if isinstance(outcome, Exception):
                raise outcome

    walls, cpu_s = _timed(lambda: ask(1), seconds)
    copies = 16
    together, _ = _timed(lambda: ask(copies), seconds)
    tokens = len(prepared.tokens.ids)
    throughput = copies * tokens * len(together) / sum(together)
    p50, p95 = _percentiles(walls)
    return TextPoint(chars, tokens, len(prepared.windows), p50, p95, 1000 * cpu_s / len(walls), throughput)


def _timed(work: Callable[[], object], seconds: float) -> tuple[list[float], float]:
    """Wall seconds of each run, and the processor seconds of all of them."""
    work()
    walls = []
    cpu_s = time.process_time()
    for _ in _until(seconds):
        began_s = time.perf_counter()
        work()
        walls.append(time.perf_counter() - began_s)
    return walls, time.process_time() - cpu_s


def _until(seconds: float) -> Iterator[int]:
    end_s = time.perf_counter() + seconds
    number = 0
    while number < _LEAST_RUNS or time.perf_counter() < end_s:
        yield number
        number += 1


def _percentiles(walls: list[float]) -> tuple[float, float]:
    ordered = sorted(walls)
    return 1000 * statistics.median(ordered), 1000 * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
