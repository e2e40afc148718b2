"""How much is taken on at once, and when whoever is turned away should come back.

Guarantees: at most so many requests are worked on and so many watchers wait at a time; whoever is refused gets an
appointment, and no more than ``returns_per_s`` of them are for the same second, however many come at once. Pure but
for its own counters: the caller gives the time (seconds of a clock that never goes back).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

from control_plane.errors import Overloaded

# A reconnection with its requests costs one process about 10 ms of CPU (`make bench-fleet`).
RETURNS_PER_S = 100.0
BUSY = 128  # requests that make full batches for the database; more of them only wait longer
_FURTHEST_S = 300.0  # the outposts' own cap on a backoff: what is further away is not worth promising


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """How many requests may be worked on, and how many watchers may wait, at the same time."""

    requests: int = 2048
    watchers: int = 10_000


class Appointments:
    """When the refused come back: one after the other, ``per_s`` in a second."""

    def __init__(self, per_s: float = RETURNS_PER_S) -> None:
        self._step_s = 1 / per_s
        self._next_s = 0.0

    def make(self, now_s: float) -> int:
        """The next free appointment, in whole seconds from now (1 or more)."""
        self._next_s = min(max(self._next_s, now_s) + self._step_s, now_s + _FURTHEST_S)
        return max(1, ceil(self._next_s - now_s))


class Gate:
    """Counts what is going on in one listener, and refuses what would be too much."""

    def __init__(self, limits: LoadLimits) -> None:
        self._limits = limits
        self._appointments = Appointments()
        self.requests = 0
        self.watchers = 0
        self.refused = 0

    @property
    def idle(self) -> int:
        """How many more requests would keep it busy without making anybody wait."""
        return max(0, BUSY - self.requests)

    @contextmanager
    def request(self, now_s: float) -> Iterator[None]:
        """One request is worked on as long as the block runs.

        Raises:
            Overloaded: There are as many as may be.
        """
        if self.requests >= self._limits.requests:
            raise self._refusal("too many requests at once", now_s)
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    @contextmanager
    def watching(self, now_s: float) -> Iterator[None]:
        """A request that only waits as long as the block runs, and meanwhile counts as a watcher instead.

        Raises:
            Overloaded: There are as many watchers as may be.
        """
        if self.watchers >= self._limits.watchers:
            raise self._refusal("too many watchers", now_s)
        self.watchers += 1
        self.requests -= 1
        try:
            yield
        finally:
            self.watchers -= 1
            self.requests += 1

    def _refusal(self, message: str, now_s: float) -> Overloaded:
        self.refused += 1
        return Overloaded(message, self._appointments.make(now_s))
