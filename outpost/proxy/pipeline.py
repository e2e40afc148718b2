"""One request of any surface from its first byte to the last byte of its answer.

Order, on which the promises rest: admit → authenticate → parse → inspect → decide → (audit ∥ forward) → inspect
the answer → audit → release. The audit of a decision overlaps the upstream call, but no byte of any answer is
released before it is durable; the audit of the answer is durable before the answer's last byte is.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from aiohttp import web

from outpost.errors import OutpostError, Rejected
from outpost.policy.evaluate import Facts
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Direction
from outpost.proxy.attachments import Read, read_attachments, with_attachments
from outpost.proxy.body import BodyLimits, read_body
from outpost.proxy.decide import Verdict
from outpost.proxy.errors import Blocked
from outpost.proxy.exchange import CLIENT_GONE, Exchange
from outpost.proxy.headers import inspected_headers
from outpost.proxy.inspection import inspected, off_loop
from outpost.proxy.parts import ProxyParts, retrieve
from outpost.proxy.redaction import Redactor, Restorer, redaction_key
from outpost.proxy.release import EVENT_STREAM, Call, Release
from outpost.proxy.segments import touches
from outpost.proxy.surfaces.surface import Attachment, Request, Surface
from outpost.proxy.uploads import Asking, Known, with_uploads


class SurfaceServer:
    """Serves every surface that takes and answers JSON."""

    def __init__(self, parts: ProxyParts) -> None:
        self._parts = parts
        self._release = Release(parts)
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
        parsed = await off_loop(len(raw), partial(parse, raw))
        if parsed.model and not caller.may_use(parsed.model):
            raise Rejected(ErrorCode.MODEL_NOT_ALLOWED, "this API key does not allow this model")
        provider = enforcement.provider_for(parsed.model, surface.dialect.name)
        exchange.provider_id = provider.id
        headers = inspected_headers(surface, request.headers, enforcement.engine)
        facts = Facts(surface.name, parsed.model, caller.group, Direction.INPUT)
        sent = parsed.attachments
        asking = Asking(caller, enforcement, facts, at)
        parsed, parse = await self._with_files(parsed, parse, asking)
        key = redaction_key(enforcement.peppers, self._fallback_key)
        redactor = Redactor(key, raw)
        verdict = await inspected(self._parts.models, enforcement, facts, parsed, parse, redactor)
        exchange.decision = verdict.decision
        if not touches(parsed.segments, verdict.located, ("model",)):
            exchange.model = parsed.model or None
        self._parts.metrics.count_findings(verdict.located, Direction.INPUT)
        event = exchange.decision_event(at, verdict.decision, verdict.located)
        # A plain answer is released together with its own event, which a fast provider brings within the moment.
        durable = self._parts.audit.submit(event, urgent=parsed.stream or verdict.body is None)
        durable.add_done_callback(retrieve)
        if verdict.body is None:
            await durable
            raise Blocked(verdict.decision, "request")
        output = Facts(surface.name, parsed.model, caller.group, Direction.OUTPUT)
        keep = self._keeping(surface, sent, verdict, asking)
        call = Call(request, exchange, surface, enforcement, output, Redactor(key), Restorer(redactor.names), keep)
        headers |= self._parts.forwarder.credentials(provider, surface.dialect.credentials)
        try:
            async with self._parts.forwarder.post(provider, surface.forward_path, verdict.body, headers) as answer:
                if parsed.stream and surface.stream and answer.content_type == EVENT_STREAM:
                    await durable
                    return await self._release.stream(call, surface.stream(), answer)
                return await self._release.whole(call, answer, durable)
        except asyncio.CancelledError:
            self._abandon(exchange)
            raise
        except OutpostError:
            await durable  # the provider may have failed first; a failed audit weighs more
            raise

    async def _with_files(
        self, parsed: Request, parse: Callable[[bytes], Request], asking: Asking
    ) -> tuple[Request, Callable[[bytes], Request]]:
        """A request with what its files say, and what is known of those that it names; and how it is parsed again."""
        if parsed.attachments:
            read = await read_attachments(parsed, self._parts.documents)
            parsed, parse = with_attachments(parsed, read), partial(_parse_with, parse, read)
        if parsed.references and self._parts.uploads is not None:
            known = await self._parts.uploads.known(parsed, asking)
            parsed, parse = with_uploads(parsed, known), partial(_parse_naming, parse, known)
        return parsed, parse

    def _keeping(
        self, surface: Surface, sent: Sequence[Attachment], verdict: Verdict, asking: Asking
    ) -> Callable[[bytes, str], Awaitable[None]] | None:
        """What remembers the upload that this request is, once it has been answered."""
        if surface.parse_form is None or self._parts.uploads is None:
            return None
        return partial(self._parts.uploads.remember, sent[0].data, verdict.located, asking)

    def _limits(self, surface: Surface) -> BodyLimits:
        return (surface.parse_form and self._parts.document_limits) or self._parts.limits

    @staticmethod
    def _parser(surface: Surface, request: web.BaseRequest) -> Callable[[bytes], Request]:
        if surface.parse_form is None:
            return surface.parse_request
        return partial(surface.parse_form, request.headers.get("Content-Type", ""))

    def _abandon(self, exchange: Exchange) -> None:
        """The client went away while the provider was working: close the record without anyone waiting for it."""
        if exchange.closed:
            return
        event = exchange.completion_event(self._parts.clock(), CLIENT_GONE, 499)
        with contextlib.suppress(OutpostError):  # nobody is left to be told, and the log says itself that it fails
            self._parts.audit.submit(event).add_done_callback(retrieve)


def _parse_naming(parse: Callable[[bytes], Request], known: Known, body: bytes) -> Request:
    return with_uploads(parse(body), known)


def _parse_with(parse: Callable[[bytes], Request], read: Read, body: bytes) -> Request:
    return with_attachments(parse(body), read)
