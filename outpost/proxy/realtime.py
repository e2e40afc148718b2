"""``/v1/realtime``: a WebSocket on either side, and every event between them inspected before it goes on.

A client's event goes to the provider once it is decided; nothing of the provider goes to the client before all
decisions so far are durable, and no text of it before its end is known to hide nothing. The caller's standing (key,
policy, model, provider) is looked at before every event and once a second between them. Whatever is refused ends the
connection: an error event that says why, then a close code (RFC 6455 §7.4.1). Each side is read only as fast as the
other takes it.
"""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal
from urllib.parse import quote

import aiohttp
from aiohttp import WSMsgType, web

from outpost.errors import AuditUnavailable, OutpostError, Rejected, Unavailable
from outpost.policy.evaluate import Facts
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision, Direction
from outpost.protocol.routing import Provider
from outpost.proxy.decide import Verdict
from outpost.proxy.errors import Blocked
from outpost.proxy.exchange import CLIENT_GONE, Exchange, outcome_of
from outpost.proxy.inspection import inspected, off_loop
from outpost.proxy.parts import ProxyParts, retrieve
from outpost.proxy.realtime_answers import Answers
from outpost.proxy.realtime_connect import Connector, Wish
from outpost.proxy.realtime_standing import Standing, require_here, required, standing_of
from outpost.proxy.redaction import Redactor, redaction_key
from outpost.proxy.surfaces import openai_realtime
from outpost.proxy.surfaces.openai_realtime import ClientEvent, RealtimeLimits

MAX_PENDING: Final = 64  # decisions on their way to the disk; then the client waits for the oldest
_ENDED: Final = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED})
_WELL_CLOSED: Final = frozenset({0, 1000, 1001})  # RFC 6455 §7.4.1, 0 for a close frame without a code

_UPGRADED: Final = 101  # the status that the client got
_NO_AUDIT: Final = (ErrorCode.AUDIT_UNAVAILABLE, "the audit log cannot be written; nothing can pass")

Upstream = aiohttp.ClientWebSocketResponse[Literal[False]]
Downstream = web.WebSocketResponse[Literal[False]]


@dataclass(frozen=True, slots=True)
class _End:
    """How a connection ends: the close code, and what the audit log calls it."""

    close_code: int
    outcome: str = "ok"
    code: ErrorCode | None = None
    tail: tuple[bytes, ...] = ()


_GONE: Final = _End(openai_realtime.NORMAL, CLIENT_GONE)


@dataclass(frozen=True, slots=True)
class _Opening:
    """What a client asked for, and with which key."""

    key: str | None
    model: str


