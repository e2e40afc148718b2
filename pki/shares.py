"""A passphrase in shares (Shamir, CACM 22/11, 1979): any ``threshold`` of them give it back, fewer say nothing of it.

Arithmetic in GF(2^8) with the polynomial of AES (FIPS 197 §4.2), byte by byte, as draft-mcgrew-tss-03. A digest of the
secret is shared with it, so that shares of different secrets do not combine to something that looks right; each share
carries a checksum, so that a typing error is found at the share that has it.

Why not a library: PyCryptodome shares exactly 16 bytes and checks nothing; shamir-mnemonic (SLIP-39) takes an even
number of at least 16 bytes and draws its own randomness. A passphrase is any text, and randomness is passed in here.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pki.errors import SharesInvalid

DEFAULT_SHARES: Final = 5
DEFAULT_THRESHOLD: Final = 3
MAX_SHARES: Final = 255  # the indices of GF(2^8) but for 0, where the secret is
MAX_SECRET_BYTES: Final = 1024
_MIN_THRESHOLD: Final = 2  # one share that is the secret itself is no share

_POLYNOMIAL: Final = 0x11B  # FIPS 197 §4.2: x^8 + x^4 + x^3 + x + 1
_VERSION: Final = 1
_SET_BYTES: Final = 4  # tells sets apart; not a secret
_HEADER_BYTES: Final = 1 + _SET_BYTES + 2
_DIGEST_BYTES: Final = 8  # a wrong set passes once in 2^64; the same is shared, so it tells nobody anything
_CHECKSUM_BYTES: Final = 4  # a typing error passes once in 2^32
_DIGEST_CONTEXT: Final = b"hybrid-outpost/share-secret/v1\n"
_CHECKSUM_CONTEXT: Final = b"hybrid-outpost/share/v1\n"

_PREFIX: Final = "OSHARE"
# Crockford's base 32 (https://www.crockford.com/base32.html): no I, L, O, U; read without regard to case.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOK_ALIKES: Final = str.maketrans("ILO", "110")
_GROUP: Final = 5
_MAX_TEXT_CHARS: Final = 4096
_IGNORED: Final = re.compile(r"[\s-]+")

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Share:
    """One person's part. ``threshold`` of one ``set_id`` give the secret back."""

    set_id: bytes
    threshold: int
    index: int
    value: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """For paper and keyboard: ``OSHARE-XXXXX-XXXXX-...``, without letters that look like digits."""
        body = bytes([_VERSION, *self.set_id, self.threshold, self.index]) + self.value
        digits = _encode(body + _checksum(body))
        return "-".join([_PREFIX, *(digits[start : start + _GROUP] for start in range(0, len(digits), _GROUP))])


def split(
    secret: bytes,
    shares: int = DEFAULT_SHARES,
    threshold: int = DEFAULT_THRESHOLD,
    random_bytes: RandomBytes = os.urandom,
) -> tuple[Share, ...]:
    """``secret`` (1 to 1,024 bytes) in ``shares`` parts, of which any ``threshold`` are needed.

    Raises:
        ValueError: a number is out of its bounds.
    """
    if not 0 < len(secret) <= MAX_SECRET_BYTES:
        raise ValueError(f"a secret to share has 1 to {MAX_SECRET_BYTES} bytes")
    if not _MIN_THRESHOLD <= threshold <= shares <= MAX_SHARES:
        raise ValueError(f"at least {_MIN_THRESHOLD} shares are needed, of at most {MAX_SHARES}")
    shared = secret + _digest(secret)
    coefficients = [shared, *(random_bytes(len(shared)) for _ in range(threshold - 1))]
    set_id = random_bytes(_SET_BYTES)
    return tuple(
        Share(set_id, threshold, index, bytes(_evaluate(column, index) for column in zip(*coefficients, strict=True)))
        for index in range(1, shares + 1)
    )


