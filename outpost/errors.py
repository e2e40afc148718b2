"""The outpost's exceptions, by what the caller can do about them.

OutpostError
 ├── Unavailable          try again later: the other end or a resource is not there
 │    ├── AuditUnavailable        the audit log cannot be made durable
 │    ├── ModelUnavailable        the models did not answer: missing, failed, too slow, too much to do
 │    ├── CacheUnavailable        the local database cannot be opened, read or written
 │    └── ControlPlaneUnavailable no answer, or a 5xx, from the control plane
 │         ├── CertificateRefused      its TLS refuses our certificate
 │         └── ControlPlaneHungUp      it took the connection and closed it without an answer
 ├── Rejected             the input is wrong and will stay wrong; ``code`` says how
 │    ├── CouldNotInspect         the content cannot be inspected within its bounds
 │    └── Untranslatable          the other vendor's API cannot say it; ``field`` is the place
 ├── Untrusted            something signed or certified does not check out; stop
 │    ├── BundleRejected          a bundle failed verification or does not compile
 │    ├── CacheCorrupt            the local database is damaged or not ours
 │    ├── ControlPlaneUntrusted   the other end's certificate or answer does not check out
 │    │    └── ControlPlaneOutOfTime  its certificate is not valid at our clock's time
 │    ├── IdentityInvalid         the stored identity is damaged, incomplete or open to others
 │    ├── PackInvalid             a model pack is incomplete, altered, or not what its card says
 │    └── AuditCorrupt            the audit log does not match its own proofs
 ├── AlreadyEnrolled      there is an identity already; nothing was changed
 ├── InputUnusable        a file, key, token or answer given to a command cannot be used; nothing was changed
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


class ModelUnavailable(Unavailable):
    """The models gave no answer about a text: missing, failed, over the time budget, or the queue is full."""


class CacheUnavailable(Unavailable):
    """The local database cannot be opened, read or written (disk full, I/O error, permissions, a newer schema)."""


class ControlPlaneUnavailable(Unavailable):
    """The control plane gave no answer or a 5xx. ``retry_after_s`` is its own wish, if it stated one."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CertificateRefused(ControlPlaneUnavailable):
    """The control plane's TLS refuses our certificate: expired, or of an authority that was retired."""


class ControlPlaneHungUp(ControlPlaneUnavailable):
    """Connected, then closed without an answer: a restart, or a refusal of our certificate whose alert was lost."""


class Rejected(OutpostError):
    """The input is wrong and stays wrong. ``code`` is stable; the message holds no inspected text."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class CouldNotInspect(Rejected):
    """The content cannot be inspected within its bounds, so it does not pass."""


class Untranslatable(Rejected):
    """What stands at ``field`` cannot be said in the other vendor's API, or not so that it means the same."""

    def __init__(self, code: ErrorCode, field: str, why: str) -> None:
        super().__init__(code, f"'{field}' {why}" if field else f"the body {why}")
        self.field = field


class Untrusted(OutpostError):
    """Signed or certified data does not check out."""


class BundleRejected(Untrusted):
    """A bundle failed verification or does not compile; the last good one stays."""


class CacheCorrupt(Untrusted):
    """The local database is damaged or not ours. It is never recreated silently: a person decides."""


class ControlPlaneUntrusted(Untrusted):
    """The other end's certificate or its answer does not check out: nothing of it is used."""


class ControlPlaneOutOfTime(ControlPlaneUntrusted):
    """The control plane's certificate leads to our anchors but is not valid at the time of our clock."""


class IdentityInvalid(Untrusted):
    """The stored identity is damaged, incomplete or readable by others; it is never deleted for that."""


class PackInvalid(Untrusted):
    """A model pack is incomplete or altered, or its graph is not what its card says. Nothing of it is used."""


class AuditCorrupt(Untrusted):
    """The audit log contradicts its own hashes or signatures. ``seq`` is the first bad event, if one is known."""

    def __init__(self, message: str, seq: int | None = None) -> None:
        super().__init__(message)
        self.seq = seq


class AlreadyEnrolled(OutpostError):
    """There is an identity already, of ``outpost_id``; nothing was changed."""

    def __init__(self, outpost_id: str) -> None:
        super().__init__(
            f"this data directory is enrolled already, as {outpost_id}; nothing was changed. "
            "To enrol another outpost, give it a data directory of its own"
        )
        self.outpost_id = outpost_id


class InputUnusable(OutpostError):
    """A file, key, token or answer given to a command cannot be used; nothing was changed. Says what and why."""


class ConfigError(OutpostError):
    """Settings are wrong. ``problems`` lists every bad key with its reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
