import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.custom_pattern import MAX_MATCH_CHARS, PatternInvalid, parse_pattern

UNDERSTOOD = [
    # pattern, longest match, one word, matches, does not match
    (r"M[0-9]{7}", 8, True, "M1234567", "M123456"),
    (r"\bproj-\d{2,4}\b", 9, True, "proj-123", "proj-1"),
    (r"foo|barbar", 6, True, "barbar", "bar"),
    (r"(?:ab){3}", 6, True, "ababab", "abab"),
    (r"(ab|c)?d", 3, True, "abd", "abc"),
    (r"a.c", 3, False, "a c", "a\nc"),
    (r"a\sb", 3, False, "a\tb", "ab"),
    (r"[^a-z]x", 2, False, "!x", "ax"),
    (r"[a-c\d_]z", 2, True, "7z", "dz"),
    (r"[]]", None, None, None, None),
    (r"[a\]]", 1, False, "]", "b"),
    (r"[a-]", 1, True, "-", "b"),
    (r"\{x\}", 3, False, "{x}", "x"),
    (r"a\.b", 3, True, "a.b", "axb"),
    (r"M\xfcller", None, None, None, None),
    ("M\xfcller", 6, False, "M\xfcller", "Muller"),
    (r"\Dx", 2, False, "ax", "1x"),
]


@pytest.mark.parametrize(("pattern", "chars", "is_word", "yes", "no"), UNDERSTOOD)
def test_patterns(pattern, chars, is_word, yes, no):
    if chars is None:
        with pytest.raises(PatternInvalid):
            parse_pattern(pattern)
        return
    understood = parse_pattern(pattern)
    assert (understood.max_chars, understood.is_word) == (chars, is_word)
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    compiled = re2.compile(understood.re2.encode("latin-1"), options)
    assert compiled.groups == 0
    assert compiled.fullmatch(yes.encode("latin-1"))
    assert not compiled.fullmatch(no.encode("latin-1"))


def test_letters_of_any_case():
    assert re2.fullmatch(parse_pattern("ab", ignore_case=True).re2, "aB")
    assert not re2.fullmatch(parse_pattern("ab").re2, "aB")


REFUSED = [
    # pattern, character (from 1), what the message says
    ("a*b", 2, "no end"),
    ("a+", 2, "no end"),
    ("a{2,}", 2, "no end"),
    ("a{1,2", 2, "repetition"),
    ("a{,2}", 2, "repetition"),
    ("a{0}", 2, "repeat"),
    ("a{3,2}", 2, "repeat"),
    ("a{200}", 2, "repeat"),
    ("a{1,2}{3}", 7, "one repetition"),
    ("a??", 3, "one repetition"),
    ("?", 1, "nothing to repeat"),
    (r"a\b?", 4, "nothing to repeat"),
    ("^a", 1, "not available"),
    ("a$", 2, "not available"),
    (r"a\z", 2, "not available"),
    (r"a\1", 2, "not available"),
    (r"\pL", 1, "not available"),
    ("(?i)a", 1, "only"),
    ("(?=a)b", 1, "only"),
    ("(?P<n>a)", 1, "only"),
    ("(a", 1, "not closed"),
    ("a)", 2, "no group"),
    ("[a", 1, "not closed"),
    ("[]", 1, "empty"),
    ("[[:alpha:]]", 2, "bracket"),
    ("[z-a]", 2, "backwards"),
    ("a\\", 2, "follow"),
    ("проект", 1, "keywords"),
    ("\xff", 1, "keywords"),
    ("", 1, "everywhere"),
    ("a?", 1, "everywhere"),
    ("a|b?", 1, "everywhere"),
    ("a{64}b{65}", 1, "can match 129"),
    ("a{1,26}", 1, "differ by 25"),
    ("(" * 25 + "a" + ")" * 25, 22, "too deep"),
]


@pytest.mark.parametrize(("pattern", "character", "says"), REFUSED)
def test_what_is_refused_and_where(pattern, character, says):
    with pytest.raises(PatternInvalid, match=says) as caught:
        parse_pattern(pattern)
    assert caught.value.position == character - 1


@given(st.text(alphabet=r"ab0.|()[]{}?*+\dw-^,12:é", max_size=30))
def test_any_text_is_understood_or_refused(pattern):
    try:
        understood = parse_pattern(pattern)
    except PatternInvalid as err:
        position = err.position
    else:
        position = understood.max_chars - 1
    assert 0 <= position <= max(len(pattern), MAX_MATCH_CHARS)


@given(st.text(alphabet=r"ab{1,2}|", max_size=12))
def test_what_is_understood_is_bounded(pattern):
    try:
        understood = parse_pattern(pattern)
    except PatternInvalid:
        return
    assert 0 < understood.max_chars <= MAX_MATCH_CHARS


@given(st.data())
def test_no_match_is_longer_than_promised(data):
    pattern = data.draw(st.text(alphabet="ab(|){1,2}?", min_size=1, max_size=15))
    text = data.draw(st.text(alphabet="ab", max_size=40))
    try:
        understood = parse_pattern(pattern)
    except PatternInvalid:
        return
    assert all(0 < len(match[0]) <= understood.max_chars for match in re2.finditer(understood.re2, text))
