"""Replaces exactly what was found, and nothing else.

``redact`` replaces spans; ``redact_until_clean`` repeats scan and replacement until nothing of those kinds is left,
which is what may be forwarded: a replacement can free text that stood glued to it. Markers are never context
(``engine.py``).
"""

from collections.abc import Callable, Collection, Iterable

from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding

MARKER_PREFIX = "[REDACTED:"
# Prefix, a kind of at most 48 characters, and the bracket.
MARKER_MAX_CHARS = 64
# Each round removes text that the round before uncovered; two were the most seen in fuzzing.
_MAX_ROUNDS = 8


def redact(text: str, findings: Iterable[Finding]) -> str:
    """``text`` with overlapping or touching spans merged, each replaced by ``[REDACTED:<kind of the best one>]``."""
    pieces: list[str] = []
    done = 0
    for start, end, kind in _merged(findings):
        pieces += (text[done:start], MARKER_PREFIX, kind, "]")
        done = end
    pieces.append(text[done:])
    return "".join(pieces)


def redact_until_clean(text: str, scan: Callable[[str], list[Finding]], kinds: Collection[str]) -> str:
    """``text`` without any finding of ``kinds``, by ``scan``.

    Raises:
        CouldNotInspect: ``inspection_unavailable``: not clean after the bounded number of rounds; or from ``scan``.
    """
    for _ in range(_MAX_ROUNDS):
        findings = [finding for finding in scan(text) if finding.kind in kinds]
        if not findings:
            return text
        text = redact(text, findings)
    raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, f"not clean after {_MAX_ROUNDS} rounds of redaction")


def _merged(findings: Iterable[Finding]) -> list[tuple[int, int, str]]:
    merged: list[tuple[int, int, str, float]] = []
    for f in sorted(findings, key=lambda f: (f.start, -f.end)):
        if merged and f.start <= merged[-1][1]:
            start, end, kind, score = merged[-1]
            if f.score > score:
                kind, score = f.kind, f.score
            merged[-1] = (start, max(end, f.end), kind, score)
        else:
            merged.append((f.start, f.end, f.kind, f.score))
    return [(start, end, kind) for start, end, kind, _ in merged]
