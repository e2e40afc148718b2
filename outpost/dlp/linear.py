"""RE2 patterns that give spans and nothing else.

The library's own wrapper makes a generator and an object for each match, which takes longer than finding it; where it
is built as expected, what it wraps is called instead.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import re2

from outpost.dlp.one_byte import options

# Of the match, then of each group; (-1, -1) for a group that took no part.
Spans = list[tuple[int, int]]
_Search = Callable[[bytes, int, int], Spans]
_NONE: Spans = [(-1, -1)]
_MAX_BYTES = 4 * 1024 * 1024  # more than any detector's pattern needs


class Pattern:
    """A pattern over one byte for each code point (``one_byte.py``), or over UTF-8 if it is ``str``."""

    __slots__ = ("_search",)

    def __init__(self, pattern: bytes | str, max_bytes: int = _MAX_BYTES) -> None:
        compiled = re2.compile(pattern, options(max_bytes) if isinstance(pattern, bytes) else None)
        self._search = _bare(compiled) or _wrapped(compiled)

    def first(self, raw: bytes, begin: int = 0, end: int | None = None) -> Spans | None:
        """The leftmost match that starts at ``begin`` or later and ends by ``end``."""
        spans = self._search(raw, begin, len(raw) if end is None else end)
        return None if spans[0][0] < 0 else spans

    def occurs(self, raw: bytes) -> bool:
        """Whether it matches anywhere."""
        return self._search(raw, 0, len(raw))[0][0] >= 0

    def each(self, raw: bytes, begin: int = 0, end: int | None = None) -> Iterator[Spans]:
        """All matches from left to right, none of them overlapping another."""
        stop = len(raw) if end is None else end
        search = self._search
        while begin <= stop:
            spans = search(raw, begin, stop)
            start, past = spans[0]
            if start < 0:
                return
            yield spans
            begin = past if past > begin else past + 1


def of_bytes(pattern: str, max_bytes: int = _MAX_BYTES) -> Pattern:
    """A pattern over one byte for each code point; ``max_bytes`` bounds its automaton, without which it is slow."""
    return Pattern(pattern.encode("latin-1"), max_bytes)


def _bare(compiled: Any) -> _Search | None:
    """The search of the extension module behind ``compiled``, or ``None`` if it is not where it was."""
    try:
        match, anywhere = compiled._regexp.Match, re2._Anchor.UNANCHORED  # noqa: SLF001 - tried, with another way
        if match(anywhere, b"", 0, 0)[0] not in {(-1, -1), (0, 0)}:
            return None
    except (AttributeError, TypeError, IndexError):
        return None

    return partial(match, anywhere)


def _wrapped(compiled: Any) -> _Search:
    def search(raw: bytes, begin: int, end: int) -> Spans:
        match = compiled.search(raw, begin, end)
        return _NONE if match is None else [match.span(group) for group in range(compiled.groups + 1)]

    return search
