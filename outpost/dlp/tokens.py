"""A text as words, the way lists compare it: whatever the case, accents, punctuation and blanks between words.

A word is a run of letters and digits of scripts that part words, or one character of those that do not (from U+2E80 on,
as in ``one_byte.py``). Between two words of one phrase stand 1 to 4 other characters, or none beside such a character.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

MAX_WORD_CHARS: Final = 64
MAX_GAP_CHARS: Final = 4  # "Smith & Sons", "O. 'Neil"
LONGEST_PHRASE_CHARS: Final = 16 * (MAX_WORD_CHARS + MAX_GAP_CHARS)
_BARRIER: Final = "\x1e"  # stands between lines of a rewritten text that are no neighbours (rewrite.SEPARATOR)
# Character classes cannot backtrack, so the standard library's engine is linear here.
_ASCII_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_WORD: Final = re.compile(r"[^\W_\u2e80-\U0010ffff]+|[^\W_]")
_SINGLE: Final = "\u2e80"


class Words:
    """The words of a normalised text as they stand there, and where they are."""

    __slots__ = ("_pattern", "_spans", "_words", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._pattern = _ASCII_WORD if text.isascii() else _WORD
        self._words: list[str] | None = None
        self._spans: list[tuple[int, int]] | None = None

    @property
    def words(self) -> list[str]:
        """The words, in order; found when first asked for."""
        if self._words is None:
            self._words = self._pattern.findall(self.text)
        return self._words

    @property
    def spans(self) -> Sequence[tuple[int, int]]:
        """Start and end of each word; found when first asked for."""
        if self._spans is None:
            self._spans = [match.span() for match in self._pattern.finditer(self.text)]
        return self._spans

    def joined(self, index: int) -> bool:
        """Whether word ``index`` and the one after it may belong to one phrase."""
        end, start = self.spans[index][1], self.spans[index + 1][0]
        return start - end <= MAX_GAP_CHARS and _BARRIER not in self.text[end:start]

    def run(self, index: int, most: int) -> int:
        """How many words from ``index`` on, ``most`` at most, may belong to one phrase."""
        last = min(index + most, len(self.words)) - 1
        at = index
        while at < last and self.joined(at):
            at += 1
        return at - index + 1

    def ends_open(self) -> bool:
        """Whether more text could make the last word longer."""
        return bool(self.words) and self.spans[-1][1] == len(self.text) and self.words[-1] < _SINGLE

    def tail(self) -> int:
        """From which word on more text could be part of the same phrase; the number of words if nothing could."""
        count = len(self.words)
        if not count:
            return 0
        rest = self.text[self.spans[-1][1] :]
        if len(rest) > MAX_GAP_CHARS or _BARRIER in rest:
            return count
        at = count - 1
        while at > 0 and self.joined(at - 1):
            at -= 1
        return at


def fold(word: str) -> str:
    """How a word is compared: without case, accents and compatibility forms (Unicode 3.13 D145, UAX 15 NFKD)."""
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()
