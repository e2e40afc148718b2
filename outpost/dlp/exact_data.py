"""Rows of a table (customers, staff) as keyed digests: found where several values of one row stand together.

A value that is in few rows is an *anchor*: its digest leads to its rows. Every value is digested together with its row,
too, so that equal values of many rows have nothing in common and cannot be counted. A row is found where an anchor and
values of ``min_columns`` columns in all begin within 256 characters; each value is a finding. One column alone, or
values that are all common ("John", "Smith"), are none.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from outpost.dlp.digests import (
    FIRST,
    SINGLE,
    Filter,
    Prf,
    Table,
    Values,
    mixed_first,
    mixed_pair,
    mixed_single,
    numbers,
    packed,
)
from outpost.dlp.finder import MIN_REWRITTEN_CHARS, Report
from outpost.dlp.normalise import normalise
from outpost.dlp.tokens import MAX_WORD_CHARS, Words, fold
from outpost.protocol.findings import Finding
from outpost.protocol.list_file import (
    MAX_CELLS,
    MAX_NUMBER_CHARS,
    MAX_PHRASE_WORDS,
    MAX_ROWS,
    Column,
    ColumnType,
    ListFile,
    ListFileInvalid,
    ListKey,
    RecordsHeader,
    write_list_file,
)

DEFAULT_MIN_COLUMNS: Final = 2
WINDOW_CHARS: Final = 256  # a line or two of a form; a stream waits as long behind every value
MAX_ANCHOR_ROWS: Final = 4  # a value in more rows says too little by itself, and would show how often it occurs
MIN_TEXT_CHARS: Final = 2
MAX_TEXT_CHARS: Final = 400  # a stream looks back 1,024 characters: a window, and a value that began before it
MIN_NUMBER_CHARS: Final = 6
_NUMBER_GAPS: Final = frozenset(" -./()+")
_MAX_NUMBER_GAP_CHARS: Final = 2  # ") "
_MAX_NUMBER_WORDS: Final = 9  # an IBAN in groups of four
_NUMBER_MARK: Final = "#"  # keeps numbers apart from words: no folded word holds it


class _Seen(NamedTuple):
    """A place where a value may stand."""

    start: int
    end: int
    value: str


class ExactDataFinder:
    """Finds rows of one table."""

    def __init__(self, file: ListFile, key: ListKey, report: Report, min_columns: int = DEFAULT_MIN_COLUMNS) -> None:
        """``file`` was made with ``key`` (``require_made_with``)."""
        header = file.header
        if not isinstance(header, RecordsHeader):
            raise TypeError("a list of records")
        self.report = report
        self._min_columns = min_columns
        self._values_prf, self._cells_prf = _functions(key, header.list_id)
        anchors, rows, cells, columns, bits = file.sections
        self._anchors, self._rows = Table(anchors), numbers(rows, "I")
        self._cells, self._columns = Table(cells), columns
        self._filter = Filter(bits)
        self._lengths = [length for length in header.lengths if length > 1]
        self._longest = max(header.lengths, default=1)
        self._number_lengths = frozenset(header.number_lengths)
        self._longest_number = max(header.number_lengths, default=0)
        self._values = Values(self._values_prf, self._flags)

    def _flags(self, _: int, value: int) -> int:
        first = FIRST if self._lengths and mixed_first(value) in self._filter else 0
        return first | (SINGLE if mixed_single(value) in self._filter else 0)

    def find(self, words: Words, begin: int, *, rewritten: bool) -> list[Finding]:
        """See ``SpanFinder``."""
        seen = self._seen(words)
        spans: set[tuple[int, int]] = set()
        for row, anchors in self._anchored(seen).items():
            spans |= self._of_row(row, anchors, seen)
        found = []
        for start, end in sorted(spans):
            if start >= begin and (not rewritten or end - start >= MIN_REWRITTEN_CHARS):
                finding = self.report.finding(words.text, start, end)
                found += [finding] if finding else []
        return found

    def undecided(self, words: Words) -> int:
        """See ``SpanFinder``."""
        size = len(words.text)
        open_at = self._open(words)
        waiting = (one.start for one in self._seen(words) if one.start + WINDOW_CHARS >= open_at)
        return min((open_at, *waiting)) if words.words else size

    def _open(self, words: Words) -> int:
        """Where what more text could make a value begins."""
        count, size = len(words.words), len(words.text)
        longest = max(self._longest, _MAX_NUMBER_WORDS if self._number_lengths else 1)
        tail = max(words.tail(), count - longest)
        values = self._values.of(words.words[tail:])
        if values and words.ends_open():
            values[-1] = -1  # any word may become of it
        for at, value in enumerate(values):
            after = values[at + 1] if at + 1 < len(values) else -1
            grows = value & FIRST and (after < 0 or mixed_pair(value, after) in self._filter)
            if value < 0 or grows or (self._number_lengths and self._number_goes_on(words, tail + at)):
                return words.spans[tail + at][0]
        return size

    def _number_goes_on(self, words: Words, at: int) -> bool:
        """Whether a number that begins with word ``at`` may go on behind the text."""
        length, last = 0, len(words.words) - 1
        if words.words[at].isalpha() and at + 1 < last and words.words[at + 1].isalpha():
            return False
        for index in range(at, last + 1):
            length += len(words.words[index])
            if index > at and not _in_one_number(words, index - 1):
                return False
        rest = words.text[words.spans[-1][1] :]
        return length < self._longest_number and len(rest) <= _MAX_NUMBER_GAP_CHARS and _NUMBER_GAPS.issuperset(rest)

    def _seen(self, words: Words) -> list[_Seen]:
        """Every place where a value of the table may stand, by start."""
        values = self._values.of(words.words)
        seen = [_Seen(*words.spans[at], fold(words.words[at])) for at, value in enumerate(values) if value & SINGLE]
        for at in self._filter.begins(values):
            seen += self._phrases(words, values, at)
        if self._number_lengths:
            seen += self._numbers(words)
        seen.sort()
        return seen

    def _phrases(self, words: Words, values: Sequence[int], at: int) -> Iterator[_Seen]:
        reach, most = 2, min(self._longest, len(values) - at)
        while reach < most and mixed_pair(values[at + reach - 1], values[at + reach]) in self._filter:
            reach += 1
        reach = words.run(at, reach)
        for length in self._lengths:
            if length <= reach:
                value = " ".join(map(fold, words.words[at : at + length]))
                yield _Seen(words.spans[at][0], words.spans[at + length - 1][1], value)

    def _numbers(self, words: Words) -> Iterator[_Seen]:
        digits = [not word.isalpha() for word in words.words]
        for at, has_digit in enumerate(digits):
            # It may begin with letters (an IBAN), but not far before its first digit.
            if not (has_digit or (at + 1 < len(digits) and digits[at + 1])):
                continue
            text = ""
            for index in range(at, min(at + _MAX_NUMBER_WORDS, len(digits))):
                if index > at and not _in_one_number(words, index - 1):
                    break
                text += words.words[index]
                if len(text) > self._longest_number:
                    break
                if len(text) in self._number_lengths:
                    yield _Seen(words.spans[at][0], words.spans[index][1], _NUMBER_MARK + fold(text))

    def _anchored(self, seen: Iterable[_Seen]) -> dict[int, list[int]]:
        """By row, where its anchors begin."""
        rows_of: dict[str, list[int]] = {}
        anchors: dict[int, list[int]] = {}
        for one in seen:
            if one.value not in rows_of:
                places = self._anchors.places(self._values_prf.digest(one.value))
                rows_of[one.value] = [self._rows[place] for place in places[:MAX_ANCHOR_ROWS]]
            for row in rows_of[one.value]:
                anchors.setdefault(row, []).append(one.start)
        return anchors

    def _of_row(self, row: int, anchors: Sequence[int], seen: Sequence[_Seen]) -> set[tuple[int, int]]:
        """Spans of the row's values where enough of them stand together."""
        here: list[tuple[_Seen, int]] = []
        columns: dict[str, int] = {}  # of each value; -1 if it is none of the row's
        done = 0
        for anchor in anchors:
            at = max(done, bisect_left(seen, anchor - WINDOW_CHARS + 1, key=_start))
            while at < len(seen) and seen[at].start < anchor + WINDOW_CHARS:
                value = seen[at].value
                if value not in columns:
                    columns[value] = self._column(row, value)
                if columns[value] >= 0:
                    here.append((seen[at], columns[value]))
                at += 1
            done = at
        return set(self._together(_outermost(here), anchors))

    def _together(self, here: Sequence[tuple[_Seen, int]], anchors: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The spans of ``here`` (values of one row with their columns) that lie in a window with enough of them."""
        inside: Counter[int] = Counter()  # how often each column is in the window
        last = told = 0
        for first, (one, column) in enumerate(here):
            end = one.start + WINDOW_CHARS
            while last < len(here) and here[last][0].start < end:
                inside[here[last][1]] += 1
                last += 1
            has_anchor = bisect_left(anchors, one.start) < bisect_left(anchors, end)
            if has_anchor and len(inside) >= self._min_columns:
                for each, _ in here[max(first, told) : last]:
                    yield each.start, each.end
                told = last
            inside[column] -= 1
            if not inside[column]:
                del inside[column]

    def _column(self, row: int, value: str) -> int:
        places = self._cells.places(_cell(self._cells_prf, row, value))
        return self._columns[places[0]] if places else -1


def _outermost(here: list[tuple[_Seen, int]]) -> list[tuple[_Seen, int]]:
    """Without what lies within another: a first name in an e-mail address is not a second value."""
    kept, end = [], 0
    for one in sorted(here, key=lambda one: (one[0].start, -one[0].end)):
        if one[0].end > end:
            kept.append(one)
            end = one[0].end
    return kept


def _start(one: _Seen) -> int:
    return one.start


def _in_one_number(words: Words, index: int) -> bool:
    gap = words.text[words.spans[index][1] : words.spans[index + 1][0]]
    return len(gap) <= _MAX_NUMBER_GAP_CHARS and _NUMBER_GAPS.issuperset(gap)


def _functions(key: ListKey, list_id: str) -> tuple[Prf, Prf]:
    return Prf(key.derive("records", list_id)), Prf(key.derive("records/cells", list_id))


def _cell(prf: Prf, row: int, value: str) -> int:
    return int.from_bytes(prf(row.to_bytes(4, "little") + value.encode())[:8], "little")


def cell_value(text: str, kind: ColumnType) -> str | None:
    """A cell as it is compared; None if it is too short or too long to be one.

    Raises:
        CouldNotInspect: It is not Unicode text.
    """
    words = [fold(word) for word in Words(normalise(text).text).words]
    joined = "".join(words)
    if kind is ColumnType.NUMBER:
        fits = MIN_NUMBER_CHARS <= len(joined) <= MAX_NUMBER_CHARS and any(map(str.isdecimal, joined))
        return _NUMBER_MARK + joined if fits else None
    fits = MIN_TEXT_CHARS <= len(joined) <= MAX_TEXT_CHARS and len(words) <= MAX_PHRASE_WORDS
    return " ".join(words) if fits and all(len(word) <= MAX_WORD_CHARS for word in words) else None


class _Table:
    """Collects cells."""

    def __init__(self, list_id: str, key: ListKey) -> None:
        self._values_prf, self._cells_prf = _functions(key, list_id)
        self.digests, self.rows_of = array("Q"), array("I")
        self.cells: dict[int, int] = {}
        self.elements: set[int] = set()
        self.lengths: set[int] = set()
        self.number_lengths: set[int] = set()
        self._words: dict[str, int] = {}

    def add(self, row: int, column: int, value: str) -> bool:
        """Add a cell; false if the row has the value already."""
        cell = _cell(self._cells_prf, row, value)
        if cell in self.cells:
            return False
        self.cells[cell] = column
        self.digests.append(self._values_prf.digest(value))
        self.rows_of.append(row)
        if value.startswith(_NUMBER_MARK):
            self.number_lengths.add(len(value) - 1)
            return True
        words = [self._value(word) for word in value.split(" ")]
        self.lengths.add(len(words))
        self.elements |= {mixed_single(words[0])} if len(words) == 1 else {mixed_first(words[0])}
        self.elements.update(mixed_pair(first, second) for first, second in pairwise(words))
        return True

    def anchors(self) -> list[tuple[int, int]]:
        """Digests and rows of values that are in few rows, sorted."""
        pairs = sorted(zip(self.digests, self.rows_of, strict=True))
        found: list[tuple[int, int]] = []
        at = 0
        while at < len(pairs):
            end = at + 1
            while end < len(pairs) and pairs[end][0] == pairs[at][0]:
                end += 1
            if end - at <= MAX_ANCHOR_ROWS:
                found += pairs[at:end]
            at = end
        return found

    def _value(self, word: str) -> int:
        if word not in self._words:
            self._words[word] = self._values_prf.word(word)[1]
        return self._words[word]


def build_records(
    rows: Iterable[Sequence[str]],
    columns: Sequence[Column],
    list_id: str,
    key: ListKey,
    on_skipped: Callable[[str], None] = lambda _: None,
) -> bytes:
    """The file of a table.

    Args:
        rows: Values in the order of ``columns``; empty ones are passed over.
        columns: At least two.
        list_id: The list's id in ``detectors.json``.
        key: The org's list key.
        on_skipped: Told each value that cannot be listed (``cell_value``).

    Raises:
        ListFileInvalid: There is nothing to list, no value is rare, or it is more than a list may have.
        CouldNotInspect: A value is not Unicode text.
    """
    table, count = _Table(list_id, key), 0
    for count, row in enumerate(rows, start=1):
        if count > MAX_ROWS:
            raise ListFileInvalid(f"a table has at most {MAX_ROWS} rows")
        for number, (text, column) in enumerate(zip(row, columns, strict=True)):
            value = cell_value(text, column.type)
            if value is not None:
                table.add(count - 1, number, value)
            elif text.strip():
                on_skipped(text)
        if len(table.cells) > MAX_CELLS:
            raise ListFileInvalid(f"a table has at most {MAX_CELLS} cells")
    anchors = table.anchors()
    if len(table.cells) < len(columns) or not anchors:
        message = f"no value is in at most {MAX_ANCHOR_ROWS} rows, so no row could be told from others"
        raise ListFileInvalid(message if table.cells else "there are no values to list")
    bits = Filter.for_elements(len(table.elements))
    for element in table.elements:
        bits.add(element)
    header = RecordsHeader(
        list_id=list_id,
        key_id=key.id,
        filter_bits=bits.power,
        entries=len(table.cells),
        anchors=len(anchors),
        rows=count,
        columns=list(columns),
        lengths=sorted(table.lengths),
        number_lengths=sorted(table.number_lengths),
    )
    cells = sorted(table.cells.items())
    sections = (
        packed("Q", (digest for digest, _ in anchors)),
        packed("I", (row for _, row in anchors)),
        packed("Q", (digest for digest, _ in cells)),
        bytes(column for _, column in cells),
        bits.to_bytes(),
    )
    return write_list_file(header, sections, key)
