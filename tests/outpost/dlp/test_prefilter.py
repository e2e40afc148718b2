import pytest

from outpost.dlp.prefilter import Re2Prefilter
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode


def test_the_patterns_that_occur_are_named_in_order():
    prefilter = Re2Prefilter(["b+", "a", r"\bz"])
    assert prefilter.present(b"abba") == [0, 1]
    assert prefilter.present(b"") == []


def test_the_order_is_of_the_patterns_whatever_set_they_are_in():
    prefilter = Re2Prefilter(["b", r"\bab", "(?i)BA", "[ab]{20}", r"\bb", "a"])
    assert prefilter.present(b"ab" * 10) == [0, 1, 2, 3, 5]


class StarvedSet:
    """What an RE2 set answers when its automaton does not fit into memory: no match, and no error in Python."""

    def Match(self, raw):  # noqa: N802 - the library's name
        return None


def test_a_pattern_set_without_memory_is_not_passed_as_clean():
    starved = Re2Prefilter(["a+"])
    (patterns,) = starved._sets
    patterns._set = StarvedSet()
    with pytest.raises(CouldNotInspect) as caught:
        starved.present(b"aaa")
    assert caught.value.code is ErrorCode.INSPECTION_UNAVAILABLE
