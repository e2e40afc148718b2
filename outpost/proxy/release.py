"""The way of an answer to the client: inspected, decided, recorded, then released, whole or as it streams.

No byte goes out before the decision about its request is durable, and the last byte not before the answer's own
record is. What a finding touches is cut or redacted before its first character is released.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp import web
from aiohttp.http import StreamWriter

from outpost.errors import CouldNotInspect, OutpostError, Rejected
from outpost.policy.evaluate import Facts, evaluate
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision, Direction
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.crossing import translated
from outpost.proxy.dispatch import EVENT_STREAM, Answered
from outpost.proxy.enforcement import Enforcement
from outpost.proxy.errors import STATUS, Blocked, blocked_code
from outpost.proxy.exchange import CLIENT_GONE, Exchange, outcome_of
from outpost.proxy.headers import answer_headers
from outpost.proxy.inspection import inspected, look_for, off_loop
from outpost.proxy.parts import ProxyParts, retrieve
from outpost.proxy.redaction import Redactor, Restorer
from outpost.proxy.stream import StreamInspector
from outpost.proxy.surfaces.surface import Answer, Stream, Surface
from outpost.proxy.watcher import Watcher, watcher_for

CLIENT_STALL_S: Final = 60.0  # a client that takes no byte for so long is gone; its slot is for others


Keep = Callable[[bytes, str], Awaitable[None]]
"""Takes a whole answer and its provider's id."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request while it is served."""

    request: web.BaseRequest
    exchange: Exchange
    surface: Surface
    enforcement: Enforcement
    durable: "asyncio.Future[int]"
    """The decision about it, once it is on disk; nothing goes out before."""
    output: Facts
    """What the policy is told of the answer."""
    redactor: Redactor
    """Of the answer."""
    restorer: Restorer
    before: Keep | None = None
    """What is to be done with a whole answer and its provider's id before it goes out."""


class Release:
    """Releases answers of every surface."""

    def __init__(self, parts: ProxyParts) -> None:
        self._parts = parts

    async def whole(self, call: Call, answer: Answered) -> web.StreamResponse:
        """Release an answer that does not stream, once it and the decision about its request are on disk.

        Raises:
            OutpostError: Nothing was released.
        """
        exchange, surface = call.exchange, call.surface
        raw, translation = answer.body, answer.outgoing.translation
        if translation is not None:
            raw = await off_loop(len(raw), partial(translation.answer, raw))
        parse = partial(_parse_answer, surface)
        parsed = await off_loop(len(raw), partial(parse, raw))
        exchange.prompt_tokens, exchange.completion_tokens = parsed.prompt_tokens, parsed.completion_tokens
        verdict = await inspected(self._parts.models, call.enforcement, call.output, parsed, parse, call.redactor)
        self._parts.metrics.count_findings(verdict.located, Direction.OUTPUT)
        exchange.output_decision = verdict.decision
        exchange.output_findings = [item.finding for item in verdict.located]
        body = verdict.body
        if body is None:
            raise Blocked(verdict.decision, "answer")
        if body is not raw and parsed.scrub:
            body = _scrubbed(parsed.scrub, body)
        if call.restorer:
            body = await off_loop(len(body), partial(_restored, call.restorer, parse, body))
        if call.before is not None:
            await call.before(body, exchange.provider_id or "")
        exchange.output_bytes = len(body)
        completion = self._parts.audit.submit(exchange.completion_event(self._parts.clock(), "ok", 200))
        completion.add_done_callback(retrieve)
        await call.durable  # often the same commit makes both durable
        await completion
        headers = answer_headers(call.surface.dialect, exchange, answer.headers)
        headers["Content-Type"] = "application/json"
        response = web.Response(body=body, headers=headers)
        exchange.answering = True
        with _patience(call.request):
            await response.prepare(call.request)
            await response.write_eof()
        return response

    async def stream(self, call: Call, shape: Stream, answer: Answered) -> web.StreamResponse:
        """Release a streamed answer as far as it is decided, once the decision about its request is on disk.

        Its beginning is read and inspected meanwhile.

        Raises:
            OutpostError: Nothing was released.
        """
        exchange = call.exchange

        def decide(findings: Sequence[Finding]) -> Decision:
            return evaluate(call.enforcement.policy, call.output, findings)

        received = _Received(answer)
        watcher = watcher_for(look_for(self._parts.models, call.enforcement, call.output))
        watch = None if watcher is None else watcher.watch
        inspector = StreamInspector(call.enforcement.engine, decide, shape, call.redactor, call.restorer, watch)
        inspector.scan_each = call.enforcement.seen.scan_each
        response = web.StreamResponse(headers={"Content-Type": EVENT_STREAM, "Cache-Control": "no-cache"})
        response.headers.update(answer_headers(call.surface.dialect, exchange, answer.headers))
        outcome, code = "ok", None
        tail: list[bytes] = []
        try:
            if not inspector.blocked:
                tail = await self._pump(call, response, (inspector, watcher), received)
        except asyncio.CancelledError:
            self._note_output(exchange, inspector)
            raise
        except ConnectionResetError:
            outcome = CLIENT_GONE
        except (Rejected, CouldNotInspect) as err:
            if not response.prepared:
                raise
            outcome, code = outcome_of(err.code), err.code
            tail = [call.surface.dialect.error_event(err.code, err.message, STATUS[err.code])]
        finally:
            if watcher is not None:
                watcher.close()
        if inspector.blocked:
            if not response.prepared:
                self._note_output(exchange, inspector)
                raise Blocked(inspector.blocked, "answer")
            outcome, code = "blocked", blocked_code(inspector.blocked)
            tail += inspector.closing_events()
        await self._close_stream(call, response, inspector, (outcome, code, tail))
        return response

    async def _pump(
        self,
        call: Call,
        response: web.StreamResponse,
        reading: tuple[StreamInspector, Watcher | None],
        received: "_Received",
    ) -> list[bytes]:
        """Move events from the provider to the client; returns those that end the stream, not yet sent."""
        inspector, watcher = reading
        out: list[bytes] = []
        async for event in received.events():
            out += inspector.feed(event)
            # About all that has come at once: windows are read side by side.
            if watcher is not None and (inspector.ended or not received.more) and await watcher.answer():
                out += inspector.settle()
            if inspector.ended or inspector.blocked:
                return out
            # Before the first text, which models take a while to decide about, a refusal can still take its place.
            if watcher is None or inspector.has_spoken:
                await self._send(call, response, out)
                out = []
        out += inspector.finish()
        if watcher is not None and await watcher.answer():
            out += inspector.settle()
        return out

    async def _close_stream(
        self,
        call: Call,
        response: web.StreamResponse,
        inspector: StreamInspector,
        end: tuple[str, ErrorCode | None, list[bytes]],
    ) -> None:
        """Make the completion durable, then let the last bytes go."""
        exchange = call.exchange
        outcome, code, tail = end
        if not response.prepared:
            await call.durable
        self._note_output(exchange, inspector)
        exchange.code = outcome if outcome == CLIENT_GONE else code or ""
        event = exchange.completion_event(self._parts.clock(), outcome, 200, code)
        try:
            await self._parts.audit.submit(event)
        except OutpostError as err:
            if not response.prepared:
                raise
            failure = ErrorCode.AUDIT_UNAVAILABLE
            exchange.code = failure
            tail = [call.surface.dialect.error_event(failure, str(err), STATUS[failure])]
        if outcome != CLIENT_GONE:
            with contextlib.suppress(ConnectionResetError):
                await self._send(call, response, tail)
                with _patience(call.request):
                    await response.write_eof()

    def _note_output(self, exchange: Exchange, inspector: StreamInspector) -> None:
        """What the output pass of a stream has seen so far."""
        exchange.prompt_tokens, exchange.completion_tokens = inspector.prompt_tokens, inspector.completion_tokens
        exchange.output_findings = inspector.findings
        exchange.output_decision = inspector.blocked or _strictest(inspector.decisions)
        for finding in inspector.findings:
            self._parts.metrics.findings.labels(finding.kind, Direction.OUTPUT).inc()

    async def _send(self, call: Call, response: web.StreamResponse, out: Sequence[bytes]) -> None:
        if not out:
            return
        if not response.prepared:
            await call.durable
        data = b"".join(out)
        call.exchange.output_bytes += len(data)
        call.exchange.answering = True
        if not response.prepared:
            await response.prepare(call.request)  # its head goes out with what is written first
        writer = call.request.writer
        if not isinstance(writer, StreamWriter):
            raise TypeError("answers are written in another way than this program knows")
        await writer.write(data, drain=False)
        if call.request.protocol.writing_paused:
            with _patience(call.request):
                await writer.drain()  # waits while the client is slow, so nothing piles up here


