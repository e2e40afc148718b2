"""One text, from tokens to findings, around the runs of the graph that somebody else does.

``prepare`` says what to run, ``conclude`` what follows from the answers; in between the windows of many texts may be
run in any order and company. Neither does I/O, and both are the same wherever the graph runs.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from outpost.errors import ModelUnavailable, PackInvalid
from outpost.models.decode import Labels, find_spans
from outpost.models.pack import Pack
from outpost.models.results import ModelFinding, TextResult, score_of
from outpost.models.scores import Floats, sigmoid, softmax, unit
from outpost.models.sentences import sentences
from outpost.models.shapes import shapes
from outpost.models.tokens import TextTokenizer, Tokens
from outpost.models.topics import DEFAULT_SIMILARITY, TopicIndex
from outpost.models.windows import Window, cut
from outpost.protocol.findings import Finding, Tier
from outpost.protocol.model_card import TOKENIZER_FILE, Aggregate, Head, HeadKind, Input
from outpost.protocol.topics import TopicSet

_ALTERNATIVES: Final = 3

Batch = dict[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A text, its windows, and for topics its sentences; ``sizes`` are the tokens of all runs with special ones."""

    text: str
    tokens: Tokens
    shape_ids: list[int]
    windows: tuple[Window, ...]
    weak: tuple[Finding, ...]
    sizes: tuple[int, ...]
    topics: TopicIndex | None = None
    sentences: tuple[Window, ...] = ()
    """Read for topics alone, where there are several."""

    @property
    def runs(self) -> tuple[Window, ...]:
        """What the graph reads: windows, then sentences."""
        return self.windows + self.sentences


NOTHING: Final = Prepared("", Tokens([], []), [], (), (), ())
"""A text without tokens."""


