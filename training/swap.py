"""Sentences that people wrote and others marked, with other names in them: more of them than there are.

A span's new value has the case of the old one. Text between the spans stays, so its words may disagree with the new
names; a reader of names by their context has to bear it.
"""

import random
import re
from collections.abc import Callable
from dataclasses import replace

from training.disturb import keep_length
from training.row import Row
from training.template import Span

Draw = Callable[[str], tuple[str, str | None]]
_PLACES = ("city", "city", "country", "region", "state", "place")
_TIGHT = re.compile(r" (?=[.,!?;:%)\]\u2019\u201d]|n't\b|'(?:s|re|ve|ll|d|m)\b)|(?<=[(\[$#\u2018\u201c]) ")


def swapped(row: Row, values: Draw, rng: random.Random, share: float = 0.85) -> Row:
    """``row`` with most of its persons, places and organizations replaced by ``values`` of slots."""
    parts: list[str] = []
    spans: list[Span] = []
    at = length = 0
    for span in sorted(row.spans or (), key=lambda span: span.start):
        if span.start < at:
            continue
        old = row.text[span.start : span.end]
        new = _value(old, span.label, values, rng) if rng.random() < share else old
        parts += [row.text[at : span.start], new]
        length += span.start - at
        spans.append(Span(length, length + len(new), span.label))
        length += len(new)
        at = span.end
    return replace(row, text="".join((*parts, row.text[at:])), spans=spans)


def _value(old: str, label: str, values: Draw, rng: random.Random) -> str:
    if label == "PERSON":
        slot = "person" if " " in old else rng.choice(("first", "last"))
    elif label == "LOCATION":
        slot = rng.choice(_PLACES)
    elif label == "ORG":
        slot = "org"
    else:
        return old
    new = values(slot)[0].removeprefix("the ")
    if len(old) > 3 and old.isupper():
        return keep_length(new, str.upper)
    return keep_length(new, str.lower) if old.islower() else new


def untokenised(row: Row) -> Row:
    """``row`` without the blanks that tokenising put around marks."""
    drop = {found.start() for found in _TIGHT.finditer(row.text)}
    offsets = [0]
    for index in range(len(row.text)):
        offsets.append(offsets[-1] + (index not in drop))
    text = "".join(character for index, character in enumerate(row.text) if index not in drop)
    spans = None if row.spans is None else [Span(offsets[s.start], offsets[s.end], s.label) for s in row.spans]
    return replace(row, text=text, spans=None if spans is None else [s for s in spans if s.end > s.start])
