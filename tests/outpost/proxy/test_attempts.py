import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.policy.routing import Target
from outpost.protocol.routing import Provider, Retry
from outpost.proxy.attempts import Attempt, Following, Hop, Outcome, following, in_order
from outpost.proxy.health import Standing


def provider(name, **fields):
    return Provider(id=name, surface="openai", base_url=f"https://{name}.example/v1", models=["*"], **fields)


A, B, C = provider("a"), provider("b"), provider("c")
TWO_KEYS = provider("a", keys=[{"id": "k1"}, {"id": "k2"}])
RETRY, PATIENT = Retry(), Retry(max_attempts=5, wait_s=10)


def all_healthy(_subject):
    return Standing.HEALTHY


def ejecting(*subjects):
    return lambda subject: Standing.EJECTED if subject in subjects else Standing.HEALTHY


def half():
    return 0.5


def order(targets, standing=all_healthy, seed=1):
    return [str(hop) for hop in in_order(targets, standing, random.Random(seed).random)]


def shares(targets, standing=all_healthy, times=4_000):
    draw = random.Random(7).random
    return Counter(str(in_order(targets, standing, draw)[0]) for _ in range(times))


def test_weights_hold():
    first = shares([Target(A, weight=7), Target(B, weight=2), Target(C, weight=1)])

    for name, share in (("a", 0.7), ("b", 0.2), ("c", 0.1)):
        # Four standard deviations of a binomial distribution.
        assert abs(first[name] - 4_000 * share) < 4 * (4_000 * share * (1 - share)) ** 0.5


def test_keys_of_one_provider_share_by_their_weights():
    first = shares(
        [Target(provider("a", keys=[{"id": "k1", "weight": 3}, {"id": "k2"}, {"id": "spare", "weight": 0}]))]
    )

    assert set(first) == {"a/k1", "a/k2"}
    assert abs(first["a/k1"] - 3_000) < 4 * (4_000 * 0.75 * 0.25) ** 0.5


def test_the_second_of_a_draw_is_drawn_too():
    second = Counter(order([Target(A, weight=8), Target(B), Target(C)], seed=seed)[1] for seed in range(500))

    assert min(second[name] for name in "bc") > 100


ORDERS = {
    "by order, whatever the weights": ([Target(A, weight=1), Target(B, order=1, weight=1000)], (), ["a", "b"]),
    "without a weight behind the others": ([Target(A, weight=0), Target(B)], (), ["b", "a"]),
    "who is ejected comes last": ([Target(A), Target(B, order=1)], [("a", None)], ["b", "a"]),
    "so does a key": (
        [Target(provider("a", keys=[{"id": "k1", "weight": 1000}, {"id": "k2"}]))],
        [("a", "k1")],
        ["a/k2", "a/k1"],
    ),
    "and if all are, their order counts": ([Target(A), Target(B, order=1)], [("a", None), ("b", None)], ["a", "b"]),
    "all keys of a target before the next": ([Target(TWO_KEYS), Target(B, order=1)], (), ["a/k1", "a/k2", "b"]),
    "one way twice is one": ([Target(A), Target(A, order=3)], (), ["a"]),
    "nobody": ([], (), []),
}


@pytest.mark.parametrize(("targets", "ejected", "expected"), ORDERS.values(), ids=ORDERS)
def test_the_order(targets, ejected, expected):
    got = order(targets, ejecting(*ejected))

    assert got == expected or (TWO_KEYS in [t.provider for t in targets] and got == ["a/k2", "a/k1", "b"])


def test_a_probe_is_as_good_as_anybody():
    standing = {("a", None): Standing.PROBE}

    assert order([Target(A), Target(B, order=1)], lambda s: standing.get(s, Standing.HEALTHY)) == ["a", "b"]


HOPS = (Hop(TWO_KEYS, "k1"), Hop(TWO_KEYS, "k2"), Hop(B, "b"), Hop(C, "c"))


def after(*outcomes, hops=HOPS, retry=RETRY, repeatable=True, elapsed_s=0.0, waited_s=0.0, wishes=()):
    """What follows these failures; an outcome goes with the hop that the ones before led to."""
    failures, step = [], Following(hops[0])
    for number, outcome in enumerate(outcomes):
        wish = wishes[number] if number < len(wishes) else None
        failures.append(Attempt(step.hop, outcome, wish))
        step = following(
            hops, failures, retry, elapsed_s=elapsed_s, waited_s=waited_s, repeatable=repeatable, draw=half
        )
        if step is None:
            return None
    return str(step.hop), step.wait_s


FOLLOWS = {
    Outcome.UNREACHABLE: ("b", "b"),
    Outcome.BUSY: ("b", "b"),
    Outcome.OVERLOADED: ("b", "b"),
    Outcome.NO_KEY: ("a/k2", "a/k2"),
    Outcome.UNTRANSLATABLE: ("b", "b"),
    Outcome.RATE_LIMITED: ("a/k2", "a/k2"),
    Outcome.KEY_REFUSED: ("a/k2", "a/k2"),
    Outcome.FAILED: ("b", None),
    Outcome.TIMEOUT: ("b", None),
    Outcome.BROKEN: ("b", None),
    Outcome.STALE: ("a/k1", None),
    Outcome.REFUSED: (None, None),
    Outcome.INVALID: (None, None),
    Outcome.CANCELLED: (None, None),
    Outcome.OK: (None, None),
}


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_follower(outcome):
    repeatable, once = FOLLOWS[outcome]

    assert after(outcome) == (repeatable and (repeatable, 0.0))
    assert after(outcome, repeatable=False) == (once and (once, 0.0))


