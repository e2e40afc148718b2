"""What models say about one text: findings with what led to them, and labels; never the text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from outpost.protocol.findings import Finding


@dataclass(frozen=True, slots=True)
class ModelFinding:
    """One finding and why it is one.

    Attributes:
        finding: As any tier reports it.
        label: The head's own word for it.
        probability: Calibrated, before it was made a score (``docs/models.md``).
        threshold: From which it counts in a text of this length.
        window: First code point, and one past the last, of what the model read at once.
        alternatives: Next most likely labels there, with their probabilities, likeliest first.
    """

    finding: Finding
    label: str
    probability: float
    threshold: float
    window: tuple[int, int]
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class TextResult:
    """Everything the models say about one text.

    Attributes:
        findings: By start, then longest first.
        labels: ``head.label`` to its probability, for every label of every head that judges texts as a whole.
        doubted: Indices of the given weak findings that the model holds for false.
        embeddings: ``head`` to a vector of length one.
        tokens: How many the text has, special ones not counted.
        windows: How many were read.
    """

    findings: tuple[ModelFinding, ...] = ()
    labels: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    doubted: tuple[int, ...] = ()
    embeddings: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))
    tokens: int = 0
    windows: int = 0


def score_of(probability: float, threshold: float) -> float:
    """The score of a finding with ``probability`` at or above ``threshold``: at least 0.5, rising with it."""
    if threshold >= 0.5:  # noqa: PLR2004 - below 0.5 a policy does not look (docs/models.md)
        return probability
    return 0.5 + 0.5 * (probability - threshold) / (1 - threshold)
