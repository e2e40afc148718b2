"""A text that arrives in pieces: what a pack says of its beginning, as soon as no continuation could change it.

Windows begin at fixed tokens from the start of the text, so each full one is what ``Inspector`` reads of the whole.
The law: findings given out are those of the whole text, on any chunking, but for judgements (attacks), of which each
window that reaches its threshold is given, not the highest only. Before ``upto`` nothing that is wanted follows. Where
thresholds of the lengths that the text may still reach disagree, it waits. Pure: the graph is run elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from outpost.errors import ModelUnavailable
from outpost.models.decode import seams, word_firsts
from outpost.models.inspector import Inspector, Prepared, shaped
from outpost.models.results import ModelFinding, Settled, score_of
from outpost.models.scores import Floats, sigmoid, softmax
from outpost.models.shapes import shapes
from outpost.models.tokens import Tokens
from outpost.models.windows import Window
from outpost.protocol.findings import Finding, Tier
from outpost.protocol.model_card import Aggregate, Head, HeadKind, Input

_SEEN_BEFORE: Final = 2  # how far back the class of a token looks (``shapes.py``)
_PATIENCE: Final = 4  # windows; of what stays undecided for longer only each doubling is looked at again
_BY_TOKEN: Final = (HeadKind.TOKEN_CLASSIFICATION, HeadKind.SPAN_CHECK)


@dataclass(frozen=True, slots=True)
class _Judged:
    """One window as a head judges it: a label that may count, its probability, and the window's place."""

    head: Head
    label: str
    probability: float
    start: int
    end: int


