import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.linear import of_bytes
from outpost.dlp.pieces import alternatives, can_hold, longest, members, without_groups
from outpost.dlp.registry import ALL

PATTERNS = sorted({detector.pattern for detector in ALL} | {detector.trigger for detector in ALL if detector.trigger})
COMPILED = [
    (of_bytes(pattern), longest(pattern), can_hold(pattern, "\n"), can_hold(pattern, " ")) for pattern in PATTERNS
]
GROUPED = [(of_bytes(pattern), of_bytes(without_groups(pattern))) for pattern in PATTERNS if "(" in pattern]


@pytest.mark.parametrize(
    ("pattern", "signs"),
    [
        (r"\b[0-9]{9}\b", 9),
        ("a|bcd|", 3),
        ("(?:ab(c|de)?){2,3}f", 13),
        ("x{0,4}?", 4),
        ("a{2,}", math.inf),
        ("(?:a*)b", math.inf),
        (r"\x41[]a]\.", 3),
        ("", 0),
    ],
)
def test_no_match_is_longer(pattern, signs):
    assert longest(pattern) == signs


def test_words_of_several_forms_are_parted():
    assert alternatives(r"\b(?:[A-Z]{2}[0-9]|9\||[)|]{2})\b") == [r"\b[A-Z]{2}[0-9]\b", r"\b9\|\b", r"\b[)|]{2}\b"]
    for whole in (r"\b(?:a|b)", r"\b(?:a(?:b|c)|d)\b", r"\b(?:a)|(?:b)\b", "a|b"):
        assert alternatives(whole) == [whole]


def test_what_is_not_understood_can_hold_anything():
    assert members("a") == {ord("a")}
    assert can_hold(r"\pL", "\n")
    assert can_hold("(?s).", "\n")
    assert not can_hold("(?i)[a-z] .", "\n")
    assert can_hold("(?i)[a-z] .", " ")


@given(text=st.text(alphabet="0123456789abAB -./+:@=\n\"'#", max_size=60))
def test_every_match_of_a_detector_keeps_to_it(text):
    raw = text.encode()
    for pattern, most, breaks, blanks in COMPILED:
        for (start, end), *_ in pattern.each(raw):
            assert end - start <= most
            assert breaks or b"\n" not in raw[start:end]
            assert blanks or b" " not in raw[start:end]


@given(text=st.text(alphabet="0123456789abAB -./+:@=\n\"'#", max_size=60))
def test_without_groups_a_pattern_matches_the_same(text):
    raw = text.encode()
    for grouped, bare in GROUPED:
        assert [spans[0] for spans in grouped.each(raw)] == [spans[0] for spans in bare.each(raw)]
        assert all(len(spans) == 1 for spans in bare.each(raw))


def test_groups_go_and_flags_stay():
    assert without_groups(r"(?i)(a)(?P<b>c|\(d)(?:[(])(?i:e)") == r"(?i)(?:a)(?:c|\(d)(?:[(])(?i:e)"
