"""What finds spans that no pattern describes: an org's lists. The engine treats their findings like any other.

A finder keeps the streaming law (``stream.py``): what it finds at a place depends on the text from there on and on no
more than 1,000 characters before, and ``undecided`` says where what more text could still change begins.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from outpost.dlp.tokens import Words
from outpost.protocol.findings import Finding

Allowed = Callable[[str], bool]
"""Whether a matched text is none that counts (``allow.py``)."""

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
