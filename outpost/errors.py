"""The outpost's exceptions, by what the caller can do about them.

OutpostError
 ├── Unavailable          try again later: the other end or a resource is not there
 │    ├── AuditUnavailable        the audit log cannot be made durable
 │    └── ControlPlaneUnavailable no answer, or a 5xx, from the control plane
 ├── Rejected             the input is wrong and will stay wrong; ``code`` says how
 │    └── CouldNotInspect         the content cannot be inspected within its bounds
 ├── Untrusted            something signed or certified does not check out; stop
 │    ├── BundleRejected          a bundle failed verification or does not compile
 │    └── AuditCorrupt            the audit log does not match its own proofs
 └── ConfigError          settings are wrong; ``problems`` lists every bad key

A refusal by policy is not an exception: it is a ``Decision``. Anything else that escapes is a bug, and
``outpost/proxy/server.py`` turns it into a refusal in exactly one place.
"""

from outpost.protocol.codes import ErrorCode


class OutpostError(Exception):
    """Root of every error the outpost raises on purpose."""


class Unavailable(OutpostError):
    """Not possible now; retrying later may help."""


class AuditUnavailable(Unavailable):
    """The audit log cannot be made durable (disk full, I/O error, writer gone)."""


class ControlPlaneUnavailable(Unavailable):
    """The control plane gave no answer or a 5xx. ``retry_after_s`` is its own wish, if it stated one."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Rejected(OutpostError):
    """The input is wrong and stays wrong. ``code`` is stable; the message holds no inspected text."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class CouldNotInspect(Rejected):
    """The content cannot be inspected within its bounds, so it does not pass."""


class Untrusted(OutpostError):
    """Signed or certified data does not check out."""


class BundleRejected(Untrusted):
    """A bundle failed verification or does not compile; the last good one stays."""


class AuditCorrupt(Untrusted):
    """The audit log contradicts its own hashes or signatures. ``seq`` is the first bad event, if one is known."""

    def __init__(self, message: str, seq: int | None = None) -> None:
        super().__init__(message)
        self.seq = seq


class ConfigError(OutpostError):
    """Settings are wrong. ``problems`` lists every bad key with its reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
