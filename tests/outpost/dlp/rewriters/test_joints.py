import pytest

from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.rewrite import build
from outpost.dlp.rewriters.joints import find_breaks, find_joints


def read(text):
    tokens = find_joints(text, one_byte_each(text), 0, len(text))
    return build(text, tokens).text if tokens else text


@pytest.mark.parametrize(
    "joint",
    [
        '" + "',
        "' '",
        '"\n    "',
        '" +\n "',
        "' . '",
        "' || '",
        '" & "',
        '" & _\n  "',
        '" .. "',
        '" f"',
        '" \\\n "',
        "` + `",
    ],
)
def test_two_strings_are_read_as_one(joint):
    assert read(f"x = {joint[0]}ab{joint}cd{joint[-1]}") == f"x = {joint[0]}abcd{joint[-1]}"


@pytest.mark.parametrize("text", ['["a", "b"]', '{"a": "b"}', '""', "it's 'so'", 'a "b" and "c"'])
def test_other_quotes_stay(text):
    assert read(text) == text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("ghp_a1b2c3d4e5\nf6g7h8i9", 1),
        ("AKIAQWERTZ\n> UIOPASDF", 1),
        ("internationally\nrecognised", 0),
        ("a1b2c3d4e5f6\nThanks", 0),
        ("1234567890\n1234567890", 0),
    ],
)
def test_a_line_break_within_a_key_is_seen(text, count):
    assert len(find_breaks(text, one_byte_each(text), 0, len(text))) == count
