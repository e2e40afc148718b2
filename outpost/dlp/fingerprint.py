"""Fingerprints of confidential documents: a pasted paragraph is found, and not what everybody writes.

Winnowing (Schleimer, Wilkerson, Aiken: "Winnowing: local algorithms for document fingerprinting", SIGMOD 2003) over
words: of every 8 words in a row the one with the least keyed value begins a fingerprint, which is the keyed digest of
8 words. So a shared passage of 15 words has one fingerprint at least, every 8 words more another. A passage counts
where ``min_shared`` fingerprints of one document begin within 400 characters; it is found in pieces of about 1,000.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from outpost.dlp.digests import FIRST, Filter, Prf, Table, Values, mixed_first, mixed_pair, numbers, packed
from outpost.dlp.finder import Report
from outpost.dlp.normalise import normalise
from outpost.dlp.tokens import Words, fold
from outpost.protocol.findings import Finding
from outpost.protocol.list_file import (
    MAX_FINGERPRINTS,
    MAX_SOURCES,
    ListFile,
    ListFileInvalid,
    ListKey,
    PassagesHeader,
    write_list_file,
)

DEFAULT_MIN_SHARED: Final = 2
SHINGLE_WORDS: Final = 8  # eight words in a row are seldom written twice
WINDOW_WORDS: Final = 8
NEAR_CHARS: Final = 400  # three or four lines
PIECE_CHARS: Final = 1000  # a stream holds no more of a passage
# A stream looks back 1,024 characters: 400, and 7 words and gaps before them.
_MAX_WORD_CHARS: Final = 64
_MAX_GAP_CHARS: Final = 16  # a new paragraph with its bullet
_BARRIER: Final = "\x1e"  # rewrite.SEPARATOR
_MAX_SOURCES_EACH: Final = 4  # of one fingerprint: more versions of a document add nothing
PURPOSE: Final = "passages"


class _Match(NamedTuple):
    """A fingerprint of the list that stands in the text."""

    start: int
    end: int
    digest: int
    sources: tuple[int, ...]


class FingerprintFinder:
    """Finds passages of a list's documents."""

    def __init__(self, file: ListFile, key: ListKey, report: Report, min_shared: int = DEFAULT_MIN_SHARED) -> None:
        """``file`` was made with ``key`` (``require_made_with``)."""
        header = file.header
        if not isinstance(header, PassagesHeader):
            raise TypeError("a list of passages")
        self.report = report
        self._min_shared = min_shared
        self._shingle, self._window = header.shingle_words, header.window_words
        self._prf = Prf(key.derive(PURPOSE, header.list_id))
        digests, sources, bits = file.sections
        self._table, self._sources, self._filter = Table(digests), numbers(sources, "I"), Filter(bits)
        self._values = Values(self._prf, self._flags)

    def _flags(self, _: int, value: int) -> int:
        return FIRST if mixed_first(value) in self._filter else 0

    def find(self, words: Words, begin: int, *, rewritten: bool) -> list[Finding]:  # noqa: ARG002 - no passage is short
        """See ``SpanFinder``."""
        counting = [match for match in self._counting(self._matches(words)) if match.start >= begin]
        findings = (self.report.finding(words.text, start, end) for start, end in _pieces(counting))
        return [finding for finding in findings if finding is not None]

    def undecided(self, words: Words) -> int:
        """See ``SpanFinder``."""
        open_at = self._open(words)
        waiting = (match.start for match in self._matches(words) if match.start + NEAR_CHARS >= open_at)
        return min((open_at, *waiting))

    def _matches(self, words: Words) -> list[_Match]:
        values = self._values.of(words.words)
        found = []
        for at in self._filter.begins(values):
            # Cheapest first; where words are is asked last.
            if at + self._shingle > len(values) or not self._may_begin(values, at):
                continue
            digest = _digest(self._prf, words, at, self._shingle)
            places = self._table.places(digest)
            if places and _selected(words, values, at, self._shingle, self._window):
                sources = tuple(self._sources[place] for place in places[:_MAX_SOURCES_EACH])
                found.append(_Match(words.spans[at][0], words.spans[at + self._shingle - 1][1], digest, sources))
        return found

    def _may_begin(self, values: Sequence[int], at: int) -> bool:
        """Whether the prefilter lets the first words pass, as far as they are there."""
        return all(
            mixed_pair(values[index], values[index + 1]) in self._filter
            for index in range(at, min(at + 2, len(values) - 1))
        )

    def _open(self, words: Words) -> int:
        """Where what more text could make a fingerprint, or no fingerprint, begins."""
        count, size = len(words.words), len(words.text)
        if not count or not _goes_on(words.text[words.spans[-1][1] :]):
            return size
        values = self._values.of(words.words)
        first = max(count - max(self._shingle, self._window) - 1, 0)
        at = count - 1
        while at > first and _joined(words, at - 1):
            at -= 1
        known = values[: count - 1] if words.ends_open() else values
        for index in range(at, count):
            if index >= len(known) or (known[index] & FIRST and self._may_begin(known, index)):
                return words.spans[index][0]
        return size

    def _counting(self, matches: Sequence[_Match]) -> list[_Match]:
        """Those that stand near enough others of the same document, in order."""
        by_source: dict[int, list[_Match]] = {}
        for match in matches:
            for source in match.sources:
                by_source.setdefault(source, []).append(match)
        return sorted({match for here in by_source.values() for match in self._together(here)})

    def _together(self, here: Sequence[_Match]) -> Iterator[_Match]:
        inside: Counter[int] = Counter()  # different ones: the same eight words twice are no passage
        last = told = 0
        for first, match in enumerate(here):
            while last < len(here) and here[last].start < match.start + NEAR_CHARS:
                inside[here[last].digest] += 1
                last += 1
            if len(inside) >= self._min_shared:
                yield from here[max(first, told) : last]
                told = last
            inside[match.digest] -= 1
            if not inside[match.digest]:
                del inside[match.digest]


