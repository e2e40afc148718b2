"""What finds spans that no pattern describes: an org's lists. The engine treats their findings like any other.

A finder keeps the streaming law (``stream.py``): what it finds at a place depends on the text from there on and on no
more than 1,000 characters before, and ``undecided`` says where what more text could still change begins.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from outpost.dlp.tokens import Words
from outpost.protocol.findings import Finding

Allowed = Callable[[str], bool]
"""Whether a matched text is none that counts (``allow.py``)."""

CONTEXT_CHARS: Final = 1024
"""How far back a finder looks, at most; as many as a stream keeps (``engine.LEFT_CONTEXT_CHARS``)."""
BLOCK_CHARS: Final = 256 * 1024
"""Longer texts are read in blocks: words of 25 MB of text would take a gigabyte."""
# In decoded and joined text, a picture in base64 say, shorter ones stand by chance.
MIN_REWRITTEN_CHARS: Final = 6


@dataclass(frozen=True, slots=True)
class Report:
    """What a finder's findings are called."""

    name: str
    kind: str
    score: float
    allowed: Allowed | None = None

    def finding(self, text: str, start: int, end: int) -> Finding | None:
        """The finding, unless its text is allowed."""
        if self.allowed is not None and self.allowed(text[start:end]):
            return None
        return Finding(self.kind, start, end, self.score, self.name)


class SpanFinder(Protocol):
    """Finds spans in a normalised text. Pure, and one serves all threads."""

    report: Report

    def find(self, words: Words, begin: int, *, rewritten: bool) -> list[Finding]:
        """All findings that start at ``begin`` or later; they may overlap."""
        ...

    def undecided(self, words: Words) -> int:
        """Where what more text could change begins; the length of the text if nothing."""
        ...


def find_all(
    finders: Sequence[SpanFinder], words: Words, begin: int, *, rewritten: bool, block_chars: int = BLOCK_CHARS
) -> Iterator[list[Finding]]:
    """What each of ``finders`` finds in the text of ``words`` from ``begin`` on, block by block."""
    text = words.text
    if len(text) - begin <= block_chars:
        yield from (finder.find(words, begin, rewritten=rewritten) for finder in finders)
        return
    for finder in finders:
        at, size = begin, block_chars
        while at < len(text):
            end, start = min(at + size, len(text)), max(at - CONTEXT_CHARS, 0)
            block = Words(text[start:end])
            found = finder.find(block, at - start, rewritten=rewritten)
            cut = end - start if end == len(text) else _uncrossed(finder.undecided(block), found)
            yield [replace(one, start=one.start + start, end=one.end + start) for one in found if one.start < cut]
            # What is still undecided is read with the next block, or, if it is all of this one, with a longer one.
            size = block_chars if start + cut > at else 2 * size
            at = max(at, start + cut)


def _uncrossed(cut: int, found: Sequence[Finding]) -> int:
    while (before := min((one.start for one in found if one.start < cut < one.end), default=cut)) < cut:
        cut = before
    return cut
