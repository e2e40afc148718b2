from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.sync.clock import ClockWatch
from tests.fakes.clock import NOON, FakeClock

HOUR = timedelta(hours=1)


class Ticks:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def watch(clock, ticks) -> ClockWatch:
    return ClockWatch(clock, ticks)


def test_nothing_is_known_at_first(watch):
    assert (watch.reading, watch.floor_at, watch.problem()) == (None, None, None)


@pytest.mark.parametrize(("off", "side"), [(HOUR, "ahead"), (-HOUR, "behind")])
def test_a_clock_that_is_off_is_named_in_minutes(watch, clock, off, side):
    clock.at = NOON + off
    watch.note_server_time(NOON)
    assert watch.problem() == f"your clock is 60 minutes off ({side}), says the control plane"


def test_a_small_skew_is_kept_and_no_problem(watch, clock):
    clock.at = NOON + timedelta(seconds=299)
    watch.note_server_time(NOON)
    assert (watch.reading.skew_s, watch.reading.verified, watch.problem()) == (299, True, None)


def test_the_tolerance_is_configurable(clock, ticks):
    watch = ClockWatch(clock, ticks, tolerance=timedelta(seconds=10))
    watch.note_server_time(NOON - timedelta(seconds=70))
    assert "1 minutes off" in watch.problem()


def test_a_hint_is_labelled_and_never_raises_the_floor(watch):
    watch.note_hint(NOON + 24 * HOUR)
    assert "could not be verified" in watch.problem()
    assert watch.floor_at is None


def test_the_floor_is_where_both_clocks_agree(watch, clock):
    clock.at = datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)
    watch.note_server_time(NOON)
    assert watch.floor_at == NOON  # our clock was ahead
    clock.at = NOON + HOUR
    watch.note_server_time(datetime(2038, 1, 19, tzinfo=UTC))
    assert watch.floor_at == NOON + HOUR  # theirs was


def test_the_floor_rises_with_the_seconds_that_no_one_can_set(watch, clock, ticks):
    watch.note_server_time(NOON)
    ticks.now_s += 3600
    assert watch.floor_at == NOON + HOUR
    clock.at = NOON
    assert watch.problem() == "your clock is at least 60 minutes behind: the time it shows has passed already"


@given(st.lists(st.tuples(st.sampled_from(["ours", "theirs", "tick"]), st.integers(-(10**8), 10**8)), max_size=20))
def test_the_floor_never_sinks_and_never_passes_the_two_clocks(steps):
    clock, ticks = FakeClock(), Ticks()
    watch = ClockWatch(clock, ticks)
    agreed = None
    for what, amount in steps:
        before = watch.floor_at
        if what == "ours":
            clock.at = NOON + timedelta(seconds=amount)
        elif what == "theirs":
            server_at = NOON + timedelta(seconds=amount)
            watch.note_server_time(server_at)
            agreed = max(filter(None, [agreed, min(server_at, clock.at)]))
        else:
            ticks.now_s += abs(amount) % 1000
            agreed = agreed and agreed + timedelta(seconds=abs(amount) % 1000)
        assert before is None or watch.floor_at >= before
        assert watch.floor_at == agreed
