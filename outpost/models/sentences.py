"""Sentences of a text, as far as marks and line ends tell. Pure, and linear in the text.

For topics: a sentence among others of another subject is drowned in the vector of its window. A piece that is too short
to be about anything goes with what follows it.
"""

import re
from typing import Final

LEAST_WORDS: Final = 4
_END: Final = re.compile(
    r"(?:(?<=[.!?…。！？])|(?<=[.!?…。！？][\"'”’)\]]))\s+|\n+"  # noqa: RUF001 - as other scripts write them
)


def sentences(text: str) -> list[tuple[int, int]]:
    """First code point of each sentence, and one past its last; no two overlap, and blanks lie between them."""
    found: list[tuple[int, int]] = []
    start, words = 0, 0
    at = 0
    for end, following in [*((match.start(), match.end()) for match in _END.finditer(text)), (len(text), len(text))]:
        words += len(text[at:end].split())
        at = following
        if words >= LEAST_WORDS or following == len(text):
            if words:
                found.append((start, end))
            start, words = following, 0
    if len(found) > 1 and len(text[slice(*found[-1])].split()) < LEAST_WORDS:
        (first, _), (_, last) = found[-2:]
        found[-2:] = [(first, last)]
    return found
