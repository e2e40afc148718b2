"""Inspects one input, whatever it is: text of any length, an archive, something binary. Memory does not grow with it.

Text longer than ``WHOLE_CHARS`` goes through the streaming scanner, whose findings are those of the whole
(``outpost/dlp/stream.py``). What cannot be inspected becomes a ``Problem``, never a crash and never silence.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from outpost.dlp.engine import Engine
from outpost.dlp.stream import Released, StreamScanner
from outpost.errors import CouldNotInspect
from outpost.models.results import ModelFinding
from outpost.models.tiers import Judged, Looker, judge_text
from outpost.policy.evaluate import CompiledPolicy, Facts
from outpost.policy.model_rules import ModelRules
from outpost.protocol.findings import Finding
from outpost.scan.archive import ArchiveDamaged, ArchiveTooLarge, Limits, Readable, Stream, members
from outpost.scan.context import Places
from outpost.scan.decode import HEAD_BYTES, Decoder, looks_binary
from outpost.scan.results import BINARY, FileResult, Hit, Problem, Result, Unscannable
from outpost.scan.select import Selection, judge

# In one piece the engine lists at most 10,000 findings, and no finding is shorter than seven characters.
WHOLE_CHARS: Final = 64 * 1024
# How much of one file may wait for what follows it: a file on one line, such as minified code, keeps a word open.
_MAX_HOLD_CHARS: Final = 1024 * 1024
MODEL_CHARS: Final = 32 * 1024
"""How much of a long file models are told at once, beside what is told twice."""
HOLD_CHARS: Final = 1024  # two windows of 128 tokens: what ends in them is judged once more, with what follows
CONTEXT_CHARS: Final = 512  # one window before: it is read with what follows, and nothing in it is reported twice
MAX_LISTED: Final = 100_000
"""Findings of one file that are listed; more are counted."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to look for, what to list, and by which policy to judge."""

    engine: Engine
    selection: Selection = field(default_factory=Selection)
    policy: CompiledPolicy | None = None
    facts: Facts | None = None
    show: bool = False
    explain: bool = False
    models: Looker | None = None
    rules: ModelRules = field(default_factory=ModelRules)

    def scan(self, text: str) -> Judged:
        """What all tiers find in ``text``.

        Raises:
            CouldNotInspect: It is beyond the engine's bounds, or the models say nothing.
        """
        return self.with_models(text, self.engine.scan(text))

    def with_models(self, text: str, patterns: list[Finding]) -> Judged:
        """What patterns found, with what models find beside it.

        Raises:
            CouldNotInspect: The models say nothing.
        """
        if self.models is None:
            return Judged(patterns)
        return judge_text(self.models, self.rules.counting, text, patterns)


def inspect_path(task: Task, path: Path, shown: str) -> Result:
    """Inspect a file; ``shown`` is its name in the result."""
    try:
        with path.open("rb") as file:
            return inspect(task, file, shown, path.stat().st_size)
    except OSError as err:
        reason = err.strerror or type(err).__name__
        return Result(problems=(Problem(shown, Unscannable.UNREADABLE, reason),))


def inspect(task: Task, source: Readable, shown: str, size_bytes: int | None) -> Result:
    """Inspect what ``source`` gives; ``size_bytes`` is None for a pipe.

    Raises:
        OSError: ``source`` could not be read.
    """
    limits = Limits(size_bytes or 0)
    files: list[FileResult] = []
    problems: list[Problem] = []
    name = shown
    try:
        for member in members(Stream(source if size_bytes else _Metered(source, limits)), limits):
            name = f"{shown}!/{member.name}" if member.name else shown
            if member.stream is None:
                problems.append(Problem(name, Unscannable.ARCHIVE, member.problem))
                continue
            try:
                files.append(_inspect_file(task, member.stream, name))
            except ArchiveTooLarge:
                raise
            except ArchiveDamaged as err:
                problems.append(Problem(name, Unscannable.ARCHIVE, err.message))
            except CouldNotInspect as err:
                problems.append(Problem(name, Unscannable.TEXT, err.message))
    except ArchiveDamaged as err:
        problems.append(Problem(shown, Unscannable.ARCHIVE, err.message))
    return Result(tuple(files), tuple(problems), size_bytes or limits.packed_bytes)


class _Metered:
    """A pipe: how much is in it is known as it is read."""

    def __init__(self, source: Readable, limits: Limits) -> None:
        self._source, self._limits = source, limits

    def read(self, size: int, /) -> bytes:
        content = self._source.read(size)
        self._limits.packed_bytes += len(content)
        return content


