from outpost.dlp.detector import Detector
from outpost.dlp.words import Words, before_match


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