class RealtimeServer:
    """Serves ``/v1/realtime``."""

    def __init__(self, parts: ProxyParts) -> None:
        self._parts = parts
        self._connector = Connector(parts)

    async def serve(
        self, request: web.BaseRequest, exchange: Exchange, presented_key: str | None
    ) -> web.StreamResponse:
        """Open a connection and serve it to its end.

        Raises:
            Rejected: Refused before it was opened. The caller audits it and answers with the envelope.
            OutpostError: Likewise, for lack of a resource.
        """
        offer = openai_realtime.read_offer(request.headers.getall("Sec-WebSocket-Protocol", []))
        keys = offer.keys | ({presented_key} if presented_key else set())
        if len(keys) > 1:
            raise Rejected(ErrorCode.INVALID_API_KEY, "the request carries more than one API key")
        # Before anything is read: who asks need not know what a valid question is.
        key = next(iter(keys), None)
        self._authenticate(exchange, key)
        opening = _Opening(key, openai_realtime.read_query([*request.query.items()]))
        standing = standing_of(self._parts, exchange, opening.key, opening.model)
        limits = self._parts.realtime
        socket: Downstream = web.WebSocketResponse(
            protocols=(offer.accepts,) if offer.accepts else (),
            compress=False,
            heartbeat=limits.ping_s,
            max_msg_size=limits.max_event_bytes + 1,  # aiohttp refuses what reaches it
            timeout=1.0,  # for the client's own closing frame
            decode_text=False,
        )
        if not socket.can_prepare(request).ok:
            raise Rejected(ErrorCode.INVALID_REQUEST, "this path takes a WebSocket (RFC 6455) only")
        hops = self._connector.plan(standing.targets)
        exchange.planned(hops)
        allowed = await self._judge_opening(exchange, standing, opening)
        is_beta = offer.beta or request.headers.get("OpenAI-Beta") == openai_realtime.BETA
        wish = Wish(
            [hop for hop in hops if hop.provider.id in allowed],
            standing.enforcement.routing.retry,
            f"{openai_realtime.FORWARD_PATH}?model={quote(opening.model, safe='')}",
            {"OpenAI-Beta": openai_realtime.BETA} if is_beta else {},
            exchange.tried,
        )
        async with AsyncExitStack() as stack:
            hop, upstream = await self._connector.open(wish, stack)
            socket.headers["X-Request-Id"] = exchange.request_id
            exchange.answering = True
            await socket.prepare(request)
            key_of_hashes = redaction_key(standing.enforcement.peppers, self._parts.redaction_key)
            session = _Session(self._parts, exchange, opening, (socket, upstream, hop.provider), key_of_hashes)
            await session.run(request.transport)
        return socket

    def _authenticate(self, exchange: Exchange, key: str | None) -> None:
        at = self._parts.clock()
        enforcement = self._parts.admission.admit(at)
        exchange.bundle_version = enforcement.bundle.snapshot_version
        exchange.caller = enforcement.keys.authenticate(key, at=at, address=exchange.address)

    async def _judge_opening(self, exchange: Exchange, standing: Standing, opening: _Opening) -> set[str]:
        """Ids of the providers that may open it."""
        raw = openai_realtime.opening(opening.model)
        parsed = openai_realtime.read_opening(raw)
        facts = Facts(openai_realtime.NAME, opening.model, standing.caller.group, Direction.INPUT)
        redactor = Redactor(secrets.token_bytes(32), raw)
        verdict = await inspected(
            self._parts.models, standing.enforcement, facts, parsed, openai_realtime.read_opening, redactor
        )
        self._parts.metrics.count_findings(verdict.located, Direction.INPUT)
        exchange.decision = verdict.decision
        await self._parts.audit.submit(exchange.decision_event(self._parts.clock(), verdict.decision, verdict.located))
        allowed = {target.provider.id for target in required(standing, opening.model, verdict.decision)}
        if verdict.body != raw:  # another model than the one asked for is no redaction
            raise Blocked(verdict.decision, "request")
        exchange.model = opening.model
        return allowed


