"""Finds what detectors describe, in time linear in the text, or says that it could not.

1. The text is normalised (``normalise.py``) and written with one byte per code point: Latin-1 characters as they are,
   other letters of alphabets as ``0xFF``, everything else as ``0x80``. Byte offsets are then code point offsets.
2. One RE2 set decides which patterns occur at all; RE2 finds spans for those only. No engine here backtracks.
3. Cheap tests first: context words, then validators. Overlaps are settled by ``overlap.py``.

An RE2 set that runs out of memory reports no matches at all (re2/set.h, ErrorInfo, which the Python binding drops).
A sentinel that matches every text tells that apart from a clean text, so it cannot fail open.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import re2

from outpost.dlp.detector import REPORT_SCORE, Detector, touches_word
from outpost.dlp.normalise import normalise
from outpost.dlp.overlap import resolve
from outpost.dlp.redact import MARKER_MAX_CHARS, MARKER_PREFIX
from outpost.dlp.registry import ALL
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding

# The largest text that is inspected: more than any body the proxy accepts.
MAX_TEXT_CHARS = 32 * 1024 * 1024
# More findings than any honest prompt; bounds memory and the size of an audit event.
MAX_FINDINGS = 10_000
# How far before a match context words count: about ten words, the reach of "my card number, as I said, is".
CONTEXT_CHARS = 64
# Left context that gives the same findings as the whole text would: the window and a marker that begins before it.
LEFT_CONTEXT_CHARS = CONTEXT_CHARS + MARKER_MAX_CHARS
# Most memory for the automaton of all patterns together, and for each one's (RE2's default is 8 MiB).
_SET_MEMORY_BYTES = 32 * 1024 * 1024
_PATTERN_MEMORY_BYTES = 4 * 1024 * 1024

# Letters below belong to alphabets, above it to scripts written without spaces (CJK radicals begin here).
_FIRST_CJK = 0x2E80
_KIND = re2.compile(r"[a-z0-9_.]{1,48}")
_LETTER, _OTHER = "\xff", "\x80"
# Entries of the table that are kept; all of Unicode would take 100 MB.
_KEPT_CHARACTERS = 65_536


class _OneByte(dict[int, str]):
    """For ``str.translate``: Latin-1 as it is, other letters of alphabets as 0xFF, everything else as 0x80."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code > 0xFF:  # noqa: PLR2004 - the end of Latin-1
            character = _LETTER if code < _FIRST_CJK and character.isalpha() else _OTHER
        if len(self) < _KEPT_CHARACTERS:
            self[code] = character
        return character


_ONE_BYTE = _OneByte()


