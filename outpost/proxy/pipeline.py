"""One request of any surface from its first byte to the last byte of its answer.

Order, on which the promises rest: admit → authenticate → parse → inspect → decide → (audit ∥ forward) → inspect
the answer → audit → release. The audit of a decision overlaps the upstream call, but no byte of any answer is
released before it is durable; the audit of the answer is durable before the answer's last byte is.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from outpost.errors import OutpostError, Rejected
from outpost.policy.evaluate import Facts
from outpost.policy.routing import Target
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Decision, Direction
from outpost.proxy.attachments import Read, read_attachments, with_attachments
from outpost.proxy.attempts import Hop
from outpost.proxy.body import BodyLimits, read_body
from outpost.proxy.decide import Verdict
from outpost.proxy.dispatch import Dispatch, Errand, Outgoing, nobody, nobody_there
from outpost.proxy.enforcement import Enforcement
from outpost.proxy.errors import Blocked
from outpost.proxy.exchange import Exchange
from outpost.proxy.headers import inspected_headers
from outpost.proxy.inspection import inspected, off_loop
from outpost.proxy.parts import ProxyParts, retrieve
from outpost.proxy.redaction import Redactor, Restorer, redaction_key
from outpost.proxy.release import Call, Release
from outpost.proxy.rewriting import with_model
from outpost.proxy.segments import touches
from outpost.proxy.surfaces.surface import Request, Surface


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that has been read: what is asked of whom, and not yet decided about."""

    request: web.BaseRequest
    exchange: Exchange
    surface: Surface
    enforcement: Enforcement
    parsed: Request
    parse: Callable[[bytes], Request]
    group: str
    headers: dict[str, str]
    """That go on to the provider."""
    targets: Sequence[Target]
    """Where the caller sent it."""

    def facts(self, direction: Direction) -> Facts:
        """What the policy is told. The model is the one that the caller named, whatever stands behind the name."""
        return Facts(self.surface.name, self.parsed.model, self.group, direction)


class SurfaceServer:
    """Serves every surface that takes and answers JSON."""

    def __init__(self, parts: ProxyParts) -> None:
        self._parts = parts
        self._release = Release(parts)
        self._dispatch = Dispatch(parts.forwarder, parts.metrics, parts.clock_s, parts.draw)

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
        exchange.caller = enforcement.keys.authenticate(presented_key, at=at, address=exchange.address)
        asked = await self._read(surface, request, exchange, enforcement)
        key = redaction_key(enforcement.peppers, self._parts.redaction_key)
        redactor = Redactor(key, asked.parsed.document.raw)
        facts = asked.facts(Direction.INPUT)
        verdict = await inspected(self._parts.models, enforcement, facts, asked.parsed, asked.parse, redactor)
        exchange.decision = verdict.decision
        if not touches(asked.parsed.segments, verdict.located, ("model",)):
            exchange.model = asked.parsed.model or None
        self._parts.metrics.count_findings(verdict.located, Direction.INPUT)
        hops = self._dispatch.plan(_targets(asked, verdict.decision))
        exchange.planned(hops)
        event = exchange.decision_event(at, verdict.decision, verdict.located)
        # A plain answer is released together with its own event, which a fast provider brings within the moment.
        durable = self._parts.audit.submit(event, urgent=asked.parsed.stream or verdict.body is None)
        durable.add_done_callback(retrieve)
        if verdict.body is None:
            await durable
            raise Blocked(verdict.decision, "request")
        if not hops:
            await durable
            raise nobody_there(str(verdict.decision.destination))
        output = asked.facts(Direction.OUTPUT)
        call = Call(request, exchange, surface, enforcement, output, Redactor(key), Restorer(redactor.names))
        return await self._forward(asked, call, verdict, hops, durable)

    async def _read(
        self, surface: Surface, request: web.BaseRequest, exchange: Exchange, enforcement: Enforcement
    ) -> _Asked:
        caller = exchange.caller
        if caller is None:
            raise RuntimeError("nobody is served before they are known")
        parse = self._parser(surface, request)
        raw = await read_body(request, self._limits(surface))
        exchange.input_bytes = len(raw)
        parsed = await off_loop(len(raw), partial(parse, raw))
        if parsed.model and not caller.may_use(parsed.model):
            raise Rejected(ErrorCode.MODEL_NOT_ALLOWED, "this API key does not allow this model")
        targets = enforcement.routing.targets(parsed.model, (surface.dialect.name,))
        if not targets:
            raise nobody(surface.dialect.name)
        headers = inspected_headers(surface, request.headers, enforcement.engine)
        if parsed.attachments:
            read = await read_attachments(parsed, self._parts.documents)
            parsed = with_attachments(parsed, read)
            parse = partial(_parse_with, parse, read)
        return _Asked(request, exchange, surface, enforcement, parsed, parse, caller.group, headers, targets)

    async def _forward(
        self,
        asked: _Asked,
        call: Call,
        verdict: Verdict,
        hops: Sequence[Hop],
        durable: "asyncio.Future[int]",
    ) -> web.StreamResponse:
        exchange, surface = asked.exchange, asked.surface
        body = verdict.body or b""
        errand = Errand(
            hops,
            asked.enforcement.routing.retry,
            surface.repeatable,
            asked.parsed.stream and surface.stream is not None,
            partial(_outgoing, asked, body),
            exchange.tried,
        )
        try:
            async with self._dispatch.answer(errand) as answer:
                if answer.stream is not None and surface.stream is not None:
                    await durable
                    return await self._release.stream(call, surface.stream(), answer)
                return await self._release.whole(call, answer, durable)
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


def _targets(asked: _Asked, decision: Decision) -> Sequence[Target]:
    """Who may serve it: where the caller sent it, or where the policy sends it and nobody else."""
    if decision.destination is None:
        return asked.targets
    dialects = (asked.surface.dialect.name,)
    return asked.enforcement.routing.targets(asked.parsed.model, dialects, decision.destination)


async def _outgoing(asked: _Asked, body: bytes, hop: Hop) -> Outgoing:
    """What ``hop`` is sent: the inspected body, byte for byte but for the model's name."""
    surface = asked.surface
    if hop.model is not None and hop.model != asked.parsed.model and surface.parse_form is None:
        body = await off_loop(len(body), partial(with_model, body, hop.model))
    return Outgoing(surface.forward_path, body, asked.headers, surface.dialect.credentials)


def _parse_with(parse: Callable[[bytes], Request], read: Read, body: bytes) -> Request:
    return with_attachments(parse(body), read)
