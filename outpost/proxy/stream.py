"""Inspect a streamed answer without turning it into one lump.

Events are held back only until every text in them is decided (usually: until the current word ends), then go
out in order, byte for byte as received unless a finding lies in them. A finding is redacted or cuts the stream
before its first character is released. Pure: events in, bytes out; reading and writing is the caller's.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from outpost.dlp.engine import MAX_FINDINGS, Engine
from outpost.dlp.stream import Released, StreamScanner
from outpost.errors import CouldNotInspect, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.decide import Question, unredactable
from outpost.proxy.json_document import Leaf, replace_texts
from outpost.proxy.spans import Span, label, replace_spans
from outpost.proxy.surfaces.surface import Stream, StreamEvent
from outpost.proxy.unescape import Unescaper

Decide = Callable[[Sequence[Finding]], Decision]

# Above any hold the scanner allows: a text that never ends cannot fill the memory, nor can many, nor large events.
MAX_HELD_EVENTS: Final = 4096
MAX_HELD_BYTES: Final = 8 * sse.MAX_EVENT_BYTES
# Where the whole answer is held for models: more than any model writes in one answer.
MAX_WHOLE_EVENTS: Final = 1 << 18
MAX_WHOLE_BYTES: Final = 8 * MAX_HELD_BYTES
MAX_CHANNELS: Final = 1024  # 128 choices with a few texts each
# Every event repeats the answer's id and model: what was clean once is, for as many short texts as this.
MAX_CLEAN: Final = 256
MAX_CLEAN_CHARS: Final = 256


@dataclass(slots=True)
class _Held:
    """An event that waits until all its texts are decided."""

    event: sse.Event
    chunk: StreamEvent | None
    waiting: int = 0
    edits: dict[Leaf, list[Span]] = field(default_factory=dict)

    def render(self) -> bytes:
        if not self.edits or self.chunk is None:
            return self.event.raw
        texts = {(leaf.ordinal, *leaf.inner): replace_spans(leaf.text, spans) for leaf, spans in self.edits.items()}
        data = replace_texts(self.chunk.document.raw, texts)
        return sse.encode(self.chunk.scrub(data) if self.chunk.scrub else data, self.event.name)


@dataclass(slots=True)
class _Channel:
    """One text that arrives in pieces. ``fed`` counts received characters, ``released`` those read by the scanner."""

    scanner: StreamScanner
    unescaper: Unescaper = field(default_factory=Unescaper)
    fed: int = 0
    released: int = 0
    texts: list[str] = field(default_factory=list)
    """What was read by the scanner, where models will look at the whole."""
    patterns: list[Finding] = field(default_factory=list)
    pieces: deque[tuple[_Held, Leaf, int, int]] = field(default_factory=deque)


@dataclass(slots=True)
class _Whole:
    """A text that stands in one event, or in several in the same words."""

    text: str
    unescaper: Unescaper
    patterns: list[Finding]
    places: list[tuple[_Held, Leaf]]


class StreamInspector:
    """State of one streamed answer."""

    def __init__(self, engine: Engine, decide: Decide, stream: Stream, *, whole: bool = False) -> None:
        """``stream`` reads the events of the surface; ``decide`` asks the policy.

        ``whole``: nothing goes out before ``conclude``, because models look at whole texts.
        """
        self._engine = engine
        self._whole = whole
        self._complete: list[_Channel] = []
        self._wholes: dict[str, _Whole] = {}
        self._decide = decide
        self._stream = stream
        self._held: deque[_Held] = deque()
        self._held_bytes = 0
        self._channels: dict[tuple[str | int, ...], _Channel] = {}
        self._finished: set[str | int] = set()
        self._clean: set[str] = set()
        self.ended = False
        """The last event of the stream has been read."""
        self.findings: list[Finding] = []
        # The policy may refuse an answer whatever is found in it, so it is asked before anything is.
        self.decisions: list[Decision] = [decide(())]
        self.blocked: Decision | None = self.decisions[0] if self.decisions[0].action is Action.BLOCK else None
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None

    def feed(self, event: sse.Event) -> list[bytes]:
        """Take one event; return what may go out now. Nothing goes out after a block.

        Raises:
            Rejected: ``provider_invalid_response``: it is not an event of this surface; or the provider's failure.
            CouldNotInspect: A text is beyond the scanner's bounds.
        """
        if self.blocked:
            return []
        if event.data is None:
            self._hold(_Held(event, None))
            return self._drain()
        chunk = self._read(event)
        if chunk.ends:
            self.ended = True
            self._finish_channels(None)
        held = _Held(event, chunk)
        self._hold(held)
        self._judge_unscannable(chunk.unscannable)
        for text in chunk.texts:
            if text.whole:
                self._judge_whole(held, text.leaf)
            elif text.leaf.text:
                self._continue(text.channel, held, text.leaf)
        for group in chunk.finished:
            self._finish_channels(group)
            self._finished.add(group)
        return self._drain()

    def finish(self) -> list[bytes]:
        """The stream has ended; decide and release what is still held."""
        if not self.blocked:
            self._finish_channels(None)
        return self._drain()

    def questions(self) -> list[Question]:
        """Every text of the stream, which has ended, for models."""
        texts = [Question("".join(channel.texts), channel.patterns) for channel in self._complete]
        return texts + [Question(whole.text, whole.patterns) for whole in self._wholes.values()]

    def conclude(self, answers: Sequence[list[Finding]]) -> list[bytes]:
        """Decide about all findings of each question; release the stream."""
        for channel, findings in zip(self._complete, answers, strict=False):
            for finding in self._judge([f for f in findings if f not in channel.patterns]):
                start, end = channel.unescaper.received(finding.start), channel.unescaper.received(finding.end)
                self._edit(channel, Span(start, end, label(finding)))
        for whole, findings in zip(self._wholes.values(), answers[len(self._complete) :], strict=True):
            for finding in self._judge([f for f in findings if f not in whole.patterns]):
                start, end = whole.unescaper.received(finding.start), whole.unescaper.received(finding.end)
                for held, leaf in whole.places:
                    held.edits.setdefault(leaf, []).append(Span(start, end, label(finding)))
        for channel in self._complete:
            for held, _, _, _ in channel.pieces:
                held.waiting -= 1
        self._whole = False
        return self._drain()

    def closing_events(self) -> list[bytes]:
        """A well-formed end for a stream that was cut."""
        return self._stream.closing_events(self.blocked)

    def _read(self, event: sse.Event) -> StreamEvent:
        try:
            chunk = self._stream.read(event)
        except Rejected as err:
            if err.code is not ErrorCode.INVALID_REQUEST:
                raise
            message = "the provider's stream has an event that this surface does not have"
            raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, message) from err
        if chunk.prompt_tokens is not None:
            self.prompt_tokens = chunk.prompt_tokens
        if chunk.completion_tokens is not None:
            self.completion_tokens = chunk.completion_tokens
        return chunk

    def _hold(self, held: _Held) -> None:
        self._held.append(held)
        self._held_bytes += len(held.event.raw)
        most_events, most_bytes = (
            (MAX_WHOLE_EVENTS, MAX_WHOLE_BYTES) if self._whole else (MAX_HELD_EVENTS, MAX_HELD_BYTES)
        )
        if len(self._held) > most_events or self._held_bytes > most_bytes:
            message = "too much of the stream waits for the end of one text"
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, message)

    def _judge_unscannable(self, findings: Sequence[Finding]) -> None:
        if self._judge(findings):
            self.blocked = unredactable(self.decisions[-1])

    def _judge_whole(self, held: _Held, leaf: Leaf) -> None:
        known = self._wholes.get(leaf.text)
        if known is not None:
            known.places.append((held, leaf))
        if leaf.text in self._clean:
            return
        unescaper = Unescaper()
        text = unescaper.feed(leaf.text) + unescaper.finish()
        findings = self._engine.scan(text)
        if self._whole and known is None and _is_prose(text):
            self._wholes[leaf.text] = _Whole(text, unescaper, findings, [(held, leaf)])
        if not findings and len(leaf.text) <= MAX_CLEAN_CHARS and len(self._clean) < MAX_CLEAN:
            self._clean.add(leaf.text)
        for finding in self._judge(findings):
            start, end = unescaper.received(finding.start), unescaper.received(finding.end)
            held.edits.setdefault(leaf, []).append(Span(start, end, label(finding)))

    def _continue(self, name: tuple[str | int, ...], held: _Held, leaf: Leaf) -> None:
        if name[0] in self._finished:
            # Whoever joins the deltas would read on, but the scanner has been told that the text ends.
            message = "the provider's stream goes on after it has finished"
            raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, message)
        channel = self._channels.get(name)
        if channel is None:
            if len(self._channels) >= MAX_CHANNELS:
                message = f"the stream has more than {MAX_CHANNELS} texts at once"
                raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, message)
            channel = self._channels[name] = _Channel(StreamScanner(self._engine))
        end = channel.fed + len(leaf.text)
        channel.pieces.append((held, leaf, channel.fed, end))
        channel.fed = end
        held.waiting += 1
        self._release(channel, channel.scanner.feed(channel.unescaper.feed(leaf.text)))

    def _finish_channels(self, group: str | int | None) -> None:
        for name in [name for name in self._channels if group is None or name[0] == group]:
            channel = self._channels.pop(name)
            if rest := channel.unescaper.finish():
                self._release(channel, channel.scanner.feed(rest))
            self._release(channel, channel.scanner.finish())
            if self._whole:
                self._complete.append(channel)

    def _release(self, channel: _Channel, released: Sequence[Released]) -> None:
        for part in released:
            if self._whole:
                channel.texts.append(part.text)
                at = channel.released
                channel.patterns += [replace(f, start=at + f.start, end=at + f.end) for f in part.findings]
            for finding in self._judge(part.findings):
                start = channel.unescaper.received(channel.released + finding.start)
                end = channel.unescaper.received(channel.released + finding.end)
                self._edit(channel, Span(start, end, label(finding)))
            if self.blocked:
                return
            channel.released += len(part.text)
        if self._whole:
            return
        end = channel.unescaper.received(channel.released)
        channel.unescaper.forget(channel.released)
        while channel.pieces and channel.pieces[0][3] <= end:
            channel.pieces.popleft()[0].waiting -= 1

    def _edit(self, channel: _Channel, span: Span) -> None:
        """Cut ``span`` out of every piece it covers; the label stands in the first of them."""
        text = span.label
        for held, leaf, start, end in channel.pieces:
            if start < span.end and span.start < end:
                local = Span(max(span.start - start, 0), min(span.end, end) - start, text)
                held.edits.setdefault(leaf, []).append(local)
                text = ""

    def _judge(self, findings: Sequence[Finding]) -> list[Finding]:
        """Decide about findings of one text; return those to redact."""
        if not findings:
            return []
        self.findings.extend(findings)
        if len(self.findings) > MAX_FINDINGS:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, f"more than {MAX_FINDINGS} findings in one stream")
        decision = self._decide(findings)
        self.decisions.append(decision)
        if decision.action is Action.BLOCK:
            self.blocked = decision
        return [findings[index] for index in decision.redact] if decision.action is Action.REDACT else []

    def _drain(self) -> list[bytes]:
        out: list[bytes] = []
        if self._whole and not self.blocked:
            return out
        while self._held and self._held[0].waiting == 0 and not (self.blocked and len(self._held) == 1):
            held = self._held.popleft()
            self._held_bytes -= len(held.event.raw)
            out.append(held.render())
            if held.chunk is not None:
                self._stream.released(held.chunk, as_received=not held.edits)
        if self.blocked:
            self._held.clear()
        return out


def _is_prose(text: str) -> bool:
    """Whether models look at a text that stands whole in an event: not at ids and names of models."""
    return any(map(str.isspace, text.strip()))
