import pytest

from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.rewrite import build
from outpost.dlp.rewriters.spoken import find_addresses, find_digits


def read(text):
    tokens = find_digits(text, one_byte_each(text), 0, len(text))
    return build(text, tokens).text if tokens else text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("four one one one one one one one one one one one one one one one", "4111111111111111"),
        (
            "four, triple one, double one, double one, double one, double one, double one, double one",
            "4111111111111111",
        ),
        ("five three six two two eight seven two six", "536-22-8726"),
        ("five three six dash two two dash eight seven two six", "536-22-8726"),
        ("fünf drei sechs zwei zwei acht sieben zwei sechs", "536-22-8726"),
    ],
)
def test_spelled_digits_are_digits(written, said):
    assert read(written).replace("  ", " ") == said


@pytest.mark.parametrize(
    "text",
    ["one two three", "one two three four five six seven eight nine", "5 3 6 2 2 8 7 2 6 1 2", "no one or two of us"],
)
def test_counting_is_no_number(text):
    assert read(text) == text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("jane dot doe at example dot com", "jane.doe@example.com"),
        ("jane [at] example [dot] org", "jane@example.org"),
        ("jane(at)example.org", "jane@example.org"),
        ("jane @ example.org", "jane@example.org"),
        ("jane_at_example_dot_org", "jane@example.org"),
        ("j.doe at example.org", "j.doe@example.org"),
        ("jane@example.org", ""),
        ("look at example dot com", ""),
        ("at this point in the story", ""),
        ("meet at noon", ""),
    ],
)
def test_spelled_addresses(written, said):
    tokens = find_addresses(written, one_byte_each(written), 0, len(written))
    assert [token.text for token in tokens] == ([said] if said else [])
