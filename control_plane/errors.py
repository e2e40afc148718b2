"""The control plane's exceptions, by what the caller can do about them.

ControlPlaneError
 ├── Unavailable            try again later: the database or a key is not reachable
 │    ├── StoreUnavailable, VersionTaken
 │    ├── Sealed               people must give their shares first
 │    └── Overloaded           as much is going on as may; says when to come back
 ├── Rejected               the request is wrong and stays wrong
 │    ├── InvalidRequest, RequestTooLarge, RequestTimeout, UnsupportedEncoding, MethodNotAllowed
 │    ├── NotFound, UnknownOutpost, DocumentRejected, AlreadyExists
 │    ├── TokenInvalid, TokenExpired, TokenUsed, CsrRejected        enrolment
 │    ├── CertificateRejected, OutpostRevoked                       mutual TLS
 │    ├── RecoveryInvalid, RecoveryExpired, RecoveryPending         recovery
 │    ├── RateLimited                                               too many for now
 │    ├── ShareRefused                                              unsealing
 │    ├── CanaryUnderWay, CanaryHalted                              canary publications
 │    └── AuditInvalid ── AuditOutOfOrder, AuditForeign; AuditConflict                 audit intake
 └── Refused                the operator must act before this can go on
      ├── ConfigError, NotInitialised, AlreadyInitialised, RotationRefused, RootOffline
      ├── ThresholdNotHeld
      └── KeysUnsafe ── KeyStoreFailed

``control_plane/api/errors.py`` is the one table that turns these into HTTP. Messages name what to do and never
hold a token, key or body.
"""


class ControlPlaneError(Exception):
    """Root of every error the control plane raises on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unavailable(ControlPlaneError):
    """Not possible now; retrying later may help."""


class StoreUnavailable(Unavailable):
    """The database cannot be reached or is locked for too long."""


class Overloaded(Unavailable):
    """As much is going on already as may; there is room again in ``retry_after_s``."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class VersionTaken(Unavailable):
    """Another process published this version first; what it published is to be read before trying again."""


class Sealed(Unavailable):
    """The authorities' keys wait for people to give their shares."""


class Rejected(ControlPlaneError):
    """The request is wrong and stays wrong."""


class InvalidRequest(Rejected):
    """Malformed JSON, wrong types, unreadable parameters."""


class RequestTooLarge(Rejected):
    """The body is larger than this route takes."""


class RequestTimeout(Rejected):
    """The body did not arrive in time."""


class UnsupportedEncoding(Rejected):
    """The body is compressed or of another media type than JSON."""


class MethodNotAllowed(Rejected):
    """The path exists, for another method."""


class NotFound(Rejected):
    """No such thing."""


class UnknownOutpost(Rejected):
    """The registry has no outpost of this id."""


class AlreadyExists(Rejected):
    """A thing of this name is there already."""


class DocumentRejected(Rejected):
    """A policy, routing or key document is malformed; ``problems`` lists every ``(path, message)``."""

    def __init__(self, message: str, problems: list[tuple[str, str]]) -> None:
        super().__init__(message)
        self.problems = problems


class TokenInvalid(Rejected):
    """The enrolment token is malformed, forged, or belongs to another control plane."""


class TokenExpired(Rejected):
    """The enrolment token is past its lifetime."""


class TokenUsed(Rejected):
    """The enrolment token was spent on another key."""


class CsrRejected(Rejected):
    """The certificate signing request does not prove possession or asks for something."""


class CertificateRejected(Rejected):
    """The client certificate does not verify; ``reason`` is a stable word."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class OutpostRevoked(Rejected):
    """The registry says this outpost is revoked."""


class RecoveryInvalid(Rejected):
    """The proof is not by the key of the certificate that it comes with."""


class RecoveryExpired(Rejected):
    """The certificate ended too long ago to be recovered."""


class RecoveryPending(Rejected):
    """Recovery waits for an operator's approval."""


class RateLimited(Rejected):
    """Too many requests of one source; good again after ``retry_after_s``."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ShareRefused(Rejected):
    """A share is mistyped, of another set or there already, or the shares together are of no secret."""


class AuditInvalid(Rejected):
    """An audit batch does not match its checkpoint, signature or origin."""


class AuditOutOfOrder(AuditInvalid):
    """An audit batch starts beyond the end of the stored log, which is ``expected_seq``."""

    def __init__(self, message: str, expected_seq: int) -> None:
        super().__init__(message)
        self.expected_seq = expected_seq


class AuditForeign(AuditInvalid):
    """An audit batch of another outpost's log."""


class AuditConflict(Rejected):
    """An audit batch contradicts what is stored: the outpost's log was rewritten or forked at ``seq``."""

    def __init__(self, message: str, seq: int) -> None:
        super().__init__(message)
        self.seq = seq


class CanaryUnderWay(Rejected):
    """Another publication waits until the canary is promoted or rolled forward."""


class CanaryHalted(Rejected):
    """A member of the canary has refused it."""


class Refused(ControlPlaneError):
    """The operator must act before this can go on."""


class ConfigError(Refused):
    """Settings are wrong. ``problems`` lists every bad key with its reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class NotInitialised(Refused):
    """There is no finished ``control-plane init`` in the data directory."""


class AlreadyInitialised(Refused):
    """``control-plane init`` was run here before; nothing was touched."""


class KeysUnsafe(Refused):
    """A key file is missing, unreadable or readable by others."""


class KeyStoreFailed(KeysUnsafe):
    """The key store ``store`` does not give a key or a signature; ``advice`` says what to do."""

    def __init__(self, store: str, problem: str, advice: str) -> None:
        super().__init__(f"{store}: {problem}; {advice}")
        self.store = store
        self.problem = problem
        self.advice = advice


class RotationRefused(Refused):
    """A step of a rotation comes too early or out of order. ``unconfirmed`` lists the outposts waited for."""

    def __init__(self, message: str, unconfirmed: list[str] | None = None) -> None:
        super().__init__(message)
        self.unconfirmed = unconfirmed or []


class RootOffline(Refused):
    """The root's key is needed for this and is not here; says how to bring it."""


class ThresholdNotHeld(Refused):
    """The keys here do not reach the threshold of ``role`` in an org's repository: its officers hold them."""

    def __init__(self, message: str, role: str) -> None:
        super().__init__(message)
        self.role = role
