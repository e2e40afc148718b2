"""What the words before a match make of its score."""

from collections.abc import Sequence

import re2

from outpost.dlp.before import before
from outpost.dlp.detector import REPORT_SCORE, Detector
from outpost.dlp.linear import Pattern
from outpost.dlp.rewrite import CONTEXT_CHARS


class Words:
    """What the words before a match make of its score."""

    __slots__ = ("_base", "_context", "_near", "_next", "needs_context", "reads")

    def __init__(self, detector: Detector) -> None:
        self._base, self._context = detector.base_score, detector.context_score
        self._near = self._compile(detector.context_words, r"(?i)(?:^|[^a-z])(?:%s)")
        self._next = self._compile(detector.refuse_words, r"(?i)(?:^|[^a-z])(?:%s)[\s:=#.]{0,3}$")
        # Whether a match without a context word is never reported, and whether words matter at all.
        self.needs_context = self._base < REPORT_SCORE
        self.reads = self._near is not None or self._next is not None

    @staticmethod
    def _compile(words: tuple[str, ...], shape: str) -> Pattern | None:
        return Pattern(shape % "|".join(map(_word_pattern, words))) if words else None

    def score(self, window: bytes) -> float:
        """Score of a match behind ``window`` (``before_match``); 0 if a word refuses it."""
        if self._next is not None and self._next.occurs(window):
            return 0.0
        return self._context if self._near is not None and self._near.occurs(window) else self._base


class Gate:
    """Whether any of many detectors that share a pattern has a context word there: one search in place of one each."""

    __slots__ = ("_near",)

    def __init__(self, detectors: Sequence[Detector]) -> None:
        words = sorted({word for detector in detectors for word in detector.context_words})
        self._near = Pattern(f"(?i)(?:^|[^a-z])(?:{'|'.join(map(_word_pattern, words))})")

    def opens(self, window: bytes) -> bool:
        """Whether ``window`` (``before_match``) holds a context word of any of the detectors."""
        return self._near.occurs(window)


def gate(detectors: Sequence[Detector]) -> Gate | None:
    """The gate of detectors that share a pattern, if it saves anything."""
    return Gate(detectors) if len(detectors) > 1 and all(detector.group == 0 for detector in detectors) else None


def _word_pattern(word: str) -> str:
    """The word, also as the beginning of a longer one, unless a blank ends it."""
    escaped: str = re2.escape(word.removesuffix(" "))
    return f"{escaped}(?:[^a-z]|$)" if word.endswith(" ") else escaped


def before_match(text: str, start: int) -> bytes:
    """Up to CONTEXT_CHARS before ``start``, not looking behind a redaction marker (its kind is no context)."""
    return before(text, start, CONTEXT_CHARS).encode()