class Inspector:
    """What a pack does with texts. One serves all threads."""

    def __init__(self, pack: Pack) -> None:
        """Read the pack's tokeniser.

        Raises:
            PackInvalid: It is none, or leaves no room in the window.
        """
        self.card = pack.card
        self.tokenizer = TextTokenizer(pack.read(TOKENIZER_FILE))
        special = len(self.tokenizer.before) + len(self.tokenizer.after)
        self.room = self.card.window.max_tokens - special
        if self.room <= 2 * self.card.window.overlap_tokens:
            raise PackInvalid(f"{pack.folder}: with {special} special tokens the windows leave no room")
        self.labels = {
            head.name: Labels(head) for head in self.card.heads if head.kind is HeadKind.TOKEN_CLASSIFICATION
        }
        self.vocabulary_size = self.tokenizer.vocabulary_size

    def prepare(self, text: str, weak: Sequence[Finding] = (), topics: TopicIndex | None = None) -> Prepared:
        """Tokenise and cut; ``weak`` are findings of other tiers that a head may hold for false, ``topics`` an org's.

        Raises:
            ModelUnavailable: The text has a lone surrogate, or the tokeniser fails.
        """
        try:
            tokens = self.tokenizer.encode(text)
        except Exception as err:  # the library raises nothing narrower
            raise ModelUnavailable("the text could not be tokenised") from err
        has_shapes = Input.SHAPE_IDS in self.card.inputs
        shape_ids = shapes(text, tokens.offsets) if has_shapes else []
        windows = tuple(cut(len(tokens.ids), self.room, self.card.window.overlap_tokens))
        special = self.card.window.max_tokens - self.room
        apart = () if topics is None else self._sentences(text, tokens)
        sizes = tuple(window.end - window.start + special for window in windows + apart)
        return Prepared(text, tokens, shape_ids, windows, tuple(weak), sizes, topics, apart)

    def _sentences(self, text: str, tokens: Tokens) -> tuple[Window, ...]:
        """Each sentence by itself, up to the first window's length; none if there is one alone."""
        places = sentences(text)
        starts = [start for start, _ in tokens.offsets]
        found = []
        for start, end in places if len(places) > 1 else ():
            first, last = bisect_left(starts, start), bisect_left(starts, end)
            last = min(last, first + self.room)
            if first < last:
                found.append(Window(first, last, first, last))
        return tuple(found)

    def batch(self, members: Sequence[tuple[Prepared, int]]) -> Batch:
        """The inputs for some runs, each given as (text, index of the run), padded to the longest."""
        width = max(prepared.sizes[index] for prepared, index in members)
        shape = (len(members), width)
        feeds: Batch = {item.value: np.zeros(shape, np.int64) for item in self.card.inputs}
        feeds[Input.INPUT_IDS][:] = self.tokenizer.pad_id
        lead = len(self.tokenizer.before)
        for row, (prepared, index) in enumerate(members):
            window = prepared.runs[index]
            inside = prepared.tokens.ids[window.start : window.end]
            ids = [*self.tokenizer.before, *inside, *self.tokenizer.after]
            feeds[Input.INPUT_IDS][row, : len(ids)] = ids
            feeds[Input.ATTENTION_MASK][row, : len(ids)] = 1
            if Input.SHAPE_IDS in feeds:
                feeds[Input.SHAPE_IDS][row, lead : lead + len(inside)] = prepared.shape_ids[window.start : window.end]
        return feeds

    def topics(self, topics: TopicSet, embed: Callable[[str], TextResult]) -> TopicIndex:
        """The org's topics as this pack sees them; ``embed`` inspects an example.

        Raises:
            ModelUnavailable: The pack cannot tell topics, or an example has no vector.
        """
        head = self.card.sentence_head
        if head is None:
            raise ModelUnavailable("the pack has no sentence embedding, so it cannot tell topics")
        name = head.name
        return TopicIndex(
            topics,
            lambda text: embed(text).embeddings.get(name, ()),
            head.similarity or DEFAULT_SIMILARITY,
            f"{self.card.name}/topics",
        )

    def conclude(self, prepared: Prepared, answers: Sequence[Mapping[str, Floats]]) -> TextResult:
        """What the outputs of all runs, in order and each without its batch's axis, say about the text.

        Raises:
            ModelUnavailable: An output has the wrong form, or holds what is no number.
        """
        if not prepared.windows:
            return TextResult()
        findings: list[ModelFinding] = []
        labels: dict[str, float] = {}
        embeddings: dict[str, tuple[float, ...]] = {}
        doubted: list[int] = []
        for head in self.card.heads:
            everything = [shaped(answer[head.output], head) for answer in answers]
            outputs = everything[: len(prepared.windows)]
            if head.kind is HeadKind.TOKEN_CLASSIFICATION:
                findings += self._spans(head, prepared, self._stitched(prepared, outputs, head))
            elif head.kind is HeadKind.SEQUENCE_CLASSIFICATION:
                findings += self._judged(head, prepared, outputs, labels)
            elif head.kind is HeadKind.SPAN_CHECK:
                doubted += _doubted(head, prepared, self._stitched(prepared, outputs, head))
            else:
                mean = np.average(outputs, axis=0, weights=_weights(prepared))
                if prepared.topics is not None and head == self.card.sentence_head:
                    vectors = np.stack([unit(np.asarray(output, np.float32)) for output in everything])
                    findings += prepared.topics.judge(vectors, [_extent(prepared, run) for run in prepared.runs])
                embeddings[head.name] = tuple(unit(np.asarray(mean, np.float32)).tolist())
        findings.sort(key=lambda f: (f.finding.start, -f.finding.end, f.finding.kind))
        return TextResult(
            tuple(findings),
            MappingProxyType(labels),
            tuple(sorted(set(doubted))),
            MappingProxyType(embeddings),
            len(prepared.tokens.ids),
            len(prepared.windows),
        )

    def _stitched(self, prepared: Prepared, outputs: Sequence[Floats], head: Head) -> Floats:
        """Probabilities ``[tokens, labels]`` of the whole text, each token's from the window in which it counts."""
        lead = len(self.tokenizer.before)
        parts = []
        for window, output in zip(prepared.windows, outputs, strict=True):
            if len(output) < lead + window.end - window.start:
                raise ModelUnavailable(f"the model's output {head.output} is shorter than its input")
            first = lead + window.keep_start - window.start
            parts.append(output[first : first + window.keep_end - window.keep_start])
        return softmax(np.concatenate(parts), head.temperature)

    def _spans(self, head: Head, prepared: Prepared, probabilities: Floats) -> list[ModelFinding]:
        offsets = prepared.tokens.offsets
        found = self.spans(head, prepared.text, offsets, probabilities, len(prepared.tokens.ids))
        for index, item in enumerate(found):
            window = next(w for w in prepared.windows if item.finding.start < offsets[w.keep_end - 1][1])
            found[index] = replace(item, window=(offsets[window.start][0], offsets[window.end - 1][1]))
        return found

    def spans(
        self, head: Head, text: str, offsets: Sequence[tuple[int, int]], probabilities: Floats, count: int
    ) -> list[ModelFinding]:
        """What a head that marks tokens finds in ``text``, or a part of it, if the whole text has ``count`` tokens.

        The window of each is left to whoever knows it.
        """
        limits = self.limits(head, count)
        found = []
        for span in find_spans(text, offsets, probabilities, self.labels[head.name], limits.__getitem__):
            limit, kind = limits[span.name], head.kinds[span.name]
            if limit is None or kind is None:
                continue
            score = score_of(span.probability, limit)
            finding = Finding(kind, span.start, span.end, score, self.detector(head), Tier.ENTITY_MODEL)
            extent = (span.start, span.end)
            found.append(ModelFinding(finding, span.name, span.probability, limit, extent, span.alternatives))
        return found

    def limits(self, head: Head, count: int) -> dict[str, float | None]:
        """From which probability each name counts in a text of ``count`` tokens; None for those that never do."""
        return {name: head.threshold(name, count) if kind is not None else None for name, kind in head.kinds.items()}

    def _judged(
        self, head: Head, prepared: Prepared, outputs: Sequence[Floats], labels: dict[str, float]
    ) -> list[ModelFinding]:
        turned = sigmoid if head.multi_label else softmax
        by_window = turned(np.stack(outputs), head.temperature)
        if head.aggregate is Aggregate.MAX:
            whole = by_window.max(axis=0)
        else:
            whole = np.average(by_window, axis=0, weights=_weights(prepared))
        scores = {name: float(whole[index]) for index, name in enumerate(head.labels)}
        labels.update({f"{head.name}.{name}": value for name, value in scores.items()})
        found = []
        for index, (name, probability) in enumerate(scores.items()):
            kind = head.kinds[name]
            if kind is None or probability < (limit := head.threshold(name, len(prepared.tokens.ids))):
                continue
            start, end = _extent(prepared, prepared.windows[int(by_window[:, index].argmax())])
            others = sorted(((n, p) for n, p in scores.items() if n != name), key=lambda item: -item[1])
            finding = Finding(kind, start, end, score_of(probability, limit), self.detector(head), Tier.CONTEXT_MODEL)
            found.append(ModelFinding(finding, name, probability, limit, (start, end), tuple(others[:_ALTERNATIVES])))
        return found

    def detector(self, head: Head) -> str:
        """What findings of a head are said to come from."""
        return f"{self.card.name}/{head.name}"


