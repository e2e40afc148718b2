"""In which order targets are asked, and what follows when one fails: decided before anything is sent. Pure.

Asked again is only while nothing of an answer went out, and only if asking twice does no harm: a connection that was
never made and a refusal for want of capacity harm nobody; whatever else may have been worked on is repeated only
where the surface says so. What the caller did wrong is nobody else's to try.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from outpost.policy.routing import Target
from outpost.protocol.routing import Provider, Retry
from outpost.proxy.health import Standing, Subject

T = TypeVar("T")

# Before the same target is asked again without having named a time; doubles, and is drawn from (full jitter:
# AWS Architecture Blog, "Exponential Backoff And Jitter"). OpenAI's and Anthropic's SDKs begin with half a second.
BACKOFF_S: Final = 0.5


class Outcome(StrEnum):
    """How one attempt ended."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    """No connection; nothing was sent."""
    BUSY = "busy"
    """As many requests are with it as may be; nothing was sent."""
    NO_KEY = "no_key"
    """The outpost does not hold the key; nothing was sent."""
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    """It said that it could not now (503, 529), without beginning."""
    KEY_REFUSED = "key_refused"
    FAILED = "failed"
    """Another 5xx."""
    TIMEOUT = "timeout"
    BROKEN = "broken"
    """The connection ended, or what came is not HTTP, before the answer was there."""
    UNTRANSLATABLE = "untranslatable"
    """It speaks another API, in which the request cannot be said; nothing was sent."""
    STALE = "stale"
    """A connection that had been kept was closed by the other end, of whose answer there is not a byte."""
    REFUSED = "refused"
    """The request itself was refused."""
    INVALID = "invalid"
    """An answer that nobody can use."""
    CANCELLED = "cancelled"
    """The caller went away."""


_HARMLESS: Final = frozenset(
    {
        Outcome.UNREACHABLE,
        Outcome.BUSY,
        Outcome.NO_KEY,
        Outcome.UNTRANSLATABLE,
        Outcome.RATE_LIMITED,
        Outcome.OVERLOADED,
        Outcome.KEY_REFUSED,
    }
)
_REPEATABLE: Final = _HARMLESS | {Outcome.FAILED, Outcome.TIMEOUT, Outcome.BROKEN, Outcome.STALE}
# Another key of the same provider helps against these; against nothing else.
_OF_THE_KEY: Final = frozenset({Outcome.NO_KEY, Outcome.RATE_LIMITED, Outcome.KEY_REFUSED})
# The same target, a moment later, may do better.
_PASSING: Final = _REPEATABLE - {Outcome.KEY_REFUSED, Outcome.NO_KEY, Outcome.UNTRANSLATABLE}


@dataclass(frozen=True, slots=True)
class Hop:
    """One way to send a request: to this provider, with this key, for this model (None: as asked)."""

    provider: Provider = field(hash=False)  # a document has lists, and no hash
    key_id: str
    model: str | None = None

    @property
    def subjects(self) -> tuple[Subject, Subject]:
        """Whose health it depends on: the provider's and the key's."""
        return (self.provider.id, None), (self.provider.id, self.key_id)

    def __str__(self) -> str:
        return self.provider.id if self.key_id == self.provider.id else f"{self.provider.id}/{self.key_id}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One that failed. ``retry_after_s`` is its own wish."""

    hop: Hop
    outcome: Outcome
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Following:
    """What follows a failure: ``hop``, after ``wait_s``; ``fresh``: over no connection that had been kept."""

    hop: Hop
    wait_s: float = 0.0
    fresh: bool = False


def in_order(
    targets: Sequence[Target], standing: Callable[[Subject], Standing], draw: Callable[[], float]
) -> tuple[Hop, ...]:
    """Every way to serve a request, the one to begin with first.

    Who is ejected comes last, not never: where nobody else is left, asking is better than refusing. Within one order,
    targets and the keys of each are drawn by weight (``draw`` gives numbers in [0, 1)).
    """
    if len(targets) == 1 and targets[0].provider.keys is None:
        return tuple(_with_keys(targets[0], draw))  # nothing to choose from
    hops: list[tuple[tuple[int, int, int], Hop]] = []
    drawn = _shuffled([(target, target.weight) for target in targets], draw)
    for place, target in enumerate(drawn):
        for hop in _with_keys(target, draw):
            worst = max(standing(subject).value for subject in hop.subjects)
            ejected = worst == Standing.EJECTED.value
            hops.append(((ejected, target.order, place), hop))
    hops.sort(key=lambda item: item[0])
    return tuple(dict.fromkeys(hop for _, hop in hops))


