"""The HTTP shell of the proxy on 8300: routes, request ids, and the one place where errors become answers.

Whatever goes wrong while a request is served, here it becomes a refusal with the surface's own envelope and a
stable code; there is no path from an exception to a forwarded request. Parse errors of HTTP itself (both
length headers, bad chunks, bad header bytes) get the same envelope.
"""

import asyncio
import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, Protocol

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler
from uuid_utils import uuid7

from outpost.errors import AuditUnavailable, OutpostError, Rejected, Unavailable
from outpost.protocol import routes
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action
from outpost.protocol.ids import RequestId
from outpost.proxy.errors import STATUS, Blocked
from outpost.proxy.exchange import CLIENT_GONE, Exchange
from outpost.proxy.files import FileServer
from outpost.proxy.forward import ProviderRefused
from outpost.proxy.models import dialect_of_models, list_models, retrieve_model
from outpost.proxy.parts import ProxyParts
from outpost.proxy.pipeline import SurfaceServer
from outpost.proxy.realtime import RealtimeServer
from outpost.proxy.strangers import StrangerEvents
from outpost.proxy.surfaces import openai_file_objects, openai_realtime
from outpost.proxy.surfaces.dialects import OPENAI
from outpost.proxy.surfaces.registry import SURFACES, dialect_of
from outpost.proxy.surfaces.surface import Dialect

log = structlog.get_logger(__name__)

MODELS: Final = "/v1/models"
MODELS_SURFACE: Final = "openai.models"
UNKNOWN_SURFACE: Final = "unknown"
LINGER_S: Final = 2.0  # a refused body is read on for so long, so that the refusal is not lost in a reset
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
    """Serves the proxy port. ``handler`` is given to ``make_server``."""

    def __init__(self, parts: ProxyParts, health: Health, *, max_concurrent: int) -> None:
        self._parts = parts
        self._health = health
        self._max_concurrent = max_concurrent
        self._in_flight = 0
        self._surfaces = SurfaceServer(parts)
        self._realtime = RealtimeServer(parts)
        self._files = None if parts.uploads is None else FileServer(parts, parts.uploads)
        self._strangers = StrangerEvents()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""
        path = request.path
        if path in {routes.HEALTHZ, routes.READYZ, routes.HEALTH} and request.method in {"GET", "HEAD"}:
            return probe(path, self._health)
        exchange = Exchange(RequestId(str(uuid7())), _surface(path), request.remote)
        metrics = self._parts.metrics
        self._in_flight += 1
        metrics.in_flight.set(self._in_flight)
        try:
            if self._in_flight > self._max_concurrent:
                refusal = Rejected(ErrorCode.OVERLOADED, "too many requests are being served")
                return self._answer(exchange, refusal, _dialect(request))
            return await self._serve(request, exchange)
        except (asyncio.CancelledError, ConnectionResetError):
            exchange.code = exchange.code or CLIENT_GONE
            raise
        finally:
            self._in_flight -= 1
            metrics.in_flight.set(self._in_flight)
            refused = exchange.code and not exchange.answering
            action = Action.BLOCK if refused else exchange.action
            metrics.requests.labels(exchange.surface, action, exchange.code).inc()
            metrics.latency.labels(exchange.surface).observe(exchange.elapsed_ms() / 1000)

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
        path = request.path
        if _is_of_files(path) and (path != openai_file_objects.PATH or request.method != "POST"):
            return await self._serve_files(request, exchange)
        surface = SURFACES.get(path)
        if surface is not None:
            _require_method(request, "POST")
            return await self._surfaces.serve(surface, request, exchange, _presented_key(request))
        if path == openai_realtime.PATH:
            _require_method(request, "GET")
            return await self._realtime.serve(request, exchange, _presented_key(request))
        if path == MODELS or path.startswith(MODELS + "/"):
            _require_method(request, "GET")
            return await self._serve_models(request, exchange, path.removeprefix(MODELS).removeprefix("/"))
        raise Rejected(ErrorCode.NOT_FOUND, "this path is not served here and nothing is tunnelled")

    async def _serve_files(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        if request.path == openai_file_objects.PATH:
            _require_method(request, "GET", "POST")
        elif request.path.endswith("/content"):
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
        if exchange.caller is None:
            uncounted = self._strangers.admit(time.monotonic())
            if uncounted is None:
                return self._answer(exchange, refusal, dialect)
            if uncounted:
                exchange.detail = f"{uncounted} more refusals of unknown callers before this one"
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


class _ProxyProtocol(RequestHandler):
    """aiohttp's connection, answering malformed HTTP with our envelope and without a log line that quotes it."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - the library's text quotes the offending bytes
    ) -> web.StreamResponse:
        """Refuse what is not HTTP. The connection is closed: its framing cannot be trusted any more."""
        if request.writer.output_size > 0:
            raise ConnectionError("a response is on its way already")
        too_large = isinstance(exc, LineTooLong)
        code = ErrorCode.INVALID_REQUEST if status < HTTPStatus.INTERNAL_SERVER_ERROR else ErrorCode.INTERNAL_ERROR
        text = "the request's headers are too large" if too_large else "the request is not valid HTTP"
        if exc is not None and code is ErrorCode.INTERNAL_ERROR:
            log.error("unforeseen_error", error=_place(exc))
            text = "the outpost failed; nothing was let through"
        response = refusal_response(Rejected(code, text), str(uuid7()))
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _ProxyProtocol(self, loop=self._loop, **self._kwargs)


def make_server(handle: Callable[[web.BaseRequest], Any], *, keepalive_timeout_s: float) -> web.Server:
    """A low-level server for ``handle``; a request whose client goes away is cancelled."""
    return _Server(
        handle,
        handler_cancellation=True,
        keepalive_timeout=keepalive_timeout_s,  # also bounds how long headers may take
        lingering_time=LINGER_S,
        auto_decompress=False,  # body.py does it, with a bound
        access_log=None,
    )


def _surface(path: str) -> str:
    if path in SURFACES:
        return SURFACES[path].name
    if _is_of_files(path):
        return openai_file_objects.NAME
    if path == openai_realtime.PATH:
        return openai_realtime.NAME
    return MODELS_SURFACE if path == MODELS or path.startswith(MODELS + "/") else UNKNOWN_SURFACE


def _dialect(request: web.BaseRequest) -> Dialect:
    """Whose errors and lists the caller can read."""
    is_of_models = request.path == MODELS or request.path.startswith(MODELS + "/")
    return dialect_of_models(request.headers) if is_of_models else dialect_of(request.path)


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
