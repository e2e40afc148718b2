"""Inspect a streamed answer without turning it into one lump.

Events are held back only until every text in them is decided (usually: until the current word ends), then go
out in order, byte for byte as received unless a finding lies in them. A finding is redacted or cuts the stream
before its first character is released. Pure: events in, bytes out; reading and writing is the caller's.
"""

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from outpost.dlp.engine import Engine
from outpost.dlp.stream import Released, StreamScanner
from outpost.errors import CouldNotInspect, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.json_document import Leaf, replace_texts
from outpost.proxy.spans import Span, label, replace_spans
from outpost.proxy.surfaces.openai_chat import Chunk, parse_chunk

Decide = Callable[[Sequence[Finding]], Decision]

MAX_HELD_EVENTS: Final = 4096  # above any hold the scanner allows; a channel that never ends cannot fill the memory


@dataclass(slots=True)
class _Held:
    """An event that waits until all its texts are decided."""

    raw: bytes
    chunk: Chunk | None
    waiting: int = 0
    edits: dict[Leaf, list[Span]] = field(default_factory=dict)

    def render(self) -> bytes:
        if not self.edits or self.chunk is None:
            return self.raw
        texts = {(leaf.ordinal, *leaf.inner): replace_spans(leaf.text, spans) for leaf, spans in self.edits.items()}
        data = replace_texts(self.chunk.document.raw, texts)
        return sse.encode(_without_logprobs(data) if self.chunk.has_logprobs else data)


@dataclass(slots=True)
class _Channel:
    """One text that arrives in pieces."""

    scanner: StreamScanner
    fed: int = 0
    released: int = 0
    pieces: deque[tuple[_Held, Leaf, int, int]] = field(default_factory=deque)


class StreamInspector:
    """State of one streamed answer."""

    def __init__(self, engine: Engine, decide: Decide) -> None:
        self._engine = engine
        self._decide = decide
        self._held: deque[_Held] = deque()
        self._channels: dict[tuple[str | int, ...], _Channel] = {}
        self._open_choices: set[int] = set()
        self._last: Chunk | None = None
        self.findings: list[Finding] = []
        self.decisions: list[Decision] = []
        self.blocked: Decision | None = None
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None

    def feed(self, event: sse.Event) -> list[bytes]:
        """Take one event; return what may go out now. Nothing goes out after a block.

        Raises:
            Rejected: ``provider_invalid_response``: the event is not a chunk of a chat completion.
            CouldNotInspect: A text is beyond the scanner's bounds.
        """
        if self.blocked:
            return []
        if event.data is None or event.data == sse.DONE:
            if event.data is not None:
                self._finish_channels(None)
            self._held.append(_Held(event.raw, None))
            return self._drain()
        chunk = _parse(event.data)
        self._note(chunk)
        held = _Held(event.raw, chunk)
        self._held.append(held)
        for text in chunk.texts:
            if text.whole:
                self._judge_whole(held, text.leaf)
            else:
                self._continue(text.channel, held, text.leaf)
        for choice in chunk.finished:
            self._finish_channels(choice)
        return self._drain()

    def finish(self) -> list[bytes]:
        """The stream has ended; decide and release what is still held."""
        if not self.blocked:
            self._finish_channels(None)
        return self._drain()

    def closing_events(self) -> list[bytes]:
        """A well-formed end for a stream that was cut: every open choice finishes with ``content_filter``."""
        events = []
        if self._last is not None:
            body = self._last.document.value
            chunk = {name: body[name] for name in ("id", "object", "created", "model") if name in body}
            chunk["choices"] = [
                {"index": index, "delta": {}, "finish_reason": "content_filter"} for index in sorted(self._open_choices)
            ]
            events.append(sse.encode(json.dumps(chunk, ensure_ascii=False).encode()))
        events.append(sse.encode(sse.DONE))
        return events

    def _note(self, chunk: Chunk) -> None:
        self._last = chunk
        if chunk.prompt_tokens is not None:
            self.prompt_tokens = chunk.prompt_tokens
        if chunk.completion_tokens is not None:
            self.completion_tokens = chunk.completion_tokens
        self._open_choices |= {choice.get("index", 0) for choice in chunk.document.value["choices"]}
        if len(self._held) > MAX_HELD_EVENTS:
            message = f"more than {MAX_HELD_EVENTS} events of the stream wait for the end of one text"
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, message)

    def _judge_whole(self, held: _Held, leaf: Leaf) -> None:
        findings = self._engine.scan(leaf.text)
        for finding in self._judge(findings):
            held.edits.setdefault(leaf, []).append(Span(finding.start, finding.end, label(finding)))

    def _continue(self, name: tuple[str | int, ...], held: _Held, leaf: Leaf) -> None:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel(StreamScanner(self._engine))
        end = channel.fed + len(leaf.text)
        channel.pieces.append((held, leaf, channel.fed, end))
        channel.fed = end
        held.waiting += 1
        self._release(channel, channel.scanner.feed(leaf.text))

    def _finish_channels(self, choice: int | None) -> None:
        for name in [name for name in self._channels if choice is None or name[0] == choice]:
            channel = self._channels.pop(name)
            self._release(channel, channel.scanner.finish())

    def _release(self, channel: _Channel, released: Sequence[Released]) -> None:
        for part in released:
            for finding in self._judge(part.findings):
                base = channel.released
                self._edit(channel, Span(base + finding.start, base + finding.end, label(finding)))
            if self.blocked:
                return
            channel.released += len(part.text)
        while channel.pieces and channel.pieces[0][3] <= channel.released:
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
        decision = self._decide(findings)
        self.decisions.append(decision)
        if decision.action is Action.BLOCK:
            self.blocked = decision
        return [findings[index] for index in decision.redact] if decision.action is Action.REDACT else []

    def _drain(self) -> list[bytes]:
        out: list[bytes] = []
        while self._held and self._held[0].waiting == 0 and not (self.blocked and len(self._held) == 1):
            held = self._held.popleft()
            out.append(held.render())
            if held.chunk is not None:
                self._open_choices -= held.chunk.finished
        if self.blocked:
            self._held.clear()
        return out


def _parse(data: bytes) -> Chunk:
    try:
        return parse_chunk(data)
    except Rejected as err:
        message = "the provider's stream has an event that is not a chunk of a chat completion"
        raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, message) from err


def _without_logprobs(data: bytes) -> bytes:
    """Token probabilities spell the text out once more, so an event that lost some of its text loses them too."""
    body = json.loads(data)
    for choice in body["choices"]:
        if choice.get("logprobs"):
            choice["logprobs"] = None
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