class _Session:
    """One open connection."""

    def __init__(
        self,
        parts: ProxyParts,
        exchange: Exchange,
        opening: _Opening,
        ends: tuple[Downstream, Upstream, Provider],
        key: bytes,
    ) -> None:
        """``ends`` are the client's and the provider's sockets, and who the provider is."""
        self._parts = parts
        self._exchange = exchange
        self._opening = opening
        self._client, self._provider, self._address = ends
        self._limits: RealtimeLimits = parts.realtime
        self._redactor = Redactor(key, b"")
        self._answers = Answers(parts.models, opening.model, Redactor(key), self._redactor)
        self._transport: asyncio.Transport | None = None
        self._about: str | None = None
        self._releasing = False
        self._end: _End | None = None
        self._pending: deque[asyncio.Future[int]] = deque()
        self._active_at_s = asyncio.get_running_loop().time()

    async def run(self, transport: asyncio.Transport | None) -> None:
        """Serve until one side, the policy or the time ends it.

        Raises:
            asyncio.CancelledError: The client is gone, or the outpost stops.
        """
        self._transport = transport
        try:
            end = await self._first(self._from_client(), self._from_provider(), self._watch())
            await self._close(end)
        except asyncio.CancelledError:
            self._abandon()
            raise
        finally:
            self._answers.close()

    async def _first(self, *work: Coroutine[Any, Any, _End]) -> _End:
        """The end that came first; everything else is over then."""
        tasks = [asyncio.ensure_future(self._ended(one)) for one in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ends = [task.result() for task in tasks if task in done]
            self._end = next((end for end in ends if end.code is not None), ends[0])
            return self._end
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ended(self, work: Coroutine[Any, Any, _End]) -> _End:
        """The end to which ``work`` comes, also by a refusal."""
        try:
            end = await work
        except Rejected as err:
            end = self._refusal(err.code, err.message)
        except AuditUnavailable:
            end = self._refusal(*_NO_AUDIT)
        except Unavailable:
            end = self._refusal(ErrorCode.INSPECTION_UNAVAILABLE, "the outpost cannot inspect at the moment")
        except ConnectionResetError:
            end = _GONE
        self._end = self._end or end
        return end

    def _refusal(self, code: ErrorCode, message: str, close_code: int | None = None) -> _End:
        error = self._answers.shape.error(code, message, event_id=self._about)
        return _End(close_code or openai_realtime.close_code(code), outcome_of(code), code, (error,))

    async def _from_client(self) -> _End:
        while True:
            message = await self._client.receive()
            if message.type is WSMsgType.TEXT:
                await self._client_event(message.data)
            elif message.type is WSMsgType.BINARY:
                return self._refusal(ErrorCode.INVALID_REQUEST, "events are text frames", openai_realtime.NO_BINARY)
            elif message.type in _ENDED:
                return _End(openai_realtime.NORMAL)
            elif isinstance(message.data, aiohttp.WebSocketError):
                too_big = message.data.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
                code = ErrorCode.REQUEST_TOO_LARGE if too_big else ErrorCode.INVALID_REQUEST
                most = self._limits.max_event_bytes
                return self._refusal(code, f"an event may have {most} bytes and must be a well-formed frame")
            else:
                return _GONE

    async def _client_event(self, raw: bytes) -> None:
        self._touch()
        self._exchange.input_bytes += len(raw)
        standing = self._standing()
        event = await off_loop(len(raw), partial(openai_realtime.read_client_event, raw))
        if event.model is not None and event.model != self._opening.model:
            raise Rejected(ErrorCode.MODEL_NOT_ALLOWED, "another model takes another connection")
        self._about = event.event_id
        self._redactor.avoid(raw)
        verdict = await self._judge(standing, event)
        await self._audited(verdict)
        if verdict.body is None:
            await self._settle()
            raise Blocked(verdict.decision, "event")
        if verdict.decision.destination is not None:
            await self._settle()
            require_here(standing, self._address, self._opening.model, verdict.decision)
        self._answers.names_may_have_changed()
        try:
            async with asyncio.timeout(self._limits.stall_s):
                await self._provider.send_frame(verdict.body, WSMsgType.TEXT)
        except (TimeoutError, OSError) as err:
            message = "the provider takes no more events or broke off"
            raise Rejected(ErrorCode.PROVIDER_UNAVAILABLE, message) from err
        self._about = None

    async def _judge(self, standing: Standing, event: ClientEvent) -> Verdict:
        facts = Facts(openai_realtime.NAME, self._opening.model, standing.caller.group, Direction.INPUT)
        read = openai_realtime.read_client_event
        verdict = await inspected(self._parts.models, standing.enforcement, facts, event, read, self._redactor)
        self._parts.metrics.count_findings(verdict.located, Direction.INPUT)
        self._exchange.decision = _stricter(self._exchange.decision, verdict.decision)
        return verdict

    async def _audited(self, verdict: Verdict) -> None:
        event = self._exchange.decision_event(self._parts.clock(), verdict.decision, verdict.located)
        future = self._parts.audit.submit(event)
        future.add_done_callback(retrieve)
        self._pending.append(future)
        if len(self._pending) > MAX_PENDING:
            await self._pending.popleft()

    async def _from_provider(self) -> _End:
        while True:
            frame = await self._provider.receive()
            if frame.type is WSMsgType.TEXT:
                self._releasing = True
                await self._server_event(frame.data)
                self._releasing = False
                if self._answers.refused is not None:
                    return self._cut(self._answers.refused)
            elif frame.type is WSMsgType.BINARY:
                return self._refusal(ErrorCode.PROVIDER_INVALID_RESPONSE, "the provider sent a binary frame")
            elif frame.type in _ENDED and self._provider.close_code in _WELL_CLOSED:
                return _End(openai_realtime.NORMAL)
            elif frame.type in _ENDED or not isinstance(frame.data, aiohttp.WebSocketError):
                return self._refusal(ErrorCode.PROVIDER_UNAVAILABLE, "the provider broke off")
            else:
                message = "the provider sent a frame that is malformed or too large"
                return self._refusal(ErrorCode.PROVIDER_INVALID_RESPONSE, message)

    async def _server_event(self, raw: bytes) -> None:
        self._touch()
        standing = self._standing()
        out = await self._answers.feed(raw, standing.enforcement, standing.caller.group)
        await self._settle()
        noted = self._answers.take()
        if noted is not None:
            exchange = self._exchange
            exchange.output_decision = _stricter(exchange.output_decision, noted.decision)
            exchange.prompt_tokens = _sum(exchange.prompt_tokens, noted.prompt_tokens)
            exchange.completion_tokens = _sum(exchange.completion_tokens, noted.completion_tokens)
            for finding in noted.findings:
                self._parts.metrics.findings.labels(finding.kind, Direction.OUTPUT).inc()
            await self._parts.audit.submit(exchange.output_event(self._parts.clock(), noted.decision, noted.findings))
        await self._send(out)

    def _cut(self, decision: Decision) -> _End:
        refusal = Blocked(decision, "answer")
        tail = tuple(self._answers.shape.closing_events(decision))
        return _End(openai_realtime.close_code(refusal.code), outcome_of(refusal.code), refusal.code, tail)

    async def _watch(self) -> _End:
        """Ends a connection whose caller may not go on, on which nothing happens, or whose outpost stops."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._limits.tick_s)
            self._standing()
            if self._parts.admission.draining and not (self._answers.busy or self._releasing):
                return _End(openai_realtime.GOING_AWAY)
            if loop.time() - self._active_at_s > self._limits.idle_s:
                message = f"nothing was said for {self._limits.idle_s:g} s"
                return self._refusal(ErrorCode.REQUEST_TIMEOUT, message)

    def _standing(self) -> Standing:
        standing = standing_of(self._parts, self._exchange, self._opening.key, self._opening.model)
        if not standing.may_stay(self._address):
            message = "other providers serve this model now; open a new connection"
            raise Rejected(ErrorCode.UNKNOWN_MODEL, message)
        return standing

    def _touch(self) -> None:
        self._active_at_s = asyncio.get_running_loop().time()

    async def _settle(self) -> None:
        """Wait until every decision so far is durable.

        Raises:
            AuditUnavailable: One is not.
        """
        while self._pending:
            await self._pending.popleft()

    async def _send(self, frames: list[bytes]) -> None:
        try:
            async with asyncio.timeout(self._limits.stall_s):
                for frame in frames:
                    self._exchange.output_bytes += len(frame)
                    await self._client.send_frame(frame, WSMsgType.TEXT)
        except TimeoutError:
            raise ConnectionResetError("the client stopped reading") from None

    async def _close(self, end: _End) -> None:
        """Make the end durable, then say it."""
        tail, close_code = end.tail, end.close_code
        try:
            self._record(end)
            await self._settle()
        except OutpostError:
            refusal = self._refusal(*_NO_AUDIT)
            tail, close_code, self._exchange.code = refusal.tail, refusal.close_code, ErrorCode.AUDIT_UNAVAILABLE
        gone = end.outcome == CLIENT_GONE
        if not (gone or self._client.closed):
            try:
                await self._send(list(tail))
                async with asyncio.timeout(self._limits.stall_s):
                    await self._client.close(code=close_code)
            except (ConnectionResetError, TimeoutError):
                gone = True
        if gone and self._transport is not None:
            self._transport.abort()  # whoever takes nothing would not take a close frame either

    def _abandon(self) -> None:
        """The client went away, or the outpost stops: close the record without anyone waiting for it."""
        if self._exchange.closed:
            return
        said_so = self._client.close_code in _WELL_CLOSED
        with contextlib.suppress(OutpostError):  # nobody is left to be told, and the log says itself that it fails
            self._record(self._end or (_End(openai_realtime.NORMAL) if said_so else _GONE))

    def _record(self, end: _End) -> None:
        """Write the end down, whether or not anybody waits for it."""
        exchange = self._exchange
        exchange.code = end.outcome if end.outcome == CLIENT_GONE else end.code or ""
        event = exchange.completion_event(self._parts.clock(), end.outcome, _UPGRADED, end.code)
        self._pending.append(self._parts.audit.submit(event))
        self._pending[-1].add_done_callback(retrieve)


def _stricter(one: Decision | None, other: Decision) -> Decision:
    rank = {Action.BLOCK: 3, Action.ROUTE_TO: 2, Action.REDACT: 1}
    return other if one is None or rank.get(other.action, 0) > rank.get(one.action, 0) else one


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else (one or 0) + other
