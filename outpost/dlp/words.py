"""What the words before a match make of its score.

Most matches have none of their words near. So a ``Scout`` looks ahead for the next place where one may stand, once for
all matches before it; only behind that place the words are read exactly.
"""

from collections.abc import Sequence
from functools import cached_property

import re2

from outpost.dlp.before import before
from outpost.dlp.detector import REPORT_SCORE, Detector
from outpost.dlp.linear import Pattern, of_bytes
from outpost.dlp.rewrite import CONTEXT_CHARS


class Words:
    """What the words before a match make of its score."""

    __slots__ = ("_context", "_near", "_next", "base", "needs_context", "reads")

    def __init__(self, detector: Detector) -> None:
        self.base, self._context = detector.base_score, detector.context_score
        self._near = self._compile(detector.context_words, r"(?i)(?:^|[^a-z])(?:%s)")
        self._next = self._compile(detector.refuse_words, r"(?i)(?:^|[^a-z])(?:%s)[\s:=#.]{0,3}$")
        # Whether a match without a context word is never reported, and whether words matter at all.
        self.needs_context = self.base < REPORT_SCORE
        self.reads = self._near is not None or self._next is not None

    @staticmethod
    def _compile(words: tuple[str, ...], shape: str) -> Pattern | None:
        return Pattern(shape % "|".join(map(_word_pattern, words))) if words else None

    def score(self, window: bytes) -> float:
        """Score of a match behind ``window`` (``before_match``); 0 if a word refuses it."""
        if self._next is not None and self._next.occurs(window):
            return 0.0
        return self._context if self._near is not None and self._near.occurs(window) else self.base


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


class Scout:
    """Where words of detectors that share a pattern may stand."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        words = {word for detector in detectors for word in (*detector.context_words, *detector.refuse_words)}
        self._words = sorted(word.removesuffix(" ") for word in words)

    @cached_property  # many patterns never match
    def _pattern(self) -> Pattern | None:
        # As in the bytes of a text, where signs that are not ASCII may have become another one.
        written = ("".join(re2.escape(sign) if sign.isascii() else r"[\x80-\xff]" for sign in w) for w in self._words)
        return of_bytes(f"(?i)(?:{'|'.join(written)})") if self._words else None

    def over(self, raw: bytes) -> "Ahead":
        """To be asked about matches in ``raw``."""
        return Ahead(self._pattern, raw)


class Ahead:
    """What a scout knows of one text. Asked in ascending order it reads the text once."""

    __slots__ = ("_from", "_pattern", "_raw", "_to")

    def __init__(self, pattern: Pattern | None, raw: bytes) -> None:
        self._pattern, self._raw = pattern, raw
        self._from = self._to = 0  # no word begins in between

    def is_quiet(self, start: int, end: int = 0) -> bool:
        """Whether no word begins in what is read before a match at ``start``, or before ``end``."""
        begin, end = max(0, start - CONTEXT_CHARS), max(start, end)
        if self._pattern is None or (self._from <= begin and end <= self._to):
            return True
        spans = self._pattern.first(self._raw, begin)
        self._from, self._to = begin, len(self._raw) + 1 if spans is None else spans[0][0]
        return end <= self._to


def _word_pattern(word: str) -> str:
    """The word, also as the beginning of a longer one, unless a blank ends it."""
    escaped: str = re2.escape(word.removesuffix(" "))
    return f"{escaped}(?:[^a-z]|$)" if word.endswith(" ") else escaped


def before_match(text: str, start: int) -> bytes:
    """Up to CONTEXT_CHARS before ``start``, not looking behind a redaction marker (its kind is no context)."""
    return before(text, start, CONTEXT_CHARS).encode()
