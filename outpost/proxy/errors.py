"""Every refusal a client can see: one table from code to status, and the envelopes around it.

``docs/errors.md`` says for each code what to do; a test walks ``ErrorCode`` and fails on a gap. Messages name
rules, kinds and limits, never inspected text, keys or an upstream's words.
"""

import json
from http import HTTPStatus
from typing import Final

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Decision

STATUS: Final[dict[ErrorCode, HTTPStatus]] = {
    ErrorCode.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
    ErrorCode.REQUEST_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.REQUEST_TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
    ErrorCode.UNSUPPORTED_ENCODING: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    ErrorCode.MISSING_API_KEY: HTTPStatus.UNAUTHORIZED,
    ErrorCode.INVALID_API_KEY: HTTPStatus.UNAUTHORIZED,
    ErrorCode.EXPIRED_API_KEY: HTTPStatus.UNAUTHORIZED,
    ErrorCode.MODEL_NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    ErrorCode.ADDRESS_NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    ErrorCode.POLICY_BLOCKED: HTTPStatus.FORBIDDEN,
    ErrorCode.UNSCANNABLE: HTTPStatus.FORBIDDEN,
    ErrorCode.ROUTE_UNAVAILABLE: HTTPStatus.FORBIDDEN,
    ErrorCode.NO_POLICY: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.POLICY_EXPIRED: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.CLOCK_UNTRUSTED: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.INSPECTION_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.AUDIT_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.BUDGET_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.OUTPOST_REVOKED: HTTPStatus.FORBIDDEN,
    ErrorCode.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
    ErrorCode.UNKNOWN_MODEL: HTTPStatus.NOT_FOUND,
    ErrorCode.UNTRANSLATABLE: HTTPStatus.BAD_REQUEST,
    ErrorCode.PROVIDER_UNAVAILABLE: HTTPStatus.BAD_GATEWAY,
    ErrorCode.PROVIDER_TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    ErrorCode.PROVIDER_ERROR: HTTPStatus.BAD_GATEWAY,
    ErrorCode.PROVIDER_RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.PROVIDER_INVALID_RESPONSE: HTTPStatus.BAD_GATEWAY,
}

_UNSCANNABLE = "unscannable."


class Blocked(Rejected):
    """The policy refused; ``decision`` says which rule."""

    def __init__(self, decision: Decision, what: str) -> None:
        super().__init__(blocked_code(decision), blocked_message(decision, what))
        self.decision = decision


def blocked_code(decision: Decision) -> ErrorCode:
    """``unscannable`` if nothing but unreadable content made the rule match, else ``policy_blocked``."""
    if decision.kinds and all(kind.startswith(_UNSCANNABLE) for kind in decision.kinds):
        return ErrorCode.UNSCANNABLE
    return ErrorCode.POLICY_BLOCKED


def blocked_message(decision: Decision, what: str) -> str:
    """A sentence for the caller: which rule refused, and what kinds of data it saw."""
    found = f" Found: {', '.join(decision.kinds)}." if decision.kinds else ""
    told = decision.message or decision.reason
    reason = f" ({told.rstrip('.')})" if told else ""
    return f"The {what} was blocked by policy rule {decision.rule_id}{reason}.{found}"


def openai_type(status: int) -> str:
    """The ``type`` that OpenAI's own errors of this status carry."""
    if status == HTTPStatus.UNAUTHORIZED:
        return "authentication_error"
    if status == HTTPStatus.FORBIDDEN:
        return "permission_error"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limit_error"
    return "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"


def openai_envelope(code: str, message: str, status: int, param: str | None = None) -> bytes:
    """The body of an OpenAI-style error."""
    error = {"message": message, "type": openai_type(status), "param": param, "code": code}
    return json.dumps({"error": error}, ensure_ascii=False).encode()


# https://docs.anthropic.com/en/api/errors: the ``type`` of each status.
_ANTHROPIC_TYPES: Final = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "overloaded_error",
    HTTPStatus.GATEWAY_TIMEOUT: "timeout_error",
}


def anthropic_type(status: int) -> str:
    """The ``type`` that Anthropic's own errors of this status carry."""
    known = _ANTHROPIC_TYPES.get(HTTPStatus(status))
    return known or ("invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "api_error")


def anthropic_envelope(code: str, message: str, status: int, param: str | None = None) -> bytes:
    """The body of an Anthropic-style error, with our code beside the two members that Anthropic defines."""
    error = {"type": anthropic_type(status), "message": message, "code": code}
    if param is not None:
        error["param"] = param
    return json.dumps({"type": "error", "error": error}, ensure_ascii=False).encode()