def shaped(output: Floats, head: Head) -> Floats:
    """An output of one window that has the form which the card says.

    Raises:
        ModelUnavailable: It has another.
    """
    axes = 2 if head.kind in (HeadKind.TOKEN_CLASSIFICATION, HeadKind.SPAN_CHECK) else 1
    width = head.width or len(head.labels)
    if output.ndim != axes or output.shape[-1] != width:
        raise ModelUnavailable(f"the model's output {head.output} has a form that its card does not say")
    return output


def _extent(prepared: Prepared, window: Window) -> tuple[int, int]:
    """First code point of a window, and one past the last."""
    offsets = prepared.tokens.offsets
    start, end = offsets[window.start][0], max(end for _, end in offsets[window.start : window.end])
    # Where nothing has a place, which only a text of controls or marks can do, it is all of the text.
    return (start, end) if start < end else (0, len(prepared.text))


def _weights(prepared: Prepared) -> list[int]:
    return [window.end - window.start for window in prepared.windows]


def _doubted(head: Head, prepared: Prepared, probabilities: Floats) -> list[int]:
    limit = head.threshold("real", len(prepared.tokens.ids))
    doubted = []
    for index, finding in enumerate(prepared.weak):
        if finding.kind not in head.check_kinds:
            continue
        rows = [
            row
            for row, (start, end) in enumerate(prepared.tokens.offsets)
            if start < finding.end and end > finding.start
        ]
        # What no token covers cannot be doubted.
        if rows and float(probabilities[rows, 1].mean()) < limit:
            doubted.append(index)
    return doubted
