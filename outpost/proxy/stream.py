"""Inspect a streamed answer without turning it into one lump.

Events are held back only until every text in them is decided (usually: until the current word ends), then go
out in order, byte for byte as received unless a finding lies in them. A finding is redacted or cuts the stream
before its first character is released. Pure: events in, bytes out; reading and writing is the caller's.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from outpost.dlp.engine import MAX_FINDINGS, Engine
from outpost.dlp.stream import Released, StreamScanner
from outpost.errors import CouldNotInspect, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision, Redaction
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.decide import unredactable
from outpost.proxy.json_document import Leaf, replace_texts
from outpost.proxy.redaction import NameFinder, Redactor, Restorer
from outpost.proxy.spans import Span, label, replace_spans
from outpost.proxy.surfaces.surface import Piece, Stream, StreamEvent
from outpost.proxy.unescape import Unescaper
from outpost.proxy.watched import Watch, Watched, about_something

Decide = Callable[[Sequence[Finding]], Decision]
ScanEach = Callable[[Sequence[str]], Sequence[Sequence[Finding]]]

# Above any hold the scanner allows: a text that never ends cannot fill the memory, nor can many, nor large events.
MAX_HELD_EVENTS: Final = 4096
MAX_HELD_BYTES: Final = 8 * sse.MAX_EVENT_BYTES
# Where models look, a window and more waits, or the answer whole: more than any model writes in one; answers that do
# not stream have the same bound by default.
MAX_WATCHED_EVENTS: Final = 1 << 18
MAX_WATCHED_BYTES: Final = 32 << 20
MAX_CHANNELS: Final = 1024  # 128 choices with a few texts each
# Every event repeats the answer's id and model: what was clean once is, for as many short texts as this.
MAX_CLEAN: Final = 256
MAX_CLEAN_CHARS: Final = 256


class TextScanner(Protocol):
    """Reads one text that arrives in pieces (``StreamScanner``)."""

    def feed(self, chunk: str) -> list[Released]:
        """Take the next piece; what is decided by now."""

    def finish(self) -> list[Released]:
        """The rest: the text has ended."""


@dataclass(slots=True)
class _Held:
    """An event that waits until all its texts are decided."""

    event: sse.Event
    chunk: StreamEvent | None
    waiting: int = 0
    edits: dict[Leaf, list[Span]] = field(default_factory=dict)

    def render(self, frame: Callable[[bytes, bytes | None], bytes]) -> bytes:
        if not self.edits or self.chunk is None:
            return self.event.raw
        texts = {(leaf.ordinal, *leaf.inner): replace_spans(leaf.text, spans) for leaf, spans in self.edits.items()}
        data = replace_texts(self.chunk.document.raw, texts)
        return frame(self.chunk.scrub(data) if self.chunk.scrub else data, self.event.name)


@dataclass(slots=True)
class _Channel:
    """One text that arrives in pieces. ``fed`` counts received characters, ``released`` those read by the scanner.

    ``edited`` is the end of the last text replaced, among the received ones.
    """

    scanner: TextScanner
    unescaper: Unescaper = field(default_factory=Unescaper)
    names: NameFinder = field(default_factory=NameFinder)
    run: str | None = None
    restores: bool = True
    fed: int = 0
    released: int = 0
    edited: int = 0
    pieces: deque[tuple[_Held, Leaf, int, int]] = field(default_factory=deque)


@dataclass(slots=True)
class _Seam:
    """The end of one text read on into those that follow it, until nothing found can lie across a bound any more."""

    scanner: TextScanner
    fed: int
    released: int
    pieces: deque[tuple[_Held, Leaf, int, int]]
    names: NameFinder
    bounds: list[int]


class StreamInspector:
    """State of one streamed answer."""

    def __init__(
        self,
        engine: Engine,
        decide: Decide,
        stream: Stream,
        redactor: Redactor | None = None,
        restorer: Restorer | None = None,
        watch: Watch | None = None,
    ) -> None:
        """``stream`` reads the events of the surface; ``decide`` asks the policy.

        ``redactor`` says what takes a finding's place, by default its label; ``restorer`` what to put back. What
        ``watch`` says of the texts, if it is given, comes later: ``settle`` takes it.
        """
        self.frame: Callable[[bytes, bytes | None], bytes] = sse.encode
        """Puts the data of an event in which something changed, and its name, into the form in which events go out."""
        self.scan_each: ScanEach = lambda several: [engine.scan(text) for text in several]
        """What the engine finds in each of several texts; may be set to what remembers it."""
        self._watch = watch
        self._scanner: Callable[[], TextScanner] = partial(StreamScanner, engine) if watch is None else watch.scanner
        watched = (MAX_WATCHED_EVENTS, MAX_WATCHED_BYTES)
        self._most = (MAX_HELD_EVENTS, MAX_HELD_BYTES) if watch is None else watched
        self._redactor = redactor
        self._restorer = Restorer({}) if restorer is None else restorer
        self._decide = decide
        self._stream = stream
        self._held: deque[_Held] = deque()
        self._held_bytes = 0
        self._channels: dict[tuple[str | int, ...], _Channel] = {}
        self.finished: set[str | int] = set()
        """Groups of texts that have ended; whoever reads on with another inspector gives it these."""
        self._clean: set[str] = set()
        self._says_twice = False
        self._tail: _Channel | None = None  # the last text of a run, which has ended but may be joined by another
        self._seam: _Seam | None = None
        # What has ended, while models are still to say something about it.
        self._ending: list[_Channel] = []
        self._ending_seams: list[_Seam] = []
        self.has_spoken = False
        """Some of a text is released."""
        self.ended = False
        """The last event of the stream has been read."""
        self.findings: list[Finding] = []
        # The policy may refuse an answer whatever is found in it, so it is asked before anything is.
        self.decisions: list[Decision] = [decide(())]
        self.blocked: Decision | None = self.decisions[0] if self.decisions[0].action is Action.BLOCK else None
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None

    @property
    def idle(self) -> bool:
        """No text is open and nothing is held: another inspector may read on."""
        return not (self._held or self._channels or self._tail or self._seam or self._ending or self._ending_seams)

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
        self._says_twice = chunk.says_twice
        if chunk.ends_run:
            self._finish_run()
        held = _Held(event, chunk)
        self._hold(held)
        self._judge_unscannable(chunk.unscannable)
        self._take(chunk.texts, held)
        for group in chunk.finished:
            self._finish_channels(group)
            self.finished.add(group)
        if chunk.ends_run and not self.blocked:  # texts that end with this very event too
            self._finish_run()
        return self._drain()

    def finish(self) -> list[bytes]:
        """The stream has ended; decide and release what is still held."""
        if not self.blocked:
            self._finish_channels(None)
        return self._drain()

    def settle(self) -> list[bytes]:
        """What may go out now that ``watch`` has had answers."""
        channels = [*self._channels.values(), *([self._tail] if self._tail else []), *self._ending]
        for channel in channels:
            if isinstance(channel.scanner, Watched) and not self.blocked:
                released = channel.scanner.take()
                self.findings += channel.scanner.late
                channel.scanner.late.clear()
                self._release(channel, released, final=channel.scanner.done)
        self._ending = [channel for channel in self._ending if not _is_done(channel.scanner)]
        for seam in [*([self._seam] if self._seam else []), *self._ending_seams]:
            if isinstance(seam.scanner, Watched) and not self.blocked:
                self._release_seam(seam, seam.scanner.take())
                if seam is self._seam and seam.released - seam.names.pending >= seam.bounds[-1]:
                    self._drop_seam(seam)
        for seam in [seam for seam in self._ending_seams if _is_done(seam.scanner)]:
            self._drop_seam(seam)
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
        if len(self._held) > self._most[0] or self._held_bytes > self._most[1]:
            message = "too much of the stream waits for the end of one text"
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, message)

    def _judge_unscannable(self, findings: Sequence[Finding]) -> None:
        if self._judge(findings):
            self.blocked = unredactable(self.decisions[-1])

    def _take(self, texts: Iterable[Piece], held: _Held) -> None:
        found = self._look_at_wholes(texts)
        for text in texts:
            if text.whole:
                if text.leaf.text in found:
                    self._judge_whole(held, text.leaf, *found[text.leaf.text])
                elif self._watch is not None and about_something(text.leaf.text):
                    self._watch_whole(self._watch, held, text.leaf)
            elif text.leaf.text:
                self._continue(text, held)

    def _look_at_wholes(self, texts: Iterable[Piece]) -> Mapping[str, tuple[str, Unescaper, Sequence[Finding]]]:
        """What each text that patterns alone look at, complete by itself, says, and what they found in it."""
        read: dict[str, tuple[str, Unescaper]] = {}
        for piece in texts:
            received = piece.leaf.text
            if not piece.whole or received in self._clean or received in read:
                continue
            if self._watch is None or not about_something(received):  # else models are asked as well
                unescaper = Unescaper()
                read[received] = (unescaper.feed(received) + unescaper.finish(), unescaper)
        if not read:
            return {}
        found = self.scan_each([text for text, _ in read.values()])
        return {received: (*said, findings) for (received, said), findings in zip(read.items(), found, strict=True)}

    def _judge_whole(
        self, held: _Held, leaf: Leaf, text: str, unescaper: Unescaper, findings: Sequence[Finding]
    ) -> None:
        if not findings and len(text) <= MAX_CLEAN_CHARS and len(self._clean) < MAX_CLEAN and "<" not in text:
            self._clean.add(leaf.text)
        spans = [(f.start, f.end, instead) for f, instead in self._judge(findings, text)]
        if self._restorer and not leaf.is_name:
            spans += self._restored(NameFinder().feed(text), unescaper)
        for start, end, instead in spans:
            span = Span(unescaper.received(start), unescaper.received(end), instead)
            held.edits.setdefault(leaf, []).append(span)

    def _watch_whole(self, watch: Watch, held: _Held, leaf: Leaf) -> None:
        channel = _Channel(watch.scanner(whole=True), restores=not leaf.is_name, fed=len(leaf.text))
        channel.pieces.append((held, leaf, 0, channel.fed))
        held.waiting += 1
        channel.scanner.feed(channel.unescaper.feed(leaf.text))
        self._finish(channel)

    def _restored(self, names: Sequence[tuple[int, int, str]], unescaper: Unescaper) -> list[tuple[int, int, str]]:
        """Where a value takes the place of a name."""
        return [
            (start, end, value)
            for start, end, name in names
            if (value := self._restorer.value(name, in_json=unescaper.is_json)) is not None
        ]

    def _continue(self, text: Piece, held: _Held) -> None:
        name, leaf = text.channel, text.leaf
        if name[0] in self.finished:
            # Whoever joins the deltas would read on, but the scanner has been told that the text ends.
            message = "the provider's stream goes on after it has finished"
            raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, message)
        channel = self._channels.get(name)
        if channel is None:
            if len(self._channels) >= MAX_CHANNELS:
                message = f"the stream has more than {MAX_CHANNELS} texts at once"
                raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, message)
            channel = self._channels[name] = _Channel(self._scanner(), run=text.run)
            if self._tail is not None:
                self._join(text.run)
        if self._seam is not None and text.run is not None:
            self._read_on(self._seam, held, leaf)
        end = channel.fed + len(leaf.text)
        channel.pieces.append((held, leaf, channel.fed, end))
        channel.fed = end
        held.waiting += 1
        self._release(channel, channel.scanner.feed(channel.unescaper.feed(leaf.text)))

    def _join(self, run: str | None) -> None:
        """Another text follows the one that has just ended: what lies across both must be seen before either goes."""
        tail = self._tail
        if tail is None or tail.run != run:
            self._finish_run()
            return
        if self._seam is None:
            scanner = copy(tail.scanner)
            self._seam = _Seam(scanner, tail.fed, tail.released, deque(tail.pieces), copy(tail.names), [tail.fed])
            for held, _, _, _ in tail.pieces:
                held.waiting += 1
        else:
            self._seam.bounds.append(self._seam.fed)
        self._tail = None
        self._finish(tail)

    def _read_on(self, seam: _Seam, held: _Held, leaf: Leaf) -> None:
        end = seam.fed + len(leaf.text)
        seam.pieces.append((held, leaf, seam.fed, end))
        seam.fed = end
        held.waiting += 1
        self._release_seam(seam, seam.scanner.feed(leaf.text))
        if seam.released - seam.names.pending >= seam.bounds[-1]:
            self._drop_seam(seam)

    def _release_seam(self, seam: _Seam, released: Sequence[Released]) -> None:
        for part in released:
            spans = [(f, seam.released + f.start, seam.released + f.end) for f in part.findings]
            across = [f for f, start, end in spans if any(start < bound < end for bound in seam.bounds)]
            for finding, instead in self._judge(across, part.text):
                if self._says_twice:
                    self.blocked = unredactable(self.decisions[-1])
                start, end = seam.released + finding.start, seam.released + finding.end
                self._edit(seam.pieces, Span(start, end, instead))
            seam.released += len(part.text)
            # Where each text comes again whole, the name stays in both.
            if self._restorer and not self._says_twice:
                self._restore_across(seam, part.text)

    def _restore_across(self, seam: _Seam, text: str) -> None:
        for start, end, name in seam.names.feed(text):
            across = any(start < bound < end for bound in seam.bounds)
            if across and (value := self._restorer.value(name)) is not None:
                self._edit(seam.pieces, Span(start, end, value))

    def _drop_seam(self, seam: _Seam) -> None:
        if self.blocked:
            return  # what waits for it must not go out
        for held, _, _, _ in seam.pieces:
            held.waiting -= 1
        if self._watch is not None and isinstance(seam.scanner, Watched):
            self._watch.drop(seam.scanner)
        if seam is self._seam:
            self._seam = None
        else:
            self._ending_seams.remove(seam)

    def _finish_run(self) -> None:
        tail, seam, self._tail, self._seam = self._tail, self._seam, None, None
        if tail is not None:
            self._finish(tail)
        if seam is not None:
            self._release_seam(seam, seam.scanner.finish())
            self._ending_seams.append(seam)
            if _is_done(seam.scanner):
                self._drop_seam(seam)

    def _finish_channels(self, group: str | int | None) -> None:
        for name in [name for name in self._channels if group is None or name[0] == group]:
            channel = self._channels.pop(name)
            if group is not None and channel.run is not None and not channel.unescaper.is_json:
                self._finish_tail()
                self._tail = channel
            else:
                self._finish(channel)
        if group is None:
            self._finish_run()

    def _finish_tail(self) -> None:
        tail, self._tail = self._tail, None
        if tail is not None:
            self._finish(tail)

    def _finish(self, channel: _Channel) -> None:
        if rest := channel.unescaper.finish():
            self._release(channel, channel.scanner.feed(rest))
        released = channel.scanner.finish()
        if _is_done(channel.scanner):
            self._release(channel, released, final=True)
        else:
            self._ending.append(channel)

    def _release(self, channel: _Channel, released: Sequence[Released], *, final: bool = False) -> None:
        received = channel.unescaper.received
        for part in released:
            # From left to right, whoever found them: models' findings come behind the patterns'.
            for finding, instead in sorted(self._judge(part.findings, part.text), key=lambda pair: pair[0].start):
                start = received(channel.released + finding.start)
                end = received(channel.released + finding.end)
                # Of two that overlap the first gives the label, as in a text that comes whole.
                self._edit(channel.pieces, Span(start, end, instead if start >= channel.edited else ""))
                channel.edited = max(channel.edited, end)
            if self.blocked:
                return
            channel.released += len(part.text)
            self.has_spoken = True
            if self._restorer and channel.restores:
                for start, end, value in self._restored(channel.names.feed(part.text), channel.unescaper):
                    self._edit(channel.pieces, Span(received(start), received(end), value))
        decided = channel.released - (0 if final else channel.names.pending)
        end = received(decided)
        channel.unescaper.forget(decided)
        while channel.pieces and channel.pieces[0][3] <= end:
            channel.pieces.popleft()[0].waiting -= 1

    def _edit(self, pieces: Iterable[tuple[_Held, Leaf, int, int]], span: Span) -> None:
        """Cut ``span`` out of every piece it covers; the label stands in the first of them."""
        text = span.label
        for held, leaf, start, end in pieces:
            if start < span.end and span.start < end:
                local = Span(max(span.start - start, 0), min(span.end, end) - start, text)
                held.edits.setdefault(leaf, []).append(local)
                text = ""

    def _judge(self, findings: Sequence[Finding], text: str = "") -> list[tuple[Finding, str]]:
        """Decide about findings of one text; return those to redact, with what takes their place."""
        if not findings:
            return []
        self.findings.extend(findings)
        if len(self.findings) > MAX_FINDINGS:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, f"more than {MAX_FINDINGS} findings in one stream")
        decision = self._decide(findings)
        self.decisions.append(decision)
        if decision.action is Action.BLOCK:
            self.blocked = decision
        if decision.action is not Action.REDACT:
            return []
        return [(findings[index], self._label(findings[index], text, mode)) for index, mode in decision.to_redact()]

    def _label(self, finding: Finding, text: str, mode: Redaction) -> str:
        if self._redactor is None:
            return label(finding)
        return self._redactor.replacement(finding, text[finding.start : finding.end], mode)

    def _drain(self) -> list[bytes]:
        out: list[bytes] = []
        while self._held and self._held[0].waiting == 0 and not (self.blocked and len(self._held) == 1):
            held = self._held.popleft()
            self._held_bytes -= len(held.event.raw)
            out.append(held.render(self.frame))
            if held.chunk is not None:
                self._stream.released(held.chunk, as_received=not held.edits)
        if self.blocked:
            self._held.clear()
        return out


def _is_done(scanner: TextScanner) -> bool:
    """Whether a text that has ended is released: at once, or when models have looked at all of it."""
    return not isinstance(scanner, Watched) or scanner.done
