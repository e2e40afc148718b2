r"""Texts as JSON lines in, findings as JSON lines out: what a labelled set is scored with from outside.

In: ``{id, text | segments: [text…], surface?}``. Out, for each line and in order: ``{id, findings: [{kind, start, end,
score, detector, tier, segment?}], labels: {name: score}}``, offsets in code points of the text or segment; or
``{id?, error}``.
A value that goes over from one segment into the next is found as in the parts of one message: once for each segment.
Any bytes give a line; blank lines give none. A lone surrogate (``\ud800``), which is no character and which the proxy
refuses, is read as U+FFFD, so that the rest of the text still counts.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final, Protocol

from outpost.errors import CouldNotInspect
from outpost.models.results import ModelFinding
from outpost.models.tiers import Judged
from outpost.protocol.findings import Finding
from outpost.scan.context import model_explanation
from outpost.scan.select import Selection

SURFACES: Final = frozenset({"user", "system", "tool_result", "document", "completion"})
MAX_LINE_BYTES: Final = 256 * 1024**2
"""A text of the engine's 32 Mi characters, each written as an escape, fits."""

ScanSegments = Callable[[Sequence[str]], Sequence[Judged]]
"""What is found in each segment."""


class _Lines(Protocol):
    def readline(self, size: int, /) -> bytes: ...


class _LineInvalid(ValueError):
    """A line is not as described; ``line_id`` is its id if it has one."""

    def __init__(self, message: str, line_id: object = None) -> None:
        super().__init__(message)
        self.line_id = line_id


def scan_each(
    judge: Callable[[str], Judged],
    scan_segments: Callable[[Sequence[str]], Sequence[Sequence[tuple[int, Finding]]]],
    segments: Sequence[str],
) -> list[Judged]:
    """What is found in each segment by itself, and its pieces of what patterns find when all are joined.

    What a segment shows by itself is not shown again longer (``x`` before an e-mail address is no part of it), but for
    secrets, of which one segment may hold only the beginning.

    Raises:
        CouldNotInspect: A segment, or all together, is beyond the engine's bounds.
    """
    judged = [judge(segment) for segment in segments]
    found = [list(one.findings) for one in judged]
    for pieces in scan_segments(segments) if len(segments) > 1 else ():
        if len(pieces) > 1 and (_is_secret(pieces[0][1]) or not any(_shows(found[at], piece) for at, piece in pieces)):
            for at, piece in pieces:
                if piece not in found[at]:
                    judged[at].findings.append(piece)
    for one in judged:
        one.findings.sort(key=lambda finding: (finding.start, finding.end))
    return judged


def _is_secret(finding: Finding) -> bool:
    return finding.kind.startswith("secret.") or finding.kind == "credential_leak"


def _shows(found: Sequence[Finding], piece: Finding) -> bool:
    return any(one.kind == piece.kind and one.start < piece.end and piece.start < one.end for one in found)


def answer_lines(
    source: _Lines, scan: ScanSegments, selection: Selection, *, explain: bool = False
) -> Iterator[tuple[dict[str, Any], bool]]:
    """The answer to each line, and whether it is findings rather than an error.

    ``explain``: with what led to the findings of models.
    """
    while line := source.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := source.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield {"error": f"the line is longer than {MAX_LINE_BYTES} bytes"}, False
        elif line.strip():
            yield _answer(line, scan, selection, explain=explain)


def _answer(line: bytes, scan: ScanSegments, selection: Selection, *, explain: bool) -> tuple[dict[str, Any], bool]:
    line_id: object = None
    try:
        line_id, segments, split = _parsed(line)
        found = scan(segments)
    except _LineInvalid as err:
        return _refused(err.line_id, str(err)), False
    except CouldNotInspect as err:
        return _refused(line_id, err.message), False
    findings = [
        _as_json(finding, segment if split else None, judged.reasons.get(finding) if explain else None)
        for segment, judged in enumerate(found)
        for finding in judged.findings
        if selection.lists(finding)
    ]
    labels: dict[str, float] = {}
    for judged in found:
        labels |= {name: max(score, labels.get(name, 0.0)) for name, score in judged.labels.items()}
    return {"id": line_id, "findings": findings, "labels": labels}, True


def _parsed(line: bytes) -> tuple[object, list[str], bool]:
    """Id, segments, and whether they were given as segments."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as err:
        raise _LineInvalid("the line is not JSON") from err
    if not isinstance(row, dict):
        raise _LineInvalid("the line is not a JSON object")
    line_id = row.get("id")
    if not isinstance(line_id, (str, int)):
        raise _LineInvalid("id must be a string or an integer")
    text, segments, surface = row.get("text"), row.get("segments"), row.get("surface")
    if (text is None) == (segments is None):
        raise _LineInvalid("give either text or segments", line_id)
    if surface is not None and (not isinstance(surface, str) or surface not in SURFACES):
        raise _LineInvalid(f"surface must be one of {', '.join(sorted(SURFACES))}", line_id)
    if segments is None:
        segments = [text]
    if not isinstance(segments, list) or not all(isinstance(segment, str) for segment in segments):
        raise _LineInvalid("text must be a string, segments a list of strings", line_id)
    return line_id, [_without_surrogates(segment) for segment in segments], text is None


def _without_surrogates(text: str) -> str:
    if text.isascii():
        return text
    # Two escapes that belong together were joined by the parser; what is left stands alone.
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text) if _has_surrogate(text) else text


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _as_json(finding: Finding, segment: int | None, reason: ModelFinding | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kind": finding.kind,
        "start": finding.start,
        "end": finding.end,
        "score": finding.score,
        "detector": finding.detector,
        "tier": int(finding.tier),
    }
    if reason is not None:
        row["explanation"] = asdict(model_explanation(reason))
    return row if segment is None else row | {"segment": segment}


def _refused(line_id: object, message: str) -> dict[str, Any]:
    return ({} if line_id is None else {"id": line_id}) | {"error": message}
