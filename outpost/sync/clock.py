"""How far this machine's clock is off, and the latest moment that has certainly passed.

The floor is raised only to times on which a verified source and this machine agree (the lower of the two), and by
the seconds that a clock that cannot be set has counted since: a clock that was years ahead for a while, here or at the
control plane, leaves no trace in it. Source: design §5.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

DEFAULT_TOLERANCE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Reading:
    """One comparison. ``skew_s`` is positive when this machine's clock is ahead."""

    skew_s: float
    measured_at: datetime
    verified: bool


class ClockWatch:
    """Compares this machine's clock with what verified sources say. Not thread-safe; use it on the event loop."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        *,
        floor_at: datetime | None = None,
        tolerance: timedelta = DEFAULT_TOLERANCE,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._floor_at = floor_at
        self._floor_since_s = monotonic()
        self._tolerance = tolerance
        self.reading: Reading | None = None

    def note_server_time(self, server_at: datetime) -> None:
        """The control plane, over verified TLS, says it is ``server_at``."""
        at = self._clock()
        self.reading = Reading((at - server_at).total_seconds(), at, verified=True)
        self.vouch(min(server_at, at))

    def note_hint(self, server_at: datetime) -> None:
        """Somebody unverified says it is ``server_at``: shown, and never acted on."""
        at = self._clock()
        self.reading = Reading((at - server_at).total_seconds(), at, verified=False)

    def vouch(self, at: datetime) -> None:
        """``at`` has certainly passed: signed data or two clocks say so."""
        floor = self.floor_at
        if floor is None or at > floor:
            self._floor_at, self._floor_since_s = at, self._monotonic()

    @property
    def floor_at(self) -> datetime | None:
        """The latest moment that has certainly passed, or None if nothing has ever vouched for one."""
        if self._floor_at is None:
            return None
        elapsed = timedelta(seconds=max(self._monotonic() - self._floor_since_s, 0.0))
        return self._floor_at + elapsed

    def problem(self) -> str | None:
        """What is wrong with this machine's clock, in one line for a person; None if nothing is known."""
        at, floor = self._clock(), self.floor_at
        if floor is not None and at < floor - self._tolerance:
            return f"your clock is at least {_minutes(floor - at)} minutes behind: the time it shows has passed already"
        reading = self.reading
        if reading is None or abs(reading.skew_s) <= self._tolerance.total_seconds():
            return None
        side = "ahead" if reading.skew_s > 0 else "behind"
        source = "the control plane" if reading.verified else "the other end, which could not be verified"
        minutes = _minutes(timedelta(seconds=abs(reading.skew_s)))
        return f"your clock is {minutes} minutes off ({side}), says {source}"


def _minutes(by: timedelta) -> int:
    return int(by.total_seconds() // 60)
