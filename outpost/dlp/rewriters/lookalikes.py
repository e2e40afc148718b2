# ruff: noqa: RUF002 - a look-alike is shown
"""Letters of other alphabets that look like the ASCII letters beside them (Unicode Technical Standard 39).

Only words that mix both are read so: a Russian word is left alone, ``АKIA`` with one Cyrillic letter is not.
"""

from outpost.dlp.confusables import LOOKALIKES
from outpost.dlp.linear import of_bytes
from outpost.dlp.rewrite import Rewriter, Token

_SIGNS = r"0-9A-Za-z._%+@/=-"
_MIXED = r"[0-9A-Za-z@]\xff|\xff[0-9A-Za-z@]"


_WORD = of_bytes(rf"[\xff{_SIGNS}]*(?:{_MIXED})[\xff{_SIGNS}]*")


def find(text: str, raw: bytes, begin: int, end: int) -> list[Token]:
    """The look-alikes in mixed words."""
    tokens = []
    for ((start, stop),) in _WORD.each(raw, begin, end):
        for at in range(start, stop):
            sign = LOOKALIKES.get(ord(text[at]))
            if sign is not None:
                tokens.append(Token(at, at + 1, sign))
    return tokens


LOOKALIKE_LETTERS = Rewriter(
    name="lookalikes",
    trigger=_MIXED,
    tokens=find,
    unfinished="",  # a mixed word is a word, and no word is cut
)
