"""What is probably a mistake in topics that an org describes by examples, as far as words tell it. Pure.

What a model pack makes of the examples is for the pack to say: ``outpost policy lint --models``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from outpost.protocol.detectors import TopicRule

FEW: Final = 5
ENOUGH: Final = 10
"""Ten were measured (docs/evaluation.md); with five a narrow topic loses a fiftieth of its texts, a broad one more."""
ALIKE: Final = 0.7  # of the words of two examples, in both: they differ by a word or two
LEAST_RECOGNISED: Final = 0.5  # below it the examples are of several subjects: make several topics of one kind
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class TopicProblem:
    """One thing to say; ``topic`` and ``example`` count from 0."""

    topic: int
    example: int | None
    code: str
    message: str
    is_warning: bool = True


@dataclass(frozen=True, slots=True)
class JudgedTopic:
    """What a model pack makes of a topic's examples (``outpost.models.topics.Recognised``)."""

    rule_id: str
    by_the_others: int
    count: int
    nearest: tuple[str, float] | None
    confused: int


def judged_problems(topics: Sequence[JudgedTopic]) -> Iterator[TopicProblem]:
    """For each topic how well its examples stand for it, and whether another topic is too near."""
    for number, topic in enumerate(topics):
        near = "" if topic.nearest is None else f"; nearest is topic {topic.nearest[0]} ({topic.nearest[1]:.2f})"
        message = f"{topic.by_the_others} of {topic.count} examples are recognised by the others{near}"
        poor = topic.count > 1 and topic.by_the_others < LEAST_RECOGNISED * topic.count
        yield TopicProblem(number, None, "topic", message, is_warning=poor)
        if topic.confused and topic.nearest is not None:
            message = f"{topic.confused} examples are nearer to another topic than to the others here"
            yield TopicProblem(number, None, "topics-alike", message)


def topic_problems(rules: Sequence[TopicRule]) -> Iterator[TopicProblem]:
    """Too few examples, and examples of two topics that are nearly the same."""
    for number, rule in enumerate(rules):
        count = len(rule.examples)
        if count < FEW:
            message = f"{count} examples say little of what belongs to the topic; give {ENOUGH} or more"
            yield TopicProblem(number, None, "few-examples", message)
        elif count < ENOUGH:
            message = f"{count} examples; with {ENOUGH} or more, worded differently, more texts are recognised"
            yield TopicProblem(number, None, "few-examples", message, is_warning=False)
    words = [[frozenset(_WORD.findall(text.casefold())) for text in rule.examples] for rule in rules]
    for first, second in combinations(range(len(rules)), 2):
        if rules[first].kind != rules[second].kind:
            yield from _alike(first, second, words, rules)


def _alike(
    first: int, second: int, words: Sequence[Sequence[frozenset[str]]], rules: Sequence[TopicRule]
) -> Iterator[TopicProblem]:
    for number, one in enumerate(words[second]):
        for place, other in enumerate(words[first]):
            if one and len(one & other) >= ALIKE * len(one | other):
                message = f"nearly example {place + 1} of topic {rules[first].id}: no text is of one and not the other"
                yield TopicProblem(second, number, "alike-examples", message)
                break