def _pieces(counting: Iterable[_Match]) -> Iterator[tuple[int, int]]:
    """Passages, cut where a fingerprint begins once they are long enough."""
    start = end = last = -1
    for match in counting:
        if start >= 0 and match.start >= last + NEAR_CHARS:
            yield start, end
            start = -1
        elif start >= 0 and match.start >= start + PIECE_CHARS:
            yield start, match.start
            start = match.start
        start = match.start if start < 0 else start
        end, last = max(end, match.end), match.start
    if start >= 0:
        yield start, end


def _selected(words: Words, values: Sequence[int], at: int, shingle: int, window: int) -> bool:
    """Whether a fingerprint begins with word ``at``: its value is the least, the last of equal ones, of some window."""
    if any(not _joined(words, index) for index in range(at, at + shingle - 1)) or not values[at]:
        return False
    value, left, right = values[at] >> 2, at, at
    while left > 0 and at - left < window - 1 and values[left - 1] >> 2 >= value and _joined(words, left - 1):
        left -= 1
    while right + 1 < len(values) and right - left < window - 1 and values[right + 1] >> 2 > value:
        if not _joined(words, right):
            break
        right += 1
    return right - left + 1 >= window


def _joined(words: Words, index: int) -> bool:
    """Whether a passage may go on from word ``index`` to the one after it."""
    short = len(words.words[index]) <= _MAX_WORD_CHARS and len(words.words[index + 1]) <= _MAX_WORD_CHARS
    return short and _goes_on(words.text[words.spans[index][1] : words.spans[index + 1][0]])


def _goes_on(gap: str) -> bool:
    return len(gap) <= _MAX_GAP_CHARS and _BARRIER not in gap


def _digest(prf: Prf, words: Words, at: int, shingle: int) -> int:
    return prf.digest(" ".join(map(fold, words.words[at : at + shingle])))


class _Documents:
    """Collects fingerprints."""

    def __init__(self, prf: Prf) -> None:
        self._prf = prf
        self._values = Values(prf, lambda _, __: 0)
        self.sources: dict[int, list[int]] = {}
        self.elements: set[int] = set()

    def add(self, text: str, source: int, excluded: "_Documents | None") -> int:
        """Add a document's; returns how many it has."""
        words = Words(normalise(text).text)
        values = self._values.of(words.words)
        count = 0
        for at in range(len(values) - SHINGLE_WORDS + 1):
            if not _selected(words, values, at, SHINGLE_WORDS, WINDOW_WORDS):
                continue
            digest = _digest(self._prf, words, at, SHINGLE_WORDS)
            if excluded is not None and digest in excluded.sources:
                continue
            count += 1
            of = self.sources.setdefault(digest, [])
            if source not in of and len(of) < _MAX_SOURCES_EACH:
                of.append(source)
            first, second, third = values[at : at + 3]
            self.elements |= {mixed_first(first), mixed_pair(first, second), mixed_pair(second, third)}
        return count


def build_passages(
    documents: Iterable[str],
    list_id: str,
    key: ListKey,
    without: Iterable[str] = (),
    on_skipped: Callable[[int], None] = lambda _: None,
) -> bytes:
    """The file of a list of documents.

    Args:
        documents: Their texts.
        list_id: The list's id in ``detectors.json``.
        key: The org's list key.
        without: Texts that are not confidential: what they share with the documents is left out.
        on_skipped: Told the number, from 0, of each document that has no fingerprint: too short, or all in ``without``.

    Raises:
        ListFileInvalid: There is nothing to list, or more than a list may have.
        CouldNotInspect: A text is not Unicode text.
    """
    prf = Prf(key.derive(PURPOSE, list_id))
    known, found, sources = _Documents(prf), _Documents(prf), 0
    for text in without:
        known.add(text, 0, None)
    for number, text in enumerate(documents):
        if found.add(text, sources, known):
            sources += 1
        else:
            on_skipped(number)
        if sources > MAX_SOURCES or len(found.sources) > MAX_FINGERPRINTS:
            raise ListFileInvalid(f"a list has at most {MAX_SOURCES} documents and {MAX_FINGERPRINTS} fingerprints")
    pairs = sorted((digest, source) for digest, of in found.sources.items() for source in of)
    if not pairs:
        raise ListFileInvalid(f"there is no passage of {SHINGLE_WORDS + WINDOW_WORDS - 1} words to list")
    if len(pairs) > MAX_FINGERPRINTS:
        raise ListFileInvalid(f"a list has at most {MAX_FINGERPRINTS} fingerprints")
    bits = Filter.for_elements(len(found.elements))
    for element in found.elements:
        bits.add(element)
    header = PassagesHeader(
        list_id=list_id,
        key_id=key.id,
        filter_bits=bits.power,
        entries=len(pairs),
        sources=sources,
        shingle_words=SHINGLE_WORDS,
        window_words=WINDOW_WORDS,
    )
    sections = (
        packed("Q", (digest for digest, _ in pairs)),
        packed("I", (source for _, source in pairs)),
        bits.to_bytes(),
    )
    return write_list_file(header, sections, key)
