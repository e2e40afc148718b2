"""When a certificate is renewed: at half of its life, give or take a tenth, drawn once and kept (design §4).

Half leaves as long again to get through an outage. The draw keeps a fleet that enrolled together from renewing
together; it is kept, or a machine that restarts often would draw until the earliest moment wins. Pure.
"""

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

HALF: Final = 0.5
SPREAD: Final = 0.1  # of the half-life, either way


def renew_at(certificate: x509.Certificate, draw: float) -> datetime:
    """When to renew ``certificate``, aware UTC; ``draw`` is in [0, 1)."""
    starts_at, ends_at = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    half_life_s = (ends_at - starts_at).total_seconds() * HALF
    return starts_at + timedelta(seconds=half_life_s * (1 - SPREAD + 2 * SPREAD * draw))
