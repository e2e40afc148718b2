"""Which certificates the registry forgets: those that have ended for so long that nothing can be bought with them.

An outpost gets two a week, and every renewal, recovery and heartbeat looks among them. Kept for ever are the newest of
each outpost, so that one that comes back after years is told that it is too late and not that nobody knows it, and
those that were revoked, by whose number it is known whether a revocation list is complete (``issuance.fresh_crl``).
"""

from datetime import datetime, timedelta
from typing import Final

PRUNE_EVERY: Final = timedelta(days=1)
_MARGIN: Final = timedelta(days=30)  # recovery_window_s may be raised for those who just missed it


def forget_ended_before(at: datetime, recovery_window: timedelta) -> datetime:
    """Certificates that ended before this moment are of no use at ``at``."""
    return at - recovery_window - _MARGIN
