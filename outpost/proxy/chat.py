"""One chat completion from the first byte of its request to the last byte of its answer.

Order, on which the promises rest: admit → authenticate → parse → inspect → decide → (audit ∥ forward) → inspect
the answer → audit → release. The audit of a decision overlaps the upstream call, but no byte of any answer is
released before it is durable; the audit of the answer is durable before the answer's last byte is.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

import aiohttp
from aiohttp import web

from outpost.audit.event import AuditEvent
from outpost.dlp.engine import Engine
from outpost.errors import CouldNotInspect, OutpostError, Rejected
from outpost.policy.evaluate import Facts, evaluate
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision, Direction
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.body import BodyLimits, read_body
from outpost.proxy.decide import Inspectable, Verdict, judge
from outpost.proxy.enforcement import Admission, Enforcement
from outpost.proxy.errors import STATUS, blocked_code, blocked_message, openai_envelope
from outpost.proxy.exchange import Exchange, outcome_of
from outpost.proxy.forward import Forwarder
from outpost.proxy.metrics import ProxyMetrics
from outpost.proxy.segments import touches
from outpost.proxy.stream import StreamInspector
from outpost.proxy.surfaces import openai_chat

# Above this a scan takes longer than a fair turn of the event loop (about 1 ms at 60 MB/s), so a thread does it.
INLINE_SCAN_BYTES: Final = 65_536
EVENT_STREAM: Final = "text/event-stream"
_FORWARDED_ANSWER_HEADERS: Final = ("openai-processing-ms", "openai-version", "openai-model")


class Blocked(Rejected):
    """The policy refused; ``decision`` says which rule."""

    def __init__(self, decision: Decision, what: str) -> None:
        super().__init__(blocked_code(decision), blocked_message(decision, what))
        self.decision = decision


class AuditSink(Protocol):
    """Where audit events become durable (``outpost.audit.log.AuditLog``)."""

    def submit(self, event: AuditEvent) -> "asyncio.Future[int]":
        """Queue an event; the future is done once it is durable, or fails with ``AuditUnavailable``."""


@dataclass(frozen=True, slots=True)
class ProxyParts:
    """What serving a request needs; made once by the app."""

    admission: Admission
    engine: Engine
    audit: AuditSink
    forwarder: Forwarder
    limits: BodyLimits
    metrics: ProxyMetrics
    clock: Callable[[], datetime]


class ChatSurface:
    """Serves ``POST /v1/chat/completions``."""

    def __init__(self, parts: ProxyParts) -> None:
        self._parts = parts

    async def serve(
        self, request: web.BaseRequest, exchange: Exchange, presented_key: str | None
    ) -> web.StreamResponse:
        """Answer one request.

        Raises:
            Rejected: Refused; nothing was released. The caller audits it and answers with the envelope.
            OutpostError: Likewise, for lack of a resource.
        """
        at = self._parts.clock()
        enforcement = self._parts.admission.admit(at)
        exchange.bundle_version = enforcement.bundle.snapshot_version
        caller = enforcement.keys.authenticate(presented_key, at=at, address=exchange.address)
        exchange.caller = caller
        raw = await read_body(request, self._parts.limits)
        exchange.input_bytes = len(raw)
        parsed = openai_chat.parse_request(raw)
        if not caller.may_use(parsed.model):
            raise Rejected(ErrorCode.MODEL_NOT_ALLOWED, "this API key does not allow this model")
        provider = enforcement.provider_for(parsed.model)
        exchange.provider_id = provider.id
        facts = Facts(openai_chat.NAME, parsed.model, caller.group, Direction.INPUT)
        verdict = await self._judge(enforcement, facts, parsed, openai_chat.parse_request)
        exchange.decision = verdict.decision
        if not touches(parsed.segments, verdict.located, ("model",)):
            exchange.model = parsed.model
        self._count(verdict, Direction.INPUT)
        durable = self._parts.audit.submit(exchange.decision_event(at, verdict.decision, verdict.located))
        durable.add_done_callback(retrieve)
        if verdict.body is None:
            await durable
            raise Blocked(verdict.decision, "request")
        try:
            async with self._parts.forwarder.post(provider, "/chat/completions", verdict.body) as answer:
                output = Facts(openai_chat.NAME, parsed.model, caller.group, Direction.OUTPUT)
                if parsed.stream and answer.content_type == EVENT_STREAM:
                    await durable
                    return await self._stream(request, exchange, enforcement, output, answer)
                return await self._whole(request, exchange, enforcement, output, answer, durable)
        except asyncio.CancelledError:
            self._abandon(exchange)
            raise
        except OutpostError:
            await durable  # the provider may have failed first; a failed audit weighs more
            raise

    async def _whole(
        self,
        request: web.BaseRequest,
        exchange: Exchange,
        enforcement: Enforcement,
        facts: Facts,
        answer: aiohttp.ClientResponse,
        durable: "asyncio.Future[int]",
    ) -> web.StreamResponse:
        raw = await self._parts.forwarder.read(answer)
        parsed = _parse_answer(raw)
        exchange.prompt_tokens, exchange.completion_tokens = parsed.prompt_tokens, parsed.completion_tokens
        verdict = await self._judge(enforcement, facts, parsed, _parse_answer)
        self._count(verdict, Direction.OUTPUT)
        exchange.output_decision = verdict.decision
        exchange.output_findings = [item.finding for item in verdict.located]
        body = verdict.body
        if body is not None and body is not raw and _has_logprobs(parsed):
            body = None  # token probabilities would spell out what was redacted
        if body is None:
            raise Blocked(verdict.decision, "answer")
        exchange.output_bytes = len(body)
        completion = self._parts.audit.submit(exchange.completion_event(self._parts.clock(), "ok", 200))
        completion.add_done_callback(retrieve)
        await durable  # often the same commit makes both durable
        await completion
        headers = self._headers(exchange, answer)
        response = web.Response(body=body, content_type="application/json", headers=headers)
        await response.prepare(request)
        await response.write_eof()
        return response

    async def _stream(
        self,
        request: web.BaseRequest,
        exchange: Exchange,
        enforcement: Enforcement,
        facts: Facts,
        answer: aiohttp.ClientResponse,
    ) -> web.StreamResponse:
        def decide(findings: Sequence[Finding]) -> Decision:
            return evaluate(enforcement.policy, facts, findings)

        inspector = StreamInspector(self._parts.engine, decide)
        response = web.StreamResponse(headers={"Content-Type": EVENT_STREAM, "Cache-Control": "no-cache"})
        response.headers.update(self._headers(exchange, answer))
        outcome, code = "ok", None
        tail: list[bytes] = []
        try:
            tail = await self._pump(request, response, exchange, inspector, answer)
        except ConnectionResetError:
            outcome = "client_gone"
        except (Rejected, CouldNotInspect) as err:
            if not response.prepared:
                raise
            outcome, code = outcome_of(err.code), err.code
            tail = [sse.encode(openai_envelope(err.code, err.message, STATUS[err.code]))]
        if inspector.blocked:
            if not response.prepared:
                exchange.output_decision, exchange.output_findings = inspector.blocked, inspector.findings
                raise Blocked(inspector.blocked, "answer")
            outcome, code = "blocked", blocked_code(inspector.blocked)
            tail += inspector.closing_events()
        await self._close_stream(request, response, exchange, inspector, (outcome, code, tail))
        return response

    async def _pump(
        self,
        request: web.BaseRequest,
        response: web.StreamResponse,
        exchange: Exchange,
        inspector: StreamInspector,
        answer: aiohttp.ClientResponse,
    ) -> list[bytes]:
        """Move events from the provider to the client; returns those that end the stream, not yet sent."""
        reader = sse.EventReader()
        async for part in self._parts.forwarder.stream(answer):
            for event in reader.feed(part):
                out = inspector.feed(event)
                if event.data == sse.DONE or inspector.blocked:
                    return out
                await self._send(request, response, exchange, out)
        if reader.rest():
            message = "the provider's stream ended inside an event"
            raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, message)
        return inspector.finish()

    async def _close_stream(
        self,
        request: web.BaseRequest,
        response: web.StreamResponse,
        exchange: Exchange,
        inspector: StreamInspector,
        end: tuple[str, ErrorCode | None, list[bytes]],
    ) -> None:
        """Make the completion durable, then let the last bytes go."""
        outcome, code, tail = end
        exchange.prompt_tokens, exchange.completion_tokens = inspector.prompt_tokens, inspector.completion_tokens
        exchange.output_findings = inspector.findings
        exchange.output_decision = inspector.blocked or _strictest(inspector.decisions)
        self._parts.metrics.requests.labels(openai_chat.NAME, _action(exchange), code or "").inc()
        event = exchange.completion_event(self._parts.clock(), outcome, 200, code)
        try:
            await self._parts.audit.submit(event)
        except OutpostError as err:
            if not response.prepared:
                raise
            failure = ErrorCode.AUDIT_UNAVAILABLE
            tail = [sse.encode(openai_envelope(failure, str(err), STATUS[failure]))]
        if outcome != "client_gone":
            with contextlib.suppress(ConnectionResetError):
                await self._send(request, response, exchange, tail)
                await response.write_eof()

    async def _send(
        self, request: web.BaseRequest, response: web.StreamResponse, exchange: Exchange, out: Sequence[bytes]
    ) -> None:
        if not out:
            return
        if not response.prepared:
            await response.prepare(request)
        data = b"".join(out)
        exchange.output_bytes += len(data)
        await response.write(data)  # waits while the client is slow, so nothing piles up here

    async def _judge(
        self,
        enforcement: Enforcement,
        facts: Facts,
        parsed: Inspectable,
        parse: Callable[[bytes], Inspectable],
    ) -> Verdict:
        run = partial(judge, self._parts.engine, enforcement.policy, facts, parsed, parse)
        if len(parsed.document.raw) <= INLINE_SCAN_BYTES:
            return run()
        return await asyncio.to_thread(run)

    def _abandon(self, exchange: Exchange) -> None:
        """The client went away while the provider was working: close the record without anyone waiting for it."""
        event = exchange.completion_event(self._parts.clock(), "client_gone", 499)
        self._parts.audit.submit(event).add_done_callback(retrieve)

    def _count(self, verdict: Verdict, direction: Direction) -> None:
        for item in verdict.located:
            self._parts.metrics.findings.labels(item.finding.kind, direction).inc()

    @staticmethod
    def _headers(exchange: Exchange, answer: aiohttp.ClientResponse) -> dict[str, str]:
        headers = {name: answer.headers[name] for name in _FORWARDED_ANSWER_HEADERS if name in answer.headers}
        headers["X-Request-Id"] = exchange.request_id
        headers["X-Policy-Action"] = _action(exchange)
        return headers


def _parse_answer(raw: bytes) -> openai_chat.ChatAnswer:
    try:
        return openai_chat.parse_answer(raw)
    except Rejected as err:
        message = "the provider's answer is not a chat completion"
        raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, message) from err


def _has_logprobs(answer: openai_chat.ChatAnswer) -> bool:
    return any(isinstance(choice, dict) and choice.get("logprobs") for choice in answer.document.value["choices"])


def _strictest(decisions: Sequence[Decision]) -> Decision:
    redacting = (decision for decision in decisions if decision.action is Action.REDACT)
    return next(redacting, decisions[0] if decisions else Decision(Action.ALLOW, "output/clean", "nothing found"))


def _action(exchange: Exchange) -> str:
    """The stricter of the input's and the output's action."""
    actions = {decision.action for decision in (exchange.decision, exchange.output_decision) if decision}
    return next((str(action) for action in (Action.BLOCK, Action.REDACT) if action in actions), str(Action.ALLOW))


def retrieve(future: "asyncio.Future[int]") -> None:
    """Look at a result nobody waits for, so that a failure is not reported as never retrieved."""
    if not future.cancelled():
        future.exception()
