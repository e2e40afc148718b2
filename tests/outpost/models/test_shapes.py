import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.models.shapes import SHAPES, Case, shape, shapes


@pytest.mark.parametrize(
    ("token", "case"),
    [
        ("2024", Case.DIGITS), ("--", Case.MARKS), ("_", Case.MARKS), ("A7", Case.MIXED), ("7-8", Case.MIXED),
        ("NATO", Case.UPPER), ("J", Case.ONE_UPPER), ("Ana", Case.CAPITALISED), ("ana", Case.LOWER),
        ("iPhone", Case.OTHER), ("你好", Case.OTHER), ("Éva", Case.CAPITALISED), ("\u2019", Case.MARKS),
    ],
)  # fmt: skip
def test_a_class_says_how_a_token_was_written(token, case):
    assert shape(token, 0, len(token)) == 1 + 4 * case + 2 + 1


@pytest.mark.parametrize(
    ("text", "start", "word", "line"),
    [
        ("a b", 2, 1, 0),
        ("ab", 1, 0, 0),
        ("a\nb", 2, 1, 1),
        ("a\n b", 3, 1, 1),
        ("a\n  b", 4, 1, 0),
        ("o'b", 2, 0, 0),
        ("(b", 1, 1, 0),
    ],
)
def test_it_says_whether_a_word_and_a_line_begin(text, start, word, line):
    assert shape(text, start, start + 1) == 1 + 4 * Case.LOWER + 2 * word + line


def test_special_tokens_have_none():
    assert shapes("Ana 7", [(0, 0), (0, 3), (4, 5), (0, 0)]) == [0, 24, 3, 0]


@given(st.text(min_size=1), st.data())
def test_every_token_has_one(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    assert 1 <= shape(text, start, end) < SHAPES


@given(st.text(alphabet="aA7- \n'\u2019É你", min_size=1, max_size=12), st.data())
def test_it_depends_on_two_characters_before_at_most(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    cut = max(0, start - 2)
    if start > 2:
        assert shape(text, start, len(text)) == shape("x" + text[cut:], start - cut + 1, len(text) - cut + 1)
