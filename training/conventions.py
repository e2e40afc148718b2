"""What counts as a span, in one place: what is made here follows it, and what others marked is brought to it.

Outside: a leading article, titles (a label of their own), quotes, punctuation at the ends, a possessive 's. One span:
a name with its initials and Jr.; an address with all its parts, a place with its postcode. Two spans: a place and the
larger one after it. Appositions after a person's or a firm's name stay outside. ``training/data_card.md`` has examples.
Pure.
"""

import re
from collections.abc import Iterator, Sequence

from training import places, words
from training.template import Span

_ARTICLE = re.compile(r"(?:the|an?)\s+", re.IGNORECASE)
_POSSESSIVE = re.compile(r"\s?['\u2019]s?$")
_TITLE = re.compile(r"(?:{})\s+".format("|".join(sorted(map(re.escape, words.TITLES), key=len, reverse=True))))
_ENDS = " \t\n,;:!?\"'\u201c\u201d\u2018\u2019"
_MERGED_GAPS = frozenset({", ", "\n", " ", " - ", ",\n"})
_PEOPLES = sorted(
    {name for row in places.PEOPLES for name in (row[1], row[2], f"{row[2]}s", *row[3:])}
    | {*places.NEIGHBOURS, *places.FAITHS, *places.PARTISANS},
    key=len,
    reverse=True,
)  # fmt: skip
# What a set without these types leaves unmarked, and might be one: years, days, hours, ages, handles, peoples, titles.
_UNMARKED = re.compile(
    r"[@#]\w+|\S*\d\S*|\b(?:today|tomorrow|yesterday|tonight|morning|afternoon|evening|night|noon|midnight|week|weekend|month|year|day|hour|minute|"
    r"century|decade|spring|summer|autumn|winter|Christmas|Easter)s?\b|\b(?:{})\b|\b(?:{})(?=\s)|\b(?:{})s?\b".format(
        "|".join((*words.WEEKDAYS, *words.MONTHS, *words.MONTHS_SHORT)),
        "|".join(sorted(map(re.escape, words.TITLES), key=len, reverse=True)),
        "|".join(map(re.escape, _PEOPLES)),
    )
)


def whole(text: str, spans: Sequence[Span]) -> list[Span]:
    """Spans of a template's slots with what is one name or one address put together."""
    made: list[Span] = []
    for span in spans:
        last = made[-1] if made else None
        gap = text[last.end : span.start] if last else ""
        if last and last.label == span.label == "PERSON" and gap == " ":
            made[-1] = Span(last.start, span.end, "PERSON")
        elif last and last.label == "ADDRESS" and span.label in ("ADDRESS", "LOCATION") and gap in _MERGED_GAPS:
            made[-1] = Span(last.start, span.end, "ADDRESS")
        else:
            made.append(span)
    return made


def named(text: str, start: int, end: int, label: str) -> Iterator[Span]:
    """A name that others marked, by this corpus's convention; ``?`` where it leaves the model free.

    An article is left out, a title is marked as one, what follows a comma is a place of its own or left free.
    """
    if found := _ARTICLE.match(text, start, end):
        start = found.end()
    if label == "PERSON" and (found := _TITLE.match(text, start, end)):
        yield Span(start, found.end() - 1, "TITLE")
        start = found.end()
    if found := _POSSESSIVE.search(text[start:end]):
        end = start + found.start()
    first = True
    for part in re.finditer(r"[^,()]+", text[start:end]):
        piece = part.group()
        left = start + part.start() + len(piece) - len(piece.lstrip(_ENDS))
        right = start + part.end() - (len(piece) - len(piece.rstrip(_ENDS)))
        if left >= right:
            continue
        known = label if first or (label == "LOCATION" and text[left].isupper()) else "?"
        yield Span(left, right, known)
        first = False


def unmarked(text: str, spans: Sequence[Span]) -> list[Span]:
    """``spans`` with ``?`` on everything that a set without such types may have left unmarked."""
    taken = sorted(spans, key=lambda span: span.start)
    free = [
        Span(found.start(), found.end(), "?")
        for found in _UNMARKED.finditer(text)
        if not any(found.start() < span.end and span.start < found.end() for span in taken)
    ]
    return sorted([*taken, *free], key=lambda span: span.start)