def test_attempts_are_counted():
    assert after(Outcome.TIMEOUT, Outcome.TIMEOUT) == ("c", 0.0)
    assert after(Outcome.TIMEOUT, Outcome.TIMEOUT, Outcome.TIMEOUT) is None
    assert after(Outcome.TIMEOUT, retry=Retry(max_attempts=1)) is None


def test_a_connection_is_made_anew_once_and_that_does_not_count():
    stale = Outcome.STALE
    step = following(HOPS, [Attempt(HOPS[0], stale)], Retry(), elapsed_s=0, waited_s=0, repeatable=True, draw=half)

    assert step == Following(HOPS[0], fresh=True)
    assert after(stale, stale) == ("b", 0.0)
    assert after(stale, Outcome.TIMEOUT, stale) == ("b", 0.0)
    assert after(stale, Outcome.TIMEOUT, stale, Outcome.TIMEOUT, stale) == ("c", 0.0)
    assert after(stale, Outcome.TIMEOUT, stale, Outcome.TIMEOUT, stale, Outcome.TIMEOUT) is None


def test_time_runs_out():
    assert after(Outcome.TIMEOUT, elapsed_s=599) == ("b", 0.0)
    assert after(Outcome.TIMEOUT, elapsed_s=600) is None


ONE = (Hop(A, "a"),)
WAITS = {
    "no time to wait": (Outcome.RATE_LIMITED, {"wishes": [1]}, None),
    "as long as it said": (Outcome.RATE_LIMITED, {"retry": PATIENT, "wishes": [7]}, ("a", 7)),
    "not longer than may be waited": (Outcome.RATE_LIMITED, {"retry": PATIENT, "wishes": [11]}, None),
    "of which some is spent": (Outcome.RATE_LIMITED, {"retry": PATIENT, "wishes": [7], "waited_s": 4}, None),
    "not beyond the deadline": (Outcome.OVERLOADED, {"retry": PATIENT, "wishes": [7], "elapsed_s": 594}, None),
    "a moment, if it did not say": (Outcome.FAILED, {"retry": PATIENT}, ("a", 0.25)),
    "its key will not get better": (Outcome.KEY_REFUSED, {"retry": PATIENT}, None),
    "not what may have been done": (Outcome.FAILED, {"retry": PATIENT, "repeatable": False}, None),
}


@pytest.mark.parametrize(("outcome", "more", "expected"), WAITS.values(), ids=WAITS)
def test_who_is_alone_is_asked_again_if_there_is_time(outcome, more, expected):
    assert after(outcome, hops=ONE, **more) == expected


def test_the_moment_grows():
    waits = [after(*[Outcome.FAILED] * times, hops=ONE, retry=PATIENT)[1] for times in (1, 2, 3)]

    assert waits == [0.25, 0.5, 1.0]


def test_others_go_before_waiting_and_then_who_is_ready_first():
    hops = (Hop(A, "a"), Hop(B, "b"))

    assert after(Outcome.RATE_LIMITED, hops=hops, retry=PATIENT, wishes=[3]) == ("b", 0.0)
    assert after(Outcome.RATE_LIMITED, Outcome.OVERLOADED, hops=hops, retry=PATIENT, wishes=[3, 5]) == ("a", 3)


@given(
    st.lists(st.sampled_from(Outcome), min_size=1, max_size=12),
    st.builds(
        Retry,
        max_attempts=st.integers(1, 10),
        deadline_s=st.floats(0, 3600),
        wait_s=st.floats(0, 60),
    ),
    st.booleans(),
    st.lists(st.none() | st.floats(0, 1e5), min_size=12, max_size=12),
)
def test_whatever_happens_it_ends_in_time_and_only_the_plan_is_asked(outcomes, retry, repeatable, wishes):
    failures, hop, waited_s = [], HOPS[0], 0.0
    for number in range(len(outcomes)):
        failures.append(Attempt(hop, outcomes[number], wishes[number]))
        step = following(HOPS, failures, retry, elapsed_s=waited_s, waited_s=waited_s, repeatable=repeatable, draw=half)
        if step is None:
            return
        waited_s += step.wait_s
        stale = {attempt for attempt in failures if attempt.outcome is Outcome.STALE}
        silent = sum(attempt.outcome is Outcome.UNTRANSLATABLE for attempt in failures)
        assert len(failures) - len(stale) - silent < retry.max_attempts or step.hop == hop
        assert waited_s <= retry.wait_s
        assert step.hop in HOPS
        assert outcomes[number] not in {Outcome.REFUSED, Outcome.INVALID, Outcome.CANCELLED, Outcome.OK}
        hop = step.hop
