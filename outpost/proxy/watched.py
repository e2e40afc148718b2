"""Texts of an answer that streams, read by patterns and by models as they grow. Pure: who asks is ``watcher.py``.

Nothing of a text is released before patterns and models have decided about it and about every finding in it, so a
caller can redact or stop before a finding's first character is out. Models are asked when about as much has come as
they need to say more, not at every word. Where a rule cares for what is said about whole texts, each waits for its end.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from outpost.dlp.engine import MAX_TEXT_CHARS, Engine
from outpost.dlp.merge import is_weak
from outpost.dlp.redact import MARKER_MAX_CHARS
from outpost.dlp.stream import Released, StreamScanner
from outpost.errors import CouldNotInspect
from outpost.models.results import ModelFinding, Settled, TextResult
from outpost.models.tiers import combined
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding

Counting = Callable[[str, Iterable[Finding]], list[Finding]]

# The models say how many tokens they lack, not how many characters those have: what this text had so far, or as few as
# a token has in any language with blanks. Asked a little early they say the same again, which costs no run.
_CHARS_PER_TOKEN: Final = 3.0
_EARLY: Final = 0.9
_FIRST_CHARS: Final = 256  # half of what a window of 128 tokens holds; then the models say


@dataclass(frozen=True, slots=True)
class Addition:
    """What is to be put to the models next: new text, the weak findings in it, and whether it is the last."""

    text: str
    weak: list[Finding]
    last: bool


class Watched:
    """One text; offsets count from its beginning. A ``stream.TextScanner`` whose answers come later, by ``take``."""

    def __init__(self, watch: "Watch", *, whole: bool) -> None:
        self._watch = watch
        self.whole = whole
        """Models are asked about all of it at once, when it has ended."""
        self._patterns = StreamScanner(watch.engine)
        self._fed: list[str] = []
        self._fed_chars = 0
        # What patterns have read and is not released, and a label's length before it.
        self._text = ""
        self._base = 0
        self._read = 0
        self._found: list[Finding] = []
        self._by_models: list[ModelFinding] = []
        self._doubted: set[Finding] = set()
        # What models were given.
        self._unsent: list[str] = []
        self._sent = 0
        self._weak: list[Finding] = []
        self._weak_unsent = 0
        self._wanted_chars = _FIRST_CHARS
        self._settled = 0
        self._released = 0
        self._answer: list[Finding] | None = None
        self.late: list[Finding] = []
        """What was found in text that is out; no rule could care for it."""
        self._ended = False
        self._told_end = False
        self.done = False
        """It has ended, and all of it was released."""

    def __copy__(self) -> "Watched":
        other = self._watch.scanner(whole=self.whole)
        other.feed("".join(self._fed))
        other._released = self._released  # noqa: SLF001 - another one of these
        return other

    def feed(self, chunk: str) -> list[Released]:
        """Take the next piece. What is decided is had from ``take``.

        Raises:
            CouldNotInspect: As ``StreamScanner.feed``, or the text is too long.
        """
        self._fed.append(chunk)
        self._fed_chars += len(chunk)
        if self._fed_chars > MAX_TEXT_CHARS:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, f"the text is longer than {MAX_TEXT_CHARS}")
        self._take_in(self._patterns.feed(chunk))
        return []

    def finish(self) -> list[Released]:
        """The text has ended. What is decided is had from ``take``.

        Raises:
            CouldNotInspect: As ``StreamScanner.finish``.
        """
        self._take_in(self._patterns.finish())
        self._ended = True
        self.done = self._released == self._read
        return []

    def due(self) -> Addition | None:
        """What to put to the models now; take it once, and give the ``answer``."""
        new = self._read - self._sent
        if self._told_end or not (self._ended or (new >= self._wanted_chars and not self.whole)) or not self._read:
            return None
        text, self._unsent = "".join(self._unsent), []
        weak = self._weak[self._weak_unsent :]
        self._sent, self._weak_unsent, self._told_end = self._read, len(self._weak), self._ended
        return Addition(text, weak, self._ended)

    def patterns(self) -> list[Finding]:
        """Of a text that is asked about as a whole: what patterns found."""
        return [*self._found]

    def answered(self, settled: Settled) -> None:
        """What models said of all that was ``due``, if it grows."""
        self._by_models += [item for item in settled.findings if item.finding.start >= self._released]
        if self._told_end:
            # No rule could care for these, so nothing waited for them; the record has them.
            self.late += [item.finding for item in settled.findings if item.finding.start < self._released]
        self._doubted |= {self._weak[index] for index in settled.doubted if index < len(self._weak)}
        self._settled = self._read if self._told_end else max(self._settled, min(settled.upto, self._sent))
        per_token = self._sent / settled.tokens if settled.tokens else _CHARS_PER_TOKEN
        self._wanted_chars = max(int(settled.lacking * per_token * _EARLY), 1)

    def answered_whole(self, findings: list[Finding]) -> None:
        """All findings of a text that was asked about as a whole."""
        self._answer = findings
        self._settled = self._read

    def take(self) -> list[Released]:
        """What may go on now, in order, with the findings in it."""
        at = self._cut()
        if at <= self._released:
            return []
        start, end = self._released - self._base, at - self._base
        text = self._text[start:end]
        findings = tuple(_moved(f, -self._released) for f in self._inside(at))
        self._released = at
        self.done = self._ended and at == self._read
        begin = max(end - MARKER_MAX_CHARS, 0)
        self._text, self._base = self._text[begin:], self._base + begin
        self._found = [finding for finding in self._found if finding.end > at]
        self._by_models = [item for item in self._by_models if item.finding.end > at]
        self._doubted = {finding for finding in self._doubted if finding.end > at}
        return [Released(text, findings)]

    def _take_in(self, released: Sequence[Released]) -> None:
        for part in released:
            found = [_moved(finding, self._read) for finding in part.findings]
            self._found += found
            self._weak += filter(is_weak, found)
            self._text += part.text
            self._unsent.append(part.text)
            self._read += len(part.text)

    def _cut(self) -> int:
        """How far everything is decided, and no finding lies across."""
        if self._told_end and self._settled == self._read:
            return self._read
        # A label that follows may say that what stands in it is no finding.
        at = min(self._settled, self._read - MARKER_MAX_CHARS)
        spans = [*self._found, *(item.finding for item in self._by_models)]
        while (before := min((f.start for f in spans if f.start < at < f.end), default=at)) < at:
            at = before
        return at

    def _inside(self, at: int) -> list[Finding]:
        """All findings from what was released on up to ``at``."""
        if self._answer is not None:
            return [finding for finding in self._answer if finding.start >= self._released]
        # Whether something counts depends on what is around it.
        text, base = self._text[: at - self._base + MARKER_MAX_CHARS], self._base
        found = [_moved(f, -base) for f in self._found if self._released <= f.start and f.end <= at]
        weak = [finding for finding in found if is_weak(finding)]
        doubted = {_moved(finding, -base) for finding in self._doubted}
        said = TextResult(
            tuple(
                replace(item, finding=_moved(item.finding, -base))
                for item in self._by_models
                if self._released <= item.finding.start and item.finding.end <= at
            ),
            doubted=tuple(index for index, finding in enumerate(weak) if finding in doubted),
        )
        findings = combined(text, found, weak, said, self._watch.counting).findings
        return [_moved(finding, base) for finding in findings]


class Watch:
    """The texts of one stream that models are still to say something about."""

    def __init__(self, engine: Engine, counting: Counting, *, whole: bool = False) -> None:
        """``counting`` says which findings of models count; ``whole`` texts wait for their end."""
        self.engine = engine
        self.counting = counting
        self._whole = whole
        self._texts: list[Watched] = []

    def scanner(self, *, whole: bool = False) -> Watched:
        """For another text, which comes in pieces or is ``whole``."""
        made = Watched(self, whole=whole or self._whole)
        self._texts.append(made)
        return made

    def drop(self, text: Watched) -> None:
        """Nobody wants to know any more."""
        if text in self._texts:
            self._texts.remove(text)

    def due(self) -> Iterator[tuple[Watched, Addition]]:
        """What is to be put to the models now."""
        self._texts = [text for text in self._texts if not text.done]
        for text in self._texts:
            if (addition := text.due()) is not None:
                yield text, addition

    @property
    def texts(self) -> Sequence[Watched]:
        """Those that are not done."""
        return self._texts


def about_something(text: str) -> bool:
    """Whether models are asked about a text that stands in one event: not about ids and names of models."""
    return any(map(str.isspace, text.strip()))


def _moved(finding: Finding, by: int) -> Finding:
    return replace(finding, start=finding.start + by, end=finding.end + by)
