"""Prompts that people might write at work, written by hand for measuring: ``prompts.txt`` beside this file.

A block is a prompt; ``%`` on a line of its own ends it. Its first line is the genre. ``<<p:Ada Byron>>`` marks a
person, ``a`` an address, ``l`` a place, ``o`` an organization, by the convention in ``training/data_card.md``; every
one of these is marked. Never trained on, and no threshold rests on them.
"""

import re
from pathlib import Path

FILE = Path(__file__).with_name("prompts.txt")
LABELS = {"p": "PERSON", "a": "ADDRESS", "l": "LOCATION", "o": "ORG"}
_MARK = re.compile(r"<<([palo]):(.*?)>>", re.DOTALL)


def read(content: str) -> list[dict]:
    """Rows with ``id``, ``genre``, ``text`` and ``spans`` (start, end, type, value; code points, half-open)."""
    rows = []
    for number, block in enumerate(content.strip("\n").split("\n%\n")):
        genre, _, marked = block.partition("\n")
        text, spans, at = "", [], 0
        for found in _MARK.finditer(marked):
            text += marked[at : found.start()]
            kind, value = found.groups()
            spans.append({"start": len(text), "end": len(text) + len(value), "type": LABELS[kind], "value": value})
            text += value
            at = found.end()
        rows.append({"id": number, "genre": genre, "text": text + marked[at:], "spans": spans})
    return rows


def prompts() -> list[dict]:
    """All of them."""
    return read(FILE.read_text(encoding="utf-8"))
