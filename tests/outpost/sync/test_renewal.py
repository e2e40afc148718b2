from datetime import timedelta
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.sync.renewal import renew_at
from tests.fakes.pki import test_authority

LEAF = test_authority().outpost().certificate
HALF_LIFE = (LEAF.not_valid_after_utc - LEAF.not_valid_before_utc) / 2
MIDDLE = LEAF.not_valid_before_utc + HALF_LIFE


@pytest.mark.parametrize(("draw", "tenths"), [(0.0, -1), (0.5, 0), (0.999_999, 1)])
def test_it_is_half_of_the_life_give_or_take_a_tenth(draw, tenths):
    assert abs(renew_at(LEAF, draw) - (MIDDLE + tenths * HALF_LIFE / 10)) < timedelta(seconds=1)


@given(st.floats(0, 1, exclude_max=True))
def test_any_draw_leaves_most_of_half_a_life_for_an_outage(draw):
    assert abs(renew_at(LEAF, draw) - MIDDLE) <= HALF_LIFE / 10
    assert LEAF.not_valid_after_utc - renew_at(LEAF, draw) >= HALF_LIFE * 0.89


def test_a_fleet_is_spread_over_the_whole_window():
    moments = [(renew_at(LEAF, n / 200) - MIDDLE).total_seconds() for n in range(200)]
    assert max(moments) - min(moments) > 0.19 * HALF_LIFE.total_seconds()
    assert abs(fmean(moments)) < 0.002 * HALF_LIFE.total_seconds()
