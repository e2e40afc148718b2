"""Token probabilities to spans that begin and end with words. Pure.

A name's probability at a token is the sum over its labels, of a word the mean over its tokens. A word belongs to the
likeliest of the names that reach their thresholds, or to the span beside it that it weakly goes on. A span goes on
while the name stays and a new one does not begin; a little punctuation between two of its words does not end it.
``docs/models.md`` is the specification.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from outpost.models.scores import Floats
from outpost.protocol.model_card import OUTSIDE, Head, split_label

MAX_BRIDGE_CHARS: Final = 3
"""Of punctuation and blanks between two words of one span: ``12, rue`` and ``Smith & Co``."""
_BEGINNING: Final = frozenset("BSU")
_ALTERNATIVES: Final = 3
_QUOTES: Final = "\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
_BEFORE: Final = frozenset(",;:.!?)]}" + _QUOTES)
_AFTER: Final = frozenset(",;:([{" + _QUOTES)
_CLOSING: Final = {")": "(", "]": "[", "}": "{"}
_WEAK: Final = 0.5
"""Of a threshold: what a word beside a span must reach to go on with it, if nothing is likelier for it."""
# Scripts written without blanks, where each character is a word (UAX #29 asks for dictionaries).
_UNSPACED: Final = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "HALFWIDTH KATAKANA")

Names = np.ndarray[tuple[int, ...], np.dtype[np.intp]]
Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Span:
    """Code points ``[start, end)``, one name, the mean probability of its words, and what else they may be."""

    name: str
    start: int
    end: int
    probability: float
    alternatives: tuple[tuple[str, float], ...]


class Labels:
    """The labels of a head in the form in which they are summed."""

    def __init__(self, head: Head) -> None:
        self.names = head.names
        index = {name: number for number, name in enumerate(self.names)}
        self._sum = np.zeros((len(head.labels), len(self.names)), np.float32)
        self._begin = np.zeros_like(self._sum)
        for row, label in enumerate(head.labels):
            if label != OUTSIDE:
                prefix, name = split_label(label)
                (self._begin if prefix in _BEGINNING else self._sum)[row, index[name]] = 1
        self._outside = head.labels.index(OUTSIDE) if OUTSIDE in head.labels else None
        self._sum += self._begin

    def summed(self, probabilities: Floats) -> tuple[Floats, Floats, Floats]:
        """Of ``[tokens, labels]``: probability of each name, that it begins, and of being nothing."""
        nothing = np.zeros(len(probabilities)) if self._outside is None else probabilities[:, self._outside]
        return probabilities @ self._sum, probabilities @ self._begin, np.asarray(nothing, np.float32)


def find_spans(
    text: str,
    offsets: Sequence[tuple[int, int]],
    probabilities: Floats,
    labels: Labels,
    threshold: Callable[[str], float | None],
) -> list[Span]:
    """Spans in ``text``.

    Args:
        text: As received.
        offsets: Of each token; equal ends mean that it covers nothing.
        probabilities: ``[tokens, labels]``.
        labels: Of the last axis.
        threshold: Of a name; None for names that are no findings, which still take words from others.
    """
    if not offsets:
        return []
    firsts = _word_firsts(text, offsets)
    counts = np.diff([*firsts, len(offsets)])[:, None]
    named, begins, nothing = labels.summed(probabilities)
    by_word = np.add.reduceat(named, firsts, axis=0) / counts
    outside = np.add.reduceat(nothing, firsts) / counts[:, 0]
    limits = [threshold(name) for name in labels.names]
    # A name that is no finding competes at even odds.
    reached = by_word >= np.array([0.5 if limit is None else limit for limit in limits], np.float32)
    best = np.where(reached, by_word, -1.0).argmax(axis=1)
    sure = reached[np.arange(len(best)), best]
    going_on = 2 * begins[firsts] <= named[firsts]  # of each name: not likelier to begin here
    floors = _WEAK * np.array([1.0 if limit is None else limit for limit in limits], np.float32)
    best, active = _spread(best, sure, by_word, np.maximum(floors, outside[:, None]), going_on)
    spans = []
    for name, words in _runs(text, offsets, firsts, _Decided(best, active, begins, named)):
        certain = [word for word in words if sure[word]]
        if limits[name] is not None and certain:  # weak words that a gap parts from the sure one are nothing
            mean = by_word[certain].mean(axis=0)
            others = {other: float(mean[i]) for i, other in enumerate(labels.names) if i != name}
            others[OUTSIDE] = float(outside[certain].mean())
            ranked = sorted(others.items(), key=lambda item: -item[1])[:_ALTERNATIVES]
            start, end = _trimmed(text, offsets[firsts[words[0]]][0], _word_end(offsets, firsts, words[-1]))
            if start == end:
                continue
            spans.append(Span(labels.names[name], start, end, float(mean[name]), tuple(ranked)))
    return spans


def _spread(best: Names, sure: Flags, by_word: Floats, floors: Floats, going_on: Flags) -> tuple[Names, Flags]:
    """Names of words, and which words have one: those that are sure, and those beside them that weakly go on."""
    best, active = best.copy(), sure.copy()
    likeliest = by_word.argmax(axis=1)
    words = np.arange(len(best))
    weak = ~sure & (by_word[words, likeliest] >= floors[words, likeliest])
    for word in np.flatnonzero(weak).tolist():
        name = likeliest[word]
        if word and active[word - 1] and best[word - 1] == name and going_on[word, name]:
            best[word], active[word] = name, True
    for word in np.flatnonzero(weak & ~active).tolist()[::-1]:
        name = likeliest[word]
        if word + 1 < len(best) and active[word + 1] and best[word + 1] == name and going_on[word + 1, name]:
            best[word], active[word] = name, True
    return best, active


@dataclass(frozen=True, slots=True)
class _Decided:
    best: Names
    active: Flags
    begins: Floats
    named: Floats


def _runs(
    text: str, offsets: Sequence[tuple[int, int]], firsts: Sequence[int], decided: _Decided
) -> Iterator[tuple[int, list[int]]]:
    """Names with the words of one span each."""
    run: list[int] = []
    for word in np.flatnonzero(decided.active).tolist():
        if run and not _continues(text, offsets, firsts, decided, (run[-1], word)):
            yield int(decided.best[run[-1]]), run
            run = []
        run.append(word)
    if run:
        yield int(decided.best[run[-1]]), run


def _continues(
    text: str,
    offsets: Sequence[tuple[int, int]],
    firsts: Sequence[int],
    decided: _Decided,
    words: tuple[int, int],
) -> bool:
    before, word = words
    name = decided.best[word]
    if decided.best[before] != name:
        return False
    token = firsts[word]
    begins = decided.begins[token, name]
    if 2 * begins > decided.named[token, name]:  # likelier a beginning than not
        return False
    gap = text[_word_end(offsets, firsts, before) : offsets[token][0]]
    if word == before + 1:
        return "\n\n" not in gap
    return len(gap) <= MAX_BRIDGE_CHARS and "\n" not in gap and not any(map(str.isalnum, gap))


def _word_firsts(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """The index of each word's first token."""
    firsts = [0]
    for index in range(1, len(offsets)):
        (start, end), (_, before) = offsets[index], offsets[index - 1]
        covers_more = start == before and start > 0 and end > start
        if start < before or end == start or (covers_more and _joined(text[start - 1], text[start])):
            continue  # two tokens of one character, a token of none, or the middle of a word
        firsts.append(index)
    return firsts


def _word_end(offsets: Sequence[tuple[int, int]], firsts: Sequence[int], word: int) -> int:
    last = firsts[word + 1] if word + 1 < len(firsts) else len(offsets)
    return max(end for _, end in offsets[firsts[word] : last])


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without marks that end what is before the span, or begin what is after it."""
    while start < end and (text[start] in _BEFORE or text[start].isspace()):
        start += 1
    while start < end and (text[end - 1] in _AFTER or text[end - 1].isspace() or _lonely(text, start, end)):
        end -= 1
    if start < end < len(text) and _lonely(text, start, end + 1) is False:
        end += 1
    return start, end


def _lonely(text: str, start: int, end: int) -> bool | None:
    """Whether the last character is a bracket that closes none of the span; None if it is no closing bracket."""
    opening = _CLOSING.get(text[end - 1])
    if opening is None:
        return None
    return text.count(opening, start, end) < text.count(text[end - 1], start, end)


def _joined(left: str, right: str) -> bool:
    return _in_word(left) and _in_word(right) and not (_stands_alone(left) or _stands_alone(right))


def _in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def _stands_alone(character: str) -> bool:
    return not character.isascii() and unicodedata.name(character, "").startswith(_UNSPACED)
