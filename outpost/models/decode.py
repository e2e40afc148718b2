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
    words = _Words.of(text, offsets, probabilities, labels, threshold)
    spans = []
    for name, run in _runs(text, offsets, words):
        certain = [word for word in run if words.sure[word]]
        if words.limits[name] is not None and certain:  # weak words that a gap parts from the sure one are nothing
            mean = words.by_word[certain].mean(axis=0)
            others = {other: float(mean[i]) for i, other in enumerate(labels.names) if i != name}
            others[OUTSIDE] = float(words.outside[certain].mean())
            ranked = sorted(others.items(), key=lambda item: -item[1])[:_ALTERNATIVES]
            first, end = words.firsts[run[0]], _word_end(offsets, words.firsts, run[-1])
            start, end = _trimmed(text, offsets[first][0], end)
            if start == end:
                continue
            spans.append(Span(labels.names[name], start, end, float(mean[name]), tuple(ranked)))
    return spans


def seams(
    text: str,
    offsets: Sequence[tuple[int, int]],
    probabilities: Floats,
    labels: Labels,
    threshold: Callable[[str], float | None],
) -> set[int]:
    """Tokens before which a text may be parted: spans on either side are the same whatever is on the other.

    Each begins a word of letters or digits that is either neither sure nor weak, so that no span reaches it, or a sure
    beginning, so that none comes over from its left. The last word is none of them: more text could go on with it.
    Arguments as for ``find_spans``.
    """
    if not offsets:
        return set()
    words = _Words.of(text, offsets, probabilities, labels, threshold)
    best = words.best[:, None]
    begins = words.sure & ~np.take_along_axis(words.going_on, best, axis=1)[:, 0]
    free = np.flatnonzero((~words.sure & ~words.weak) | begins).tolist()
    last = len(words.firsts) - 1
    tokens = (words.firsts[word] for word in free if word < last)
    return {token for token in tokens if text[offsets[token][0] : offsets[token][0] + 1].isalnum()}


def word_firsts(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """The index of each word's first token; there are offsets."""
    firsts = [0]
    for index in range(1, len(offsets)):
        (start, end), (_, before) = offsets[index], offsets[index - 1]
        covers_more = start == before and start > 0 and end > start
        if start < before or end == start or (covers_more and _joined(text[start - 1], text[start])):
            continue  # two tokens of one character, a token of none, or the middle of a word
        firsts.append(index)
    return firsts


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a text: first tokens, probabilities of names, and which name each has."""

    firsts: list[int]
    limits: list[float | None]
    by_word: Floats
    outside: Floats
    going_on: Flags
    """Of each name: not likelier to begin here."""
    best: Names
    sure: Flags
    weak: Flags
    """May go on with the span beside it."""

    @classmethod
    def of(
        cls,
        text: str,
        offsets: Sequence[tuple[int, int]],
        probabilities: Floats,
        labels: Labels,
        threshold: Callable[[str], float | None],
    ) -> "_Words":
        """Weigh each word by itself."""
        firsts = word_firsts(text, offsets)
        counts = np.diff([*firsts, len(offsets)])[:, None]
        named, begins, nothing = labels.summed(probabilities)
        by_word = np.add.reduceat(named, firsts, axis=0) / counts
        outside = np.add.reduceat(nothing, firsts) / counts[:, 0]
        limits = [threshold(name) for name in labels.names]
        # A name that is no finding competes at even odds.
        reached = by_word >= np.array([0.5 if limit is None else limit for limit in limits], np.float32)
        best = np.where(reached, by_word, -1.0).argmax(axis=1)
        sure = reached[np.arange(len(best)), best]
        floors = _WEAK * np.array([1.0 if limit is None else limit for limit in limits], np.float32)
        likeliest = by_word.argmax(axis=1)
        words = np.arange(len(best))
        weak = ~sure & (by_word >= np.maximum(floors, outside[:, None]))[words, likeliest]
        going_on = 2 * begins[firsts] <= named[firsts]
        return cls(firsts, limits, by_word, outside, going_on, best, sure, weak)


def _spread(words: _Words) -> tuple[Names, Flags]:
    """Names of words, and which words have one: those that are sure, and those beside them that weakly go on."""
    best, active = words.best.copy(), words.sure.copy()
    likeliest = words.by_word.argmax(axis=1)
    for word in np.flatnonzero(words.weak).tolist():
        name = likeliest[word]
        if word and active[word - 1] and best[word - 1] == name and words.going_on[word, name]:
            best[word], active[word] = name, True
    for word in np.flatnonzero(words.weak & ~active).tolist()[::-1]:
        name = likeliest[word]
        if word + 1 < len(best) and active[word + 1] and best[word + 1] == name and words.going_on[word + 1, name]:
            best[word], active[word] = name, True
    return best, active


def _runs(text: str, offsets: Sequence[tuple[int, int]], words: _Words) -> Iterator[tuple[int, list[int]]]:
    """Names with the words of one span each."""
    best, active = _spread(words)
    run: list[int] = []
    for word in np.flatnonzero(active).tolist():
        if run and not _continues(text, offsets, words, best, (run[-1], word)):
            yield int(best[run[-1]]), run
            run = []
        run.append(word)
    if run:
        yield int(best[run[-1]]), run


def _continues(
    text: str, offsets: Sequence[tuple[int, int]], words: _Words, best: Names, pair: tuple[int, int]
) -> bool:
    before, word = pair
    name = best[word]
    if best[before] != name:
        return False
    if not words.going_on[word, name]:  # likelier a beginning than not
        return False
    gap = text[_word_end(offsets, words.firsts, before) : offsets[words.firsts[word]][0]]
    if word == before + 1:
        return "\n\n" not in gap
    return len(gap) <= MAX_BRIDGE_CHARS and "\n" not in gap and not any(map(str.isalnum, gap))


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
