"""Text as the patterns see it, with a way back to the code points that were received.

Each character is mapped on its own, so ``normalise(a + b)`` is ``normalise(a)`` then ``normalise(b)``: the streaming
scanner depends on it. Decimal digits of any script become ASCII digits, hyphens become ``-``, compatibility forms
become their NFKC form (Unicode Annex 15), and characters that show nothing (format controls, variation selectors,
fillers) vanish. ASCII text is returned as it is.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import chain, repeat

from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode

# Default-ignorable code points that are not of category Cf (Unicode DerivedCoreProperties).
_INVISIBLE = frozenset(
    chain(
        (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),
        range(0x180B, 0x1810),
        range(0xFE00, 0xFE10),
        range(0xE0000, 0xE1000),
    )
)
# Written inside numbers in place of "-"; the em dash is not, it parts sentences.
_HYPHENS = frozenset("\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{MINUS SIGN}\N{HYPHEN BULLET}")


@dataclass(frozen=True, slots=True)
class Normalised:
    """Attributes: ``text`` to match on; ``offsets[i]`` = code point that gave ``text[i]``, None if that is ``i``."""

    text: str
    offsets: tuple[int, ...] | None

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The code points received that hold ``text[start:end]`` (which is not empty)."""
        if self.offsets is None:
            return start, end
        return self.offsets[start], self.offsets[end - 1] + 1


@cache  # at most one entry per code point
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
        return Normalised(text, None)
    try:
        text.encode()
    except UnicodeEncodeError as err:
        raise CouldNotInspect(ErrorCode.INVALID_REQUEST, "the text holds a lone surrogate") from err
    changed = {ord(c): m for c in set(text) if not c.isascii() and (m := _mapped(c)) != c}
    if not changed:
        return Normalised(text, None)
    mapped = text.translate(changed)
    if all(len(m) == 1 for m in changed.values()):
        return Normalised(mapped, None)
    lengths = {chr(o): len(m) for o, m in changed.items()}
    offsets = chain.from_iterable(repeat(i, lengths.get(c, 1)) for i, c in enumerate(text))
    return Normalised(mapped, tuple(offsets))
