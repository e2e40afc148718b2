"""Where each value of a JSON text stands: strings, names and numbers in the order of their bytes.

One definition for everybody who goes from a value back to its place: the proxy, which splices new strings into a body,
and the linter, which points at a line. It takes texts that were parsed before and never decides whether one is JSON.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

# Every string and number of a valid JSON document in order of appearance. Possessive, so the time is linear and no
# memory is kept per character whatever the input (the document has been parsed before this runs).
TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|-?[0-9][0-9.eE+-]*+', re.DOTALL)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a text, as editors count it: from 1, columns in characters."""

    line: int
    column: int


class Places:
    """The places of one JSON text."""

    def __init__(self, raw: bytes) -> None:
        """Read ``raw``.

        Raises:
            ValueError: It is not UTF-8 JSON (``RecursionError``: nested too deep).
        """
        self._raw = raw
        pairs = json.loads(raw, object_pairs_hook=_Pairs)
        self._starts: dict[Path, int] = {}
        self._twice: list[tuple[Path, int]] = []
        for (named, path), token in zip(_paths(pairs, ()), TOKEN.finditer(raw), strict=True):
            if named and path in self._starts:
                self._twice.append((path, token.start()))
            self._starts.setdefault(path, token.start())

    @property
    def twice(self) -> list[tuple[Path, Place]]:
        """Members whose name stands a second time in their object, and where."""
        return [(path, self._place(start)) for path, start in self._twice]

    def of(self, path: Path) -> Place:
        """Where the value at ``path`` stands (its name, if it has one); of what is not there, where it would be."""
        while path:
            if path in self._starts:
                return self._place(self._starts[path])
            inside = [start for known, start in self._starts.items() if known[: len(path)] == path]
            if inside:
                return self._place(min(inside))
            path = path[:-1]
        return Place(1, 1)

    def _place(self, start: int) -> Place:
        before = self._raw[:start]
        line_start = before.rfind(b"\n") + 1
        return Place(before.count(b"\n") + 1, len(before[line_start:].decode("utf-8", "replace")) + 1)


class _Pairs(list[tuple[str, Any]]):
    """The members of an object in order, also those whose name stands twice."""


def _paths(value: Any, path: Path) -> Iterator[tuple[bool, Path]]:
    """For each token of the value, whether it is a name, and the path it stands for."""
    if isinstance(value, _Pairs):
        for name, member in value:
            yield True, (*path, name)
            yield from _paths(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths(item, (*path, index))
    elif isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield False, path
