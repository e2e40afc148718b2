"""The one table from exceptions to HTTP: status, stable code, log level. A test walks the tree and fails on a gap.

Bodies are ``ErrorBody``; nothing internal is in them. 5xx and 429 tell an outpost to retry, 4xx that it is no use.
"""

from dataclasses import dataclass
from http import HTTPStatus

from control_plane import errors
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import ErrorBody


@dataclass(frozen=True, slots=True)
class Row:
    """How one class of errors is answered and logged."""

    status: HTTPStatus
    code: ErrorCode
    level: str


TABLE: dict[type[errors.ControlPlaneError], Row] = {
    errors.ControlPlaneError: Row(HTTPStatus.INTERNAL_SERVER_ERROR, ErrorCode.INTERNAL_ERROR, "error"),
    errors.Unavailable: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "error"),
    errors.StoreUnavailable: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "error"),
    # "info": thousands at once are what it is for.
    errors.Overloaded: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.OVERLOADED, "info"),
    errors.VersionTaken: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "warning"),
    errors.Sealed: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "info"),
    errors.Rejected: Row(HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_REQUEST, "info"),
    errors.InvalidRequest: Row(HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_REQUEST, "info"),
    errors.RequestTooLarge: Row(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, ErrorCode.REQUEST_TOO_LARGE, "info"),
    errors.RequestTimeout: Row(HTTPStatus.REQUEST_TIMEOUT, ErrorCode.REQUEST_TIMEOUT, "info"),
    errors.UnsupportedEncoding: Row(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ErrorCode.UNSUPPORTED_ENCODING, "info"),
    errors.MethodNotAllowed: Row(HTTPStatus.METHOD_NOT_ALLOWED, ErrorCode.METHOD_NOT_ALLOWED, "info"),
    errors.NotFound: Row(HTTPStatus.NOT_FOUND, ErrorCode.NOT_FOUND, "info"),
    errors.UnknownOutpost: Row(HTTPStatus.FORBIDDEN, ErrorCode.UNKNOWN_OUTPOST, "warning"),
    errors.AlreadyExists: Row(HTTPStatus.CONFLICT, ErrorCode.INVALID_REQUEST, "info"),
    errors.CanaryUnderWay: Row(HTTPStatus.CONFLICT, ErrorCode.INVALID_REQUEST, "info"),
    errors.CanaryHalted: Row(HTTPStatus.CONFLICT, ErrorCode.INVALID_REQUEST, "info"),
    errors.DocumentRejected: Row(HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_REQUEST, "info"),
    errors.TokenInvalid: Row(HTTPStatus.UNAUTHORIZED, ErrorCode.TOKEN_INVALID, "warning"),
    errors.TokenExpired: Row(HTTPStatus.UNAUTHORIZED, ErrorCode.TOKEN_EXPIRED, "warning"),
    errors.TokenUsed: Row(HTTPStatus.CONFLICT, ErrorCode.TOKEN_USED, "warning"),
    errors.CsrRejected: Row(HTTPStatus.BAD_REQUEST, ErrorCode.CSR_INVALID, "warning"),
    errors.CertificateRejected: Row(HTTPStatus.FORBIDDEN, ErrorCode.CERTIFICATE_INVALID, "warning"),
    errors.OutpostRevoked: Row(HTTPStatus.FORBIDDEN, ErrorCode.OUTPOST_REVOKED, "warning"),
    errors.RecoveryInvalid: Row(HTTPStatus.FORBIDDEN, ErrorCode.RECOVERY_INVALID, "warning"),
    errors.RecoveryExpired: Row(HTTPStatus.FORBIDDEN, ErrorCode.RECOVERY_EXPIRED, "warning"),
    errors.RecoveryPending: Row(HTTPStatus.FORBIDDEN, ErrorCode.RECOVERY_PENDING, "warning"),
    errors.RateLimited: Row(HTTPStatus.TOO_MANY_REQUESTS, ErrorCode.RATE_LIMITED, "warning"),
    errors.ShareRefused: Row(HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_REQUEST, "warning"),
    errors.AuditInvalid: Row(HTTPStatus.BAD_REQUEST, ErrorCode.AUDIT_INVALID, "warning"),
    errors.AuditOutOfOrder: Row(HTTPStatus.CONFLICT, ErrorCode.AUDIT_INVALID, "warning"),
    errors.AuditForeign: Row(HTTPStatus.FORBIDDEN, ErrorCode.AUDIT_INVALID, "error"),
    errors.AuditConflict: Row(HTTPStatus.CONFLICT, ErrorCode.AUDIT_CONFLICT, "error"),
    # An operator's problem that shows while serving: the outpost should come back later, the log says what to do.
    errors.Refused: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "error"),
    errors.ConfigError: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "error"),
    errors.NotInitialised: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "error"),
    errors.AlreadyInitialised: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "error"),
    errors.KeysUnsafe: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "error"),
    errors.KeyStoreFailed: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "error"),
    errors.RotationRefused: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "error"),
    errors.RootOffline: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "error"),
    errors.ThresholdNotHeld: Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "error"),
}


def row_for(err: errors.ControlPlaneError) -> Row:
    """The most specific row of the table."""
    return next(TABLE[kind] for kind in type(err).__mro__ if kind in TABLE)


def body_for(err: errors.ControlPlaneError) -> ErrorBody:
    """What the caller is told. A server-side problem is told without its details."""
    row = row_for(err)
    message = err.message if row.status < HTTPStatus.INTERNAL_SERVER_ERROR else "try again later"
    expected_seq = err.expected_seq if isinstance(err, errors.AuditOutOfOrder) else None
    return ErrorBody(code=row.code, message=message, expected_seq=expected_seq)
