"""Who has failed lately and is left in peace for a while: a state machine per provider and per key. Pure.

Health is known by outcome only; nobody is asked for the sake of asking. After ``failures`` in a row one is ejected, for
``ejection_s`` and twice as long each time that follows; when the time is over a single request probes it, and its
outcome decides. Who names a time (``Retry-After``) is left alone until then. The numbers are those of Envoy's outlier
detection (envoyproxy.io, "Outlier detection": consecutive_5xx, base_ejection_time, max_ejection_time).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class HealthRules:
    """When somebody is ejected, and for how long (seconds)."""

    failures: int = 5
    ejection_s: float = 30.0
    max_ejection_s: float = 300.0


RULES: Final = HealthRules()
_LONGEST_S: Final = 1e9  # the monotonic clock counts from the start of the machine: no time is 31 years from it


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


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one who failed, for people and for the other processes of an outpost.

    Attributes:
        reason: How the last request to it ended (``Outcome``).
        since_s: Since when none has succeeded; like ``health.until_s`` on the clock that all processes share.
    """

    subject: Subject
    health: Health
    reason: str
    since_s: float

    def to_json(self) -> list[Any]:
        """As a list; a probe that is under way is nobody else's business."""
        health = self.health
        return [*self.subject, health.failures, health.ejections, health.until_s, self.reason, self.since_s]

    @classmethod
    def from_json(cls, values: Any) -> "Known":
        """What ``to_json`` wrote.

        Raises:
            ValueError: It did not.
        """
        try:
            provider, key, failures, ejections, until_s, reason, since_s = values
            until = None if until_s is None else float(until_s)
            since = float(since_s)
        except (TypeError, ValueError, OverflowError) as err:
            raise ValueError("what is known of a provider is malformed") from err
        names = [provider, reason] if key is None else [provider, key, reason]
        if {*map(type, names)} != {str} or {type(failures), type(ejections)} != {int}:
            raise ValueError("what is known of a provider is malformed")
        known = cls((provider, key), Health(failures, ejections, until), reason, since)
        if not (0 <= known.since_s <= _LONGEST_S and 0 <= (until or 0.0) <= _LONGEST_S):  # false of what is no number
            raise ValueError("what is known of a provider names no time")
        return known


def worst(of_each: Iterable[Sequence[Known]]) -> list[Known]:
    """What several processes know, as one: of each subject whatever keeps it away longest."""
    found: dict[Subject, Known] = {}
    for known in of_each:
        for one in known:
            other = found.setdefault(one.subject, one)
            if _weight(one) > _weight(other):
                found[one.subject] = one
    return sorted(found.values(), key=lambda one: (one.subject[0], one.subject[1] or ""))


def _weight(known: Known) -> tuple[float, int]:
    return (known.health.until_s or 0.0, known.health.failures)


class HealthBoard:
    """The present state of all. Holds what changes; the rules are the functions above."""

    def __init__(self, clock_s: Callable[[], float], rules: HealthRules = RULES) -> None:
        """``clock_s`` is monotonic."""
        self._clock_s = clock_s
        self._rules = rules
        self._known: dict[Subject, Health] = {}
        self._notes: dict[Subject, tuple[str, float]] = {}
        """Of each in ``_known``: the reason, and since when."""
        self._heard_s: dict[Subject, float] = {}
        """The latest end of an ejection that was ever heard of: the same one is believed once."""

    def standing(self, subject: Subject) -> Standing:
        """Whether to ask it now."""
        return self._known.get(subject, GOOD).standing(self._clock_s())

    def asked(self, subject: Subject) -> None:
        """A request goes there."""
        if subject in self._known:
            self._known[subject] = asked(self._known[subject], self._clock_s(), self._rules)

    def succeeded(self, subject: Subject) -> None:
        """It answered."""
        if self._known.pop(subject, None) is not None:
            self._notes.pop(subject, None)

    def failed(self, subject: Subject, reason: str) -> None:
        """It failed."""
        self._change(subject, failed(self._of(subject), self._clock_s(), self._rules), reason)

    def held(self, subject: Subject, wait_s: float | None, reason: str) -> None:
        """It wants to be left in peace."""
        self._change(subject, held(self._of(subject), self._clock_s(), wait_s, self._rules), reason)

    def dismissed(self, subject: Subject, reason: str) -> None:
        """It refuses us."""
        self._change(subject, dismissed(self._of(subject), self._clock_s(), self._rules), reason)

    def forgotten(self, subject: Subject) -> None:
        """Nothing was learned."""
        if subject in self._known:
            self._known[subject] = forgotten(self._known[subject])

    def snapshot(self) -> Mapping[Subject, Standing]:
        """Everybody of whom something is known."""
        return {subject: self.standing(subject) for subject in self._known}

    def known(self) -> list[Known]:
        """What is known of everybody who failed and has not succeeded since."""
        return [Known(subject, health, *self._notes[subject]) for subject, health in self._known.items()]

    def heard(self, others: Iterable[Known]) -> None:
        """Leave in peace whom other processes of this outpost do; each then probes for itself."""
        now_s = self._clock_s()
        for one in others:
            until_s = one.health.until_s
            if until_s is None or until_s <= max(now_s, self._heard_s.get(one.subject, 0.0)):
                continue
            own = self._of(one.subject)
            if own.until_s is None or own.until_s < until_s:
                ejections = max(own.ejections, one.health.ejections)
                self._known[one.subject] = Health(0, ejections, min(until_s, now_s + self._rules.max_ejection_s))
                self._notes.setdefault(one.subject, (one.reason, one.since_s))
            self._heard_s[one.subject] = until_s

    def _of(self, subject: Subject) -> Health:
        return self._known.get(subject, GOOD)

    def _change(self, subject: Subject, health: Health, reason: str) -> None:
        self._known[subject] = health
        self._notes[subject] = reason, self._notes.get(subject, ("", self._clock_s()))[1]
        if health.until_s is not None:
            self._heard_s[subject] = max(health.until_s, self._heard_s.get(subject, 0.0))
