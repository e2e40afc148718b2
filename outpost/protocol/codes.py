"""Error codes: stable words a program may act on. ``docs/errors.md`` says what to do about each."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Codes of the proxy surfaces and of the control plane's own HTTP surfaces."""

    # The caller's request
    INVALID_REQUEST = "invalid_request"
    REQUEST_TOO_LARGE = "request_too_large"
    REQUEST_TIMEOUT = "request_timeout"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    # The caller's key
    MISSING_API_KEY = "missing_api_key"
    INVALID_API_KEY = "invalid_api_key"
    EXPIRED_API_KEY = "expired_api_key"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    # The policy's word
    POLICY_BLOCKED = "policy_blocked"
    UNSCANNABLE = "unscannable"
    ROUTE_UNAVAILABLE = "route_unavailable"
    # Failing closed (design §7)
    NO_POLICY = "no_policy"
    POLICY_EXPIRED = "policy_expired"
    CLOCK_UNTRUSTED = "clock_untrusted"
    INSPECTION_UNAVAILABLE = "inspection_unavailable"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    BUDGET_UNAVAILABLE = "budget_unavailable"
    OUTPOST_REVOKED = "outpost_revoked"
    OVERLOADED = "overloaded"
    INTERNAL_ERROR = "internal_error"
    # The provider
    UNKNOWN_MODEL = "unknown_model"
    UNTRANSLATABLE = "untranslatable"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    PROVIDER_TIMEOUT = "provider_timeout"
    PROVIDER_ERROR = "provider_error"
    PROVIDER_RATE_LIMITED = "provider_rate_limited"
    PROVIDER_INVALID_RESPONSE = "provider_invalid_response"
    # The control plane
    TOKEN_INVALID = "token_invalid"  # noqa: S105 - a code, not a secret
    TOKEN_USED = "token_used"  # noqa: S105
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    CSR_INVALID = "csr_invalid"
    CERTIFICATE_INVALID = "certificate_invalid"
    UNKNOWN_OUTPOST = "unknown_outpost"
    RECOVERY_EXPIRED = "recovery_expired"
    RECOVERY_PENDING = "recovery_pending"
    RECOVERY_INVALID = "recovery_invalid"
    RATE_LIMITED = "rate_limited"
    AUDIT_CONFLICT = "audit_conflict"
    AUDIT_INVALID = "audit_invalid"
    UNAVAILABLE = "unavailable"
