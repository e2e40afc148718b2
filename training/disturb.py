"""Disturbances of real text that keep spans right: case, missing punctuation, misread letters, wrapped lines."""

import random
from collections.abc import Callable
from dataclasses import replace

from training.row import Row
from training.template import Span

_OCR = {"o": "0", "l": "1", "i": "l", "e": "c", "m": "rn", "S": "5", "B": "8"}


def disturbed(row: Row, rng: random.Random) -> Row:
    """The row with at most one disturbance of case and one of characters."""
    text, spans, focus = row.text, row.spans, row.focus
    shape = rng.random()
    if shape < 0.16:
        text = keep_length(text, str.lower)
    elif shape < 0.21:
        text = keep_length(text, str.upper)
    elif shape < 0.23:
        text = keep_length(text, str.title)
    shape = rng.random()
    change: Callable[[str], str] | None = None
    if shape < 0.05:
        change = lambda c: _OCR.get(c, c) if rng.random() < 0.06 else c  # noqa: E731
    elif shape < 0.12:
        change = lambda c: "" if c in ".,!?" else c  # noqa: E731
    elif shape < 0.16:
        change = lambda c: "\n" if c == " " and rng.random() < 0.08 else c  # noqa: E731
    if change is not None:
        marks = [Span(*focus, "focus")] if focus else []
        text, moved = replaced(text, [*(spans or []), *marks], change)
        if marks:
            focus = next(((s.start, s.end) for s in moved if s.label == "focus"), (0, len(text)))
        spans = None if spans is None else [s for s in moved if s.label != "focus"]
    return replace(row, text=text, spans=spans, focus=focus)


def keep_length(text: str, change: Callable[[str], str]) -> str:
    """``change`` applied to each character whose changed form is one character too, so that offsets stay."""
    changed = change(text)
    if len(changed) == len(text):
        return changed
    return "".join(new if len(new := change(c)) == 1 else c for c in text)


def replaced(text: str, spans: list[Span], change: Callable[[str], str]) -> tuple[str, list[Span]]:
    """Each character replaced by ``change`` of it (none, one or several), with the spans moved along."""
    parts: list[str] = []
    offsets = [0]
    for character in text:
        parts.append(change(character))
        offsets.append(offsets[-1] + len(parts[-1]))
    moved = [Span(offsets[s.start], offsets[s.end], s.label) for s in spans]
    return "".join(parts), [span for span in moved if span.end > span.start]


def joined(left: Row, right: Row, between: str) -> Row:
    """``left``, then ``right``; spans are known only if both sides' are.

    The group and the attack are the left's or, if it has none, the right's.
    """
    shift = len(left.text) + len(between)
    spans = None
    if left.spans is not None and right.spans is not None:
        spans = [*left.spans, *(Span(s.start + shift, s.end + shift, s.label) for s in right.spans)]
    focus = left.focus
    if focus is None and right.focus is not None:
        focus = (right.focus[0] + shift, right.focus[1] + shift)
    lead = right if right.attacks and not left.attacks else left
    return Row(left.text + between + right.text, lead.group, lead.genre, spans=spans, attacks=lead.attacks, focus=focus)
