"""One request of any surface from its first byte to the last byte of its answer.

Order, on which the promises rest: admit → authenticate → parse → inspect → decide → (audit ∥ forward) → inspect
the answer → audit → release. The audit of a decision overlaps the upstream call, but no byte of any answer is
released before it is durable; the audit of the answer is durable before the answer's last byte is.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
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
from outpost.proxy.crossing import dialects, spoken
from outpost.proxy.decide import Verdict
from outpost.proxy.dispatch import Dispatch, Errand, Outgoing, nobody, nobody_there
from outpost.proxy.enforcement import Enforcement
from outpost.proxy.errors import Blocked
from outpost.proxy.exchange import Exchange
from outpost.proxy.headers import inspected_headers
from outpost.proxy.inspection import inspected, off_loop
from outpost.proxy.parts import ProxyParts, retrieve
from outpost.proxy.redaction import Redactor, Restorer, redaction_key
from outpost.proxy.release import Call, Keep, Release
from outpost.proxy.rewriting import with_model
from outpost.proxy.segments import touches
from outpost.proxy.surfaces.surface import Attachment, Request, Surface
from outpost.proxy.uploads import Asking, Known, with_uploads
from outpost.translation.exchange import Api, open_exchange


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
    keep: Callable[[Verdict], Keep | None]
    """What is done with the answer, where it is that of an upload."""

    def facts(self, direction: Direction) -> Facts:
        """What the policy is told. The model is the one that the caller named, whatever stands behind the name."""
        return Facts(self.surface.name, self.parsed.model, self.group, direction)


class SurfaceServer:
    """Serves every surface that takes and answers JSON."""

    def __init__(self, parts: ProxyParts) -> None:
        self._parts = parts
        self._release = Release(parts)
        self._keyed: tuple[Mapping[str, bytes], bytes] | None = None
        """The peppers in use, and the key that comes of them."""
        self._dispatch = Dispatch(parts.forwarder, parts.metrics, parts.clock_s, parts.draw, parts.health)

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
        key = self._redaction_key(enforcement)
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
        restorer = Restorer(redactor.names)
        keep = asked.keep(verdict)
        call = Call(request, exchange, surface, enforcement, durable, output, Redactor(key), restorer, keep)
        outgoing = partial(self._outgoing, asked, verdict, redactor)
        return await self._forward(asked, call, hops, outgoing)

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
        targets: Sequence[Target] = enforcement.routing.targets(parsed.model, dialects(surface))
        if not targets:
            raise nobody(surface.dialect.name)
        headers = inspected_headers(surface, request.headers, enforcement.engine)
        keep: Callable[[Verdict], Keep | None] = _keeping_nothing
        if parsed.attachments or parsed.references or surface.parse_form is not None:
            facts = Facts(surface.name, parsed.model, caller.group, Direction.INPUT)
            serving = frozenset(one.provider.id for one in targets)
            asking = Asking(caller, enforcement, facts, self._parts.clock(), serving)
            keep = partial(self._keeping, surface, parsed.attachments, asking)
            parsed, parse, targets = await self._with_files(parsed, parse, targets, asking)
            if not targets:
                raise Rejected(ErrorCode.INVALID_REQUEST, "no one provider has all files that the body names")
        return _Asked(request, exchange, surface, enforcement, parsed, parse, caller.group, headers, targets, keep)

    def _redaction_key(self, enforcement: Enforcement) -> bytes:
        keyed = self._keyed
        if keyed is None or keyed[0] is not enforcement.peppers:
            key = redaction_key(enforcement.peppers, self._parts.redaction_key)
            keyed = self._keyed = (enforcement.peppers, key)
        return keyed[1]

    async def _with_files(
        self, parsed: Request, parse: Callable[[bytes], Request], targets: Sequence[Target], asking: Asking
    ) -> tuple[Request, Callable[[bytes], Request], Sequence[Target]]:
        """A request with what its files say, how it is parsed again, and who of ``targets`` has those that it names."""
        if parsed.attachments:
            read = await read_attachments(parsed, self._parts.documents)
            parsed, parse = with_attachments(parsed, read), partial(_parse_with, parse, read)
        if parsed.references and self._parts.uploads is not None:
            known = await self._parts.uploads.known(parsed, asking)
            parsed, parse = with_uploads(parsed, known), partial(_parse_naming, parse, known)
            targets = [one for one in targets if all(file.provider == one.provider.id for file in known.values())]
        return parsed, parse, targets

    def _keeping(self, surface: Surface, sent: Sequence[Attachment], asking: Asking, verdict: Verdict) -> Keep | None:
        """What remembers the upload that a request is, once it has been answered."""
        if surface.parse_form is None or self._parts.uploads is None:
            return None
        return partial(self._parts.uploads.remember, sent[0].data, verdict.located, asking)

    async def _forward(
        self,
        asked: _Asked,
        call: Call,
        hops: Sequence[Hop],
        outgoing: Callable[[Hop], Awaitable[Outgoing]],
    ) -> web.StreamResponse:
        exchange, surface = asked.exchange, asked.surface
        errand = Errand(
            hops,
            asked.enforcement.routing.retry,
            surface.repeatable,
            asked.parsed.stream and surface.stream is not None,
            outgoing,
            exchange.tried,
        )
        try:
            async with self._dispatch.answer(errand) as answer:
                if answer.stream is not None and surface.stream is not None:
                    return await self._release.stream(call, surface.stream(), answer)
                return await self._release.whole(call, answer)
        except OutpostError:
            await call.durable  # the provider may have failed first; a failed audit weighs more
            raise

    async def _outgoing(self, asked: _Asked, verdict: Verdict, redactor: Redactor, hop: Hop) -> Outgoing:
        """What ``hop`` is sent: the inspected body, byte for byte but for the model's name, or translated.

        Raises:
            Untranslatable: Its API cannot say it.
            Rejected: What translation made of it must not leave.
        """
        surface, body = spoken(asked.surface, hop.provider.surface), verdict.body or b""
        translation, headers = None, asked.headers
        if surface is not asked.surface:
            api, at = Api(asked.surface.dialect.name), self._parts.clock()
            translation = await off_loop(len(body), partial(open_exchange, body, api, at=at))
            body, headers = translation.request, dict(surface.dialect.request_headers({}))
            asked.exchange.left_out(translation.left_out)
        if hop.model is not None and hop.model != asked.parsed.model and asked.surface.parse_form is None:
            body = await off_loop(len(body), partial(with_model, body, hop.model))
        if translation is not None:
            body = await self._inspected_again(asked, verdict.decision, surface, body, redactor)
        return Outgoing(surface, body, headers, translation)

    async def _inspected_again(
        self, asked: _Asked, decision: Decision, surface: Surface, body: bytes, redactor: Redactor
    ) -> bytes:
        """What may leave of a translated body: it joins texts, and decodes files, that came apart and encoded.

        Raises:
            Rejected: Nothing of it, or only to somebody else.
        """
        parse: Callable[[bytes], Request] = surface.parse_request
        parsed = await off_loop(len(body), partial(parse, body))
        if parsed.attachments:
            read = await read_attachments(parsed, self._parts.documents)
            parsed, parse = with_attachments(parsed, read), partial(_parse_with, parse, read)
        facts = asked.facts(Direction.INPUT)
        verdict = await inspected(self._parts.models, asked.enforcement, facts, parsed, parse, redactor)
        if verdict.body is None:
            asked.exchange.decision = verdict.decision
            raise Blocked(verdict.decision, "request")
        if verdict.decision.destination not in {None, decision.destination}:
            raise nobody_there(str(verdict.decision.destination))
        return verdict.body

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
    routing = asked.enforcement.routing
    return routing.targets(asked.parsed.model, dialects(asked.surface), decision.destination)


def _keeping_nothing(_verdict: Verdict) -> None:
    """Of an answer that is not that of an upload."""


def _parse_naming(parse: Callable[[bytes], Request], known: Known, body: bytes) -> Request:
    return with_uploads(parse(body), known)


def _parse_with(parse: Callable[[bytes], Request], read: Read, body: bytes) -> Request:
    return with_attachments(parse(body), read)