def combine(shares: Iterable[Share]) -> bytes:
    """The secret. A share given twice counts once; shares beyond the threshold must agree with the others.

    Raises:
        SharesInvalid: too few, of several sets, contradicting each other, or not of one secret.
    """
    given = sorted(set(shares), key=lambda share: share.index)
    if not given:
        raise SharesInvalid("there is no share")
    first = given[0]
    kind = (first.set_id, first.threshold, len(first.value))
    if any((share.set_id, share.threshold, len(share.value)) != kind for share in given):
        raise SharesInvalid("the shares are of different sets")
    if len({share.index for share in given}) != len(given):
        raise SharesInvalid("two shares have the same number and differ")
    if len(given) < first.threshold:
        raise SharesInvalid(f"{first.threshold} shares are needed, {len(given)} are here")
    needed = given[: first.threshold]
    shared = _interpolate(needed, 0)
    secret, digest = shared[:-_DIGEST_BYTES], shared[-_DIGEST_BYTES:]
    agree = all(_interpolate(needed, share.index) == share.value for share in given[first.threshold :])
    if not secret or not agree or not hmac.compare_digest(digest, _digest(secret)):
        raise SharesInvalid("the shares do not belong to one secret, or one of them is damaged")
    return secret


def parse_share(text: str) -> Share:
    """A share as typed: any case, spaces and hyphens anywhere, I and L for 1, O for 0.

    Raises:
        SharesInvalid: something is mistyped or missing.
    """
    compact = _IGNORED.sub("", text[: _MAX_TEXT_CHARS + 1]).upper()
    if len(text) > _MAX_TEXT_CHARS or not compact.startswith(_PREFIX):
        raise SharesInvalid(f"a share begins with {_PREFIX}")
    raw = _decode(compact.removeprefix(_PREFIX).translate(_LOOK_ALIKES))
    body, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    if len(body) <= _HEADER_BYTES + _DIGEST_BYTES or not hmac.compare_digest(checksum, _checksum(body)):
        raise SharesInvalid("a character of the share is wrong or missing")
    version, threshold, index = body[0], body[_SET_BYTES + 1], body[_SET_BYTES + 2]
    if version != _VERSION or threshold < _MIN_THRESHOLD or index == 0:
        raise SharesInvalid("the share is of another version")
    return Share(body[1 : _SET_BYTES + 1], threshold, index, body[_HEADER_BYTES:])


def multiply(a: int, b: int) -> int:
    """The product in GF(2^8)."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= _POLYNOMIAL
        b >>= 1
    return product


def _invert(a: int) -> int:
    """a^254, the inverse in GF(2^8) of anything but 0."""
    result = 1
    for _ in range(254):
        result = multiply(result, a)
    return result


def _evaluate(coefficients: Sequence[int], x: int) -> int:
    result = 0
    for coefficient in reversed(coefficients):
        result = multiply(result, x) ^ coefficient
    return result


def _interpolate(shares: Sequence[Share], x: int) -> bytes:
    """Lagrange's polynomial through ``shares``, at ``x``."""
    result = bytes(len(shares[0].value))
    for share in shares:
        weight = 1
        for other in shares:
            if other is not share:
                weight = multiply(weight, multiply(x ^ other.index, _invert(share.index ^ other.index)))
        result = bytes(left ^ multiply(weight, right) for left, right in zip(result, share.value, strict=True))
    return result


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(_DIGEST_CONTEXT + secret).digest()[:_DIGEST_BYTES]


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(_CHECKSUM_CONTEXT + body).digest()[:_CHECKSUM_BYTES]


def _encode(raw: bytes) -> str:
    """Base 32, the last digit filled up with zero bits."""
    count = -(-8 * len(raw) // 5)
    number = int.from_bytes(raw, "big") << (5 * count - 8 * len(raw))
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in reversed(range(count)))


def _decode(digits: str) -> bytes:
    size = 5 * len(digits) // 8
    try:
        number = 0
        for digit in digits:
            number = number << 5 | _ALPHABET.index(digit)
    except ValueError as err:
        raise SharesInvalid("a character of the share is none that shares have") from err
    spare = 5 * len(digits) - 8 * size
    if spare >= 5 or number & ((1 << spare) - 1):  # noqa: PLR2004 - bits of a digit
        raise SharesInvalid("a character of the share is wrong or missing")
    return (number >> spare).to_bytes(size, "big")
