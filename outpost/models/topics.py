"""Topics by examples: how near a window of text comes to the middle of a topic's examples. Pure.

The middle (the mean of the examples' vectors, of length one: Snell et al. 2017, "Prototypical networks") was as good as
or better than the nearest examples on held-back requests, and one threshold serves all topics (``bench/topics.py``,
figures in ``docs/evaluation.md``). A text is of a topic if one of its windows or sentences is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from outpost.errors import ModelUnavailable
from outpost.models.results import ModelFinding, score_of
from outpost.models.scores import Floats, unit
from outpost.protocol.detectors import TopicRule
from outpost.protocol.findings import Finding, Tier
from outpost.protocol.topics import TopicSet

DEFAULT_SIMILARITY: Final = 0.6
"""From which cosine on, unless topic or card say otherwise: one in a hundred requests of other subjects reaches it
(``bench/topics.py``)."""
_ALTERNATIVES: Final = 3


@dataclass(frozen=True, slots=True)
class Recognised:
    """How well the examples of a topic stand for each other.

    Attributes:
        rule_id: The topic.
        by_the_others: How many of its examples the other examples recognise.
        count: How many there are.
        nearest: Of the other topics the one whose middle is nearest, and how near; None if there is no other.
        confused: How many of its examples are nearer to another topic's middle than to the middle of the others here.
    """

    rule_id: str
    by_the_others: int
    count: int
    nearest: tuple[str, float] | None
    confused: int


class TopicIndex:
    """The topics of a bundle as vectors of one pack."""

    def __init__(
        self, topics: TopicSet, embed: Callable[[str], Sequence[float]], default: float, detector: str
    ) -> None:
        """``embed`` gives the vector of a text, of length one; ``default`` is the similarity from which a topic counts.

        Raises:
            ModelUnavailable: An example has no vector, or those of a topic cancel out.
        """
        self.digest = topics.digest
        self._rules = topics.rules
        self._vectors = [np.array([_vector(embed, text) for text in rule.examples], np.float32) for rule in self._rules]
        pairs = zip(self._vectors, self._rules, strict=True)
        self._middles = np.stack([_middle(vectors, rule) for vectors, rule in pairs])
        self._limits = [default if rule.similarity is None else rule.similarity for rule in self._rules]
        self._detector = detector

    def judge(self, vectors: Floats, extents: Sequence[tuple[int, int]]) -> list[ModelFinding]:
        """The topics of a text: vectors of its windows and sentences ``[runs, width]``, of length one, and places."""
        near = vectors @ self._middles.T
        best = near.max(axis=0)
        found = []
        for number, (rule, limit) in enumerate(zip(self._rules, self._limits, strict=True)):
            similarity = min(1.0, float(best[number]))
            if similarity < limit:
                continue
            start, end = extents[int(near[:, number].argmax())]
            finding = Finding(rule.kind, start, end, score_of(similarity, limit), self._detector, Tier.CONTEXT_MODEL)
            others = sorted(
                ((other.id, float(best[place])) for place, other in enumerate(self._rules) if place != number),
                key=lambda item: -item[1],
            )
            found.append(ModelFinding(finding, rule.id, similarity, limit, (start, end), tuple(others[:_ALTERNATIVES])))
        return found

    def recognised(self) -> list[Recognised]:
        """For whoever writes topics: how well they hold together, and apart."""
        return [self._recognised(number) for number in range(len(self._rules))]

    def _recognised(self, number: int) -> Recognised:
        rule, vectors, limit = self._rules[number], self._vectors[number], self._limits[number]
        total = vectors.sum(axis=0)
        alone = [float(vector @ unit(total - vector)) if len(vectors) > 1 else 0.0 for vector in vectors]
        others = [place for place, other in enumerate(self._rules) if other.kind != rule.kind]
        nearest, confused = None, 0
        if others:
            between = self._middles[others] @ self._middles[number]
            nearest = (self._rules[others[int(between.argmax())]].id, float(between.max()))
            strange = (vectors @ self._middles[others].T).max(axis=1)
            confused = sum(float(other) >= own for other, own in zip(strange, alone, strict=True))
        return Recognised(rule.id, sum(value >= limit for value in alone), len(vectors), nearest, confused)


def _vector(embed: Callable[[str], Sequence[float]], text: str) -> Floats:
    vector = embed(text)
    if not len(vector):
        raise ModelUnavailable("an example of a topic has nothing that the model reads")
    return unit(np.asarray(vector, np.float32))


def _middle(vectors: Floats, rule: TopicRule) -> Floats:
    middle = unit(np.asarray(vectors.mean(axis=0), np.float32))
    if not float(np.linalg.norm(middle)):
        raise ModelUnavailable(f"the examples of topic {rule.id} have no middle")
    return middle
