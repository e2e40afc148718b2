"""A finding says what was found and where; it never holds the text itself (design §2)."""

from dataclasses import dataclass
from enum import IntEnum


class Tier(IntEnum):
    """Which kind of inspection made a finding."""

    PATTERN = 1
    ENTITY_MODEL = 2
    CONTEXT_MODEL = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One hit in one text.

    Attributes:
        kind: ``domain.type`` of the taxonomy, for example ``pci.pan``.
        start: First code point, counted from 0 in the text as received.
        end: One past the last code point.
        score: Estimated probability (0..1) that the span is of this kind.
        detector: Name of the detector that found it, with its validator if it has one (``card/luhn``).
        tier: Which tier found it.
    """

    kind: str
    start: int
    end: int
    score: float
    detector: str
    tier: Tier = Tier.PATTERN
