"""The HTTP shell of the proxy on 8300: routes, request ids, and the one place where errors become answers.

Whatever goes wrong while a request is served, here it becomes a refusal with the surface's own envelope and a
stable code; there is no path from an exception to a forwarded request. Malformed HTTP (``connection.py``,
``request_head.py``) gets the same envelope, is counted and audited, and ends its connection.
"""

import asyncio
import contextlib
import json
import time
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import unquote

import structlog
from aiohttp import web
from uuid_utils import uuid7

from outpost.audit.event import AuditEvent
from outpost.errors import AuditUnavailable, OutpostError, Rejected, Unavailable
from outpost.protocol import routes
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action
from outpost.protocol.ids import RequestId
from outpost.proxy.body import ACCEPTED_ENCODINGS
from outpost.proxy.connection import ProxyRequest
from outpost.proxy.cors import NO_CORS, Cors
from outpost.proxy.crowd import Alone, Crowd
from outpost.proxy.errors import STATUS, Blocked
from outpost.proxy.exchange import CLIENT_GONE, CUT_OFF, Exchange
from outpost.proxy.files import FileServer
from outpost.proxy.forward import ProviderRefused
from outpost.proxy.models import dialect_of_models, list_models, retrieve_model
from outpost.proxy.parts import ProxyParts, retrieve
from outpost.proxy.pipeline import SurfaceServer
from outpost.proxy.realtime import RealtimeServer
from outpost.proxy.request_head import check_head
from outpost.proxy.strangers import BURST_EVENTS, EVENTS_PER_S, StrangerEvents
from outpost.proxy.surfaces import openai_file_objects, openai_realtime
from outpost.proxy.surfaces.dialects import OPENAI
from outpost.proxy.surfaces.registry import SURFACES, dialect_of
from outpost.proxy.surfaces.surface import Dialect

log = structlog.get_logger(__name__)

MODELS: Final = "/v1/models"
MODELS_SURFACE: Final = "openai.models"
UNKNOWN_SURFACE: Final = "unknown"
_RETRYABLE: Final = frozenset({ErrorCode.OVERLOADED, ErrorCode.PROVIDER_RATE_LIMITED, ErrorCode.PROVIDER_UNAVAILABLE})


class Health(Protocol):
    """What the probes say (``outpost/admin/health.py``)."""

    def ready_problems(self) -> list[str]:
        """Why requests cannot be served now; empty if they can."""

    def report(self) -> dict[str, Any]:
        """Versions, freshness and expiry dates for people and monitors."""


class WrongMethod(Rejected):
    """The path takes another method; RFC 9110 §15.5.6 wants the answer to say which."""

    def __init__(self, allowed: str) -> None:
        super().__init__(ErrorCode.METHOD_NOT_ALLOWED, f"this path takes {allowed} only")
        self.allowed = allowed


