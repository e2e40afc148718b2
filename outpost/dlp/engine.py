"""Finds what detectors describe, in time linear in the text, or says that it could not.

1. The text is normalised (``normalise.py``) and written with one byte per code point (``one_byte.py``).
2. One pass decides which patterns occur at all (``prefilter.py``), RE2 finds spans for those. No engine backtracks.
3. Cheap tests first: context words, then validators.
4. Where the same pass saw something that hides values, the text is rewritten and scanned again (``rewrite.py``).
5. Overlaps are settled by ``overlap.py``.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cache
from itertools import accumulate

from outpost.dlp.detector import DOUBTFUL_SCORE, REPORT_SCORE, Detector, touches_word
from outpost.dlp.finder import SpanFinder, find_all
from outpost.dlp.hold import first_undecided
from outpost.dlp.linear import Pattern, Spans, of_bytes
from outpost.dlp.normalise import normalise
from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.overlap import resolve
from outpost.dlp.pieces import without_groups
from outpost.dlp.prefilter import Prefilter, PrefilterUnavailable, Re2Prefilter, VectorscanPrefilter
from outpost.dlp.redact import MARKER_MAX_CHARS
from outpost.dlp.regions import BLOCK_CHARS, Regions, blocks_of, boundary_of, is_short, regions_of
from outpost.dlp.registry import ALL
from outpost.dlp.rewrite import CONTEXT_CHARS, Rewriter, Token, View, build, uncut
from outpost.dlp.rewriters.registry import REWRITERS
from outpost.dlp.tokens import Words as TextWords
from outpost.dlp.words import Ahead, Scout, Words, before_match, gate
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding

# The largest text that is inspected: more than any body the proxy accepts.
MAX_TEXT_CHARS = 32 * 1024 * 1024
# More findings than any honest prompt; bounds memory and the size of an audit event.
MAX_FINDINGS = 10_000
# A value may be encoded twice, and then still be spelled or spread.
MAX_DEPTH = 3
# From about so many patterns on Vectorscan is faster than RE2's sets (docs/evaluation.md).
MANY_PATTERNS = 100
# No match is longer, but of a detector that is open-ended or restartable: the rest of what goes on is something else.
MAX_MATCH_CHARS = 4096
# In a rewritten text, which is shorter than what it was read from, a match that was refused at this length stays so.
_MAX_REFUSED_CHARS = 512
# What all rewriters call unfinished is one automaton; in 4 MiB it does not fit, and takes a thousand times as long.
_UNFINISHED_MAX_BYTES = 16 * 1024 * 1024
# Tries a new prefilter; and what is loaded when first needed, such as telephone plans, is not loaded by a request.
_FIRST_TEXT = "Please call 030 1234567, 650-253-0000 or +44 20 7946 0018 before 10:20, card 4111 1111 1111 1111."
# Left context that gives the same findings as the whole text would: the window and a marker that begins before it.
# Encoded context is longer than what it says.
LEFT_CONTEXT_CHARS = 8 * (CONTEXT_CHARS + MARKER_MAX_CHARS)


class Engine:
    """All detectors compiled together; one serves all requests and threads. Scanning is a pure function."""

    def __init__(
        self,
        detectors: Sequence[Detector],
        rewriters: Sequence[Rewriter] = REWRITERS,
        finders: Sequence[SpanFinder] = (),
    ) -> None:
        self.detectors = tuple(detectors)
        self.rewriters = tuple(rewriters)
        self.finders = tuple(finders)
        # By index of the prefilter: detectors that share a pattern share its spans. Rewriters come after them.
        self._compiled: list[tuple[Pattern, list[tuple[Detector, Words]]]] = []
        triggers: list[str] = []
        by_pattern: dict[str, list[tuple[Detector, Words]]] = {}
        for detector in self.detectors:
            if detector.pattern not in by_pattern:
                by_pattern[detector.pattern] = []
                triggers.append(detector.trigger or detector.pattern)
                self._compiled.append((of_bytes(detector.pattern), by_pattern[detector.pattern]))
            by_pattern[detector.pattern].append((detector, Words(detector)))
        self._gates = [gate([detector for detector, _ in behind]) for _, behind in self._compiled]
        # Of what counts beside its name only: the name, which is its trigger.
        self._names = [
            of_bytes(behind[0][0].trigger) if len(behind) == 1 and behind[0][0].named else None
            for _, behind in self._compiled
        ]
        self._scouts = [Scout([detector for detector, _ in behind]) for _, behind in self._compiled]
        triggers += [rewriter.trigger for rewriter in self.rewriters]
        self._triggers = tuple(triggers)
        # To find where, groups are needed only by a detector that reports one.
        self._bare = [
            pattern
            if (bare := without_groups(written)) == written or any(detector.group for detector, _ in behind)
            else of_bytes(bare)
            for written, (pattern, behind) in zip(by_pattern, self._compiled, strict=True)
        ]
        self._boundaries = [boundary_of(pattern) for pattern in by_pattern]
        # Of a long text these are asked for as a whole, the others block by block.
        self._long = [index for index, trigger in enumerate(triggers) if not is_short(trigger)]
        self._prefilters = self._compile_prefilters(Re2Prefilter)
        self._unfinished, self._unjoined = (
            of_bytes(
                rf"(?:{'|'.join(f'(?:{without_groups(r.unfinished)})' for r in self.rewriters if r.joins is joins)})\z",
                _UNFINISHED_MAX_BYTES,
            )
            for joins in (False, True)
        )

    def accelerate(self, *, at_least: int = MANY_PATTERNS) -> bool:
        """Change over to Vectorscan, with the same findings; False where it does not work or would not be faster.

        Takes half a second, most of it without holding the interpreter, so call it in a thread while the engine works.
        """
        if isinstance(self._prefilters[0], VectorscanPrefilter):
            return True
        if len(self._triggers) < at_least:
            return False
        trial = copy(self)
        try:
            changed = self._compile_prefilters(VectorscanPrefilter)
            trial._prefilters = changed  # noqa: SLF001 - a copy of itself
            works = trial.scan(_FIRST_TEXT) == self.scan(_FIRST_TEXT)
        except (PrefilterUnavailable, CouldNotInspect):
            return False
        if works:
            self._prefilters = changed
        return works

    def _compile_prefilters(self, way: Callable[[Sequence[str]], Prefilter]) -> tuple[Prefilter, Prefilter]:
        """Of all triggers, and of the long ones."""
        return way(self._triggers), way([self._triggers[index] for index in self._long])

    def scan(self, text: str) -> list[Finding]:
        """All findings of ``text``, sorted by start, then longest; offsets are code points of ``text``.

        Raises:
            CouldNotInspect: ``inspection_unavailable`` beyond the bounds, ``invalid_request`` for lone surrogates.
        """
        if len(text) > MAX_TEXT_CHARS:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, f"the text is longer than {MAX_TEXT_CHARS}")
        normalised = normalise(text)
        findings = self.scan_normalised(normalised.text, 0)
        if not normalised.unequal:
            return findings
        spans = (normalised.original_span(f.start, f.end) for f in findings)
        moved = [
            Finding(f.kind, start, end, f.score, f.detector) for f, (start, end) in zip(findings, spans, strict=True)
        ]
        # One received character can stand for several, so spans that were apart may now share it.
        return resolve(moved)

    def scan_segments(self, texts: Sequence[str]) -> list[list[tuple[int, Finding]]]:
        """Findings of ``texts`` read as one: a value may begin in one and end in another.

        A finding is given as its pieces: (index of the text, finding with offsets in that text).

        Raises:
            CouldNotInspect: as ``scan``, of all texts together.
        """
        ends = list(accumulate(map(len, texts)))
        placed = []
        for finding in self.scan("".join(texts)):
            pieces = []
            index = bisect_right(ends, finding.start)
            while index < len(ends) and (begin := ends[index] - len(texts[index])) < finding.end:
                start, end = max(finding.start - begin, 0), min(finding.end, ends[index]) - begin
                if start < end:
                    pieces.append((index, replace(finding, start=start, end=end)))
                index += 1
            placed.append(pieces)
        return placed

    def read(self, text: str, begin: int = 0) -> "Reading":
        """Look at normalised ``text``; what is before ``begin`` is context."""
        return Reading(self, text, begin, 0)

    def scan_normalised(self, text: str, begin: int) -> list[Finding]:
        """Findings of normalised ``text`` whose match starts at ``begin`` or later; what is before is context.

        Raises:
            CouldNotInspect: ``inspection_unavailable``: too many findings, too much to rewrite, or the pattern set has
                no memory.
        """
        return self.read(text, begin).findings()

    def matches(self, index: int, reading: "Reading", findings: list[Finding]) -> None:
        """Add the findings of the pattern ``index``."""
        _, detectors = self._compiled[index]
        if reading.depth:
            detectors = [pair for pair in detectors if pair[0].in_rewritten]
        text = reading.text
        entrance, ahead = self._gates[index], self._scouts[index].over(reading.raw)
        hopeless = entrance is not None and all(words.needs_context for _, words in detectors)
        named = Ahead(name, reading.raw) if (name := self._names[index]) is not None else None
        for spans in reading.each(index, bare=True) if detectors else ():
            read_at, window, quiet, shut = -1, b"", True, False
            if (hopeless and ahead.is_quiet(spans[0][0])) or (named is not None and named.is_quiet(*spans[0])):
                continue
            for detector, words in detectors:
                start, end = spans[detector.group]
                if end - start > MAX_MATCH_CHARS and not (detector.open_ended_chars or detector.restartable):
                    end = start + MAX_MATCH_CHARS
                if words.reads and start != read_at:
                    read_at, quiet = start, ahead.is_quiet(start)
                    if not quiet:
                        window = before_match(text, start)
                        shut = entrance is not None and not entrance.opens(window)
                if shut and words.needs_context:
                    continue
                score = words.base if quiet or not words.reads else words.score(window)
                if score < REPORT_SCORE or _glued(detector.glue, text, start, end):
                    continue
                findings += _reported(detector, score, text, _accepted(detector, text, start, end))
            check_count(findings)

    def claims(self, index: int, reading: "Reading") -> Iterator[tuple[int, int]]:
        """What a search for the pattern ``index``, restarted in the middle, could read differently."""
        _, detectors = self._compiled[index]
        text, raw = reading.text, reading.raw
        for spans in reading.each(index):
            start, end = spans[0]
            whole = False
            for detector, _ in detectors:
                if detector.restartable and detector.find is not None:
                    yield from detector.find(text, start, end)
                elif detector.open_ended_chars and spans[1][0] < 0 and len(raw) - end < detector.open_ended_chars:
                    yield start, len(raw) + 1
                elif detector.open_ended_chars:
                    yield start, end
                elif (
                    reading.depth
                    and end - start > _MAX_REFUSED_CHARS
                    and not any(_accepted(detector, text, start, end))
                ):
                    yield start, start + _MAX_REFUSED_CHARS
                else:
                    whole = True
            if whole:
                yield start, min(end, start + MAX_MATCH_CHARS)

    def closed(self, index: int, reading: "Reading") -> list[tuple[int, int]]:
        """Matches of the pattern ``index``, if it is open-ended, that have found their end."""
        _, detectors = self._compiled[index]
        if not any(detector.open_ended_chars for detector, _ in detectors):
            return []
        return [spans[0] for spans in reading.each(index) if spans[1][0] >= 0]

    def present(self, raw: bytes) -> tuple[dict[int, Regions], list[Rewriter]]:
        """Where in ``raw`` each pattern that occurs may match, and the rewriters that may have something to rewrite."""
        prefilter, of_long = self._prefilters
        whole = [(0, len(raw))]
        if len(raw) < 2 * BLOCK_CHARS:
            regions = dict.fromkeys(prefilter.present(raw), whole)
        else:
            blocks = blocks_of(raw, prefilter.present)
            regions = dict.fromkeys((self._long[index] for index in of_long.present(raw)), whole)
            for index in sorted(blocks.keys() - regions.keys() - set(self._long)):
                boundary = self._boundaries[index] if index < len(self._boundaries) else b""
                regions[index] = regions_of(raw, blocks[index], boundary) if boundary else whole
        patterns = len(self._compiled)
        rewriters = [self.rewriters[index - patterns] for index in regions if index >= patterns]
        return {index: where for index, where in regions.items() if index < patterns}, rewriters

    def each(self, index: int, raw: bytes, begin: int, regions: Regions, *, bare: bool = False) -> Iterator[Spans]:
        """The matches of the pattern ``index`` that start at ``begin`` or later; ``bare``: without groups of no use."""
        pattern = self._bare[index] if bare else self._compiled[index][0]
        for first, last in regions:
            if last > begin or last == len(raw):
                yield from pattern.each(raw, max(first, begin), last)

    def unjoined(self, raw: bytes, begin: int) -> int:
        """Where what may become a token that joins what is before it begins; the length of ``raw`` if nothing does."""
        spans = self._unjoined.first(raw, begin)
        return len(raw) if spans is None else spans[0][0]

    def unfinished(self, raw: bytes, begin: int) -> int:
        """Where what more text could turn into a match or another token begins."""
        spans = self._unfinished.first(raw, begin)
        cut = first_undecided(raw, begin)
        return cut if spans is None else min(cut, spans[0][0])


class Reading:
    """One text and, below it, its other readings. What it needs is computed once, when it is first asked for."""

    __slots__ = (
        "_closed", "_engine", "_listed", "_others", "_spans", "_words",
        "begin", "depth", "patterns", "raw", "rewriters", "text",
    )  # fmt: skip

    def __init__(self, engine: Engine, text: str, begin: int, depth: int) -> None:
        self._engine = engine
        self.text, self.begin, self.depth = text, begin, depth
        self.raw = one_byte_each(text)
        self.patterns, self.rewriters = engine.present(self.raw)
        self._others: list[tuple[View, Sequence[Token], Reading]] | None = None
        self._spans: list[tuple[int, int]] | None = None
        self._closed: list[tuple[int, int]] = []
        self._words: TextWords | None = None
        self._listed: list[Finding] | None = None

    def words(self) -> TextWords:
        """The text's words, for finders."""
        if self._words is None:
            self._words = TextWords(self.text)
        return self._words

    def listed(self) -> list[Finding]:
        """What finders find."""
        if self._listed is None:
            self._listed = []
            if self._engine.finders:
                words = self.words()
                for found in find_all(self._engine.finders, words, self.begin, rewritten=self.depth > 0):
                    self._listed += found
                    check_count(self._listed)
        return self._listed

    def each(self, index: int, *, bare: bool = False) -> Iterator[Spans]:
        """The matches of the pattern ``index``; ``bare``: without groups of no use."""
        return self._engine.each(index, self.raw, self.begin, self.patterns[index], bare=bare)

    def others(self) -> list[tuple[View, Sequence[Token], "Reading"]]:
        """The other readings, each with the view it is of and the tokens from ``begin`` on that made it."""
        if self._others is None:
            self._others = []
            for rewriter in self.rewriters if self.depth < MAX_DEPTH else ():
                # No token lies across ``begin``, so what comes after is read as if nothing stood before.
                before = rewriter.tokens(self.text, self.raw, 0, self.begin) if self.begin else ()
                tokens = rewriter.tokens(self.text, self.raw, self.begin, len(self.text))
                if tokens or (before and before[-1].end == self.begin):
                    view = build(self.text, (*before, *tokens) if before else tokens, self.begin)
                    self._others.append((view, tokens, Reading(self._engine, view.text, view.begin, self.depth + 1)))
        return self._others

    def findings(self) -> list[Finding]:
        """All findings that start at ``begin`` or later, overlaps settled."""
        return resolve(self.unsettled())

    def unsettled(self) -> list[Finding]:
        """All findings that start at ``begin`` or later."""
        findings: list[Finding] = []
        for index in self.patterns:
            self._engine.matches(index, self, findings)
        findings += self.listed()
        for view, _, other in self.others():
            findings += (
                Finding(f.kind, *view.original_span(f.start, f.end), f.score, f.detector)
                for f in other.unsettled()
                if view.touches_token(f.start, f.end)
            )
            check_count(findings)
        return findings

    def safe_cut(self) -> int:
        """The largest position from ``begin`` on where the text may be cut, whatever comes after it.

        What more text could still change is not before it, and nothing that was read together lies across it.
        """
        cut = self.uncrossed(self.undecided())
        if len(self.text) - cut > 2 * MAX_MATCH_CHARS:
            # No match is so long: whatever more text brings, it begins after this.
            cut = max(cut, self.uncrossed(len(self.text) - MAX_MATCH_CHARS))
        return max(cut, self.begin)

    def undecided(self, *, settled: bool = False) -> int:
        """Where what more text could change begins, in the text or in another reading of it."""
        cut = self._engine.unfinished(self.raw, self.begin)
        cut = min((cut, *(finder.undecided(self.words()) for finder in self._engine.finders)))
        end = len(self.text) if settled else self._engine.unjoined(self.raw, self.begin)
        if end < len(self.text):  # what it will say is not known, so the text before it has no end yet
            cut = min(cut, Reading(self._engine, self.text[:end], self.begin, self.depth).undecided(settled=True))
        for view, _, other in self.others():
            if view.last:
                inner = other.undecided()
                cut = min(cut, view.original(inner) if inner < len(view.text) else cut)
        return cut

    def uncrossed(self, cut: int) -> int:
        """The largest position up to ``cut`` that no match or token crosses, in the text or in another reading."""
        if self._spans is None:
            self._spans = [span for index in self.patterns for span in self._engine.claims(index, self)]
            self._spans += [(finding.start, finding.end) for finding in self.listed()]
            self._spans += (
                span
                for rewriter in self.rewriters
                if rewriter.together is not None
                for span in rewriter.together(self.text, self.raw, self.begin)
            )
            self._closed = [span for index in self.patterns for span in self._engine.closed(index, self)]
        while cut > self.begin:
            before = cut
            cut = min((start for start, end in self._spans if start < cut < end), default=cut)
            for view, tokens, other in self.others():
                cut = uncut(tokens, cut)
                place = view.image(cut)
                if place is not None:
                    inner = other.uncrossed(place)
                    place = view.original(inner) if inner < place else cut
                    # What this reading has found the end of, another that has not need not wait for.
                    if not any(start <= place < end <= cut for start, end in self._closed):
                        cut = min(cut, place)
            if cut == before:
                break
        return cut


