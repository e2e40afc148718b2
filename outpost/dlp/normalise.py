"""Text as the patterns see it, with a way back to the code points that were received.

Each character is mapped on its own, so ``normalise(a + b)`` is ``normalise(a)`` then ``normalise(b)``: the streaming
scanner depends on it. Decimal digits of any script become ASCII digits, hyphens become ``-``, compatibility forms
become their NFKC form (Unicode Annex 15), and what shows nothing (format controls, variation selectors, fillers) or
only decorates (combining strokes, lines and accents) vanishes. ASCII text is returned as it is.
"""

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode

# Default-ignorable code points that are not of category Cf (Unicode DerivedCoreProperties), and the blocks of combining
# diacritical marks; marks of other blocks are letters' parts in their scripts.
_INVISIBLE = frozenset(
    chain(
        (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),
        range(0x0300, 0x0370),
        range(0x180B, 0x1810),
        range(0x1AB0, 0x1B00),
        range(0x1DC0, 0x1E00),
        range(0x20D0, 0x2100),
        range(0xFE00, 0xFE10),
        range(0xFE20, 0xFE30),
        range(0xE0000, 0xE1000),
    )
)
# Written inside numbers in place of "-"; the em dash is not, it parts sentences.
_HYPHENS = frozenset("\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{MINUS SIGN}\N{HYPHEN BULLET}")


@dataclass(frozen=True, slots=True)
class Normalised:
    """Text to match on, and where it came from.

    Attributes:
        text: The normalised text.
        unequal: (index in ``text``, code point received, characters it gave) of each that did not give exactly one.
    """

    text: str
    unequal: tuple[tuple[int, int, int], ...] = ()

    def original(self, index: int) -> int:
        """The code point received that gave ``text[index]``."""
        at = bisect_right(self.unequal, index, key=_first)
        if at == 0:
            return index
        start, origin, length = self.unequal[at - 1]
        return origin if index < start + length else origin + 1 + index - start - length

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The code points received that hold ``text[start:end]`` (which is not empty)."""
        if not self.unequal:
            return start, end
        return self.original(start), self.original(end - 1) + 1


def _first(entry: tuple[int, int, int]) -> int:
    return entry[0]


@lru_cache(65_536)  # all of Unicode would take 100 MB
def _mapped(character: str) -> str:
    decimal = unicodedata.decimal(character, None)
    if decimal is not None:
        return str(decimal)
    if unicodedata.category(character) == "Cf" or ord(character) in _INVISIBLE:
        return ""
    if character in _HYPHENS:
        return "-"
    return unicodedata.normalize("NFKC", character)


def normalise(text: str) -> Normalised:
    """Normalise character by character.

    Raises:
        CouldNotInspect: ``invalid_request``: the text holds a lone surrogate, so it is not Unicode text.
    """
    if text.isascii():
        return Normalised(text)
    try:
        text.encode()
    except UnicodeEncodeError as err:
        raise CouldNotInspect(ErrorCode.INVALID_REQUEST, "the text holds a lone surrogate") from err
    changed = {ord(c): m for c in set(text) if not c.isascii() and (m := _mapped(c)) != c}
    if not changed:
        return Normalised(text)
    lengths = {chr(c): len(m) for c, m in changed.items() if len(m) != 1}
    return Normalised(text.translate(changed), _unequal(text, lengths) if lengths else ())


def _unequal(text: str, lengths: dict[str, int]) -> tuple[tuple[int, int, int], ...]:
    entries = []
    shift = 0
    # A character class cannot backtrack, so the standard library's engine is safe here, and faster than a loop.
    for match in re.finditer("[" + re.escape("".join(lengths)) + "]", text):
        origin = match.start()
        length = lengths[match[0]]
        entries.append((origin + shift, origin, length))
        shift += length - 1
    return tuple(entries)