class _Received:
    """A streamed answer as it comes."""

    def __init__(self, answer: Answered) -> None:
        self._answer = answer
        self.more = False
        """Another event came together with the last one."""

    def events(self) -> AsyncIterator[sse.Event]:
        """In the client's API."""
        translation, read = self._answer.outgoing.translation, self._read()
        return read if translation is None else translated(read, translation.stream())

    async def _read(self) -> AsyncIterator[sse.Event]:
        reader = sse.EventReader(named=self._answer.outgoing.surface.named_events)
        if self._answer.stream is None:
            return
        async for part in self._answer.stream:
            came = deque(reader.feed(part))
            while came:
                event = came.popleft()
                self.more = bool(came)
                yield event
        if reader.rest():
            message = "the provider's stream ended inside an event"
            raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, message)


def _parse_answer(surface: Surface, raw: bytes) -> Answer:
    try:
        return surface.parse_answer(raw)
    except Rejected as err:
        message = f"the provider's answer is not {surface.noun}"
        raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, message) from err


def _strictest(decisions: Sequence[Decision]) -> Decision:
    redacting = (decision for decision in decisions if decision.action is Action.REDACT)
    return next(redacting, decisions[0] if decisions else Decision(Action.ALLOW, "output/clean", "nothing found"))


def _restored(restorer: Restorer, parse: Callable[[bytes], Answer], body: bytes) -> bytes:
    return restorer.document(body, parse(body).segments)


def _scrubbed(scrub: Callable[[bytes], bytes], body: bytes) -> bytes:
    try:
        return scrub(body)
    except Rejected as err:
        raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, "the provider's answer has an impossible number") from err


class _patience:  # noqa: N801 - reads as a statement
    """Bound how long writing to a client may take; one that reads nothing is cut off.

    Raises:
        ConnectionResetError: On leaving: the client took too long.
    """

    __slots__ = ("_is_over", "_request", "_timer")

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._is_over = False

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(CLIENT_STALL_S, self._cut)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._timer.cancel()
        if self._is_over and (kind is None or issubclass(kind, ConnectionError)):
            raise ConnectionResetError("the client stopped reading")

    def _cut(self) -> None:
        self._is_over = True
        if self._request.transport is not None:
            self._request.transport.abort()  # which ends the wait
