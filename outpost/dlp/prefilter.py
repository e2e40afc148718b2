"""Which of many patterns occur in a text at all, in one linear pass.

An RE2 set that runs out of memory reports no matches at all (re2/set.h, ErrorInfo, which the Python binding drops).
A sentinel that matches every text tells that apart from a clean text, so it cannot fail open.
"""

from collections.abc import Sequence
from typing import Protocol

import re2

from outpost.dlp.one_byte import options
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode

# Most memory for the automaton of all patterns together.
_SET_MEMORY_BYTES = 32 * 1024 * 1024


class Prefilter(Protocol):
    """Patterns compiled together; safe to use from several threads at once."""

    def present(self, raw: bytes) -> list[int]:
        """The indices of the patterns that occur in ``raw``, in ascending order.

        Raises:
            CouldNotInspect: ``inspection_unavailable``: the engine could not say.
        """


class Re2Prefilter:
    """Google RE2's sets of patterns.

    The states of one automaton for all multiply where counts of signs, the place within a word and a search in the
    middle of words are alive at once: on text not seen before it took several times as long as one set for each.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        sets: dict[str, _Set] = {}
        for index, pattern in enumerate(patterns):
            sets.setdefault(_company(pattern), _Set()).add(pattern, index)
        for patterns_of_set in sets.values():
            patterns_of_set.compile()
        self._sets = tuple(sets.values())

    def present(self, raw: bytes) -> list[int]:
        """See ``Prefilter``."""
        return sorted(index for patterns in self._sets for index in patterns.present(raw))


class _Set:
    """Patterns in one automaton."""

    __slots__ = ("_indices", "_sentinel", "_set")

    def __init__(self) -> None:
        self._set = re2.Set.SearchSet(options(_SET_MEMORY_BYTES))
        self._indices: list[int] = []
        self._sentinel = -1

    def add(self, pattern: str, index: int) -> None:
        self._set.Add(pattern.encode("latin-1"))
        self._indices.append(index)

    def compile(self) -> None:
        self._sentinel = self._set.Add(rb"\z")
        self._set.Compile()

    def present(self, raw: bytes) -> list[int]:
        found: list[int] = self._set.Match(raw) or []
        if self._sentinel not in found:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "the pattern set ran out of memory")
        return [self._indices[at] for at in found if at != self._sentinel]


# A run of so many signs or more is counted in a set of its own.
_LONG_RUN = 16
_COUNT = re2.compile(r"\{([0-9]+)")


def _company(pattern: str) -> str:
    """Which patterns go into one set."""
    if any(int(count) >= _LONG_RUN for count in _COUNT.findall(pattern)):
        return "runs"
    return "words" if pattern.startswith("(?i)") else "whole" if pattern.startswith(r"\b") else "within"
