"""How much of the audit log callers whom nobody knows may fill.

Every refusal is audited, but whoever can reach the port can cause one without a key. Beyond a rate their
refusals are counted instead, and the count goes into the next one that is written. Pure: time is passed in.
"""

from typing import Final

# At about 400 bytes an event this is 350 MB a day at worst; a misconfigured client stays well below it.
EVENTS_PER_S: Final = 10.0
BURST_EVENTS: Final = 100.0


class StrangerEvents:
    """A token bucket that remembers what it turned away."""

    def __init__(self, per_s: float = EVENTS_PER_S, burst: float = BURST_EVENTS) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._seen_s: float | None = None
        self._uncounted = 0

    def admit(self, now_s: float) -> int | None:
        """Whether one more may be written at ``now_s`` (monotonic seconds).

        Returns:
            How many were turned away since the last one that was written; ``None`` if this one is turned away too.
        """
        if self._seen_s is not None:
            self._tokens = min(self._burst, self._tokens + max(now_s - self._seen_s, 0) * self._per_s)
        self._seen_s = now_s
        if self._tokens < 1:
            self._uncounted += 1
            return None
        self._tokens -= 1
        uncounted, self._uncounted = self._uncounted, 0
        return uncounted
