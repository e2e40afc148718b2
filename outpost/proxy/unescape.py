r"""The text inside a JSON document that arrives in pieces: escapes undone, with the way back to the pieces.

Streamed tool arguments and structured answers are JSON cut anywhere. Read as plain text, ``\n4111…`` begins with
the letter n and ``\u0040`` is no at sign, so a text that begins like JSON is inspected with its escapes undone
(RFC 8259 §7), as the whole document would be if it did not stream. Anything else stays as it is.
"""

import json
import re
from typing import Final

_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[\"\\/bfnrt])"
)
# What the next piece may complete: a backslash, part of \uXXXX, or the first half of a surrogate pair.
_UNFINISHED: Final = re.compile(
    r"\\(?:u(?:[0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?)?)?\Z"
)
_JSON_BEGINS: Final = ("{", "[", '"')
_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


class Unescaper:
    """One text in pieces. Positions count from its beginning, in code points."""

    def __init__(self) -> None:
        self._is_json: bool | None = None  # unknown while there is only white space
        self._held = ""
        self._base = 0  # read characters before ``_ends``, all of which have been forgotten or were plain
        self._base_received = 0
        self._ends: list[int] = []  # end of each read character in the received text

    @property
    def is_json(self) -> bool:
        """Whether the text begins like JSON, so that escapes are undone in it."""
        return bool(self._is_json)

    def feed(self, piece: str) -> str:
        """The next piece as it is to be read; the beginning of an escape is held back until its end comes."""
        if self._is_json is None and (begin := piece.lstrip()):
            self._is_json = begin.startswith(_JSON_BEGINS)
        if not self._is_json:
            self._base += len(piece)
            self._base_received += len(piece)
            return piece
        return self._read(self._held + piece, final=False)

    def finish(self) -> str:
        """What was held back, as it is: the text has ended inside an escape."""
        return self._read(self._held, final=True) if self._held else ""

    def received(self, count: int) -> int:
        """How many received characters the first ``count`` read characters stand for."""
        if count > self._base:
            return self._ends[count - self._base - 1]
        return self._base_received - (self._base - count)

    def forget(self, count: int) -> None:
        """Positions before ``count`` will not be asked for any more."""
        if count > self._base:
            self._base_received = self._ends[count - self._base - 1]
            del self._ends[: count - self._base]
            self._base = count

    def _read(self, text: str, *, final: bool) -> str:
        at = self._ends[-1] if self._ends else self._base_received
        self._held = ""
        pieces: list[str] = []
        position = 0
        while (backslash := text.find("\\", position)) >= 0:
            pieces.append(text[position:backslash])
            self._ends.extend(range(at + position + 1, at + backslash + 1))
            if not final and _UNFINISHED.match(text, backslash):
                self._held = text[backslash:]
                return "".join(pieces)
            escape = _ESCAPE.match(text, backslash)
            position = backslash + 1 if escape is None else escape.end()
            pieces.append("\\" if escape is None else _character(escape.group()))
            self._ends.append(at + position)
        pieces.append(text[position:])
        self._ends.extend(range(at + position + 1, at + len(text) + 1))
        return "".join(pieces)


def _character(escape: str) -> str:
    character: str = json.loads(f'"{escape}"')
    return _LONE_SURROGATE.sub("\ufffd", character)
