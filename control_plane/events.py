"""What happened to identities, in the control plane's own record: who renewed, recovered, was refused; each rotation.

Written in the transaction of what it records. Holds ids, digests and reasons, never a key, a token or a CSR.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

KEPT_PER_OUTPOST = 1000  # the newest; the holder of an old certificate can ask for recovery as often as limits allow


@dataclass(frozen=True, slots=True)
class IdentityEvent:
    """One event. ``outpost_id`` is None for what concerns the whole installation."""

    at: datetime
    kind: str
    outpost_id: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


class EventStore(Protocol):
    """What the rules need of a database, inside the caller's write transaction."""

    def record(self, event: IdentityEvent) -> None:
        """Append an event."""
        ...