def one_byte_each(text: str) -> bytes:
    """The bytes the patterns run on; as many as ``text`` has code points."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.translate(_ONE_BYTE).encode("latin-1")


def _options(max_mem: int) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False  # RE2 would write patterns to stderr
    options.max_mem = max_mem
    return options


class _Words:
    """What the words before a match make of its score."""

    __slots__ = ("_base", "_context", "_near", "_next")

    def __init__(self, detector: Detector) -> None:
        self._base, self._context = detector.base_score, detector.context_score
        self._near = self._compile(detector.context_words, r"(?i)(?:^|[^a-z])(?:%s)")
        self._next = self._compile(detector.refuse_words, r"(?i)(?:^|[^a-z])(?:%s)[\s:=#.]{0,3}$")

    @staticmethod
    def _compile(words: tuple[str, ...], shape: str) -> Any:
        return re2.compile(shape % "|".join(re2.escape(word) for word in words)) if words else None

    def score(self, text: str, start: int) -> float:
        """Score of a match at ``start``; 0 if a word refuses it."""
        if self._near is None and self._next is None:
            return self._base
        window = _window(text, start)
        if self._next is not None and self._next.search(window) is not None:
            return 0.0
        return self._context if self._near is not None and self._near.search(window) is not None else self._base


def _window(text: str, start: int) -> str:
    """Up to CONTEXT_CHARS before ``start``, not looking behind a redaction marker (its kind is no context)."""
    begin = max(0, start - CONTEXT_CHARS)
    marker = text.rfind(MARKER_PREFIX, max(0, begin - MARKER_MAX_CHARS), start)
    if marker >= 0:
        closing = text.find("]", marker, start)
        # Only a whole marker counts: an opening that somebody typed must not hide the words after it.
        if closing >= 0 and _KIND.fullmatch(text, marker + len(MARKER_PREFIX), closing):
            begin = max(begin, closing + 1)
    return text[begin:start]


class Engine:
    """All detectors compiled together; immutable, so one serves all requests. Scanning is a pure function."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self.detectors = tuple(detectors)
        self._set = re2.Set.SearchSet(_options(_SET_MEMORY_BYTES))
        # By index of the set: detectors that share a pattern share its spans.
        self._compiled: list[tuple[Any, list[tuple[Detector, _Words]]]] = []
        by_pattern: dict[str, list[tuple[Detector, _Words]]] = {}
        for detector in self.detectors:
            if detector.pattern not in by_pattern:
                by_pattern[detector.pattern] = []
                pattern = detector.pattern.encode("latin-1")
                self._set.Add((detector.trigger or detector.pattern).encode("latin-1"))
                compiled = re2.compile(pattern, _options(_PATTERN_MEMORY_BYTES))
                self._compiled.append((compiled, by_pattern[detector.pattern]))
            by_pattern[detector.pattern].append((detector, _Words(detector)))
        self._sentinel = self._set.Add(rb"\z")
        self._set.Compile()

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

    def scan_normalised(self, text: str, begin: int, raw: bytes | None = None) -> list[Finding]:
        """Findings of normalised ``text`` whose match starts at ``begin`` or later; what is before is context.

        Raises:
            CouldNotInspect: ``inspection_unavailable``: too many findings, or the pattern set has no memory.
        """
        raw = one_byte_each(text) if raw is None else raw
        findings: list[Finding] = []
        for index in self._present(raw):
            self._collect(index, text, raw, begin, findings)
        return resolve(findings)

    def uncrossed(self, text: str, raw: bytes, begin: int, cut: int) -> int:
        """The largest position up to ``cut`` that no match of ``text[begin:]`` crosses, decided or refused."""
        spans = [span for index in self._present(raw) for span in self._claims(index, text, raw, begin)]
        crossing = True
        while crossing:
            starts = [start for start, end in spans if start < cut < end]
            crossing = bool(starts)
            cut = min(starts, default=cut)
        return cut

    def _claims(self, index: int, text: str, raw: bytes, begin: int) -> Iterator[tuple[int, int]]:
        """What a search restarted in the middle could read differently."""
        pattern, detectors = self._compiled[index]
        for match in pattern.finditer(raw, begin):
            start, end = match.span()
            for detector, _ in detectors:
                if detector.restartable and detector.find is not None:
                    yield from detector.find(text, start, end)
                elif detector.open_ended_chars and match.span(1)[0] < 0 and len(raw) - end < detector.open_ended_chars:
                    yield start, len(raw) + 1
                else:
                    yield start, end

    def _present(self, raw: bytes) -> list[int]:
        present: list[int] = self._set.Match(raw) or []
        if self._sentinel not in present:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "the pattern set ran out of memory")
        return [index for index in present if index != self._sentinel]

    def _collect(self, index: int, text: str, raw: bytes, begin: int, findings: list[Finding]) -> None:
        pattern, detectors = self._compiled[index]
        for match in pattern.finditer(raw, begin):
            for detector, words in detectors:
                start, end = match.span(detector.group)
                score = words.score(text, start)
                if score < REPORT_SCORE or _glued(detector.glue, text, start, end):
                    continue
                for span_start, span_end in _accepted(detector, text, start, end):
                    findings.append(Finding(detector.kind, span_start, span_end, score, detector.name))
            if len(findings) > MAX_FINDINGS:
                raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, f"more than {MAX_FINDINGS} findings")


def _accepted(detector: Detector, text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    if detector.find is not None:
        return detector.find(text, start, end)
    if detector.validate is None or detector.validate(text[start:end]):
        return ((start, end),)
    return ()


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
