"""Surroundings and slips of the pen that say nothing about whether a text is an attack: both sides get them."""

import json
import random
from dataclasses import replace

from training.row import Row

_FRAMES = (
    ('"', '"'), ("'", "'"), ("“", "”"), ("```\n", "\n```"), ("`", "`"), ("> ", ""), ("- ", ""), ("* ", ""),
    ("1. ", ""), ("# ", "\n"), ("**", "**"), ("<p>", "</p>"), ("<!-- ", " -->"), ("<li>", "</li>"), ("<td>", "</td>"),
    ("/* ", " */"), ("// ", ""), ("# ", ""), ('{"text": "', '"}'), ('{"content": "', '", "type": "text"}'),
    ('{"body": "', '"}'), ('["', '"]'), ("message: ", ""), ("text: |\n  ", ""), ("Comment: ", ""),
    ("Description: ", ""), ("Note: ", ""), ("Subject: ", ""), ("Re: ", ""), ("User: ", ""), ("Q: ", ""), ("Me: ", ""),
    ("user\t", ""), ("[user] ", ""), ("<user>", "</user>"), ("Customer: ", ""), ("Input: ", ""), ("Message: ", ""),
    ("Hi, ", ""), ("Hello! ", ""), ("Hey ", ""), ("ok ", ""), ("", " Thanks!"), ("", " Thank you."), ("", " Please."),
    ("", "\n\nSent from my phone"), ("(", ")"), ("...", "..."), ("Dear team,\n\n", "\n\nBest regards"), ("Alt: ", ""),
    ('alt="', '"'), ("Page 3\n", ""), ("Title: ", ""), ("Footer: ", ""), ("| ", " |"), ("Ticket: ", ""),
    ("Review: ", ""), ("Transcript: ", ""), ("TODO: ", ""), ("=== ", " ==="), ("*", "*"), ("  ", ""), ("\n\n", "\n"),
)  # fmt: skip
_SLIP = 0.15  # of the words of more than three letters


def dressed(row: Row, rng: random.Random) -> Row:
    """The row in a frame, as JSON, or with slips of the pen, or as it is. Spans are lost when letters move."""
    shape = rng.random()
    if shape < 0.22:
        before, after = rng.choice(_FRAMES)
        return _framed(row, before, after)
    if shape < 0.25:
        text = json.dumps({rng.choice(("message", "input", "prompt", "note", "value")): row.text})
        return replace(row, text=text, spans=None, focus=_whole(row, text))
    if shape < 0.33:
        text = slipped(row.text, rng)
        return replace(row, text=text, spans=None, focus=_whole(row, text))
    return row


def _framed(row: Row, before: str, after: str) -> Row:
    spans = None
    if row.spans is not None:
        spans = [replace(span, start=span.start + len(before), end=span.end + len(before)) for span in row.spans]
    text = before + row.text + after
    return replace(row, text=text, spans=spans, focus=_whole(row, text))


def _whole(row: Row, text: str) -> tuple[int, int] | None:
    return (0, len(text)) if row.focus is not None else None


def slipped(text: str, rng: random.Random) -> str:
    """``text`` with letters swapped, dropped, doubled, or without its spaces and capitals here and there."""
    words = []
    for word in text.split(" "):
        made = word
        if len(word) > 3 and rng.random() < _SLIP:
            at = rng.randrange(len(word) - 1)
            pair = word[at : at + 2]
            made = word[:at] + rng.choice((pair[::-1], pair[0], pair[0] + pair, pair.lower())) + word[at + 2 :]
        words.append(made)
    return " ".join(words)
