"""Conditional and partial requests (RFC 9110 §13 and §14) and the choice of an encoding (§12.5.3), as pure rules.

Guarantee: any header gives one of the answers the RFC allows, never an exception. What may be ignored and has no use
here is ignored: several ranges at once, units other than bytes, dates (nothing served here has a modification date).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_TAG: Final = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')  # §8.8.3
_RANGE: Final = re.compile(r"bytes=[ \t]*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))[ \t]*", re.ASCII | re.IGNORECASE)
_WEIGHT: Final = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII | re.IGNORECASE)  # §12.4.2


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes ``first`` to ``last``, both inclusive, of a representation."""

    first: int
    last: int


class Unsatisfiable:
    """A range of which the representation has nothing: 416."""


UNSATISFIABLE: Final = Unsatisfiable()


def has_match(values: Sequence[str], tag: str, *, weak: bool = True) -> bool:
    """True if the lines of an ``If-None-Match`` (``weak``) or ``If-Match`` name ``tag``, or are ``*`` (§8.8.3.2)."""
    line = ",".join(values).strip()
    if line == "*":
        return True
    return any(opaque == tag and (weak or not prefix) for prefix, opaque in _TAG.findall(line))


def accepts_zstd(values: Sequence[str]) -> bool:
    """True if the lines of an ``Accept-Encoding`` name zstd (RFC 8878 §7.2) or ``*``, not with weight 0."""
    weights: dict[str, float] = {}
    for entry in ",".join(values).lower().split(","):
        coding, _, parameter = (part.strip() for part in entry.partition(";"))
        weight = _WEIGHT.fullmatch(parameter) if parameter else None
        if coding and (weight or not parameter):
            weights[coding] = float(weight[1]) if weight else 1.0
    return weights.get("zstd", weights.get("*", 0.0)) > 0


def range_of(value: str | None, if_range: str | None, tag: str, size: int) -> Part | Unsatisfiable | None:
    """The part of a representation of ``size`` bytes that a ``Range`` asks for; None means all of it (§14.2).

    ``if_range`` (§13.1.5) counts if it is exactly the strong ``tag``; any other means the whole.
    """
    if value is None or (if_range is not None and if_range.strip() != tag):
        return None
    found = _RANGE.fullmatch(value.strip())
    if found is None:
        return None
    first_text, last_text, suffix = found.groups()
    if suffix is not None:
        length = min(int(suffix), size)
        return Part(size - length, size - 1) if length else UNSATISFIABLE
    first, last = int(first_text), int(last_text) if last_text else size - 1
    if last_text and last < first:
        return None  # §14.1.1: invalid, so it is not there
    return Part(first, min(last, size - 1)) if first < size else UNSATISFIABLE
