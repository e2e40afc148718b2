"""Where in a file a finding is, what stands around it with every secret masked, and why it has its score.

Secrets are not shown by accident: what surrounds a finding is masked where anything was found, to the end of the word
that a match is part of, and where a long word with digits looks like a key that no detector knows.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from outpost.dlp.detector import Detector
from outpost.dlp.stream import Released
from outpost.models.results import ModelFinding
from outpost.protocol.findings import Finding
from outpost.scan.results import Explanation, Hit, ModelExplanation

MASK: Final = "•"
BEFORE_CHARS: Final = 48
AFTER_CHARS: Final = 32
_TAIL_CHARS: Final = 512  # of released text; more than any context
_WINDOW_CHARS: Final = 64  # where the engine looks for context words
_NO_REASONS: Final[Mapping[Finding, ModelFinding]] = MappingProxyType({})
# A class cannot backtrack into another here: each is one run of one class.
_LINE_END: Final = re.compile("\n")
_REST_OF_WORD: Final = re.compile(r"[\w+/=~-]*")
_LIKE_A_KEY: Final = re.compile(r"[\w+/=~.-]{20,}")


class Places:
    """Follows the released pieces of one text and turns their findings into hits."""

    def __init__(self, detectors: Mapping[str, Detector], *, show: bool, explain: bool) -> None:
        self._detectors, self._show, self._explain = detectors, show, explain
        self._offset, self._line, self._line_start = 0, 1, 0
        self._tail = self._masked_tail = ""
        self._reasons: Mapping[Finding, ModelFinding] = _NO_REASONS

    def hits(
        self, released: Released, listed: Sequence[Finding], reasons: Mapping[Finding, ModelFinding] = _NO_REASONS
    ) -> list[Hit]:
        """Hits for those findings of ``released`` that are ``listed``, in order; call once for each piece.

        ``reasons``: of those that models found.
        """
        text = released.text
        self._reasons = reasons
        hits: list[Hit] = []
        if released.findings:
            masked = mask(text, released.findings)
            breaks = [match.start() for match in _LINE_END.finditer(text)]
            hits = [self._hit(finding, text, masked, breaks) for finding in listed]
        self._advance(text, mask(text[-_TAIL_CHARS:], _moved(released, len(text) - min(len(text), _TAIL_CHARS))))
        return hits

    def _hit(self, finding: Finding, text: str, masked: str, breaks: Sequence[int]) -> Hit:
        line, column, line_start = self._place(finding.start, breaks)
        end_line, last_column, _ = self._place(finding.end - 1, breaks)
        before = masked[max(0, finding.start - BEFORE_CHARS, line_start) : finding.start]
        if line_start < 0 and len(before) < BEFORE_CHARS:
            before = self._masked_tail.rpartition("\n")[2][len(before) - BEFORE_CHARS :] + before
        after = masked[finding.end : finding.end + AFTER_CHARS].partition("\n")[0]
        return Hit(
            finding.kind,
            finding.detector,
            finding.score,
            int(finding.tier),
            self._offset + finding.start,
            self._offset + finding.end,
            line,
            column,
            end_line,
            last_column + 1,
            before,
            after,
            text[finding.start : finding.end] if self._show else None,
            self._explained(finding, text) if self._explain else None,
        )

    def _place(self, at: int, breaks: Sequence[int]) -> tuple[int, int, int]:
        """Line, column, and where in the piece the line begins; negative if before it."""
        passed = bisect_right(breaks, at - 1)
        start = breaks[passed - 1] + 1 if passed else self._line_start - self._offset
        return self._line + passed, at - start + 1, start if passed or start == 0 else -1

    def _explained(self, finding: Finding, text: str) -> Explanation | ModelExplanation | None:
        reason = self._reasons.get(finding)
        if reason is not None:
            return model_explanation(reason)
        detector = self._detectors.get(finding.detector)
        if detector is None:
            return None
        window = (self._tail + text[: finding.start])[-_WINDOW_CHARS:].lower()
        validator = finding.detector.partition("/")[2] if detector.validate or detector.find else ""
        words = tuple(word for word in detector.context_words if _stands_in(word, window))
        return Explanation(detector.base_score, detector.context_score, words, validator)

    def _advance(self, text: str, masked_tail: str) -> None:
        self._line += text.count("\n")
        last = text.rfind("\n")
        if last >= 0:
            self._line_start = self._offset + last + 1
        self._offset += len(text)
        self._tail = (self._tail + text)[-_TAIL_CHARS:]
        self._masked_tail = (self._masked_tail + masked_tail)[-_TAIL_CHARS:]


def model_explanation(reason: ModelFinding) -> ModelExplanation:
    """Why a model's finding has its score."""
    start, end = reason.window
    return ModelExplanation(reason.label, reason.probability, reason.threshold, end - start, reason.alternatives)


def mask(text: str, findings: Iterable[Finding]) -> str:
    """``text`` with the same length and nothing to read where something was found or a key may be."""
    pieces: list[str] = []
    done = 0
    for finding in findings:
        rest = _REST_OF_WORD.match(text, finding.end)
        start, end = max(finding.start, done), rest.end() if rest else finding.end
        if end > done:
            pieces += (_without_keys(text[done:start]), MASK * (end - start))
            done = end
    pieces.append(_without_keys(text[done:]))
    return "".join(pieces)


def _without_keys(text: str) -> str:
    return _LIKE_A_KEY.sub(lambda m: MASK * len(m[0]) if any(c.isdigit() for c in m[0]) else m[0], text)


def _moved(released: Released, begin: int) -> list[Finding]:
    return [
        Finding(f.kind, max(0, f.start - begin), f.end - begin, f.score, f.detector)
        for f in released.findings
        if f.end > begin
    ]


def _stands_in(word: str, window: str) -> bool:
    at = window.find(word)
    while at > 0 and "a" <= window[at - 1] <= "z":
        at = window.find(word, at + 1)
    return at >= 0
