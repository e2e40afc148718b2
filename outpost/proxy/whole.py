"""A streamed answer at which models look: its events wait until it has ended, then go through the inspector twice.

The first time only to learn which texts they make; these are put to the models; the second time the inspector is told,
for each text, what patterns and models found. Both times texts are read when they are whole, so both read the same.
Pure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from outpost.dlp.stream import Released
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.decide import Question

Scan = Callable[[str], list[Finding]]

# More than any model writes in one answer; whole answers that are not streamed have the same bound by default.
MAX_EVENTS: Final = 1 << 18
MAX_BYTES: Final = 32 << 20


class WholeScanner:
    """In place of ``StreamScanner``: decides about a text when it has ended."""

    def __init__(self, scan: Scan, parts: Iterable[str] = ()) -> None:
        self._scan = scan
        self._parts = list(parts)

    def __copy__(self) -> "WholeScanner":
        return WholeScanner(self._scan, self._parts)

    def feed(self, chunk: str) -> list[Released]:
        """Take the next piece; nothing is decided yet."""
        self._parts.append(chunk)
        return []

    def finish(self) -> list[Released]:
        """The whole text with its findings.

        Raises:
            CouldNotInspect: As ``Engine.scan``.
        """
        text = "".join(self._parts)
        self._parts = []
        return [Released(text, tuple(self._scan(text)))] if text else []


@dataclass(slots=True)
class Texts:
    """The texts of one stream: what they are, then what was found in each."""

    patterns: Scan
    questions: dict[str, Question] = field(default_factory=dict)
    answers: dict[str, list[Finding]] | None = None

    def scanner(self) -> WholeScanner:
        """For a text that arrives in pieces."""
        return WholeScanner(self.scan)

    def scan(self, text: str) -> list[Finding]:
        """What was found in ``text``; the first time nothing, for it is only being asked.

        Raises:
            CouldNotInspect: As ``Engine.scan``.
        """
        if self.answers is None:
            self.questions.setdefault(text, Question(text, self.patterns(text)))
            return []
        known = self.answers.get(text)
        return self.patterns(text) if known is None else known

    def scan_short(self, text: str) -> list[Finding]:
        """``scan`` of a text that stands in one event: models are not asked about ids and names of models.

        Raises:
            CouldNotInspect: As ``Engine.scan``.
        """
        return self.scan(text) if any(map(str.isspace, text.strip())) else self.patterns(text)

    def answered(self, findings: Iterable[list[Finding]]) -> None:
        """What was found in each of ``questions``, in their order."""
        self.answers = dict(zip(self.questions, findings, strict=True))


@dataclass(slots=True)
class Collected:
    """The events of one answer, within bounds."""

    events: list[sse.Event] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, event: sse.Event) -> None:
        """Keep one more.

        Raises:
            CouldNotInspect: It is too much to be held.
        """
        self.events.append(event)
        self.size_bytes += len(event.raw)
        if len(self.events) > MAX_EVENTS or self.size_bytes > MAX_BYTES:
            message = "the answer is longer than what can be held until it has been looked at"
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, message)
