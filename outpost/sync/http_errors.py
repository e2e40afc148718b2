"""What an answer that is not the expected one means: one table for enrolment and synchronisation.

4xx: ``Rejected`` with the server's code. 429, 5xx and everything unexpected: ``ControlPlaneUnavailable`` with its
``Retry-After`` (RFC 9110 §10.2.3; only the form in seconds, which is what ours sends).
"""

from http import HTTPStatus
from typing import Final

from pydantic import ValidationError

from outpost.errors import ControlPlaneUnavailable, OutpostError, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import ErrorBody

MAX_ERROR_BYTES: Final = 16_384  # ours are below 1 KB; a page from a proxy in between is cut here
_MAX_MESSAGE_CHARS: Final = 500
_MAX_RETRY_AFTER_DIGITS: Final = 9
_TRY_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_CODE_WITHOUT_BODY: Final = {
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.REQUEST_TOO_LARGE,
}


def error_of(status: int, retry_after: str | None, body: bytes) -> OutpostError:
    """The error that an answer of ``status`` (not 2xx) stands for."""
    if not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR or status in _TRY_LATER:
        return ControlPlaneUnavailable(f"the control plane answered {status}", _seconds(retry_after))
    try:
        error = ErrorBody.model_validate_json(body)
    except ValidationError:
        code = _CODE_WITHOUT_BODY.get(HTTPStatus(status), ErrorCode.INVALID_REQUEST) if _is_known(status) else None
        return Rejected(code or ErrorCode.INVALID_REQUEST, f"the control plane answered {status} without a known code")
    # A person reads it on a terminal, and before TLS is verified anybody may have written it.
    message = "".join(character for character in error.message if character.isprintable())
    return Rejected(error.code, message[:_MAX_MESSAGE_CHARS])


def _is_known(status: int) -> bool:
    return status in HTTPStatus.__members__.values()


def _seconds(retry_after: str | None) -> float | None:
    if retry_after is None or not retry_after.isascii() or not retry_after.isdigit():
        return None
    return float(retry_after) if len(retry_after) <= _MAX_RETRY_AFTER_DIGITS else None