def check_count(findings: Sequence[Finding]) -> None:
    """Raise ``CouldNotInspect`` if they are more than any honest text has."""
    if len(findings) > MAX_FINDINGS:
        raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, f"more than {MAX_FINDINGS} findings")


def _accepted(detector: Detector, text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    if detector.find is not None:
        return detector.find(text, start, end)
    if detector.validate is None or detector.validate(text[start:end]):
        return ((start, end),)
    return ()


def _reported(detector: Detector, score: float, text: str, spans: Iterable[tuple[int, int]]) -> Iterator[Finding]:
    for start, end in spans:
        doubtful = detector.doubts is not None and detector.doubts(text[start:end])
        sure = min(score, DOUBTFUL_SCORE) if doubtful else score
        yield Finding(detector.kind, start, end, sure, detector.name)


def _glued(glue: str, text: str, start: int, end: int) -> bool:
    if not glue:
        return False
    if start > 0 and text[start - 1] in glue:
        return True
    after = text[end : end + 2]
    return len(after) > 1 and after[0] in glue and (touches_word(after[1]) if after[0] == "-" else after[1].isdigit())


@cache
def default_engine() -> Engine:
    """The engine of all registered detectors, compiled once per process."""
    return Engine(ALL)


def iter_kinds() -> Iterator[str]:
    """Every kind that the default engine can report."""
    yield from sorted({detector.kind for detector in ALL})
