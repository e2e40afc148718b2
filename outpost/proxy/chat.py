"""One request of any surface from its first byte to the last byte of its answer.

Order, on which the promises rest: admit → authenticate → parse → inspect → decide → (audit ∥ forward) → inspect
the answer → audit → release. The audit of a decision overlaps the upstream call, but no byte of any answer is
released before it is durable; the audit of the answer is durable before the answer's last byte is.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, Protocol, TypeVar

import aiohttp
from aiohttp import web

from outpost.audit.event import AuditEvent
from outpost.documents.reader import DocumentReader
from outpost.errors import CouldNotInspect, OutpostError, Rejected
from outpost.policy.evaluate import Facts, evaluate
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision, Direction
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.attachments import Read, read_attachments, with_attachments
from outpost.proxy.body import BodyLimits, read_body
from outpost.proxy.decide import Inspectable, Verdict, advance, judge, judge_with_models
from outpost.proxy.enforcement import Admission, Enforcement
from outpost.proxy.errors import STATUS, blocked_code, blocked_message
from outpost.proxy.exchange import CLIENT_GONE, Exchange, outcome_of
from outpost.proxy.forward import Forwarder
from outpost.proxy.headers import answer_headers, inspected_headers
from outpost.proxy.inspection import Look, Models, look_for
from outpost.proxy.metrics import ProxyMetrics
from outpost.proxy.redaction import Redactor, Restorer, redaction_key
from outpost.proxy.segments import touches
from outpost.proxy.stream import StreamInspector
from outpost.proxy.surfaces.surface import Answer, Request, Stream, Surface
from outpost.proxy.whole import Collected, Texts

T = TypeVar("T")

# Above this a scan takes longer than a fair turn of the event loop (about 1 ms at 60 MB/s), so a thread does it.
INLINE_SCAN_BYTES: Final = 65_536
EVENT_STREAM: Final = "text/event-stream"
CLIENT_STALL_S: Final = 60.0  # a client that takes no byte for so long is gone; its slot is for others


class Blocked(Rejected):
    """The policy refused; ``decision`` says which rule."""

    def __init__(self, decision: Decision, what: str) -> None:
        super().__init__(blocked_code(decision), blocked_message(decision, what))
        self.decision = decision


class AuditSink(Protocol):
    """Where audit events become durable (``outpost.audit.log.AuditLog``)."""

    def submit(self, event: AuditEvent, *, urgent: bool = True) -> "asyncio.Future[int]":
        """Queue an event; the future is done once it is durable, or fails with ``AuditUnavailable``.

        One that is not urgent may wait a moment to share its commit with the next.
        """


@dataclass(frozen=True, slots=True)
class ProxyParts:
    """What serving a request needs; made once by the app."""

    admission: Admission
    audit: AuditSink
    forwarder: Forwarder
    limits: BodyLimits
    metrics: ProxyMetrics
    clock: Callable[[], datetime]
    document_limits: BodyLimits | None = None
    """Of surfaces that take files; without them ``limits``."""
    documents: DocumentReader = field(default_factory=DocumentReader)
    models: Models | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    """One request while it is served."""

    request: web.BaseRequest
    exchange: Exchange
    surface: Surface
    enforcement: Enforcement
    output: Facts
    """What the policy is told of the answer."""
    redactor: Redactor
    """Of the answer."""
    restorer: Restorer


class SurfaceServer:
    """Serves every surface that takes and answers JSON."""

    def __init__(self, parts: ProxyParts) -> None:
        self._parts = parts
        self._fallback_key = secrets.token_bytes(32)

    async def serve(
        self, surface: Surface, request: web.BaseRequest, exchange: Exchange, presented_key: str | None
    ) -> web.StreamResponse:
        """Answer one request of ``surface``.

        Raises:
            Rejected: Refused; nothing was released. The caller audits it and answers with the envelope.
            OutpostError: Likewise, for lack of a resource.
        """
        at = self._parts.clock()
        enforcement = self._parts.admission.admit(at)
        exchange.bundle_version = enforcement.bundle.snapshot_version
        caller = enforcement.keys.authenticate(presented_key, at=at, address=exchange.address)
        exchange.caller = caller
        parse = self._parser(surface, request)
        raw = await read_body(request, self._limits(surface))
        exchange.input_bytes = len(raw)
        parsed = await _off_loop(len(raw), partial(parse, raw))
        if parsed.model and not caller.may_use(parsed.model):
            raise Rejected(ErrorCode.MODEL_NOT_ALLOWED, "this API key does not allow this model")
        provider = enforcement.provider_for(parsed.model, surface.dialect.name)
        exchange.provider_id = provider.id
        headers = inspected_headers(surface, request.headers, enforcement.engine)
        facts = Facts(surface.name, parsed.model, caller.group, Direction.INPUT)
        if parsed.attachments:
            read = await read_attachments(parsed, self._parts.documents)
            parsed = with_attachments(parsed, read)
            parse = partial(_parse_with, parse, read)
        key = redaction_key(enforcement.peppers, self._fallback_key)
        redactor = Redactor(key, raw)
        verdict = await self._judge(enforcement, facts, parsed, parse, redactor)
        exchange.decision = verdict.decision
        if not touches(parsed.segments, verdict.located, ("model",)):
            exchange.model = parsed.model or None
        self._count(verdict, Direction.INPUT)
        event = exchange.decision_event(at, verdict.decision, verdict.located)
        # A plain answer is released together with its own event, which a fast provider brings within the moment.
        durable = self._parts.audit.submit(event, urgent=parsed.stream or verdict.body is None)
        durable.add_done_callback(retrieve)
        if verdict.body is None:
            await durable
            raise Blocked(verdict.decision, "request")
        output = Facts(surface.name, parsed.model, caller.group, Direction.OUTPUT)
        call = _Call(request, exchange, surface, enforcement, output, Redactor(key), Restorer(redactor.names))
        headers |= self._parts.forwarder.credentials(provider, surface.dialect.credentials)
        try:
            async with self._parts.forwarder.post(provider, surface.forward_path, verdict.body, headers) as answer:
                if parsed.stream and surface.stream and answer.content_type == EVENT_STREAM:
                    await durable
                    return await self._stream(call, surface.stream(), answer)
                return await self._whole(call, answer, durable)
        except OutpostError:
            await durable  # the provider may have failed first; a failed audit weighs more
            raise

    def _limits(self, surface: Surface) -> BodyLimits:
        return (surface.parse_form and self._parts.document_limits) or self._parts.limits

    @staticmethod
    def _parser(surface: Surface, request: web.BaseRequest) -> Callable[[bytes], Request]:
        if surface.parse_form is None:
            return surface.parse_request
        return partial(surface.parse_form, request.headers.get("Content-Type", ""))

    async def _whole(
        self, call: _Call, answer: aiohttp.ClientResponse, durable: "asyncio.Future[int]"
    ) -> web.StreamResponse:
        exchange, surface = call.exchange, call.surface
        raw = await self._parts.forwarder.read(answer)
        parse = partial(_parse_answer, surface)
        parsed = await _off_loop(len(raw), partial(parse, raw))
        exchange.prompt_tokens, exchange.completion_tokens = parsed.prompt_tokens, parsed.completion_tokens
        verdict = await self._judge(call.enforcement, call.output, parsed, parse, call.redactor)
        self._count(verdict, Direction.OUTPUT)
        exchange.output_decision = verdict.decision
        exchange.output_findings = [item.finding for item in verdict.located]
        body = verdict.body
        if body is None:
            raise Blocked(verdict.decision, "answer")
        if body is not raw and parsed.scrub:
            body = _scrubbed(parsed.scrub, body)
        if call.restorer:
            body = await _off_loop(len(body), partial(call.restorer.document, body))
        exchange.output_bytes = len(body)
        completion = self._parts.audit.submit(exchange.completion_event(self._parts.clock(), "ok", 200))
        completion.add_done_callback(retrieve)
        await durable  # often the same commit makes both durable
        await completion
        headers = answer_headers(call.surface.dialect, exchange, answer.headers)
        response = web.Response(body=body, content_type="application/json", headers=headers)
        exchange.answering = True
        async with _patience(call.request):
            await response.prepare(call.request)
            await response.write_eof()
        return response

    async def _stream(self, call: _Call, shape: Stream, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        exchange = call.exchange

        def decide(findings: Sequence[Finding]) -> Decision:
            return evaluate(call.enforcement.policy, call.output, findings)

        events = self._events(call, answer)
        texts = None
        look = look_for(self._parts.models, call.enforcement, call.output)
        if look is not None:
            events, texts = await _looked_at(look, call, shape, events)
            shape = call.surface.stream() if call.surface.stream else shape
        inspector = StreamInspector(call.enforcement.engine, decide, shape, call.redactor, call.restorer, texts)
        response = web.StreamResponse(headers={"Content-Type": EVENT_STREAM, "Cache-Control": "no-cache"})
        response.headers.update(answer_headers(call.surface.dialect, exchange, answer.headers))
        outcome, code = "ok", None
        tail: list[bytes] = []
        try:
            if not inspector.blocked:
                tail = await self._pump(call, response, inspector, events)
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
        call: _Call,
        response: web.StreamResponse,
        inspector: StreamInspector,
        events: AsyncIterator[sse.Event],
    ) -> list[bytes]:
        """Move events from the provider to the client; returns those that end the stream, not yet sent."""
        held: list[bytes] = []
        async for event in events:
            out = held + inspector.feed(event)
            if inspector.ended or inspector.blocked:
                return out
            if inspector.decides_at_end:
                held = out  # a refusal can still take the place of all of it
            else:
                await self._send(call, response, out)
        return held + inspector.finish()

    async def _events(self, call: _Call, answer: aiohttp.ClientResponse) -> AsyncIterator[sse.Event]:
        reader = sse.EventReader(named=call.surface.named_events)
        async for part in self._parts.forwarder.stream(answer):
            for event in reader.feed(part):
                yield event
        if reader.rest():
            message = "the provider's stream ended inside an event"
            raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, message)

    async def _close_stream(
        self,
        call: _Call,
        response: web.StreamResponse,
        inspector: StreamInspector,
        end: tuple[str, ErrorCode | None, list[bytes]],
    ) -> None:
        """Make the completion durable, then let the last bytes go."""
        exchange = call.exchange
        outcome, code, tail = end
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
                async with _patience(call.request):
                    await response.write_eof()

    def _note_output(self, exchange: Exchange, inspector: StreamInspector) -> None:
        """What the output pass of a stream has seen so far."""
        exchange.prompt_tokens, exchange.completion_tokens = inspector.prompt_tokens, inspector.completion_tokens
        exchange.output_findings = inspector.findings
        exchange.output_decision = inspector.blocked or _strictest(inspector.decisions)
        for finding in inspector.findings:
            self._parts.metrics.findings.labels(finding.kind, Direction.OUTPUT).inc()

    async def _send(self, call: _Call, response: web.StreamResponse, out: Sequence[bytes]) -> None:
        if not out:
            return
        data = b"".join(out)
        call.exchange.output_bytes += len(data)
        call.exchange.answering = True
        async with _patience(call.request):
            if not response.prepared:
                await response.prepare(call.request)
            await response.write(data)  # waits while the client is slow, so nothing piles up here

    async def _judge(
        self,
        enforcement: Enforcement,
        facts: Facts,
        parsed: Inspectable,
        parse: Callable[[bytes], Inspectable],
        redactor: Redactor,
    ) -> Verdict:
        # A small file can hold much text: what is scanned counts, not only what came.
        size = max(len(parsed.document.raw), sum(len(segment.text) for segment in parsed.segments))
        look = look_for(self._parts.models, enforcement, facts)
        if look is None:
            run = partial(judge, enforcement.engine, enforcement.policy, facts, parsed, parse, redactor)
            return await _off_loop(size, run)
        judging = judge_with_models(enforcement.engine, enforcement.policy, facts, parsed, parse, redactor)
        step = await _off_loop(size, partial(advance, judging))
        while not isinstance(step, Verdict):
            step = await _off_loop(size, partial(advance, judging, await look.answer(step)))
        return step

    def _count(self, verdict: Verdict, direction: Direction) -> None:
        for item in verdict.located:
            self._parts.metrics.findings.labels(item.finding.kind, direction).inc()


async def _looked_at(
    look: Look, call: _Call, shape: Stream, events: AsyncIterator[sse.Event]
) -> tuple[AsyncIterator[sse.Event], Texts]:
    """The whole stream, and what was found in its texts by patterns and models."""
    collected, texts = Collected(), Texts(call.enforcement.engine.scan)
    listening = StreamInspector(call.enforcement.engine, lambda _: Decision(Action.ALLOW, "", ""), shape, texts=texts)
    async for event in events:
        collected.add(event)
        listening.feed(event)
        if listening.ended:
            break
    listening.finish()
    texts.answered(await look.answer([*texts.questions.values()]))
    return _replayed(collected.events), texts


async def _replayed(events: Sequence[sse.Event]) -> AsyncIterator[sse.Event]:
    for event in events:
        yield event


def _parse_with(parse: Callable[[bytes], Request], read: Read, body: bytes) -> Request:
    return with_attachments(parse(body), read)


def _parse_answer(surface: Surface, raw: bytes) -> Answer:
    try:
        return surface.parse_answer(raw)
    except Rejected as err:
        message = f"the provider's answer is not {surface.noun}"
        raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, message) from err


def _strictest(decisions: Sequence[Decision]) -> Decision:
    redacting = (decision for decision in decisions if decision.action is Action.REDACT)
    return next(redacting, decisions[0] if decisions else Decision(Action.ALLOW, "output/clean", "nothing found"))


def _scrubbed(scrub: Callable[[bytes], bytes], body: bytes) -> bytes:
    try:
        return scrub(body)
    except Rejected as err:
        raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, "the provider's answer has an impossible number") from err


async def _off_loop(size: int, run: Callable[[], T]) -> T:
    """Run what takes time in proportion to ``size`` bytes: here if that is short, else in a thread."""
    return run() if size <= INLINE_SCAN_BYTES else await asyncio.to_thread(run)


@contextlib.asynccontextmanager
async def _patience(request: web.BaseRequest) -> AsyncIterator[None]:
    """Bound how long writing to a client may take; one that reads nothing is cut off.

    Raises:
        ConnectionResetError: The client took too long.
    """
    try:
        async with asyncio.timeout(CLIENT_STALL_S):
            yield
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the client stopped reading") from None


def retrieve(future: "asyncio.Future[int]") -> None:
    """Look at a result nobody waits for, so that a failure is not reported as never retrieved."""
    if not future.cancelled():
        future.exception()
