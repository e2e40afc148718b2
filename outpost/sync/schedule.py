"""What the outpost asks its control plane for, and when: pure, in seconds of a clock that only goes forward.

After a failure the wait is drawn evenly from nothing up to a cap that doubles each time: the draw comes after the
cap, so a fleet that failed together stays spread however long the outage lasts (AWS Architecture Blog,
"Exponential Backoff And Jitter", full jitter). A ``Retry-After`` is a floor to which the draw is added, or all
would come back in the same second. Chance comes in as ``draw`` in [0, 1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Task(StrEnum):
    """What can be due, in the order in which it is done.

    The identity comes first, since without it nothing else works. Secrets come before the bundle, so that the keys of a
    new bundle find their pepper; audit and heartbeat come late, so that they report what has just happened; the
    revocation list comes last, so that a refusal heard in the same pass is checked in it.
    """

    IDENTITY = "identity"
    SECRETS = "secrets"
    REFRESH = "refresh"
    AUDIT = "audit"
    HEARTBEAT = "heartbeat"
    REVOCATION = "revocation"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits after failures."""

    base_s: float = 1.0
    cap_s: float = 300.0  # design §9: a publish is seen within a minute; an outage's end within 2.5 min on average
    retry_after_limit_s: float = 3600.0  # the longest silence another may order; longer, and it is asked again

    def wait_s(self, failures: int, retry_after_s: float | None, draw: float) -> float:
        """Seconds to wait after ``failures`` consecutive failures (1 or more)."""
        # 2**64 s is beyond any cap; a bounded exponent cannot overflow after years of failures.
        ceiling_s = min(self.cap_s, self.base_s * 2.0 ** min(failures, 64))
        floor_s = min(max(retry_after_s or 0.0, 0.0), self.retry_after_limit_s)
        return floor_s + draw * ceiling_s


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds between successes; each is spread by ``SPREAD`` either way so that a fleet does not fall into step."""

    secrets_s: float = 300.0
    refresh_s: float = 300.0  # the long poll brings news at once; this is for when it cannot
    audit_s: float = 2.0
    heartbeat_s: float = 30.0
    identity_s: float = 60.0  # looks at the clock and the disk; asks only when something is due
    revocation_s: float = 3600.0  # a refusal fetches the list at once; this is for lists that change without one

    def of(self, task: Task) -> float:
        """The interval of ``task``."""
        return {
            Task.IDENTITY: self.identity_s,
            Task.SECRETS: self.secrets_s,
            Task.REFRESH: self.refresh_s,
            Task.AUDIT: self.audit_s,
            Task.HEARTBEAT: self.heartbeat_s,
            Task.REVOCATION: self.revocation_s,
        }[task]


SPREAD: Final = 0.1  # design §4 uses the same ±10 % for renewals
_DEFAULT_INTERVALS: Final = Intervals()
_DEFAULT_BACKOFF: Final = Backoff()


@dataclass(frozen=True, slots=True)
class Due:
    """When one task is due and how often in a row it has failed."""

    at_s: float
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Immutable; every change gives a new one."""

    tasks: Mapping[Task, Due]
    intervals: Intervals = _DEFAULT_INTERVALS
    backoff: Backoff = _DEFAULT_BACKOFF

    @classmethod
    def start(
        cls, now_s: float, intervals: Intervals = _DEFAULT_INTERVALS, backoff: Backoff = _DEFAULT_BACKOFF
    ) -> "Schedule":
        """Everything is due at once: an outpost that has just started knows nothing new."""
        return cls(MappingProxyType({task: Due(now_s) for task in Task}), intervals, backoff)

    def due(self, now_s: float) -> tuple[Task, ...]:
        """The tasks that are due, in the order of ``Task``."""
        return tuple(task for task in Task if self.tasks[task].at_s <= now_s)

    @property
    def next_s(self) -> float:
        """When the next task is due."""
        return min(due.at_s for due in self.tasks.values())

    def failures(self, task: Task) -> int:
        """How often in a row ``task`` has failed."""
        return self.tasks[task].failures

    def succeeded(self, task: Task, now_s: float, draw: float, *, interval_s: float | None = None) -> "Schedule":
        """``task`` was done; due again after ``interval_s`` (default: its own), give or take ``SPREAD``."""
        wait_s = (interval_s or self.intervals.of(task)) * (1 - SPREAD + 2 * SPREAD * draw)
        return self._with(task, Due(now_s + wait_s))

    def failed(self, task: Task, now_s: float, draw: float, *, retry_after_s: float | None = None) -> "Schedule":
        """``task`` failed; due again after the backoff."""
        failures = self.tasks[task].failures + 1
        return self._with(task, Due(now_s + self.backoff.wait_s(failures, retry_after_s, draw), failures))

    def hasten(self, task: Task, now_s: float) -> "Schedule":
        """``task`` is due now if it is healthy; one that is failing keeps its backoff."""
        due = self.tasks[task]
        if due.failures or due.at_s <= now_s:
            return self
        return self._with(task, replace(due, at_s=now_s))

    def restart(self, now_s: float) -> "Schedule":
        """Everything is due at once and nothing has failed: the cause of the failures is gone."""
        return Schedule.start(now_s, self.intervals, self.backoff)

    def _with(self, task: Task, due: Due) -> "Schedule":
        return replace(self, tasks=MappingProxyType({**self.tasks, task: due}))
