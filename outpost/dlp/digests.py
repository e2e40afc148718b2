"""Keyed digests and how they are looked up: HMAC-SHA256, a sorted table of 64-bit numbers, and a prefilter.

The table and the prefilter are views of a file's bytes: no Python object per entry, no copy. The prefilter is a Bloom
filter (Bloom 1970) of two hashes over *values* of words, and a value is keyed too, so a file tells nobody without the
key which words are in it. Values cost one HMAC for each word that is new; ``Values`` remembers those of words it met.
"""

import hashlib
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal

from outpost.dlp.tokens import MAX_WORD_CHARS, fold

_BLOCK_BYTES: Final = 64  # of SHA-256 (RFC 2104 §2)
_BITS_PER_ELEMENT: Final = 16  # two hashes then let 1.4 % of foreign pairs through (Bloom 1970)
_MIN_BITS, _MAX_BITS = 12, 28  # half a kilobyte costs nothing; 32 MiB is all that a list of 64 leaves room for
_KEPT_WORDS: Final = 32_768  # about 6 MB; forgotten together when they are more
_VALUE_BITS: Final = 62

SINGLE: Final = 1
"""Flag of a word's value: the word alone is an entry."""
FIRST: Final = 2
"""Flag of a word's value: an entry may begin with the word."""


class Prf:
    """HMAC-SHA256 with the key's two blocks hashed once (RFC 2104 §4)."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if len(key) > _BLOCK_BYTES:
            raise ValueError("a key of at most 64 bytes")
        padded = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def __call__(self, message: bytes) -> bytes:
        """The 32 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    def digest(self, phrase: str) -> int:
        """The 64 bits by which a phrase is listed."""
        return int.from_bytes(self(phrase.encode())[:8], "little")

    def word(self, folded: str) -> tuple[int, int]:
        """The digest of a word, and its value: other 62 bits, shifted past the flags."""
        found = self(folded.encode())
        return int.from_bytes(found[:8], "little"), int.from_bytes(found[8:16], "little") >> 2 << 2


class Table:
    """Sorted 64-bit digests."""

    __slots__ = ("_numbers",)

    def __init__(self, section: memoryview) -> None:
        self._numbers: Sequence[int] = numbers(section, "Q")

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, digest: int) -> bool:
        at = bisect_left(self._numbers, digest)
        return at < len(self._numbers) and self._numbers[at] == digest

    def places(self, digest: int) -> range:
        """Where it stands."""
        first = bisect_left(self._numbers, digest)
        return range(first, bisect_left(self._numbers, digest + 1, lo=first))


def numbers(section: memoryview, code: Literal["B", "I", "Q"]) -> Sequence[int]:
    """Little-endian numbers of a section, without a copy where the machine has that order."""
    if sys.byteorder == "little":
        return section.cast(code)
    found = array(code, section.tobytes())
    found.byteswap()
    return found


class Filter:
    """Two bits for each first word and for each pair of neighbours."""

    __slots__ = ("_bits", "_mask")

    def __init__(self, bits: memoryview | bytearray) -> None:
        self._bits = bits
        self._mask = 8 * len(bits) - 1

    @classmethod
    def for_elements(cls, count: int) -> "Filter":
        """An empty one to fill."""
        wanted = max(count * _BITS_PER_ELEMENT - 1, 1).bit_length()
        return cls(bytearray(1 << (min(max(wanted, _MIN_BITS), _MAX_BITS) - 3)))

    @property
    def power(self) -> int:
        """It has 2 to this power bits."""
        return self._mask.bit_length()

    def to_bytes(self) -> bytes:
        """The section."""
        return bytes(self._bits)

    def add(self, mixed: int) -> None:
        """Fill in an element."""
        if isinstance(self._bits, memoryview):
            raise TypeError("a filter that was read is complete")
        for at in ((mixed >> 24) & self._mask, (mixed >> 64) & self._mask):
            self._bits[at >> 3] |= 1 << (at & 7)

    def __contains__(self, mixed: int) -> bool:
        bits = self._bits
        at = (mixed >> 24) & self._mask
        if not bits[at >> 3] >> (at & 7) & 1:
            return False
        at = (mixed >> 64) & self._mask
        return bool(bits[at >> 3] >> (at & 7) & 1)

    def begins(self, values: Sequence[int]) -> list[int]:
        """Where a pair begins that is in it and whose first word has the flag ``FIRST``."""
        bits, mask = self._bits, self._mask
        maybe = [
            at
            for at, (first, second) in enumerate(pairwise(values))
            if first & FIRST and bits[(bit := ((first | 3) * (second >> 2) >> 24) & mask) >> 3] >> (bit & 7) & 1
        ]
        return [at for at in maybe if mixed_pair(values[at], values[at + 1]) in self]


def mixed_pair(first: int, second: int) -> int:
    """The element of two words' values, in this order. A product: sums would show which pairs share a word."""
    return (first | 3) * (second >> 2)


def mixed_first(value: int) -> int:
    """The element of a first word's value."""
    return (value | 3) * _FIRST_WORD


def mixed_single(value: int) -> int:
    """The element of a word that is a value by itself."""
    return (value | 3) * _ONLY_WORD


# Odd and without a pattern: 2^64 over the golden ratio, and over the square root of 2 (Knuth, TAOCP 3, 6.4).
_FIRST_WORD: Final = 0x9E3779B97F4A7C15
_ONLY_WORD: Final = 0xB504F333F9DE6485


class Values:
    """Values of words with their flags, as ``flags`` gives them for a word that is new; 0 for one that is too long."""

    __slots__ = ("_flags", "_known", "_prf")

    def __init__(self, prf: Prf, flags: Callable[[int, int], int]) -> None:
        """``flags``: of (digest of the word, its value)."""
        self._prf = prf
        self._flags = flags
        self._known: dict[str, int] = {}

    def of(self, words: Iterable[str]) -> list[int]:
        """The value of each word."""
        known, new = self._known, self._new
        return [known[word] if word in known else new(word) for word in words]

    def _new(self, word: str) -> int:
        if len(word) > MAX_WORD_CHARS:
            return 0
        digest, value = self._prf.word(fold(word))
        found = value | self._flags(digest, value)
        if len(self._known) >= _KEPT_WORDS:
            self._known = {}  # a scan in another thread goes on with the old one
        self._known[word] = found
        return found


def sorted_section(digests: Iterable[int]) -> bytes:
    """Digests as a section: sorted, each once."""
    return packed("Q", sorted(set(digests)))


def packed(code: Literal["I", "Q"], values: Iterable[int]) -> bytes:
    """Numbers as a section; ``numbers`` reads them."""
    found = array(code, values)
    if sys.byteorder != "little":
        found.byteswap()
    return found.tobytes()
