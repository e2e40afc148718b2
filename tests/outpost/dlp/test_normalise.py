import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.normalise import normalise
from outpost.errors import CouldNotInspect

unicode_text = st.text(
    alphabet=st.one_of(
        st.characters(exclude_categories=["Cs"]), st.sampled_from("ab1\u200b\u202e\u00ad½ﬁ…４٤é\ufe0f\u2011ﷺ🙂"),
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("plain", "plain"),
        ("４１", "41"),  # noqa: RUF001
        ("٤१๑𝟙", "4111"),
        ("a\u200bb\u200dc\ufeffd\u2060e", "abcde"),
        ("a\u202eb\u2066c\u2069", "abc"),
        ("a\u00adb", "ab"),
        ("1\ufe0f2\U000e0041", "12"),
        ("1\u20112\u20133\u22124", "1-2-3-4"),
        ("a—b", "a—b"),
        ("1\u00a02\u30003\u20094", "1 2 3 4"),
        ("ａ＠ｂ．ｃ", "a@b.c"),  # noqa: RUF001
        ("ﬁ½", "fi1\u20442"),
        ("é", "é"),
    ],
)
def test_what_is_matched_on(text, normalised):
    assert normalise(text).text == normalised


def test_ascii_is_returned_itself():
    text = "".join(map(chr, range(128)))
    assert normalise(text).text is text


@given(unicode_text, unicode_text)
def test_pieces_normalise_as_the_whole_does(one, two):
    assert normalise(one + two).text == normalise(one).text + normalise(two).text


@given(unicode_text)
def test_every_character_maps_back_to_the_one_that_gave_it(text):
    normalised = normalise(text)
    expected = [i for i, c in enumerate(text) for _ in normalise(c).text]
    assert [normalised.original(i) for i in range(len(normalised.text))] == expected


@given(unicode_text)
def test_no_invisible_format_character_is_left(text):
    assert not [c for c in normalise(text).text if unicodedata.category(c) == "Cf" and not c.isascii()]


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udc00\ud800"])
def test_a_lone_surrogate_is_refused(text):
    with pytest.raises(CouldNotInspect):
        normalise(text)
