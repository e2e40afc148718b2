import pytest

from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.rewrite import build
from outpost.dlp.rewriters.numbers import ends_of_rows, find_digits, find_ibans


def read(text):
    tokens = find_digits(text, one_byte_each(text), 0, len(text))
    return build(text, tokens).text if tokens else text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("4111/1111/1111/1111 ok", "4111111111111111 ok"),
        ("4 1 1 1-1 1 1 1/1 1 1 1.1 1 1_1", "4111111111111111"),
        ("4111  1111  1111  1111 12/25", "4111111111111111 12/25"),
        ("3782\t822463\t10005", "378282246310005"),
        ("536/22/8726", "536-22-8726"),
        ("my SSN 53.62 28 726", "my SSN 536228726"),
    ],
)
def test_digits_are_joined(written, said):
    assert read(written) == said


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111",  # the patterns see it
        "4111/1111/1111/1112",  # check digit
        "53.62 28 726",  # no word
        "3900 2850 50  0001",  # no card has such groups
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        "2024-03-12 10:20:30",
    ],
)
def test_other_rows_of_digits_stay(text):
    assert read(text) == text


def test_ibans_are_joined_one_after_the_other():
    text = "GB29/NWBK/6016/1331/9268/19 DE89\t3704\t0044\t0532\t0130\t00"
    tokens = find_ibans(text, one_byte_each(text), 0, len(text))
    assert [token.text.strip() for token in tokens] == ["GB29NWBK60161331926819", "DE89370400440532013000"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("00311 41111111\n11111111 x", "311 41111111\n11111111"),
        ("a 41111111 11111111, b 4111-1111", "41111111 11111111"),
        ("12 34", None),
    ],
)
def test_the_last_digits_of_a_row_are_kept_together(text, kept):
    spans = [text[start:end] for start, end in ends_of_rows(text, one_byte_each(text), 0)]
    assert spans == ([kept] if kept else [])
