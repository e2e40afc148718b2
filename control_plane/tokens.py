"""Enrolment tokens: ``oet1.<outpost id>.<secret>.<anchor fingerprint>``, one use, short-lived (design §4).

The secret is 32 random bytes; the store keeps only its SHA-256, which for a uniformly random secret is as good as a
slow hash. The fingerprint lets the outpost authenticate the control plane on first contact.
"""

import binascii
import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field

from control_plane.errors import TokenInvalid
from outpost.protocol.ids import ID_PATTERN

SECRET_BYTES = 32
_B64_32 = r"[A-Za-z0-9_-]{43}"  # 32 bytes in base64url without padding
_TOKEN = re.compile(rf"oet1\.(?P<outpost>{ID_PATTERN})\.(?P<secret>{_B64_32})\.(?P<anchor>{_B64_32})")


@dataclass(frozen=True, slots=True)
class EnrolmentToken:
    """A token taken apart. Nothing about it has been checked against a store."""

    outpost_id: str
    secret: bytes = field(repr=False)
    anchor_sha256: bytes

    @property
    def secret_sha256(self) -> bytes:
        """What a store keeps instead of the secret."""
        return hashlib.sha256(self.secret).digest()

    @property
    def text(self) -> str:
        """The form a person copies. Shown once."""
        return f"oet1.{self.outpost_id}.{_encode(self.secret)}.{_encode(self.anchor_sha256)}"


def make_token(outpost_id: str, anchor_sha256: bytes, random_bytes: Callable[[int], bytes]) -> EnrolmentToken:
    """A fresh token for one outpost."""
    return EnrolmentToken(outpost_id, random_bytes(SECRET_BYTES), anchor_sha256)


def parse_token(text: str) -> EnrolmentToken:
    """Take a token apart.

    Raises:
        TokenInvalid: It has another form.
    """
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise TokenInvalid("not an enrolment token; copy the whole line that `control-plane outpost create` printed")
    return EnrolmentToken(match["outpost"], _decode(match["secret"]), _decode(match["anchor"]))


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        data = urlsafe_b64decode(text + "=")
    except binascii.Error as err:
        raise TokenInvalid("not an enrolment token") from err
    if _encode(data) != text:  # the last character has two unused bits; only one spelling counts
        raise TokenInvalid("not an enrolment token")
    return data