class ProxyServer:
    """Serves the proxy port; given to ``connection.make_server``."""

    def __init__(  # noqa: PLR0913 - limits and collaborators
        self,
        parts: ProxyParts,
        health: Health,
        *,
        max_concurrent: int,
        max_header_bytes: int = 32_768,
        cors: Cors = NO_CORS,
        crowd: Crowd | None = None,
        share: int = 1,
    ) -> None:
        """``crowd`` counts for all processes of this outpost, of which there are ``share``."""
        self.crowd = crowd or Alone()
        self.leaving = False
        """This process is about to end, and another has taken its place."""
        self.cors = cors
        self._parts = parts
        self._max_header_bytes = max_header_bytes
        self._health = health
        self._max_concurrent = max_concurrent
        self._in_flight = 0
        parts.metrics.in_flight.set_function(lambda: self._in_flight)
        self._surfaces = SurfaceServer(parts)
        self._realtime = RealtimeServer(parts)
        self._files = None if parts.uploads is None else FileServer(parts, parts.uploads)
        self._strangers = StrangerEvents(EVENTS_PER_S / share, max(BURST_EVENTS / share, 1.0))

    @property
    def draining(self) -> bool:
        """This process is about to end: answers close their connections."""
        return self.leaving or self._parts.admission.draining

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""
        path = request.rel_url.raw_path  # never decoded: whoever stands before us compares what was sent
        try:
            version = request.sent_version if isinstance(request, ProxyRequest) else request.version
            check_head(version, request.method, request.raw_path, request.raw_headers, self._max_header_bytes)
        except Rejected as err:
            response = self.malformed(err, request.remote)
            response.force_close()
            return response
        if path in {routes.HEALTHZ, routes.READYZ, routes.HEALTH} and request.method in {"GET", "HEAD"}:
            return probe(path, self._health)
        if request.method == "OPTIONS":
            granted = self.cors.preflight(request.method, request.headers, _methods(path))
            if granted is not None:
                return web.Response(status=HTTPStatus.NO_CONTENT, headers=granted)
        exchange = Exchange(RequestId(str(uuid7())), _surface(path), request.remote)
        self._in_flight += 1
        everywhere = self.crowd.enter()
        try:
            if everywhere > self._max_concurrent:
                refusal = Rejected(ErrorCode.OVERLOADED, "too many requests are being served")
                return self._answer(exchange, refusal, _dialect(request))
            return await self._serve(request, exchange)
        except (asyncio.CancelledError, ConnectionResetError):
            exchange.code = exchange.code or CLIENT_GONE
            self._abandon(exchange)
            raise
        finally:
            self._in_flight -= 1
            self.crowd.leave()
            self._parts.metrics.latency_of(exchange.surface).observe(exchange.elapsed_ms() / 1000)
            self._count(exchange)

    def malformed(self, refusal: Rejected, address: str | None) -> web.Response:
        """Record and word what is answered to something that is no request.

        It may come from anybody, before a key was looked at, so the audit log takes it at the rate of strangers.
        """
        exchange = Exchange(RequestId(str(uuid7())), UNKNOWN_SURFACE, address)
        if refusal.code is ErrorCode.INTERNAL_ERROR and refusal.__cause__ is not None:
            log.error("unforeseen_error", request_id=exchange.request_id, error=_place(refusal.__cause__))
            refusal = Rejected(ErrorCode.INTERNAL_ERROR, "the outpost failed; nothing was let through")
        exchange.detail = "malformed HTTP"
        if refusal.code is not ErrorCode.OVERLOADED and self._may_write(exchange):
            event = exchange.refusal_event(self._parts.clock(), refusal.code, _status(refusal))
            self._write_unwaited(event)
            log.info("request_refused", request_id=exchange.request_id, surface=exchange.surface, code=refusal.code)
        response = self._answer(exchange, refusal, OPENAI)
        self._count(exchange)
        return response

    def _count(self, exchange: Exchange) -> None:
        refused = exchange.code and not exchange.answering
        action = Action.BLOCK if refused else exchange.action
        self._parts.metrics.request_of(exchange.surface, action, exchange.code).inc()

    def _abandon(self, exchange: Exchange) -> None:
        """The client went away, or the outpost ends: close the record without anyone waiting for it."""
        if not exchange.closed and self._may_write(exchange):
            outcome = CUT_OFF if self.draining else CLIENT_GONE
            self._write_unwaited(exchange.abandoned_event(self._parts.clock(), outcome))

    def _write_unwaited(self, event: AuditEvent) -> None:
        with contextlib.suppress(OutpostError):  # nobody is left to be told, and the log says itself that it fails
            self._parts.audit.submit(event).add_done_callback(retrieve)

    def _may_write(self, exchange: Exchange) -> bool:
        """Whether the audit log takes an event of this exchange; of callers that nobody knows only so many."""
        if exchange.caller is not None:
            return True
        uncounted = self._strangers.admit(time.monotonic())
        if uncounted:
            before = f"{uncounted} more refusals of unknown callers before this one"
            exchange.detail = f"{exchange.detail}; {before}" if exchange.detail else before
        return uncounted is not None

    async def _serve(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        try:
            return await self._route(request, exchange)
        except Rejected as err:
            refusal = err.with_traceback(None)  # frames hold it, and would stay with their bodies for the collector
        except AuditUnavailable:
            refusal = Rejected(ErrorCode.AUDIT_UNAVAILABLE, "the audit log cannot be written; nothing can pass")
        except Unavailable:
            refusal = Rejected(ErrorCode.INSPECTION_UNAVAILABLE, "the outpost cannot inspect at the moment")
        except (asyncio.CancelledError, ConnectionResetError):
            raise
        except Exception as err:  # noqa: BLE001 - the one place where the unforeseen becomes a refusal
            # Only the type and place: the text of a foreign exception may quote what it choked on.
            log.error("unforeseen_error", request_id=exchange.request_id, error=_place(err))
            refusal = Rejected(ErrorCode.INTERNAL_ERROR, "the outpost failed; nothing was let through")
        response = await self._refuse(exchange, refusal, _dialect(request))
        if exchange.answering:
            # Part of an answer is out: a second response behind it could be taken for more of it.
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("an answer broke off")
        return response

    async def _route(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if _is_of_files(path) and (path != openai_file_objects.PATH or request.method != "POST"):
            return await self._serve_files(request, exchange)
        surface = SURFACES.get(path)
        if surface is not None:
            _require_method(request, "POST")
            return await self._surfaces.serve(surface, request, exchange, _presented_key(request))
        if path == openai_realtime.PATH:
            _require_method(request, "GET")
            return await self._realtime.serve(request, exchange, _presented_key(request))
        if _is_models(path):
            _require_method(request, "GET")
            model = unquote(path.removeprefix(MODELS).removeprefix("/"))
            return await self._serve_models(request, exchange, model)
        raise Rejected(ErrorCode.NOT_FOUND, "this path is not served here and nothing is tunnelled")

    async def _serve_files(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path == openai_file_objects.PATH:
            _require_method(request, "GET", "POST")
        elif path.endswith("/content"):
            _require_method(request, "GET")
        else:
            _require_method(request, "GET", "DELETE")
        if self._files is None:
            raise Rejected(ErrorCode.NOT_FOUND, "no uploads are remembered here")
        return await self._files.serve(request, exchange, _presented_key(request))

    async def _serve_models(self, request: web.BaseRequest, exchange: Exchange, model: str) -> web.StreamResponse:
        at = self._parts.clock()
        enforcement = self._parts.admission.admit(at)
        exchange.bundle_version = enforcement.bundle.snapshot_version
        caller = enforcement.keys.authenticate(_presented_key(request), at=at, address=exchange.address)
        exchange.caller = caller
        dialect, forwarder = _dialect(request), self._parts.forwarder
        if model:
            body = await retrieve_model(enforcement, caller, forwarder, model, dialect)
        else:
            body = await list_models(enforcement, caller, forwarder, dialect, request.query)
        headers = {"X-Request-Id": exchange.request_id}
        if dialect.id_header:
            headers[dialect.id_header] = exchange.request_id
        return web.Response(body=body, content_type="application/json", headers=headers)

    async def _refuse(self, exchange: Exchange, refusal: Rejected, dialect: Dialect) -> web.StreamResponse:
        """Audit a refusal, then answer it; if it cannot be audited, that is the refusal."""
        if not self._may_write(exchange):
            return self._answer(exchange, refusal, dialect)
        status = _status(refusal)
        event = exchange.refusal_event(self._parts.clock(), refusal.code, status)
        if refusal.code is not ErrorCode.AUDIT_UNAVAILABLE:
            try:
                await self._parts.audit.submit(event)
            except OutpostError:
                refusal = Rejected(ErrorCode.AUDIT_UNAVAILABLE, "the audit log cannot be written; nothing can pass")
        log.info(
            "request_refused",
            request_id=exchange.request_id,
            surface=exchange.surface,
            code=refusal.code,
            key_id=exchange.caller.key_id if exchange.caller else None,
            rule_id=refusal.decision.rule_id if isinstance(refusal, Blocked) else None,
        )
        return self._answer(exchange, refusal, dialect)

    def _answer(self, exchange: Exchange, refusal: Rejected, dialect: Dialect) -> web.Response:
        exchange.code = refusal.code
        return refusal_response(refusal, exchange.request_id, dialect)


def refusal_response(refusal: Rejected, request_id: str, dialect: Dialect = OPENAI) -> web.Response:
    """A refusal in the error envelope of ``dialect``."""
    status = _status(refusal)
    headers = {"X-Request-Id": request_id, "X-Policy-Action": str(Action.BLOCK)}
    if dialect.id_header:
        headers[dialect.id_header] = request_id
    param = None
    if isinstance(refusal, ProviderRefused):
        param = refusal.param
        if refusal.retry_after_s is not None:
            headers["Retry-After"] = refusal.retry_after_s
    if isinstance(refusal, WrongMethod):
        headers["Allow"] = refusal.allowed
    if refusal.code is ErrorCode.UNSUPPORTED_ENCODING:
        headers["Accept-Encoding"] = ACCEPTED_ENCODINGS  # RFC 9110 §15.5.16
    if refusal.code not in _RETRYABLE:
        headers["x-should-retry"] = "false"  # both vendors' SDKs would repeat a 503 that stays one
    response = web.Response(
        body=dialect.envelope(refusal.code, refusal.message, status, param),
        status=status,
        content_type="application/json",
        headers=headers,
    )
    if refusal.code in {ErrorCode.REQUEST_TOO_LARGE, ErrorCode.REQUEST_TIMEOUT}:
        response.force_close()  # the rest of the body is not worth reading
    return response


def probe(path: str, health: Health) -> web.Response:
    """Answer a health path: ``/healthz`` (process), ``/readyz`` (may serve) or ``/health`` (JSON)."""
    if path == routes.HEALTHZ:
        return web.Response(text="ok\n")
    problems = health.ready_problems()
    status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
    if path == routes.READYZ:
        return web.Response(text="\n".join(problems or ["ready"]) + "\n", status=status)
    report = json.dumps({"ready": not problems, "problems": problems, **health.report()}, default=str)
    return web.Response(body=report.encode(), status=status, content_type="application/json")


def _surface(path: str) -> str:
    if path in SURFACES:
        return SURFACES[path].name
    if _is_of_files(path):
        return openai_file_objects.NAME
    if path == openai_realtime.PATH:
        return openai_realtime.NAME
    return MODELS_SURFACE if _is_models(path) else UNKNOWN_SURFACE


def _is_models(path: str) -> bool:
    return path == MODELS or path.startswith(MODELS + "/")


def _dialect(request: web.BaseRequest) -> Dialect:
    """Whose errors and lists the caller can read."""
    path = request.rel_url.raw_path
    return dialect_of_models(request.headers) if _is_models(path) else dialect_of(path)


def _methods(path: str) -> str:
    """What a page may ask of a path, in the words of ``Access-Control-Allow-Methods``."""
    if _is_of_files(path):
        return "GET, POST, DELETE"
    return "GET" if _is_models(path) else "POST"


def _is_of_files(path: str) -> bool:
    return path == openai_file_objects.PATH or path.startswith(openai_file_objects.PATH + "/")


def _presented_key(request: web.BaseRequest) -> str | None:
    """The caller's key from ``Authorization: Bearer`` or ``x-api-key``; two different ones are none."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    presented = {key for key in (bearer.strip() if scheme.lower() == "bearer" else "",) if key}
    presented.update(key for key in request.headers.getall("x-api-key", []) if key)
    if len(presented) > 1 or len(request.headers.getall("Authorization", [])) > 1:
        raise Rejected(ErrorCode.INVALID_API_KEY, "the request carries more than one API key")
    return next(iter(presented), None)


def _require_method(request: web.BaseRequest, *methods: str) -> None:
    if request.method not in methods:
        raise WrongMethod(", ".join(methods))


def _status(refusal: Rejected) -> HTTPStatus:
    if isinstance(refusal, ProviderRefused) and refusal.status is not None:
        return refusal.status
    return STATUS[refusal.code]


def _place(err: BaseException) -> str:
    """Type and innermost line of an exception, without its message."""
    trace = err.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename.rsplit('/', 2)[-1]}:{trace.tb_lineno}" if trace else "?"
    return f"{type(err).__name__} at {where}"
