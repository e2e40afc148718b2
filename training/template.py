"""A small template language for training sentences: alternatives, options and labelled slots.

``[a|b|c]`` picks one alternative (an empty one makes it optional), ``{slot}`` asks the filler for a value, and all may
nest. ``expand`` returns the text together with the spans of the labelled values, in Unicode code points. Chance
comes in as a ``random.Random``, so a seed gives the same corpus on every machine.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Fill = Callable[[str], tuple[str, str | None]]
"""Slot name to (text, label); label None means text that is not a finding."""
Nested = Callable[[str], "list[Node] | None"]
"""Slot name to another template to put there, or None if the slot holds a value."""


_OUTSIDE = {"DATE": re.compile(r"(?:on |in |at )?(?:the )?"), "CONDITION": re.compile(r"an? ")}
"""What begins a value of these labels in a sentence and is no part of it."""


class TemplateError(ValueError):
    """A template is malformed; the message says where."""


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled piece of a text, half-open, in code points."""

    start: int
    end: int
    label: str


@dataclass(slots=True)
class Example:
    """One training text.

    Attributes:
        text: What a model would read.
        spans: Labelled pieces, sorted, not overlapping.
        group: The template (or document) it comes from; a split never cuts through a group.
        genre: Kind of text, for the card.
    """

    text: str
    spans: list[Span] = field(default_factory=list)
    group: str = ""
    genre: str = ""


Node = str | tuple[str, Any]


def parse(template: str) -> list[Node]:
    """Parse a template into literal strings, ``("slot", name)`` and ``("choice", [nodes, ...])``.

    Raises:
        TemplateError: Brackets do not match.
    """
    nodes, at = _sequence(template, 0, closing="")
    if at != len(template):
        raise TemplateError(f"unexpected {template[at]!r} at {at}: {template!r}")
    return nodes


def expand(
    nodes: list[Node], fill: Fill, rng: random.Random, nested: Nested = lambda _: None
) -> tuple[str, list[Span]]:
    """One text of a parsed template, with the spans of its labelled slots."""
    parts: list[str] = []
    spans: list[Span] = []
    length = 0

    def walk(sequence: list[Node]) -> None:
        nonlocal length
        for node in sequence:
            if isinstance(node, str):
                parts.append(node)
                length += len(node)
                continue
            kind, value = node
            if kind == "choice":
                walk(rng.choice(value))
                continue
            inner = nested(str(value))
            if inner is not None:
                walk(inner)
                continue
            text, label = fill(str(value))
            if label is not None and text:
                spans.append(Span(length + _outside(text, label), length + len(text), label))
            parts.append(text)
            length += len(text)

    walk(nodes)
    return "".join(parts), spans


def _outside(value: str, label: str) -> int:
    """How many characters before a value stay outside its span: an article, before a date a preposition too."""
    if label in _OUTSIDE and (found := _OUTSIDE[label].match(value)):
        return found.end()
    return len(value) - len(value.removeprefix("the "))


def _sequence(template: str, at: int, closing: str) -> tuple[list[Node], int]:  # noqa: C901 - a branch per sign
    nodes: list[Node] = []
    literal: list[str] = []

    def flush() -> None:
        if literal:
            nodes.append("".join(literal))
            literal.clear()

    while at < len(template):
        character = template[at]
        if closing and character in closing:
            break
        if character == "\\" and at + 1 < len(template):
            literal.append(template[at + 1])
            at += 2
        elif character == "{":
            end = template.find("}", at)
            if end < 0:
                raise TemplateError(f"slot not closed at {at}: {template!r}")
            flush()
            nodes.append(("slot", template[at + 1 : end]))
            at = end + 1
        elif character == "[":
            flush()
            choices: list[list[Node]] = []
            at += 1
            while True:
                choice, at = _sequence(template, at, closing="|]")
                if at >= len(template):
                    raise TemplateError(f"choice not closed: {template!r}")
                choices.append(choice)
                at += 1
                if template[at - 1] == "]":
                    break
            nodes.append(("choice", choices))
        else:
            literal.append(character)
            at += 1
    flush()
    return nodes, at
