"""How many bytes each kind of answer may have. A download stops at its limit, whatever the sender goes on sending.

Metadata limits follow python-tuf's defaults (``tuf/ngclient/config.py``), which bound the endless-data attack of
the TUF specification §1.5.2.
"""

from typing import Final

from pki.revocation import MAX_CRL_BYTES

ROOT_BYTES: Final = 512_000
TIMESTAMP_BYTES: Final = 16_384
SNAPSHOT_BYTES: Final = 2_000_000
TARGETS_BYTES: Final = 5_000_000
DOCUMENT_BYTES: Final = 16 * 1_048_576
"""100,000 virtual keys (``KeysDocument``) are about 15 MB."""

MESSAGE_BYTES: Final = 65_536
"""Heartbeat replies, watch replies and receipts are below 10 KB."""
SECRETS_BYTES: Final = 1_048_576
CERTIFICATES_BYTES: Final = 524_288
"""A certificate and at most 24 authorities of 16 KB each."""
CRL_BYTES: Final = MAX_CRL_BYTES

MAX_ROOT_ROTATIONS: Final = 32
"""Per refresh. A year of weekly rotations takes two refreshes; an endless chain ends here (TUF §5.3.3)."""
