"""Which of many patterns occur in a text at all, in one linear pass.

An RE2 set that runs out of memory reports no matches at all (re2/set.h, ErrorInfo, which the Python binding drops).
A sentinel that matches every text tells that apart from a clean text, so it cannot fail open.
"""

import re
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import re2

from outpost.dlp.one_byte import options
from outpost.dlp.pieces import alternatives, longest, members, pieces
from outpost.dlp.shapes import shape_of, shaped
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode

_WORD_BOUNDARY = re.compile(r"(?<!\\)((?:\\\\)*)\\b")
_LONG_WORD = re.compile(r"\\b[A-Za-z]?(?:\[[^]\\]+\])+\{(?:1[6-9]|[2-9][0-9])")
_SHORT_WORD_CHARS = 4
_FIRST_FOREIGN = 0x80
# Most memory for the automaton of all patterns together.
_SET_MEMORY_BYTES = 32 * 1024 * 1024
# Patterns of one set: measured (docs/evaluation.md), fewer cost passes, more cost states.
_SET_PATTERNS = 200


class PrefilterUnavailable(Exception):
    """This way of filtering does not work here; another one does."""


class Prefilter(Protocol):
    """Patterns compiled together; safe to use from several threads at once."""

    def present(self, raw: bytes) -> list[int]:
        """The indices of the patterns that occur in ``raw``, in ascending order.

        Raises:
            CouldNotInspect: ``inspection_unavailable``: the engine could not say.
        """


class _Groups:
    """Patterns parted by the text they are looked for in: as they are, or by their shapes (``shapes.py``)."""

    __slots__ = ("shapes", "written")

    def __init__(self, patterns: Sequence[str]) -> None:
        self.written: dict[str, list[int]] = {}
        self.shapes: dict[str, list[int]] = {}
        for index, whole in enumerate(patterns):
            for pattern in alternatives(whole):
                shape = shape_of(pattern)
                group = self.written if shape is None else self.shapes
                group.setdefault(shape or pattern, []).append(index)


class Re2Prefilter:
    """Google RE2's sets of patterns: several, for the automaton of all together has too many states to keep.

    States multiply where counts of signs, the place within a word and a search in the middle of words are alive at
    once: on text not seen before one set for all took several times as long as one set for each kind.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        groups = _Groups(patterns)
        companies: dict[str, list[str]] = {}
        for pattern in groups.written:
            companies.setdefault(_company(pattern), []).append(pattern)
        written, shapes = _parts(companies.values()), _parts([list(groups.shapes)])
        memory_bytes = _SET_MEMORY_BYTES // max(1, len(written) + len(shapes))
        self._written = [_Set({p: groups.written[p] for p in part}, memory_bytes) for part in written]
        self._shapes = [_Set({p: groups.shapes[p] for p in part}, memory_bytes) for part in shapes]

    def present(self, raw: bytes) -> list[int]:
        """See ``Prefilter``."""
        found = [index for patterns in self._written for index in patterns.present(raw)]
        if self._shapes:
            shape = shaped(raw)
            found += [index for patterns in self._shapes for index in patterns.present(shape)]
        return sorted(set(found))


def _parts(companies: Iterable[list[str]]) -> list[list[str]]:
    return [
        company[first : first + _SET_PATTERNS]
        for company in companies
        for first in range(0, len(company), _SET_PATTERNS)
    ]


class _Set:
    """Patterns in one automaton, each for the indices that it stands for."""

    __slots__ = ("_indices", "_sentinel", "_set")

    def __init__(self, patterns: Mapping[str, Sequence[int]], max_bytes: int) -> None:
        self._set = re2.Set.SearchSet(options(max_bytes))
        self._indices = list(patterns.values())
        for pattern in patterns:
            self._set.Add(pattern.encode("latin-1"))
        self._sentinel: int = self._set.Add(rb"\z")
        self._set.Compile()

    def present(self, raw: bytes) -> list[int]:
        found: list[int] = self._set.Match(raw) or []
        if self._sentinel not in found:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "the pattern set ran out of memory")
        return [index for at in found if at != self._sentinel for index in self._indices[at]]


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

    Patterns that are rows of digits and capitals are looked for by their shapes (``shapes.py``), which takes a fraction
    of the time, also to compile: nothing is cached on disk, so there is no file that could be altered to weaken the
    detection.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        """Compile ``patterns``.

        Raises:
            PrefilterUnavailable: The library is not installed here, or cannot work on this processor.
        """
        groups = _Groups(patterns)
        self._written = _Database([_loosened(_folded(pattern)) for pattern in groups.written], groups.written.values())
        self._shapes = _Database(groups.shapes, groups.shapes.values())

    def present(self, raw: bytes) -> list[int]:
        """See ``Prefilter``."""
        return sorted({*self._written.present(raw), *self._shapes.present(shaped(raw))})


class _Database:
    """Patterns compiled together, each for the indices that it stands for."""

    __slots__ = ("_database", "_hyperscan", "_indices", "_local", "_sentinel")

    def __init__(self, patterns: Collection[str], indices: Iterable[Sequence[int]]) -> None:
        try:
            import hyperscan  # noqa: PLC0415 - not on every platform
        except ImportError as err:
            raise PrefilterUnavailable("the hyperscan library is not installed") from err
        self._hyperscan = hyperscan
        self._indices = list(indices)
        self._sentinel = len(patterns)
        self._database = hyperscan.Database()
        try:
            self._database.compile(
                # The sentinel matches every text: a scan that does not report it has failed.
                expressions=[*(pattern.encode("latin-1") for pattern in patterns), b""],
                ids=list(range(len(patterns) + 1)),
                flags=hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY,
            )
        except hyperscan.HyperscanError as err:
            raise PrefilterUnavailable("the pattern database cannot be compiled here") from err
        self._local = threading.local()

    def present(self, raw: bytes) -> list[int]:
        scratch = getattr(self._local, "scratch", None)  # one scan at a time may use one
        if scratch is None:
            scratch = self._local.scratch = self._hyperscan.Scratch(self._database)
        found: list[int] = []
        try:
            self._database.scan(raw, match_event_handler=_note, context=found.append, scratch=scratch)
        except self._hyperscan.HyperscanError as err:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "the pattern database failed") from err
        if self._sentinel not in found:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "the pattern database did not finish")
        return [index for at in found if at != self._sentinel for index in self._indices[at]]


def _folded(pattern: str) -> str:
    """``pattern`` with any sign for those that are not ASCII, if it is of any case.

    Without its Unicode tables the library folds the case of ASCII only, RE2 that of Latin-1.
    """
    if "(?i" not in pattern:
        return pattern
    written = []
    for piece, is_sign in pieces(pattern):
        codes = members(piece) if is_sign else frozenset()
        if max(codes, default=0) < _FIRST_FOREIGN:
            written.append(piece)
        else:
            signs = "".join(f"\\x{code:02x}" for code in sorted(codes) if code < _FIRST_FOREIGN)
            written.append(rf"[{signs}\x80-\xff]")
    return "".join(written)


def _loosened(pattern: str) -> str:
    r"""``pattern`` without ``\b``: it occurs wherever ``pattern`` does, and is found ten times faster.

    Not for long runs of one class, such as base58: without their beginning they could begin at every sign. Nor for the
    shortest words, such as the codes of countries and states: those are in many others.
    """
    if _LONG_WORD.match(pattern) or longest(pattern) <= _SHORT_WORD_CHARS:
        return pattern
    return _WORD_BOUNDARY.sub(r"\1", pattern)


def _note(index: int, _start: int, _end: int, _flags: int, note: Any) -> None:
    note(index)
