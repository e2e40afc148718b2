import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.sync.schedule import SPREAD, Backoff, Intervals, Schedule, Task

DRAWS = st.floats(0, 1, exclude_max=True)


def test_everything_is_due_at_the_start_in_order():
    assert Schedule.start(5.0).due(5.0) == tuple(Task)


@given(task=st.sampled_from(Task), draw=DRAWS)
def test_after_a_success_the_next_time_is_the_interval_give_or_take_the_spread(task, draw):
    interval = Intervals().of(task)
    schedule = Schedule.start(0.0).succeeded(task, 100.0, draw)
    assert 100 + interval * (1 - SPREAD) <= schedule.tasks[task].at_s <= 100 + interval * (1 + SPREAD)
    assert task not in schedule.due(100.0)


def test_an_interval_the_other_end_states_is_taken():
    schedule = Schedule.start(0.0).succeeded(Task.HEARTBEAT, 0.0, 0.5, interval_s=7.0)
    assert schedule.tasks[Task.HEARTBEAT].at_s == pytest.approx(7.0)


@given(failures=st.integers(1, 10_000), draw=DRAWS, retry_after=st.none() | st.floats(-10, 1e9))
def test_a_wait_is_between_the_retry_after_and_that_plus_the_cap(failures, draw, retry_after):
    backoff = Backoff()
    wait = backoff.wait_s(failures, retry_after, draw)
    floor = min(max(retry_after or 0, 0), backoff.retry_after_limit_s)
    assert floor <= wait <= floor + backoff.cap_s


@given(failures=st.integers(1, 200))
def test_the_spread_never_shrinks_however_long_the_outage(failures):
    """The draw comes after the cap: equally spaced draws stay equally spaced up to the ceiling."""
    backoff = Backoff()
    waits = [backoff.wait_s(failures, None, n / 1000) for n in range(1000)]
    ceiling = min(backoff.cap_s, backoff.base_s * 2.0**failures)
    quarters = [sum(1 for wait in waits if q * ceiling / 4 <= wait < (q + 1) * ceiling / 4) for q in range(4)]
    assert all(245 <= quarter <= 255 for quarter in quarters)


@given(draws=st.lists(DRAWS, min_size=2, max_size=2, unique=True), retry_after=st.floats(1, 1000))
def test_a_retry_after_does_not_bring_everyone_back_at_once(draws, retry_after):
    one, two = (Backoff().wait_s(8, retry_after, draw) for draw in draws)
    assert one >= retry_after
    assert two >= retry_after
    assert abs(one - two) == pytest.approx(abs(draws[0] - draws[1]) * 256, abs=1e-6)


def test_failures_count_up_and_a_success_forgets_them():
    schedule = Schedule.start(0.0)
    for expected in (1, 2, 3):
        schedule = schedule.failed(Task.AUDIT, 0.0, 0.999)
        assert schedule.failures(Task.AUDIT) == expected
    assert schedule.tasks[Task.AUDIT].at_s == pytest.approx(8 * 0.999)
    assert schedule.succeeded(Task.AUDIT, 0.0, 0.0).failures(Task.AUDIT) == 0
    assert schedule.failures(Task.HEARTBEAT) == 0


def test_news_hastens_a_healthy_task_and_leaves_a_failing_one_its_backoff():
    schedule = Schedule.start(0.0).succeeded(Task.REFRESH, 0.0, 0.5).failed(Task.SECRETS, 0.0, 0.9)
    hastened = schedule.hasten(Task.REFRESH, 1.0).hasten(Task.SECRETS, 1.0)
    assert Task.REFRESH in hastened.due(1.0)
    assert Task.SECRETS not in hastened.due(1.0)


def test_the_next_time_is_the_earliest():
    schedule = Schedule.start(0.0)
    for task in Task:
        schedule = schedule.succeeded(task, 0.0, 0.5)
    assert schedule.next_s == pytest.approx(Intervals().audit_s)
