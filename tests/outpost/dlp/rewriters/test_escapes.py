import pytest

from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.rewrite import build
from outpost.dlp.rewriters.escapes import find


def read(text):
    tokens = find(text, one_byte_each(text), 0, len(text))
    return build(text, tokens).text if tokens else text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a%34%31b", "a41b"),
        (r"a\x34\x31b", "a41b"),
        (r"\u0034\u{31}\U00000031", "411"),
        (r"\ud83d\ude42.", "\U0001f642."),
        (r"\064\061", "41"),
        ("&#52;&#x31;&#0000049&commat;&amp;", "411@&"),
        ("=34=31", "41"),
        ("a=3Db", "a=b"),
        ("key=\nrest", "keyrest"),
        (r"a\nb\tc", "a\nb c"),
        ("%EF%BC%94", "4"),  # full-width four
        ("%C3%A9%ff", "é\x80"),
        ("\\u" + "d800", "\ufffd"),
    ],
)
def test_what_an_escape_says(written, said):
    assert read(written) == said


@pytest.mark.parametrize(
    "text", ["50% off", "a=34", "version==2026.9", "AT&T", "&nosuchthing;", "c:\\x", "QUJD==\n-----END"]
)
def test_what_is_no_escape(text):
    assert read(text) == text


def test_a_long_run_is_cut_into_tiles():
    text = "%41" * 3000
    tokens = find(text, one_byte_each(text), 0, len(text))
    assert [token.end - token.start for token in tokens] == [3072, 3072, 2856]
