import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.custom_pattern import PatternInvalid, parse_pattern
from outpost.dlp.pattern_cost import estimate_cost


@pytest.mark.parametrize(
    ("pattern", "fixed_chars"),
    [
        ("abc", 3),
        (r"\bPRJ-[0-9]{4}", 4),
        ("[ab]cd[ef]ghi", 3),
        ("(ab)(cd)", 4),
        ("(abc|de)f", 2),
        ("(abc)?de", 2),
        ("(ab){3}c", 7),
        ("x(ab){2,3}c", 5),
        ("a{3}", 3),
        ("[0-9]{3}", 0),
        (r"\d\w.", 0),
        ("a{1,3}b", 1),
    ],
)
def test_fixed_text_that_every_match_holds(pattern, fixed_chars):
    assert estimate_cost(parse_pattern(pattern)).fixed_chars == fixed_chars


def test_what_is_dear_says_why():
    assert estimate_cost(parse_pattern(r"\bPRJ-[0-9]{4}\b")).reasons == ()
    (why,) = estimate_cost(parse_pattern(r"\b[a-z]{3,9}\b")).reasons
    assert "ordinary sentences" in why
    many = "(" + "|".join(f"[a-{c}][b-z]{{20,24}}X{c}Y" for c in "cdefghijklmnopqrst") + ")"
    (why,) = estimate_cost(parse_pattern(many)).reasons
    assert "instructions" in why
    assert "no fixed text" in str(estimate_cost(parse_pattern("[a-z]{5}9")))


@given(st.text(alphabet="ab(|){1,2}?", min_size=1, max_size=15), st.text(alphabet="ab", max_size=30))
def test_no_match_is_without_the_fixed_text(pattern, text):
    try:
        understood = parse_pattern(pattern)
    except PatternInvalid:
        return
    assert understood.fixed_chars <= understood.min_chars
    assert all(len(match[0]) >= understood.fixed_chars for match in re2.finditer(understood.re2, text))
