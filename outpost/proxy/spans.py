"""Replace spans of one text. A finding that covers several texts leaves its label in the first of them only."""

from collections.abc import Iterable
from dataclasses import dataclass

from outpost.dlp.redact import MARKER_PREFIX
from outpost.protocol.findings import Finding


@dataclass(frozen=True, slots=True)
class Span:
    """Code points ``[start, end)`` of one text, and what stands there instead."""

    start: int
    end: int
    label: str


def label(finding: Finding) -> str:
    """What stands in place of a finding, unless a rule wants something else (``redaction.py``)."""
    return f"{MARKER_PREFIX}{finding.kind}]"


def replace_spans(text: str, spans: Iterable[Span]) -> str:
    """``text`` with the union of all spans replaced; of overlapping spans the first with a label gives it."""
    pieces: list[str] = []
    done = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.end <= done:
            continue
        if span.start >= done:
            pieces += (text[done : span.start], span.label)
        done = span.end
    pieces.append(text[done:])
    return "".join(pieces)
