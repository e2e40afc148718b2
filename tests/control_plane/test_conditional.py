import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.conditional import UNSATISFIABLE, Part, accepts_zstd, has_match, range_of

TAG = '"abc"'


@pytest.mark.parametrize(
    ("values", "weak", "strong"),
    [
        (['"abc"'], True, True),
        (['W/"abc"'], True, False),
        (['"x", "abc" , "y"'], True, True),
        (['"x"', '"abc"'], True, True),
        (["*"], True, True),
        (['"ABC"'], False, False),
        (["abc"], False, False),
        (['"a,b"'], False, False),
        ([""], False, False),
        ([], False, False),
    ],
)
def test_tags_match_as_rfc_9110_compares_them(values, weak, strong):
    assert (has_match(values, TAG), has_match(values, TAG, weak=False)) == (weak, strong)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["zstd"], True),
        (["gzip, ZSTD;q=0.5"], True),
        (["gzip", "zstd"], True),
        (["*"], True),
        (["zstd;q=0, *"], False),
        (["*;q=0"], False),
        (["zstd;q=0.000"], False),
        (["zstd;q=2"], False),
        (["zstd;q="], False),
        (["identity"], False),
        (["xzstd, zstd2"], False),
        ([""], False),
        ([], False),
    ],
)
def test_zstd_is_for_whoever_asks(values, expected):
    assert accepts_zstd(values) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-0", Part(0, 0)),
        ("bytes=0-99", Part(0, 99)),
        ("bytes=5-", Part(5, 99)),
        ("bytes=5-1000", Part(5, 99)),
        ("bytes=-1", Part(99, 99)),
        ("bytes=-1000", Part(0, 99)),
        ("BYTES= 1-2 ", Part(1, 2)),
        ("bytes=100-", UNSATISFIABLE),
        ("bytes=100-200", UNSATISFIABLE),
        ("bytes=-0", UNSATISFIABLE),
        (None, None),
        ("bytes=2-1", None),
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("bytes=1", None),
        ("bytes=a-b", None),
        ("bytes=٣-٤", None),
        ("lines=0-1", None),
        ("", None),
    ],
)
def test_a_range_is_a_part_or_nothing_or_no_range(value, expected):
    assert range_of(value, None, TAG, 100) == expected


@pytest.mark.parametrize(
    ("if_range", "counts"),
    [
        (None, True),
        (TAG, True),
        ('W/"abc"', False),
        ('"x"', False),
        ("Sat, 21 Nov 2026 00:00:00 GMT", False),
        ("", False),
    ],
)
def test_if_range_needs_the_strong_tag(if_range, counts):
    assert range_of("bytes=1-2", if_range, TAG, 100) == (Part(1, 2) if counts else None)


def test_nothing_has_no_part():
    assert range_of("bytes=0-", None, TAG, 0) is range_of("bytes=-5", None, TAG, 0) is UNSATISFIABLE


@given(
    st.text() | st.from_regex(r"bytes=[0-9]{0,25}-[0-9]{0,25}", fullmatch=True),
    st.none() | st.text(),
    st.integers(0, 1000),
)
def test_any_header_gives_a_part_inside_or_nothing(value, if_range, size):
    part = range_of(value, if_range, TAG, size)
    assert part is None or part is UNSATISFIABLE or 0 <= part.first <= part.last < size


@given(st.lists(st.text() | st.text('zstd*;q=0.1, W/"'), max_size=3))
def test_any_header_is_answered(values):
    assert accepts_zstd(values) in (True, False)
    assert has_match(values, TAG) in (True, False)
