"""What the words before a match make of its score."""

from collections.abc import Sequence
from typing import Any

import re2

from outpost.dlp.detector import REPORT_SCORE, Detector
from outpost.dlp.redact import MARKER_MAX_CHARS, MARKER_PREFIX
from outpost.dlp.rewrite import CONTEXT_CHARS

_KIND = re2.compile(r"[a-z0-9_.]{1,48}")


class Words:
    """What the words before a match make of its score."""

    __slots__ = ("_base", "_context", "_near", "_next")

    def __init__(self, detector: Detector) -> None:
        self._base, self._context = detector.base_score, detector.context_score
        self._near = self._compile(detector.context_words, r"(?i)(?:^|[^a-z])(?:%s)")
        self._next = self._compile(detector.refuse_words, r"(?i)(?:^|[^a-z])(?:%s)[\s:=#.]{0,3}$")

    @property
    def needs_context(self) -> bool:
        """Whether a match without a context word is never reported."""
        return self._base < REPORT_SCORE

    @staticmethod
    def _compile(words: tuple[str, ...], shape: str) -> Any:
        return re2.compile(shape % "|".join(map(_word_pattern, words))) if words else None

    def score(self, text: str, start: int) -> float:
        """Score of a match at ``start``; 0 if a word refuses it."""
        if self._near is None and self._next is None:
            return self._base
        window = _window(text, start)
        if self._next is not None and self._next.search(window) is not None:
            return 0.0
        return self._context if self._near is not None and self._near.search(window) is not None else self._base


class Gate:
    """Whether any of many detectors that share a pattern has a context word there: one search in place of one each."""

    __slots__ = ("_near",)

    def __init__(self, detectors: Sequence[Detector]) -> None:
        words = sorted({word for detector in detectors for word in detector.context_words})
        self._near = re2.compile(f"(?i)(?:^|[^a-z])(?:{'|'.join(map(_word_pattern, words))})")

    def opens(self, text: str, start: int) -> bool:
        """Whether a match at ``start`` has a context word of any of the detectors."""
        return self._near.search(_window(text, start)) is not None


def gate(detectors: Sequence[Detector]) -> Gate | None:
    """The gate of detectors that share a pattern, if it saves anything."""
    return Gate(detectors) if len(detectors) > 1 and all(detector.group == 0 for detector in detectors) else None


def _word_pattern(word: str) -> str:
    """The word, also as the beginning of a longer one, unless a blank ends it."""
    escaped: str = re2.escape(word.removesuffix(" "))
    return f"{escaped}(?:[^a-z]|$)" if word.endswith(" ") else escaped


def _window(text: str, start: int) -> str:
    """Up to CONTEXT_CHARS before ``start``, not looking behind a redaction marker (its kind is no context)."""
    begin = max(0, start - CONTEXT_CHARS)
    marker = text.rfind(MARKER_PREFIX, max(0, begin - MARKER_MAX_CHARS), start)
    if marker >= 0:
        closing = text.find("]", marker, start)
        # Only a whole marker counts: an opening that somebody typed must not hide the words after it.
        if closing >= 0 and _KIND.fullmatch(text, marker + len(MARKER_PREFIX), closing):
            begin = max(begin, closing + 1)
    return text[begin:start]
