from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.models.windows import Window, cut


def test_a_short_text_is_one_window():
    assert cut(5, 8, 2) == [Window(0, 5, 0, 5)]
    assert cut(8, 8, 2) == [Window(0, 8, 0, 8)]
    assert cut(0, 8, 2) == []


def test_a_long_text_is_cut_and_each_token_counts_where_it_has_more_around_it():
    assert cut(15, 8, 2) == [Window(0, 8, 0, 7), Window(6, 14, 7, 13), Window(12, 15, 13, 15)]


@pytest.mark.parametrize(("room", "overlap"), [(8, 4), (8, 5), (0, 0), (4, -1)])
def test_windows_that_overlap_too_much_are_refused(room, overlap):
    with pytest.raises(ValueError, match="cannot overlap"):
        cut(10, room, overlap)


@given(st.integers(0, 500), st.integers(1, 64), st.data())
def test_what_counts_is_every_token_once_and_in_order(count, room, data):
    overlap = data.draw(st.integers(0, (room - 1) // 2))
    windows = cut(count, room, overlap)
    assert [index for w in windows for index in range(w.keep_start, w.keep_end)] == list(range(count))
    for window in windows:
        assert window.start <= window.keep_start < window.keep_end <= window.end <= window.start + room
    for left, right in pairwise(windows):
        assert left.end - right.start == overlap
