"""How a token was written in the original text, which an uncased vocabulary forgets: one small class per token.

Part of the format of a pack (``docs/models.md``): training and inference use this function, and a change of it makes
every pack with the input ``shape_ids`` wrong. A class is made of the letters' case, digits and marks in the token,
whether it begins a word, and whether it begins a line. Pure.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final


class Case(IntEnum):
    """What a token is made of."""

    DIGITS = 0
    MARKS = 1
    """No letter and no digit."""
    MIXED = 2
    """Digits and something else."""
    UPPER = 3
    ONE_UPPER = 4
    """A single capital."""
    CAPITALISED = 5
    LOWER = 6
    OTHER = 7
    """Camel case, and scripts without case."""


SHAPES: Final = 1 + 4 * len(Case)
"""Number of classes; 0 is for special tokens and padding."""
_INSIDE_WORDS: Final = "'\u2019"


def shape(text: str, start: int, end: int) -> int:
    """The class of the token ``text[start:end]``, which is not empty: 1 to ``SHAPES - 1``."""
    before = text[start - 1] if start else ""
    begins_word = not before or not (before.isalnum() or before in _INSIDE_WORDS)
    begins_line = not before or "\n" in text[max(0, start - 2) : start]
    return 1 + 4 * _case(text[start:end]) + 2 * begins_word + begins_line


def shapes(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """The class of each token; 0 for empty ones."""
    return [shape(text, start, end) if end > start else 0 for start, end in offsets]


def _case(token: str) -> Case:
    if token.isdigit():
        return Case.DIGITS
    has_digit = any(map(str.isdigit, token))
    if has_digit or not any(map(str.isalnum, token)):
        return Case.MIXED if has_digit else Case.MARKS
    if token.isupper():
        return Case.UPPER if len(token) > 1 else Case.ONE_UPPER
    if token[0].isupper():
        return Case.CAPITALISED
    return Case.LOWER if token.islower() else Case.OTHER
