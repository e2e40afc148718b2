from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.errors import Overloaded
from control_plane.load import Appointments, Gate, LoadLimits


@given(st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=500), st.integers(1, 50))
def test_no_second_gets_more_appointments_than_it_can_serve(pauses, per_s):
    appointments, now_s, due = Appointments(per_s), 1000.0, {}
    for pause_s in pauses:
        now_s += pause_s / 100
        wait_s = appointments.make(now_s)
        assert wait_s >= 1
        if wait_s < 300:
            due[int(now_s + wait_s)] = due.get(int(now_s + wait_s), 0) + 1
    assert max(due.values(), default=0) <= 2 * per_s + 1  # two neighbouring seconds, for the rounding up


def test_a_thousand_at_once_come_back_over_ten_seconds():
    appointments = Appointments(100)
    waits = [appointments.make(5.0) for _ in range(1000)]
    assert [waits.count(second) for second in range(1, 11)] == pytest.approx([100] * 10, abs=1)
    assert appointments.make(500.0) == 1


def test_appointments_end_somewhere():
    appointments = Appointments(1)
    assert max(appointments.make(0.0) for _ in range(10_000)) == 300


def test_a_watcher_gives_its_place_to_a_request():
    gate = Gate(LoadLimits(requests=1, watchers=1))
    with gate.request(0.0):
        with pytest.raises(Overloaded), gate.request(0.0):
            pass
        with gate.watching(0.0):
            assert (gate.requests, gate.watchers) == (0, 1)
            with gate.request(0.0), pytest.raises(Overloaded), gate.watching(0.0):
                pass
    assert (gate.requests, gate.watchers, gate.refused) == (0, 0, 2)


@given(st.lists(st.booleans(), max_size=30))
def test_places_are_given_back_whatever_happens(fails):
    gate = Gate(LoadLimits(requests=2, watchers=1))
    for fail in fails:
        with suppress(KeyError), gate.request(0.0), gate.watching(0.0):
            if fail:
                raise KeyError
    assert (gate.requests, gate.watchers) == (0, 0)