class Growing:
    """One text. ``add``, then ``conclude`` with what the graph says of the windows, and so on; not thread-safe.

    Code points count from the beginning of the text where nothing else is said.
    """

    def __init__(self, inspector: Inspector, wanted: frozenset[str] | None = None) -> None:
        """Judgements of other kinds than ``wanted``, unless that is None, are given when the text has ended."""
        self.inspector = inspector
        self._wanted = wanted
        self._stride = inspector.room - inspector.card.window.overlap_tokens
        # What is still needed of the text, and where that begins.
        self._text = ""
        self._base = 0
        self._loose = 0
        """From here on tokens may still change."""
        # Tokens from ``_first`` on that will not change; their offsets count from ``_base``.
        self._first = 0
        self._ids: list[int] = []
        self._offsets: list[tuple[int, int]] = []
        self._shapes: list[int] = []
        self._rows: dict[str, list[Floats]] = {head.name: [] for head in inspector.card.heads if head.kind in _BY_TOKEN}
        """Probabilities of tokens from ``_first`` on."""
        self._next = 0
        """Where the first window begins that was not read."""
        self._reading: list[Window] = []
        self._judged: list[_Judged] = []
        self._later: list[_Judged] = []
        self._weak: dict[int, Finding] = {}
        self._weak_count = 0
        self._windows = 0
        self._look_again = 0
        self._ended = False

    def add(self, text: str, weak: Sequence[Finding] = (), *, final: bool = False) -> Prepared:
        """Take the next piece and the weak findings in it; what the graph is to read now, which may be nothing.

        Raises:
            ModelUnavailable: The text has a lone surrogate, has ended before, or the tokeniser fails.
        """
        if self._ended or self._reading:
            raise ModelUnavailable("the text has ended, or is being read")
        self._ended = final
        self._text += text
        for finding in weak:
            self._weak[self._weak_count] = finding
            self._weak_count += 1
        self._tokenise()
        count = self._first + len(self._ids)
        room = self.inspector.room
        start = self._next
        while start + room <= count or (final and start < count and (not start or start + self._overlap < count)):
            self._reading.append(Window(start, min(start + room, count), self._seam(start), min(start + room, count)))
            start += self._stride
        first = self._first
        windows = tuple(
            Window(*(at - first for at in (w.start, w.end, w.keep_start, w.keep_end))) for w in self._reading
        )
        special = self.inspector.card.window.max_tokens - room
        sizes = tuple(window.end - window.start + special for window in windows)
        return Prepared(self._text, Tokens(self._ids, self._offsets), self._shapes, windows, (), sizes)

    def conclude(self, answers: Sequence[Mapping[str, Floats]]) -> Settled:
        """What follows from the outputs for all windows that ``add`` gave, each without its batch's axis.

        Raises:
            ModelUnavailable: An output has the wrong form, or holds what is no number.
        """
        for window, answer in zip(self._reading, answers, strict=True):
            for head in self.inspector.card.heads:
                output = shaped(answer[head.output], head)
                if head.kind in _BY_TOKEN:
                    self._keep(head, window, output)
                elif head.kind is HeadKind.SEQUENCE_CLASSIFICATION and head.aggregate is Aggregate.MAX:
                    self._judge(head, window, output)
        count = self._first + len(self._ids)
        if self._reading:
            self._windows += len(self._reading)
            self._next = self._reading[-1].start + self._stride
            self._reading = []
        elif not self._ended:  # nothing new but a few tokens
            return Settled(self._decided, lacking=self._lacking(count), tokens=count, windows=self._windows)
        lacking = self._lacking(count)
        found, doubted, at = self._decide(count)
        return Settled(at, tuple(found), tuple(doubted), lacking, count, self._windows)

    def _lacking(self, count: int) -> int:
        return max(self._next + self.inspector.room - count, 1)

    @property
    def _overlap(self) -> int:
        return self.inspector.card.window.overlap_tokens

    def _seam(self, start: int) -> int:
        """From which token on the window at ``start`` counts (``windows.cut``)."""
        return (2 * start + self._overlap + 1) // 2 if start else 0

    def _tokenise(self) -> None:
        tokenizer = self.inspector.tokenizer
        if not (self._ended or tokenizer.is_local):
            return
        loose = self._loose - self._base
        try:
            if self._ended:
                tokens, on = tokenizer.encode(self._text[loose:]), len(self._text) - loose
            else:
                tokens, on = tokenizer.encode_open(self._text[loose:])
        except Exception as err:  # the library raises nothing narrower
            raise ModelUnavailable("the text could not be tokenised") from err
        offsets = [(start + loose, end + loose) for start, end in tokens.offsets]
        self._ids += tokens.ids
        self._offsets += offsets
        if Input.SHAPE_IDS in self.inspector.card.inputs:
            self._shapes += shapes(self._text, offsets)
        self._loose += on

    def _keep(self, head: Head, window: Window, output: Floats) -> None:
        lead = len(self.inspector.tokenizer.before)
        if len(output) < lead + window.end - window.start:
            raise ModelUnavailable(f"the model's output {head.output} is shorter than its input")
        kept = self._rows[head.name]
        beyond = self._first + sum(map(len, kept)) - window.keep_start  # what the window before said of them
        if beyond:
            kept[-1] = kept[-1][:-beyond]
        rows = output[lead + window.keep_start - window.start : lead + window.end - window.start]
        kept.append(softmax(rows, head.temperature))

    def _judge(self, head: Head, window: Window, output: Floats) -> None:
        probabilities = (sigmoid if head.multi_label else softmax)(output, head.temperature)
        inside = self._offsets[window.start - self._first : window.end - self._first]
        start, end = self._base + inside[0][0], self._base + max(end for _, end in inside)
        if start == end:
            end = self._base + len(self._text)  # nothing in it has a place
        for label, probability in zip(head.labels, probabilities.tolist(), strict=True):
            if (kind := head.kinds[label]) is not None:
                is_wanted = self._wanted is None or kind in self._wanted
                (self._judged if is_wanted else self._later).append(_Judged(head, label, probability, start, end))

    def _decide(self, count: int) -> tuple[list[ModelFinding], list[int], int]:
        """New findings, weak findings that are held for false, and the place before which nothing else follows."""
        if not self._ended and len(self._ids) < self._look_again:
            return [], [], self._decided
        lengths = self._lengths(count)
        self._later = [one for one in self._later if self._may_count(one, lengths)]
        if self._ended:
            self._judged += self._later
        readings = [self._found(length) for length in lengths]
        doubts = [self._doubted(length) for length in lengths]
        agreed = {f: item for f, item in readings[0].items() if all(f in other for other in readings[1:])}
        doubted = set.intersection(*doubts)
        unsure = [f for other in readings for f in other if f not in agreed]
        unsure += [self._weak[index] for index in set.union(*doubts) - doubted]
        cut, at = (len(self._ids), self._base + len(self._text))
        if not self._ended:
            spans = [*agreed, *self._weak.values()]
            cut, at = self._cut(lengths, min((f.start for f in unsure), default=at), spans)
        found = sorted((item for f, item in agreed.items() if f.end <= at), key=_in_order)
        gone = [index for index, finding in self._weak.items() if finding.end <= at]
        certain = [index for index in gone if index in doubted]
        for index in gone:
            del self._weak[index]
        self._judged = [one for one in self._judged if one.end > at and self._may_count(one, lengths)]
        self._forget(cut, at)
        return found, certain, at

    @property
    def _decided(self) -> int:
        return self._base + self._offsets[0][0] if self._first else 0

    def _lengths(self, count: int) -> list[int]:
        """One length of each sort that the whole text may have: of one sort are those with the same thresholds."""
        if self._ended:
            return [count]
        bounds = (b for head in self.inspector.card.heads for bs in head.thresholds.values() for b in bs)
        ends = {b.up_to_tokens + 1 for b in bounds if b.up_to_tokens is not None and b.up_to_tokens >= count}
        return [count, *sorted(ends)]

    def _tables(self, head: Head) -> Floats:
        kept = self._rows[head.name]
        if len(kept) > 1:
            kept[:] = [np.concatenate(kept)]
        return kept[0] if kept else np.zeros((0, len(head.labels)), np.float32)

    def _region(self, head: Head) -> tuple[list[tuple[int, int]], Floats]:
        """Tokens whose probabilities are final."""
        rows = self._tables(head)
        settled = len(rows) if self._ended else min(len(rows), max(self._seam(self._next) - self._first, 0))
        return self._offsets[:settled], rows[:settled]

    def _found(self, length: int) -> dict[Finding, ModelFinding]:
        """What would be found in what is held if the whole text had ``length`` tokens."""
        found = []
        for head in self.inspector.card.heads:
            if head.kind is HeadKind.TOKEN_CLASSIFICATION:
                for item in self.inspector.spans(head, self._text, *self._region(head), length):
                    start, end = item.finding.start + self._base, item.finding.end + self._base
                    finding = replace(item.finding, start=start, end=end)
                    found.append(replace(item, finding=finding, window=(start, end)))
        for one in self._judged:
            kind, limit = one.head.kinds[one.label], one.head.threshold(one.label, length)
            if kind is None or one.probability < limit:
                continue
            score, detector = score_of(one.probability, limit), self.inspector.detector(one.head)
            finding = Finding(kind, one.start, one.end, score, detector, Tier.CONTEXT_MODEL)
            found.append(ModelFinding(finding, one.label, one.probability, limit, (one.start, one.end)))
        return {item.finding: item for item in found}

    def _may_count(self, one: _Judged, lengths: Sequence[int]) -> bool:
        return any(one.probability >= one.head.threshold(one.label, length) for length in lengths)

    def _doubted(self, length: int) -> set[int]:
        doubted = set()
        for head in self.inspector.card.heads:
            if head.kind is not HeadKind.SPAN_CHECK:
                continue
            offsets, rows = self._region(head)
            last = self._base + offsets[-1][1] if offsets else 0
            limit = head.threshold("real", length)
            for index, finding in self._weak.items():
                if finding.kind not in head.check_kinds or (finding.end > last and not self._ended):
                    continue
                start, end = finding.start - self._base, finding.end - self._base
                inside = [row for row, (first, past) in enumerate(offsets) if first < end and past > start]
                # What no token covers cannot be doubted.
                if inside and float(rows[inside, 1].mean()) < limit:
                    doubted.add(index)
        return doubted

    def _cut(self, lengths: Sequence[int], limit: int, spans: Sequence[Finding]) -> tuple[int, int]:
        """The last token, and its place, before which everything is decided and which parts none of ``spans``.

        Nothing at ``limit`` or behind is decided, nor what the next window will read.
        """
        places = [(token, self._base + self._offsets[token][0]) for token in sorted(self._free(lengths))]
        places = [(token, at) for token, at in places if token <= self._next - self._first and at <= limit]
        cut, at = places.pop() if places else (0, self._decided)
        while (before := min((f.start for f in spans if f.start < at < f.end), default=at)) < at:
            while places and places[-1][1] > before:
                places.pop()
            cut, at = places.pop() if places else (0, self._decided)
        held = len(self._ids) - cut
        self._look_again = 0 if cut or held < _PATIENCE * self.inspector.room else 2 * held
        return cut, at

    def _free(self, lengths: Sequence[int]) -> set[int]:
        """Tokens before which no span can lie across, whichever of ``lengths`` the text will have."""
        free: set[int] | None = None
        for head in self.inspector.card.heads:
            if head.kind is not HeadKind.TOKEN_CLASSIFICATION:
                continue
            offsets, rows = self._region(head)
            for limits in {tuple(self.inspector.limits(head, length).items()) for length in lengths}:
                found = seams(self._text, offsets, rows, self.inspector.labels[head.name], dict(limits).__getitem__)
                free = found if free is None else free & found
        if free is None:
            offsets = self._offsets[: max(self._next - self._first, 0)]
            free = set(word_firsts(self._text, offsets)[:-1]) if offsets else set()
        return free

    def _forget(self, cut: int, at: int) -> None:
        """Let go of the tokens before ``cut``, and of the text before ``at``."""
        if not cut:
            return
        self._first += cut
        del self._ids[:cut], self._shapes[:cut]
        for name, kept in self._rows.items():
            self._rows[name] = [np.concatenate(kept)[cut:]] if kept else []
        begin = max(at - self._base - _SEEN_BEFORE, 0)
        self._text, self._base = self._text[begin:], self._base + begin
        self._offsets = [(start - begin, end - begin) for start, end in self._offsets[cut:]]


def _in_order(item: ModelFinding) -> tuple[int, int, str]:
    return item.finding.start, -item.finding.end, item.finding.kind
