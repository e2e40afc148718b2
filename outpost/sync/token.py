"""Enrolment tokens as the outpost reads them: ``oet1.<outpost id>.<secret>.<SHA-256 of the anchor>``.

The secret is handed to the control plane as it is; the outpost itself uses the id (which outpost it shall be)
and the fingerprint (whom to believe on first contact).
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.ids import ID_PATTERN, OutpostId

_B64_32: Final = r"[A-Za-z0-9_-]{43}"  # 32 bytes in base64url without padding (RFC 4648 §5)
_TOKEN: Final = re.compile(rf"oet1\.(?P<outpost>{ID_PATTERN})\.(?P<secret>{_B64_32})\.(?P<anchor>{_B64_32})")


@dataclass(frozen=True, slots=True)
class EnrolmentToken:
    """A token taken apart; whether it is good only the control plane knows."""

    text: str = field(repr=False)
    outpost_id: OutpostId
    anchor_sha256: bytes

    @property
    def sha256(self) -> str:
        """Hex digest by which a retry recognises the same token; of a 256-bit secret it reveals nothing."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def parse_token(text: str) -> EnrolmentToken:
    """Take a token apart; white space around it is forgiven.

    Raises:
        Rejected: ``token_invalid``; the message holds nothing of the token.
    """
    text = text.strip()
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise _invalid()
    try:
        anchor = base64.urlsafe_b64decode(match["anchor"] + "=")
    except binascii.Error as err:
        raise _invalid() from err
    return EnrolmentToken(text, OutpostId(match["outpost"]), anchor)


def _invalid() -> Rejected:
    return Rejected(
        ErrorCode.TOKEN_INVALID,
        "this is not an enrolment token: copy the whole line that `control-plane outpost create` printed",
    )
