"""Which of many patterns occur in a text at all, in one linear pass.

An RE2 set that runs out of memory reports no matches at all (re2/set.h, ErrorInfo, which the Python binding drops).
A sentinel that matches every text tells that apart from a clean text, so it cannot fail open.
"""

import re
import threading
from collections.abc import Sequence
from typing import Any, Protocol

import re2

from outpost.dlp.one_byte import options
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode

_WORD_BOUNDARY = re.compile(r"(?<!\\)((?:\\\\)*)\\b")
# Most memory for the automaton of all patterns together.
_SET_MEMORY_BYTES = 32 * 1024 * 1024
# Patterns of one set: measured (docs/evaluation.md), fewer cost passes, more cost states.
_SET_PATTERNS = 90


class PrefilterUnavailable(Exception):
    """This way of filtering does not work here; another one does."""


class Prefilter(Protocol):
    """Patterns compiled together; safe to use from several threads at once."""

    def present(self, raw: bytes) -> list[int]:
        """The indices of the patterns that occur in ``raw``, in ascending order.

        Raises:
            CouldNotInspect: ``inspection_unavailable``: the engine could not say.
        """


class Re2Prefilter:
    """Google RE2's sets of patterns: several, for the automaton of all together has too many states to keep.

    States multiply where counts of signs, the place within a word and a search in the middle of words are alive at
    once: on text not seen before one set for all took several times as long as one set for each kind.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        companies: dict[str, list[int]] = {}
        for index, pattern in enumerate(patterns):
            companies.setdefault(_company(pattern), []).append(index)
        chosen = [
            indices[first : first + _SET_PATTERNS]
            for indices in companies.values()
            for first in range(0, len(indices), _SET_PATTERNS)
        ]
        self._sets = [_Set(patterns, indices, _SET_MEMORY_BYTES // len(chosen)) for indices in chosen]

    def present(self, raw: bytes) -> list[int]:
        """See ``Prefilter``."""
        return sorted(index for patterns in self._sets for index in patterns.present(raw))


class _Set:
    """Patterns in one automaton."""

    __slots__ = ("_indices", "_sentinel", "_set")

    def __init__(self, patterns: Sequence[str], indices: Sequence[int], max_bytes: int) -> None:
        self._set = re2.Set.SearchSet(options(max_bytes))
        self._indices = indices
        for index in indices:
            self._set.Add(patterns[index].encode("latin-1"))
        self._sentinel: int = self._set.Add(rb"\z")
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


class VectorscanPrefilter:
    """Vectorscan (the ``hyperscan`` wheels): several times faster, most of all on text it has not seen before.

    Compiling takes a second or two, so an engine starts with RE2's sets and changes over (``Engine.accelerate``).
    Nothing is cached on disk: there is no file that could be altered to weaken the detection.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        """Compile ``patterns``.

        Raises:
            PrefilterUnavailable: The library is not installed here, or cannot work on this processor.
        """
        try:
            import hyperscan  # noqa: PLC0415 - not on every platform
        except ImportError as err:
            raise PrefilterUnavailable("the hyperscan library is not installed") from err
        self._hyperscan = hyperscan
        # Without its Unicode tables the library folds the case of ASCII only, RE2 that of Latin-1: never miss one.
        self._always = [i for i, pattern in enumerate(patterns) if "(?i" in pattern and not pattern.isascii()]
        compiled = [i for i in range(len(patterns)) if i not in self._always]
        self._database = hyperscan.Database()
        try:
            self._database.compile(
                # The sentinel matches every text: a scan that does not report it has failed.
                expressions=[b"", *(_loosened(patterns[i]).encode("latin-1") for i in compiled)],
                ids=[len(patterns), *compiled],
                flags=hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY,
            )
        except hyperscan.HyperscanError as err:
            raise PrefilterUnavailable("the pattern database cannot be compiled here") from err
        self._sentinel = len(patterns)
        self._local = threading.local()

    def present(self, raw: bytes) -> list[int]:
        """See ``Prefilter``."""
        scratch = getattr(self._local, "scratch", None)  # one scan at a time may use one
        if scratch is None:
            scratch = self._local.scratch = self._hyperscan.Scratch(self._database)
        found = set(self._always)
        try:
            self._database.scan(raw, match_event_handler=_note, context=found, scratch=scratch)
        except self._hyperscan.HyperscanError as err:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "the pattern database failed") from err
        if self._sentinel not in found:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "the pattern database did not finish")
        found.remove(self._sentinel)
        return sorted(found)


def _loosened(pattern: str) -> str:
    r"""``pattern`` without ``\b``: it occurs wherever ``pattern`` does, and is found ten times faster."""
    return _WORD_BOUNDARY.sub(r"\1", pattern)


def _note(index: int, _start: int, _end: int, _flags: int, found: Any) -> None:
    found.add(index)
