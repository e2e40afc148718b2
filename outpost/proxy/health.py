"""Who has failed lately and is left in peace for a while: a state machine per provider and per key. Pure.

Health is known by outcome only; nobody is asked for the sake of asking. After ``failures`` in a row one is ejected, for
``ejection_s`` and twice as long each time that follows; when the time is over a single request probes it, and its
outcome decides. Who names a time (``Retry-After``) is left alone until then. The numbers are those of Envoy's outlier
detection (envoyproxy.io, "Outlier detection": consecutive_5xx, base_ejection_time, max_ejection_time).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class HealthRules:
    """When somebody is ejected, and for how long (seconds)."""

    failures: int = 5
    ejection_s: float = 30.0
    max_ejection_s: float = 300.0


RULES: Final = HealthRules()


class Standing(Enum):
    """Whether to ask."""

    HEALTHY = 0
    PROBE = 1
    """The next request finds out."""
    EJECTED = 2


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one.

    Attributes:
        failures: In a row.
        ejections: In a row, without a success between them.
        until_s: Ejected until then; None if it is not.
        probing_until_s: A probe is under way, and counts for nothing after that.
    """

    failures: int = 0
    ejections: int = 0
    until_s: float | None = None
    probing_until_s: float | None = None

    def standing(self, at_s: float) -> Standing:
        """Whether to ask it at ``at_s``."""
        if self.until_s is None:
            return Standing.HEALTHY
        if at_s < self.until_s or (self.probing_until_s is not None and at_s < self.probing_until_s):
            return Standing.EJECTED
        return Standing.PROBE


GOOD: Final = Health()


def asked(health: Health, at_s: float, rules: HealthRules = RULES) -> Health:
    """A request goes there at ``at_s``; one that probes keeps others away until it is answered, or long over."""
    if health.standing(at_s) is not Standing.PROBE:
        return health
    return replace(health, probing_until_s=at_s + rules.max_ejection_s)


def failed(health: Health, at_s: float, rules: HealthRules = RULES) -> Health:
    """It failed."""
    if health.until_s is None:
        failures = health.failures + 1
        return replace(health, failures=failures) if failures < rules.failures else _ejected(health, at_s, rules)
    if at_s < health.until_s:
        return health  # of a request that had begun before
    return _ejected(health, at_s, rules)


def held(health: Health, at_s: float, wait_s: float | None, rules: HealthRules = RULES) -> Health:
    """It said itself that it wants to be left in peace, for ``wait_s`` if it said so."""
    if wait_s is None:
        return failed(health, at_s, rules)
    until_s = at_s + min(wait_s, rules.max_ejection_s)
    return replace(health, until_s=max(until_s, health.until_s or until_s), probing_until_s=None)


def dismissed(health: Health, at_s: float, rules: HealthRules = RULES) -> Health:
    """It refuses us, and will until a person does something: asked again now and then."""
    return replace(health, until_s=at_s + rules.max_ejection_s, probing_until_s=None)


def forgotten(health: Health) -> Health:
    """A request that went there ended without saying anything about it: a probe is still to be made."""
    return replace(health, probing_until_s=None)


def _ejected(health: Health, at_s: float, rules: HealthRules) -> Health:
    # Doubling ends where the limit is reached, long before the number becomes large.
    wait_s = min(rules.ejection_s * 2 ** min(health.ejections, 16), rules.max_ejection_s)
    return Health(0, health.ejections + 1, at_s + wait_s)


Subject = tuple[str, str | None]
"""A provider's id, and the id of one of its keys or None for the provider itself."""


class HealthBoard:
    """The present state of all. Holds what changes; the rules are the functions above."""

    def __init__(self, clock_s: Callable[[], float], rules: HealthRules = RULES) -> None:
        """``clock_s`` is monotonic."""
        self._clock_s = clock_s
        self._rules = rules
        self._known: dict[Subject, Health] = {}

    def standing(self, subject: Subject) -> Standing:
        """Whether to ask it now."""
        return self._known.get(subject, GOOD).standing(self._clock_s())

    def asked(self, subject: Subject) -> None:
        """A request goes there."""
        if subject in self._known:
            self._known[subject] = asked(self._known[subject], self._clock_s(), self._rules)

    def succeeded(self, subject: Subject) -> None:
        """It answered."""
        self._known.pop(subject, None)

    def failed(self, subject: Subject) -> None:
        """It failed."""
        self._change(subject, failed(self._of(subject), self._clock_s(), self._rules))

    def held(self, subject: Subject, wait_s: float | None) -> None:
        """It wants to be left in peace."""
        self._change(subject, held(self._of(subject), self._clock_s(), wait_s, self._rules))

    def dismissed(self, subject: Subject) -> None:
        """It refuses us."""
        self._change(subject, dismissed(self._of(subject), self._clock_s(), self._rules))

    def forgotten(self, subject: Subject) -> None:
        """Nothing was learned."""
        if subject in self._known:
            self._change(subject, forgotten(self._known[subject]))

    def snapshot(self) -> Mapping[Subject, Standing]:
        """Everybody of whom something is known."""
        return {subject: self.standing(subject) for subject in self._known}

    def _of(self, subject: Subject) -> Health:
        return self._known.get(subject, GOOD)

    def _change(self, subject: Subject, health: Health) -> None:
        self._known[subject] = health
