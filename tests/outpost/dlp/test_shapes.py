import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.linear import of_bytes
from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.pieces import alternatives
from outpost.dlp.registry import ALL
from outpost.dlp.shapes import shape_of, shaped
from tests.outpost.dlp import samples

PATTERNS = sorted({one for detector in ALL for one in alternatives(detector.trigger or detector.pattern)})
SHAPES = [(of_bytes(pattern), of_bytes(shape)) for pattern in PATTERNS if (shape := shape_of(pattern))]


def test_a_text_keeps_its_length_and_its_words():
    raw = one_byte_each("Ünit_7: AKIA-9é\n€x")
    assert shaped(raw) == b"\x80aaa_9: AAAA-9\x80\n\x80a"
    assert len(shaped(bytes(range(256)))) == 256


@pytest.mark.parametrize(
    ("pattern", "shape"),
    [
        (r"\b[0-9]{9}\b", r"\b\x39{9}\b"),
        (r"\b[1-8][A-Z]{2}\B", r"\b\x39\x41{2}\B"),
        (r"(?P<key>[0-9X]{2,}|\+7?)", r"([\x39\x41]{2,}|\x2b\x39?)"),
        (r"[0-9 .-]{12}", r"[\x20\x2d\x2e\x39]{12}"),
        (r"[0-9]{,5}", r"\x39\x7b\x2c\x39\x7d"),
    ],
)
def test_digits_and_capitals_have_a_shape(pattern, shape):
    assert shape_of(pattern) == shape


@pytest.mark.parametrize(
    "pattern",
    [
        "abc", "[0-9a-f]{8}", r"\bGB[0-9]{9}", r"\b[G][B][0-9]{9}", "(?i)A9", "00D", "[0][1]", ".", "^9", "9$", r"9\z",
        r"\w{9}", r"\p{Lu}9", "[[:digit:]]", r"\QA\E",
    ],
)  # fmt: skip
def test_what_its_shape_would_not_tell_apart_has_none(pattern):
    assert shape_of(pattern) is None


@settings(max_examples=150, deadline=None)
@given(
    text=st.lists(
        st.one_of(
            st.sampled_from(samples.PERSONAL + samples.ALL_SECRETS),
            st.text(alphabet="0123456789ABZXM -./+():_a\xe9", max_size=20),
        ),
        max_size=6,
    ).map("".join)
)
def test_what_matches_has_its_shape_in_the_same_place(text):
    raw = one_byte_each(text)
    shape = shaped(raw)
    for exact, loose in SHAPES:
        for (start, _), *_ in exact.each(raw):
            found = loose.first(shape, start)
            assert found is not None
            assert found[0][0] == start


def test_most_patterns_of_numbers_have_a_shape():
    assert len(SHAPES) > 120
