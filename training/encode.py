"""Rows as token ids, shapes and targets; pure: the tokenizer's ids and offsets come in.

Windows have at most ``MAX_TOKENS`` with the two special ones. Of a longer text the window is drawn at random, but never
so that an attack's beginning is outside of it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from outpost.models.shapes import shapes
from training.row import ATTACKS, TAGS, Row
from training.template import Span

MAX_TOKENS = 128
CLS, SEP = 101, 102  # of the vocabulary of BERT (uncased)
IGNORED = -100
_TAG = {tag: index for index, tag in enumerate(TAGS)}
_CHECK = {"+": 1, "-": 0, "ID": 1}
_ATTACK_SEEN = 26  # tokens of an attack that a window must be able to hold from its beginning on
MASK, WORDS = 103, range(1_996, 29_612)  # of the same vocabulary: the mask, and words and pieces of words
BLANKED_ROWS = 0.6
BLANKED_TOKENS = (0.02, 0.24)
_WHOLE, _PART = 0.7, 0.6  # how often a window holds all of it that it has room for; else at least this part


@dataclass(slots=True)
class Encoded:
    """One window: ids, shapes and per-token targets are of one length; the others are as in ``Row``.

    ``focus`` is 1 on the tokens of an attack of which is known where it stands, else 0.
    """

    ids: list[int]
    shapes: list[int]
    tags: list[int]
    checks: list[int]
    focus: list[int]
    attacks: list[float]
    intent: int
    language: int
    embed: bool


def tags(offsets: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[int]:
    """A tag per token: ``B`` on the first token that touches a span, ``I`` on the others."""
    made = [0] * len(offsets)
    for span in spans:
        begun = False
        for index, (start, end) in enumerate(offsets):
            if start >= span.end:
                break
            if end <= span.start or end == start:
                continue
            if span.label == "?":
                made[index] = IGNORED
            elif span.label not in ("+", "-"):
                made[index] = _TAG[f"{'I' if begun else 'B'}-{span.label}"]
                begun = True
    return made


def checks(offsets: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[int]:
    """1 on the tokens of identifiers, 0 on those of numbers that look like some, ``IGNORED`` elsewhere."""
    made = [IGNORED] * len(offsets)
    for span in spans:
        value = _CHECK.get(span.label)
        if value is None:
            continue
        for index, (start, end) in enumerate(offsets):
            if start < span.end and end > span.start:
                made[index] = value
    return made


def focused(offsets: Sequence[tuple[int, int]], focus: tuple[int, int] | None) -> list[int]:
    """1 on each token that touches ``focus``."""
    if focus is None:
        return [0] * len(offsets)
    return [int(start < focus[1] and end > focus[0]) for start, end in offsets]


def window(offsets: Sequence[tuple[int, int]], focus: tuple[int, int] | None, rng: random.Random) -> tuple[int, int]:
    """Which tokens of a text to keep, half-open."""
    room = MAX_TOKENS - 2
    if len(offsets) <= room:
        return 0, len(offsets)
    if focus is None:
        first = rng.randrange(len(offsets) - room + 1)
        return first, first + room
    at = next((i for i, (_, end) in enumerate(offsets) if end > focus[0]), len(offsets) - 1)
    length = sum(end > focus[0] and start < focus[1] for start, end in offsets)
    seen = min(length, room) if rng.random() < _WHOLE else min(length, room, max(_ATTACK_SEEN, int(length * _PART)))
    low, high = max(0, at - room + seen), min(at, len(offsets) - room)
    first = rng.randint(min(low, high), high)
    return first, first + room


def encode(row: Row, ids: Sequence[int], offsets: Sequence[tuple[int, int]], rng: random.Random) -> Encoded:
    """One window of ``row``, whose tokens (without special ones) are ``ids`` at ``offsets``."""
    first, last = window(offsets, row.focus, rng)
    marked = tags(offsets, row.spans) if row.spans is not None else [IGNORED] * len(offsets)
    checked = checks(offsets, row.spans) if row.spans is not None else [IGNORED] * len(offsets)
    focus = focused(offsets[first:last], row.focus if row.attacks else None)
    attacks = [-1.0] * len(ATTACKS)
    if row.attacks is not None:
        attacks = [float(index in row.attacks or (index == 0 and bool(row.attacks))) for index in range(len(ATTACKS))]
    return Encoded(
        ids=[CLS, *ids[first:last], SEP],
        shapes=[0, *shapes(row.text, offsets[first:last]), 0],
        tags=[IGNORED, *marked[first:last], IGNORED],
        checks=[IGNORED, *checked[first:last], IGNORED],
        focus=[0, *focus, 0],
        attacks=attacks,
        intent=IGNORED if row.intent is None else row.intent,
        language=IGNORED if row.language is None else row.language,
        embed=row.embed,
    )


def blanked(item: Encoded, rng: random.Random) -> None:
    """Take some words of most windows away, so that what is learned does not hang on the wording of a template.

    Each row loses its own share of tokens, to the mask or to another word. On attacks of authors that training had not
    seen this raised the area under the curve from 0.85 to 0.90 (jailbreaks from the wild) and from 0.74 to 0.88
    (instructions planted in documents), after 450 steps.
    """
    if rng.random() >= BLANKED_ROWS:
        return
    share = rng.uniform(*BLANKED_TOKENS)
    for place in range(1, len(item.ids) - 1):
        if rng.random() < share:
            item.ids[place] = MASK if rng.random() < 0.7 else rng.choice(WORDS)
