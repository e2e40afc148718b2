"""Around every request: an id, one log line, and errors as ``ErrorBody``. Never a token, key or body in the log."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
import uuid_utils
from aiohttp import hdrs, web
from pydantic import BaseModel, ValidationError

from control_plane.api.errors import body_for, row_for
from control_plane.errors import (
    ControlPlaneError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    RateLimited,
    RequestTimeout,
    RequestTooLarge,
    UnsupportedEncoding,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
M = TypeVar("M", bound=BaseModel)

REQUEST_ID = web.RequestKey("request_id", str)
OUTPOST_ID = web.RequestKey("outpost_id", str)
BODY_TIMEOUT_S = 30.0  # a body here has at most a few MB; slower than that is no outpost of ours
# For a 503 without an appointment: a locked database is over by then, and not all come back in the same second.
_RETRY_AFTER_S = 5
_RETRY_SPREAD_S = 20

_log = structlog.get_logger("control_plane.api")


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, turn typed errors into their answers, and log one line."""
    request[REQUEST_ID] = str(uuid_utils.uuid7())
    started = time.perf_counter()
    level, code, response = "info", None, None
    try:
        response = await handler(request)
    except web.HTTPException as err:
        response, level, code = _error_response(_as_ours(err))
        if hdrs.ALLOW in err.headers:
            response.headers[hdrs.ALLOW] = err.headers[hdrs.ALLOW]
    except ControlPlaneError as err:
        response, level, code = _error_response(err)
    response.headers["X-Request-Id"] = request[REQUEST_ID]
    getattr(_log, level)(
        "request",
        request_id=request[REQUEST_ID],
        method=request.method,
        route=_route(request),
        status=response.status,
        code=code,
        outpost=request.get(OUTPOST_ID),
        retry_after=response.headers.get(hdrs.RETRY_AFTER),
        duration_ms=round(1000 * (time.perf_counter() - started), 2),
    )
    return response


async def read_message(request: web.Request, model: type[M], limit_bytes: int) -> M:
    """The request's body as a message.

    Raises:
        RequestTooLarge, RequestTimeout, UnsupportedEncoding, InvalidRequest: It is not one.
    """
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise UnsupportedEncoding("send the body uncompressed")
    if (request.content_length or 0) > limit_bytes:
        raise RequestTooLarge(f"the body may have {limit_bytes} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.content.iter_chunked(65_536):
                body += chunk
                if len(body) > limit_bytes:
                    raise RequestTooLarge(f"the body may have {limit_bytes} bytes")
    except TimeoutError as err:
        raise RequestTimeout("the body did not arrive in time") from err
    try:
        return model.model_validate_json(bytes(body))
    except ValidationError as err:
        first = err.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "(body)"
        raise InvalidRequest(f"{where}: {first['msg']}") from err


def json_response(message: BaseModel) -> web.Response:
    """A message as the answer."""
    return web.Response(text=message.model_dump_json(), content_type="application/json")


def _error_response(err: ControlPlaneError) -> tuple[web.Response, str, str]:
    row, body = row_for(err), body_for(err)
    response = web.Response(
        status=row.status, text=body.model_dump_json(exclude_none=True), content_type="application/json"
    )
    if row.status == web.HTTPServiceUnavailable.status_code:
        response.headers[hdrs.RETRY_AFTER] = str(_RETRY_AFTER_S + secrets.randbelow(_RETRY_SPREAD_S))
    if isinstance(err, RateLimited | Overloaded):
        response.headers[hdrs.RETRY_AFTER] = str(err.retry_after_s)
    return response, row.level, row.code.value


def _as_ours(err: web.HTTPException) -> ControlPlaneError:
    if isinstance(err, web.HTTPNotFound):
        return NotFound("no such route")
    if isinstance(err, web.HTTPMethodNotAllowed):
        return MethodNotAllowed("this route has another method")
    if isinstance(err, web.HTTPRequestEntityTooLarge):
        return RequestTooLarge("the body is too large")
    return InvalidRequest("the request cannot be answered")


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "(none)"
