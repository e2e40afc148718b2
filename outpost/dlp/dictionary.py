"""Lists of words and phrases (customers, projects) as keyed digests: up to a million entries, 12 bytes each.

What a text is compared by: ``tokens.py``. A word costs a look into what was learned of it before; a place where an
entry may begin costs two bits of the prefilter for each pair of words; only what passes is digested. The longest
entry at each place counts.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final

from outpost.dlp.digests import (
    FIRST,
    SINGLE,
    Filter,
    Prf,
    Table,
    Values,
    mixed_first,
    mixed_pair,
    sorted_section,
)
from outpost.dlp.finder import MIN_REWRITTEN_CHARS, Report
from outpost.dlp.normalise import normalise
from outpost.dlp.tokens import MAX_WORD_CHARS, Words, fold
from outpost.protocol.findings import Finding
from outpost.protocol.list_file import (
    MAX_PHRASE_WORDS,
    MAX_PHRASES,
    ListFile,
    ListFileInvalid,
    ListKey,
    WordsHeader,
    write_list_file,
)

PURPOSE: Final = "words"
MIN_PHRASE_CHARS: Final = 3
"""Letters and digits of an entry; shorter ones are words of every text."""


class DictionaryFinder:
    """Finds the entries of one list."""

    def __init__(self, file: ListFile, key: ListKey, report: Report) -> None:
        """``file`` was made with ``key`` (``require_made_with``)."""
        header = file.header
        if not isinstance(header, WordsHeader):
            raise TypeError("a list of words")
        self.report = report
        self._prf = Prf(key.derive(PURPOSE, header.list_id))
        self._table = Table(file.sections[0])
        self._filter = Filter(file.sections[1])
        self._lengths = sorted((n for n in header.lengths if n > 1), reverse=True)
        self._longest = max(header.lengths)
        self._values = Values(self._prf, self._flags)

    def _flags(self, digest: int, value: int) -> int:
        first = FIRST if self._lengths and mixed_first(value) in self._filter else 0
        return first | (SINGLE if digest in self._table else 0)

    def find(self, words: Words, begin: int, *, rewritten: bool) -> list[Finding]:
        """See ``SpanFinder``."""
        values = self._values.of(words.words)
        lengths = {at: 1 for at, value in enumerate(values) if value & SINGLE}
        for at in self._filter.begins(values):
            length = self._longest_entry(words, values, at)
            if length:
                lengths[at] = length
        found: list[Finding] = []
        for at, length in lengths.items():
            start, end = words.spans[at][0], words.spans[at + length - 1][1]
            if start >= begin and (not rewritten or end - start >= MIN_REWRITTEN_CHARS):
                finding = self.report.finding(words.text, start, end)
                found += [finding] if finding else []
        return found

    def undecided(self, words: Words) -> int:
        """See ``SpanFinder``."""
        count = len(words.words)
        tail = max(words.tail(), count - self._longest)
        if tail >= count:
            return len(words.text)
        values = self._values.of(words.words[tail:])
        if words.ends_open():
            values[-1] = -1  # any word may become of it
        for at, value in enumerate(values):
            after = values[at + 1] if at + 1 < len(values) else -1
            if value < 0 or (value & FIRST and (after < 0 or mixed_pair(value, after) in self._filter)):
                return words.spans[tail + at][0]
        return len(words.text)

    def _longest_entry(self, words: Words, values: Sequence[int], at: int) -> int:
        """How many words the longest entry of several has that begins with word ``at``; 0 if there is none."""
        reach, most = 2, min(self._longest, len(values) - at)
        while reach < most and mixed_pair(values[at + reach - 1], values[at + reach]) in self._filter:
            reach += 1
        folded = [fold(word) for word in words.words[at : at + reach]]
        for length in self._lengths:
            listed = length <= reach and self._prf.digest(" ".join(folded[:length])) in self._table
            if listed and words.run(at, length) == length:  # last: it asks where words are, which few texts need
                return length
        return 0


def phrase(entry: str) -> list[str] | None:
    """The words of an entry as they are compared; None if it cannot be listed: too short, or too long.

    Raises:
        CouldNotInspect: It is not Unicode text.
    """
    words = [fold(word) for word in Words(normalise(entry).text).words]
    too_long = len(words) > MAX_PHRASE_WORDS or any(len(word) > MAX_WORD_CHARS for word in words)
    return None if too_long or sum(map(len, words)) < MIN_PHRASE_CHARS else words


def build_words(
    entries: Iterable[str],
    list_id: str,
    key: ListKey,
    on_skipped: Callable[[str], None] = lambda _: None,
    excluded: Collection[str] = (),
) -> bytes:
    """The file of a list of words and phrases.

    Args:
        entries: Each a word or phrase.
        list_id: The list's id in ``detectors.json``.
        key: The org's list key.
        on_skipped: Told each entry that cannot be listed (``phrase``) or is excluded; blank ones are passed over.
        excluded: Phrases that are not listed, as folded words with one blank between them.

    Raises:
        ListFileInvalid: There are none, or more than a list may have.
        CouldNotInspect: An entry is not Unicode text.
    """
    prf = Prf(key.derive(PURPOSE, list_id))
    digests: set[int] = set()
    elements: set[int] = set()
    lengths: set[int] = set()
    values: dict[str, int] = {}
    for words in _phrases(entries, on_skipped, excluded):
        lengths.add(len(words))
        digests.add(prf.digest(" ".join(words)))
        if len(words) > 1:
            keyed = [values[w] if w in values else values.setdefault(w, prf.word(w)[1]) for w in words]
            elements.add(mixed_first(keyed[0]))
            elements.update(map(mixed_pair, keyed, keyed[1:]))
        if len(digests) > MAX_PHRASES:
            raise ListFileInvalid(f"a list has at most {MAX_PHRASES} entries")
    if not digests:
        raise ListFileInvalid("there are no entries to list")
    bits = Filter.for_elements(len(elements))
    for element in elements:
        bits.add(element)
    header = WordsHeader(
        list_id=list_id, key_id=key.id, filter_bits=bits.power, entries=len(digests), lengths=sorted(lengths)
    )
    return write_list_file(header, (sorted_section(digests), bits.to_bytes()), key)


def _phrases(
    entries: Iterable[str], on_skipped: Callable[[str], None], excluded: Collection[str]
) -> Iterator[list[str]]:
    for entry in entries:
        words = phrase(entry)
        if words is not None and " ".join(words) not in excluded:
            yield words
        elif entry.strip():
            on_skipped(entry)
