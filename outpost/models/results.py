"""What models say about one text: findings with what led to them, and labels; never the text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from outpost.protocol.findings import Finding, Tier


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to know who reads a text as it grows.

    Attributes:
        kinds: Kinds of findings for which the text waits until they are sure; others may be told when it has ended.
        judged_whole: What the asker knows about which nothing will be said (``ModelCard.judged_whole``).
    """

    kinds: frozenset[str] = frozenset()
    judged_whole: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Settled:
    """What models say of a text that is still growing.

    Attributes:
        upto: Code points of the text, from its beginning, in which nothing else that is wanted will be found, whatever
            follows.
        findings: What was found since the last time; all of it ends before ``upto``.
        doubted: Indices of weak findings, in the order in which they were given, that the model holds for false.
        lacking: How many tokens, at least, until there is more to be said.
        tokens: How many there are, as far as more text does not change them.
        windows: How many were read.
    """

    upto: int
    findings: tuple[ModelFinding, ...] = ()
    doubted: tuple[int, ...] = ()
    lacking: int = 1
    tokens: int = 0
    windows: int = 0


def of_growing(said: Sequence[Settled]) -> TextResult:
    """What would have been said about the whole of a text that grew, but for labels that are no findings.

    ``said`` is all of it. Of the windows that a head judges the likeliest counts, as in a text that comes whole.
    """
    best: dict[tuple[str, str], ModelFinding] = {}
    findings = []
    for item in (item for settled in said for item in settled.findings):
        if item.finding.tier is Tier.ENTITY_MODEL:
            findings.append(item)
            continue
        name = (item.finding.detector, item.label)
        if name not in best or item.probability > best[name].probability:
            best[name] = item
    findings = sorted([*findings, *best.values()], key=lambda i: (i.finding.start, -i.finding.end, i.finding.kind))
    doubted = tuple(sorted(index for settled in said for index in settled.doubted))
    last = said[-1]
    return TextResult(tuple(findings), doubted=doubted, tokens=last.tokens, windows=last.windows)


def score_of(probability: float, threshold: float) -> float:
    """The score of a finding with ``probability`` at or above ``threshold``: at least 0.5, rising with it."""
    if threshold >= 0.5:  # noqa: PLR2004 - below 0.5 a policy does not look (docs/models.md)
        return probability
    return 0.5 + 0.5 * (probability - threshold) / (1 - threshold)
