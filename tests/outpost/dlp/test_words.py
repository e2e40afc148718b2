from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.detector import Detector
from outpost.dlp.normalise import normalise
from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.words import Scout, Words, before_match


def words(**more):
    return Words(Detector(name="t", kind="x.x", pattern="a", base_score=0.3, **more))


def test_without_words_the_score_is_the_base_score():
    assert words().score(before_match("ticket 17", 7)) == 0.3


def test_a_word_before_the_match_raises_the_score():
    assert words(context_words=("ticket",), context_score=0.9).score(before_match("ticket 17", 7)) == 0.9
    assert words(context_words=("ticket",), context_score=0.9).score(before_match("17 ticket", 0)) == 0.3


def test_a_refusing_word_counts_directly_before_the_match_only():
    refusing = words(refuse_words=("version",))
    assert refusing.score(before_match("version: 17", 9)) == 0.0
    assert refusing.score(before_match("version of 17", 11)) == 0.3


@given(
    text=st.lists(
        st.sampled_from(
            ["ssn", "SSN ", "Straße", "STRASSE", "карта", "version: ", "x", " ", "17", "word " * 20, "\n", "\u017fsn"]
        )
    ).map(lambda parts: normalise("".join(parts)).text),
    step=st.integers(1, 9),
)
def test_where_a_scout_sees_nothing_the_words_say_nothing(text, step):
    detector = Detector(
        name="t", kind="x.x", pattern="a", base_score=0.3, context_score=0.9,
        context_words=("ssn ", "straße", "карта"), refuse_words=("version",),
    )  # fmt: skip
    words, ahead = Words(detector), Scout([detector]).over(one_byte_each(text))
    for start in range(0, len(text) + 1, step):
        score = words.score(before_match(text, start))
        assert score == 0.3 or not ahead.is_quiet(start)


def test_a_scout_sees_the_word_that_counts():
    detector = Detector(name="t", kind="x.x", pattern="a", base_score=0.3, context_words=("ssn",), context_score=0.9)
    ahead = Scout([detector]).over(b"my ssn is 17, and" + b" " * 80 + b"17")
    assert [ahead.is_quiet(start) for start in (3, 10, 97)] == [True, False, True]
    assert Scout([Detector(name="t", kind="x.x", pattern="a", base_score=0.3)]).over(b"ssn 17").is_quiet(4)
