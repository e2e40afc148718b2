import pytest

from outpost.dlp.before import BEFORE_CHARS, before, without_markers

MARKER = "[REDACTED:secret.password]"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", ""),
        ("api key: ", "api key: "),
        ("x" * 100, "x" * BEFORE_CHARS),
        (f"key {MARKER} and ", " and "),
        ("x" * 20 + MARKER + "y" * 50, "y" * 50),
        ("[REDACTED: key ", "[REDACTED: key "),
        ("[REDACTED:Not A Kind] key ", "[REDACTED:Not A Kind] key "),
    ],
)
def test_what_is_seen_before_a_match(text, seen):
    assert before(text + "VALUE", len(text)) == seen


def test_fewer_characters_on_request():
    assert before("abcdef", 6, 2) == "ef"


@pytest.mark.parametrize(
    ("text", "left"),
    [("a:b", "a:b"), (f"a:{MARKER}", "a:"), (f"{MARKER}{MARKER}", ""), ("[REDACTED:a:b", "[REDACTED:a:b")],
)
def test_whole_markers_are_taken_out(text, left):
    assert without_markers(text) == left
