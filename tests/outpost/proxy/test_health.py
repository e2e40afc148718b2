import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from outpost.proxy.health import (
    GOOD,
    RULES,
    Health,
    HealthBoard,
    Known,
    Standing,
    asked,
    dismissed,
    failed,
    forgotten,
    held,
    worst,
)
from tests.fakes.clock import Ticks

HEALTHY, PROBE, EJECTED = Standing.HEALTHY, Standing.PROBE, Standing.EJECTED


def after_failures(count, at_s=0.0):
    health = GOOD
    for _ in range(count):
        health = failed(health, at_s)
    return health


def test_failures_in_a_row_eject():
    assert after_failures(RULES.failures - 1).standing(0) is HEALTHY
    ejected = after_failures(RULES.failures)

    assert [ejected.standing(at_s) for at_s in (0, 29.9, 30)] == [EJECTED, EJECTED, PROBE]


def test_one_probe_at_a_time_finds_out():
    ejected = after_failures(RULES.failures)
    probing = asked(ejected, 30)

    assert asked(ejected, 10) is ejected  # a last resort is no probe
    assert probing.standing(31) is EJECTED
    assert forgotten(probing).standing(31) is PROBE
    assert probing.standing(30 + RULES.max_ejection_s) is PROBE  # its end was never heard of


def test_each_failed_probe_doubles_the_time_up_to_the_limit():
    health, at_s, waits = after_failures(RULES.failures), 0.0, []
    for _ in range(6):
        waits.append(health.until_s - at_s)
        at_s = health.until_s
        health = failed(asked(health, at_s), at_s)

    assert waits == [30, 60, 120, 240, 300, 300]


def test_what_began_before_the_ejection_does_not_prolong_it():
    ejected = after_failures(RULES.failures)

    assert failed(ejected, 10) == ejected


@pytest.mark.parametrize(("wish_s", "until_s"), [(7, 7), (0, 0), (100_000, RULES.max_ejection_s)])
def test_who_names_a_time_is_left_alone_until_then(wish_s, until_s):
    health = held(GOOD, 0, wish_s)

    assert health.standing(until_s - 0.1) is EJECTED
    assert health.standing(until_s) is PROBE


def test_who_wants_peace_and_names_no_time_counts_as_failing():
    assert held(GOOD, 0, None) == failed(GOOD, 0)


def test_an_earlier_time_does_not_shorten_a_later_one():
    assert held(held(GOOD, 0, 60), 1, 5).standing(50) is EJECTED


def test_a_key_that_is_refused_rests_for_long():
    assert dismissed(GOOD, 0).standing(RULES.max_ejection_s - 1) is EJECTED


@given(st.lists(st.tuples(st.sampled_from([failed, asked]), st.floats(0, 1e6)), max_size=40))
def test_nobody_is_out_for_longer_than_the_limit(steps):
    health, at_s = GOOD, 0.0
    for step, passed_s in steps:
        at_s += passed_s
        health = step(health, at_s)
        assert health.standing(at_s + RULES.max_ejection_s) is not EJECTED


class Board(RuleBasedStateMachine):
    """Whatever happens in whatever order: at most one probe of a provider is under way."""

    def __init__(self):
        super().__init__()
        self.ticks = Ticks()
        self.board = HealthBoard(self.ticks)
        self.subject = ("p", None)
        self.probes = 0

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds):
        self.ticks.now_s += seconds
        if self.board.standing(self.subject) is PROBE:
            self.probes = 0  # whichever there was is long over

    @rule()
    def ask(self):
        probing = self.board.standing(self.subject) is PROBE
        self.board.asked(self.subject)
        self.probes += probing

    @rule()
    def fail(self):
        self.board.failed(self.subject, "failed")
        self.probes = 0

    @rule()
    def succeed(self):
        self.board.succeeded(self.subject)
        self.probes = 0
        assert self.board.standing(self.subject) is HEALTHY

    @invariant()
    def one_probe(self):
        assert self.probes <= 1


TestBoard = Board.TestCase


def test_a_board_knows_only_whom_something_is_to_be_said_of():
    board = HealthBoard(Ticks())
    for name in ("a", "b"):
        board.asked((name, None))
        board.forgotten((name, None))
        board.succeeded((name, None))
    board.dismissed(("a", "k"), "key_refused")
    board.held(("b", "k"), 5, "rate_limited")

    assert board.snapshot() == {("a", "k"): EJECTED, ("b", "k"): EJECTED}
    assert [(one.subject, one.reason) for one in board.known()] == [
        (("a", "k"), "key_refused"),
        (("b", "k"), "rate_limited"),
    ]


def test_it_is_known_since_when_nothing_has_succeeded_and_why_the_last_one_failed():
    ticks = Ticks()
    board = HealthBoard(ticks)
    for second, reason in enumerate(["timeout", "failed", "broken"]):
        ticks.now_s = second
        board.failed(("p", None), reason)

    assert board.known() == [Known(("p", None), Health(failures=3), "broken", 0)]

    board.succeeded(("p", None))
    assert board.known() == []
    board.failed(("p", None), "failed")
    assert board.known()[0].since_s == 2


P = ("p", None)


def boards():
    """Two processes on one clock, and what makes the one hear of the other."""
    ticks = Ticks()
    one, other = HealthBoard(ticks), HealthBoard(ticks)

    def pulse():
        together = worst([one.known(), other.known()])
        one.heard(together)
        other.heard(together)

    return ticks, one, other, pulse


def test_whom_one_process_leaves_in_peace_the_others_do_and_each_probes_for_itself():
    ticks, one, other, pulse = boards()
    for _ in range(RULES.failures):
        one.failed(P, "failed")
    pulse()
    assert [one.standing(P), other.standing(P)] == [EJECTED, EJECTED]

    ticks.now_s += RULES.ejection_s
    pulse()
    assert [one.standing(P), other.standing(P)] == [PROBE, PROBE]
    one.asked(P)
    one.succeeded(P)
    pulse()
    assert [one.standing(P), other.standing(P)] == [HEALTHY, PROBE], "what is over is not heard again"
    other.asked(P)
    other.failed(P, "failed")
    pulse()
    assert [one.standing(P), other.standing(P)] == [EJECTED, EJECTED], "what is new is"
    assert one.known()[0].health.ejections == 2


def test_who_answers_after_all_is_not_ejected_again_by_what_is_heard_back():
    _, one, other, pulse = boards()
    one.held(P, 60, "overloaded")
    pulse()
    one.succeeded(P)  # it was asked because nobody else was left
    pulse()

    assert [one.standing(P), other.standing(P)] == [HEALTHY, EJECTED]


def test_failures_that_eject_nobody_are_nobody_elses():
    _, one, other, pulse = boards()
    one.failed(P, "failed")
    pulse()

    assert other.known() == []


KNOWN = st.builds(
    Known,
    st.tuples(st.text(max_size=5), st.none() | st.text(max_size=5)),
    st.builds(Health, st.integers(0, 9), st.integers(0, 99), st.none() | st.floats(0, 1e6)),
    st.text(max_size=5),
    st.floats(0, 1e6),
)


@given(KNOWN)
def test_what_is_known_survives_the_way(known):
    assert Known.from_json(known.to_json()) == known


@given(st.recursive(st.none() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_whatever_comes_is_known_or_malformed_and_ejects_nobody_for_long(values):
    ticks = Ticks()
    board = HealthBoard(ticks)
    try:
        board.heard([Known.from_json(values)])
    except ValueError:
        return
    ticks.now_s += RULES.max_ejection_s
    assert EJECTED not in board.snapshot().values()
