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
    """Google RE2's set of patterns."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._set = re2.Set.SearchSet(options(_SET_MEMORY_BYTES))
        for pattern in patterns:
            self._set.Add(pattern.encode("latin-1"))
        self._sentinel = self._set.Add(rb"\z")
        self._set.Compile()

    def present(self, raw: bytes) -> list[int]:
        """See ``Prefilter``."""
        found: list[int] = self._set.Match(raw) or []
        if self._sentinel not in found:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "the pattern set ran out of memory")
        return sorted(index for index in found if index != self._sentinel)
