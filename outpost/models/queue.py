"""Which windows run next: a bounded queue with priorities, length buckets and a moment's wait for company. Pure.

A text is given as windows, each due a little after the one before it, so a long document does not keep a short message
waiting, nor the other way round for ever. Windows run together only with those of the same model and about the same
length, because a batch is padded to its longest. Time is passed in, in seconds of a monotonic clock.
"""

import heapq
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

PACE_S: Final = 0.01
"""How much later each window of a text is due than the one before: about what one takes on a slow processor."""
BUCKET_TOKENS: Final = 32
"""Lengths are rounded up to multiples: at most so many tokens of padding per window."""

J = TypeVar("J", bound=Hashable)


class QueueFull(Exception):
    """So much is waiting already that nothing more is taken."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the queue and of what it puts together.

    Attributes:
        waiting_tokens: Most that may wait.
        batch_windows: Most windows that run together.
        batch_wait_s: How long a window waits for company at most.
    """

    waiting_tokens: int = 262_144
    batch_windows: int = 1
    batch_wait_s: float = 0.0


@dataclass(order=True, slots=True)
class _Waiting(Generic[J]):
    priority: int
    due_s: float
    number: int
    job: J = field(compare=False)
    index: int = field(compare=False)
    tokens: int = field(compare=False)
    since_s: float = field(compare=False)


class WindowQueue(Generic[J]):
    """Windows of jobs, waiting. Not thread-safe."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buckets: dict[tuple[Hashable, int], list[_Waiting[J]]] = {}
        self._deadlines: dict[J, float] = {}
        self._left: dict[J, int] = {}
        self._number = 0
        self.tokens = 0
        """Of all windows that wait."""

    def add(
        self, job: J, sizes: Sequence[int], *, model: Hashable, priority: int, at_s: float, deadline_s: float
    ) -> None:
        """Let the windows of ``job`` wait, given as their sizes in tokens; a lower ``priority`` comes first.

        Raises:
            QueueFull: More would wait than may. A job that is longer than that is taken when nothing else waits.
        """
        tokens = sum(sizes)
        if self.tokens and self.tokens + tokens > self._limits.waiting_tokens:
            raise QueueFull
        for index, size in enumerate(sizes):
            bucket = -(-size // BUCKET_TOKENS)
            self._number += 1
            waiting = _Waiting(priority, at_s + index * PACE_S, self._number, job, index, size, at_s)
            heapq.heappush(self._buckets.setdefault((model, bucket), []), waiting)
        self._deadlines[job] = deadline_s
        self._left[job] = len(sizes)
        self.tokens += tokens

    def take(self, at_s: float) -> list[tuple[J, int]] | float | None:
        """What to run now, as (job, index of the window); or in how many seconds to ask again; None: when more came."""
        heads = []
        for key, bucket in list(self._buckets.items()):
            self._drop_gone(bucket)
            if bucket:
                heads.append((bucket[0], key))
            else:
                del self._buckets[key]
        wait_s: float | None = None
        for head, key in sorted(heads, key=lambda item: item[0]):
            bucket = self._buckets[key]
            ready_in_s = head.since_s + self._limits.batch_wait_s - at_s
            if len(bucket) >= self._limits.batch_windows or ready_in_s <= 0:
                return self._pop(bucket)
            wait_s = ready_in_s if wait_s is None else min(wait_s, ready_in_s)
        return wait_s

    def drop(self, job: J) -> None:
        """Forget what waits of ``job``; nothing if it is not there."""
        self._deadlines.pop(job, None)
        if self._left.pop(job, None) is None:
            return
        for bucket in self._buckets.values():
            self.tokens -= sum(waiting.tokens for waiting in bucket if waiting.job == job)

    def expired(self, at_s: float) -> list[J]:
        """Jobs with waiting windows whose deadline has passed; they are dropped."""
        late = [job for job, deadline_s in self._deadlines.items() if deadline_s <= at_s]
        for job in late:
            self.drop(job)
        return late

    def _drop_gone(self, bucket: list[_Waiting[J]]) -> None:
        while bucket and bucket[0].job not in self._left:
            heapq.heappop(bucket)

    def _pop(self, bucket: list[_Waiting[J]]) -> list[tuple[J, int]]:
        batch: list[tuple[J, int]] = []
        while bucket and len(batch) < self._limits.batch_windows:
            waiting = heapq.heappop(bucket)
            if waiting.job not in self._left:
                continue
            batch.append((waiting.job, waiting.index))
            self.tokens -= waiting.tokens
            self._left[waiting.job] -= 1
            if not self._left[waiting.job]:
                del self._left[waiting.job], self._deadlines[waiting.job]
        return batch