def following(  # noqa: PLR0913 - everything it depends on is passed in
    hops: Sequence[Hop],
    failures: Sequence[Attempt],
    retry: Retry,
    *,
    elapsed_s: float,
    waited_s: float,
    repeatable: bool,
    draw: Callable[[], float],
) -> Following | None:
    """What to do after the last of ``failures``; None for giving up.

    Args:
        hops: As ``in_order`` gave them.
        failures: Every attempt so far.
        retry: How often and how long.
        elapsed_s: Since the first attempt began.
        waited_s: Of that, what was spent waiting between attempts.
        repeatable: Whether doing the request twice does no harm.
        draw: Gives numbers in [0, 1).
    """
    last = failures[-1]
    if last.outcome not in (_REPEATABLE if repeatable else _HARMLESS):
        return None
    # Most likely nobody was asked: a server closes an idle connection when it likes (RFC 9112 §9.5). That is no proof,
    # so only what is repeatable comes here; and over a new connection it cannot happen to the same request again.
    if last.outcome is Outcome.STALE and failures.count(last) == 1:
        return Following(last.hop, fresh=True)
    if _counted(failures) >= retry.max_attempts or elapsed_s >= retry.deadline_s:
        return None
    tried = {attempt.hop for attempt in failures}
    lost = {attempt.hop.provider.id for attempt in failures if attempt.outcome not in _OF_THE_KEY}
    for hop in hops:
        if hop not in tried and hop.provider.id not in lost:
            return Following(hop)
    return _again(failures, retry, min(retry.wait_s - waited_s, retry.deadline_s - elapsed_s), draw)


def _counted(failures: Sequence[Attempt]) -> int:
    """How many attempts there were, without those that were made anew and those in which nothing could be said."""
    stale = {attempt for attempt in failures if attempt.outcome is Outcome.STALE}
    silent = sum(attempt.outcome is Outcome.UNTRANSLATABLE for attempt in failures)
    return len(failures) - len(stale) - silent


def _again(failures: Sequence[Attempt], retry: Retry, patience_s: float, draw: Callable[[], float]) -> Following | None:
    """The one of those already asked that may be asked again soonest, if that is soon enough."""
    if retry.wait_s == 0:
        return None
    newest = {attempt.hop: attempt for attempt in failures}  # the last word of each
    waits = [
        (_wait_s(attempt, failures, draw), number, hop)
        for number, (hop, attempt) in enumerate(newest.items())
        if attempt.outcome in _PASSING
    ]
    if not waits:
        return None
    wait_s, _, hop = min(waits)
    return Following(hop, wait_s) if wait_s <= patience_s else None


def _wait_s(attempt: Attempt, failures: Iterable[Attempt], draw: Callable[[], float]) -> float:
    if attempt.retry_after_s is not None:
        return attempt.retry_after_s
    times = sum(before.hop == attempt.hop for before in failures)
    return draw() * BACKOFF_S * float(2 ** (times - 1))


def _with_keys(target: Target, draw: Callable[[], float]) -> list[Hop]:
    provider = target.provider
    keys = [(provider.id, 1)] if provider.keys is None else [(key.id, key.weight) for key in provider.keys]
    return [Hop(provider, key_id, target.model) for key_id in _shuffled(keys, draw)]


def _shuffled(weighted: Sequence[tuple[T, int]], draw: Callable[[], float]) -> list[T]:
    """In an order in which each comes first with the probability of its share; weight 0 comes behind all others.

    Source: Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006): sort by u^(1/weight).
    """
    if len(weighted) == 1:
        return [weighted[0][0]]
    drawn = [(-(draw() ** (1 / weight)) if weight else 1.0, number) for number, (_, weight) in enumerate(weighted)]
    return [weighted[number][0] for _, number in sorted(drawn)]
