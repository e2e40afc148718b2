"""Scans text that arrives in pieces, with the findings of a scan of the whole, and releases it as early as possible.

The law: released texts joined are the input; their findings, moved to their place, are ``Engine.scan`` of the input; no
finding is split over two releases, so a caller can redact or stop before its first character is out. Ordinary prose is
released up to the unfinished word. It holds because context is looked for before a match only, and because a cut is
made only where no match can cross (``hold.py``). Each feed looks at what is held and a fixed left context only.
"""

from dataclasses import dataclass

from outpost.dlp.engine import LEFT_CONTEXT_CHARS, MAX_MATCH_CHARS, MAX_TEXT_CHARS, Engine, Reading
from outpost.dlp.normalise import Normalised, normalise
from outpost.dlp.overlap import resolve
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding

# Two of the longest matches, a tile of base64 and a chain of words between them; private keys are shorter.
MAX_HOLD_CHARS = 4 * MAX_MATCH_CHARS


@dataclass(frozen=True, slots=True)
class Released:
    """Text that may go on, with the findings in it; their offsets count from the first character of ``text``."""

    text: str
    findings: tuple[Finding, ...]


class StreamScanner:
    """Scans one stream. After an error, or after ``finish``, it releases nothing more."""

    def __init__(self, engine: Engine, max_hold_chars: int = MAX_HOLD_CHARS) -> None:
        """``max_hold_chars``: how much may wait to be decided."""
        self._engine = engine
        self._max_hold_chars = max_hold_chars
        self._held = ""
        self._context = ""  # normalised
        self._closed = False

    def feed(self, chunk: str) -> list[Released]:
        """Take the next piece; the pieces of text that are decided by now, in order.

        Raises:
            CouldNotInspect: ``inspection_unavailable``: more than ``max_hold_chars`` would have to be held, or the
                engine's bounds; ``invalid_request``: a lone surrogate. Nothing of what is held may go on.
        """
        return self._advance(chunk, final=False)

    def finish(self) -> list[Released]:
        """Release the rest: the input has ended.

        Raises:
            CouldNotInspect: as ``feed``.
        """
        return self._advance("", final=True)

    def _advance(self, chunk: str, *, final: bool) -> list[Released]:
        if self._closed:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "the stream was closed")
        self._closed = True  # until this step has succeeded
        released = self._release(self._held + chunk, final=final)
        if len(self._held) > self._max_hold_chars:
            raise CouldNotInspect(
                ErrorCode.INSPECTION_UNAVAILABLE, f"more than {self._max_hold_chars} characters stay undecided"
            )
        self._closed = final
        return released

    def _release(self, held: str, *, final: bool) -> list[Released]:
        if len(held) > MAX_TEXT_CHARS:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, f"the text is longer than {MAX_TEXT_CHARS}")
        normalised = normalise(held)
        begin = len(self._context)
        text = self._context + normalised.text
        reading = self._engine.read(text, begin)
        cut = len(text) if final else self._cut(reading, normalised)
        taken = len(held) if cut == len(text) else normalised.original(cut - begin)
        self._held = held[taken:]
        if taken == 0:
            return []
        findings = []
        for f in reading.findings():
            if f.start < cut:
                start, end = normalised.original_span(f.start - begin, f.end - begin)
                findings.append(Finding(f.kind, start, end, f.score, f.detector))
        self._context = text[max(0, cut - LEFT_CONTEXT_CHARS) : cut]
        return [Released(held[:taken], tuple(resolve(findings)))]

    def _cut(self, reading: Reading, normalised: Normalised) -> int:
        """A safe cut that does not part what one received character stands for."""
        cut, begin, end = reading.safe_cut(), reading.begin, len(reading.text)
        original = normalised.original
        while begin < cut < end and original(cut - begin) == original(cut - begin - 1):
            cut = self._engine.read(reading.text[: cut - 1], begin).safe_cut()
        return cut