def _inspect_file(task: Task, stream: Stream, name: str) -> FileResult:
    if looks_binary(stream.head[:HEAD_BYTES]):
        return _finished(task, name, [], [], 0, binary=True)
    decoder = Decoder(stream.head)
    detectors = {detector.name: detector for detector in task.engine.detectors} if task.explain else {}
    places = Places(detectors, show=task.show, explain=task.explain)
    hits: list[Hit] = []
    found: list[Finding] = []
    kinds: set[tuple[str, float]] = set()
    omitted = 0
    for released, reasons in _judged(task, _released(task.engine, decoder.decode(stream.chunks()))):
        listed = [finding for finding in released.findings if task.selection.lists(finding)]
        new = places.hits(released, listed, reasons)
        room = MAX_LISTED - len(hits)
        hits += new[:room]
        omitted += len(new[room:])
        # The policy asks for kinds and scores only: one finding of each will do.
        found += [f for f in released.findings if (f.kind, f.score) not in kinds]
        kinds.update((f.kind, f.score) for f in released.findings)
    return _finished(task, name, hits, found, omitted, binary=decoder.binary)


def _judged(task: Task, pieces: Iterator[Released]) -> Iterator[tuple[Released, Mapping[Finding, ModelFinding]]]:
    """The pieces with what models find, which are told several pieces at once.

    Raises:
        CouldNotInspect: As the pieces, or the models say nothing.
    """
    if task.models is None:
        yield from ((released, {}) for released in pieces)
        return
    waiting = _Waiting()
    for released in itertools.chain(pieces, [None]):
        if released is not None:
            waiting.add(released)
        last = released is None
        if waiting.new_chars >= (1 if last else MODEL_CHARS + HOLD_CHARS):
            yield waiting.release(task.with_models(waiting.text, waiting.findings), last=last)


class _Waiting:
    """Text that has not been judged with all that follows it, and before it some that has, as context."""

    def __init__(self) -> None:
        self.text = ""
        self.context = 0
        self.findings: list[Finding] = []

    @property
    def new_chars(self) -> int:
        """How much is not context."""
        return len(self.text) - self.context

    def add(self, released: Released) -> None:
        """Take in what follows."""
        self.findings += [_moved(finding, len(self.text)) for finding in released.findings]
        self.text += released.text

    def release(self, judged: Judged, *, last: bool) -> tuple[Released, dict[Finding, ModelFinding]]:
        """What is settled: up to a place that no finding crosses, with its findings and reasons; the rest waits."""
        cut = len(self.text) if last else self._cut(judged.findings)
        text = self.text[self.context : cut]
        settled = [finding for finding in judged.findings if self.context < finding.end <= cut]
        found = {f: _moved(replace(f, start=max(f.start, self.context)), -self.context) for f in settled}
        reasons = {found[f]: judged.reasons[f] for f in settled if f in judged.reasons}
        start = max(0, cut - CONTEXT_CHARS)
        self.findings = [_moved(f, -start) for f in self.findings if f.start >= start]
        self.text, self.context = self.text[start:], cut - start
        return Released(text, tuple(found.values())), reasons

    def _cut(self, findings: list[Finding]) -> int:
        wanted = cut = len(self.text) - HOLD_CHARS
        while crossing := [f.start for f in findings if f.start < cut < f.end]:
            cut = min(crossing)
        # Findings that overlap all the way are released as they are.
        return cut if cut > self.context + wanted // 2 else len(self.text)


def _moved(finding: Finding, by_chars: int) -> Finding:
    return replace(finding, start=finding.start + by_chars, end=finding.end + by_chars)


def _finished(
    task: Task, name: str, hits: list[Hit], found: list[Finding], omitted: int, *, binary: bool
) -> FileResult:
    verdict = None
    if task.policy is not None and task.facts is not None:
        verdict = judge(task.policy, task.facts, found, binary=binary)
    return FileResult(name, tuple(hits), binary and task.selection.lists_kind(BINARY), omitted, verdict)


def _released(engine: Engine, pieces: Iterator[str]) -> Iterator[Released]:
    """The text with its findings.

    Raises:
        CouldNotInspect: Beyond the engine's bounds.
    """
    start: list[str] = []
    length = 0
    for piece in pieces:
        start.append(piece)
        length += len(piece)
        if length > WHOLE_CHARS:
            break
    else:
        text = "".join(start)
        yield Released(text, tuple(engine.scan(text)))
        return
    scanner = StreamScanner(engine, _MAX_HOLD_CHARS)
    for piece in itertools.chain(start, pieces):
        for at in range(0, len(piece), WHOLE_CHARS):
            yield from scanner.feed(piece[at : at + WHOLE_CHARS])
    yield from scanner.finish()
