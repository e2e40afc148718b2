"""Reads tar from front to back: ustar (POSIX.1-2017, pax), long names of GNU tar, and the old format.

Its own reader, because headers come from strangers: what describes a member is bounded, no size is negative, and a
sparse file is the data that is there. Any bytes give members or ``TarInvalid``.
"""

from collections.abc import Iterator
from typing import Final, Protocol

BLOCK_BYTES: Final = 512
_MAX_NAME_BYTES: Final = 64 * 1024
_FILE_TYPES: Final = frozenset({b"0", b"\0", b"7", b"S"})
_PAX, _GNU_LONG_NAME = b"x", b"L"
_DESCRIPTIONS: Final = frozenset({_PAX, b"g", _GNU_LONG_NAME, b"K"})
_CHECKSUM: Final = slice(148, 156)
_BINARY_NUMBER: Final = 0x80


class TarInvalid(ValueError):
    """The bytes are not a tar archive, or end too early."""


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


def is_tar(head: bytes) -> bool:
    """Whether ``head`` begins with a member's header: its checksum is right."""
    block = head[:BLOCK_BYTES]
    return len(block) == BLOCK_BYTES and block[0] != 0 and _checksum_holds(block)


def read_tar(source: _Source) -> Iterator[tuple[str, "_Data"]]:
    """Name and data of every file; data that was not read is skipped.

    Raises:
        TarInvalid: Where the archive stops to be one.
    """
    name, size = "", -1  # from a description, for the next member
    while True:
        block = source.read(BLOCK_BYTES)
        if not block.strip(b"\0"):  # also where the closing blocks are missing
            return
        block += _exactly(source, BLOCK_BYTES - len(block))
        if not _checksum_holds(block):
            raise TarInvalid("the tar archive is damaged")
        kind, length = block[156:157], _number(block[124:136])
        if kind in _DESCRIPTIONS:
            if length > _MAX_NAME_BYTES:
                raise TarInvalid("the tar archive describes a member at too great length")
            described = _exactly(source, _padded(length))[:length]
            if kind == _PAX:
                records = _pax_records(described)
                name = records.get("path", name)
                size = _decimal(records["size"]) if "size" in records else size
            elif kind == _GNU_LONG_NAME:
                name = _text(described)
            continue
        data = _Data(source, length if size < 0 else size)
        if kind in _FILE_TYPES or not kind.isdigit():
            yield name or _name_of(block), data
        # Links, devices and directories (1 to 6) have no data, whatever size a header claims.
        data.skip(empty=kind in {b"1", b"2", b"3", b"4", b"5", b"6"})
        name, size = "", -1


class _Data:
    """The data of one member."""

    def __init__(self, source: _Source, size: int) -> None:
        self._source, self._left = source, size
        self._padding = _padded(size) - size

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end.

        Raises:
            TarInvalid: The archive ends before.
        """
        content = self._source.read(min(size, self._left))
        if not content and self._left and size:
            raise TarInvalid("the tar archive ends too early")
        self._left -= len(content)
        return content

    def skip(self, *, empty: bool = False) -> None:
        """Go to the next header."""
        if empty:
            return
        while self._left:
            self.read(BLOCK_BYTES * BLOCK_BYTES)
        _exactly(self._source, self._padding)


def _checksum_holds(block: bytes) -> bool:
    text = block[_CHECKSUM].strip(b" \0")
    if not text or text.strip(b"01234567"):
        return False
    return int(text, 8) == sum(block) - sum(block[_CHECKSUM]) + 8 * ord(" ")


def _number(octets: bytes) -> int:
    """A size: octal, or base 256 where that is not enough (GNU tar)."""
    if octets[0] == _BINARY_NUMBER:
        return int.from_bytes(octets[1:], "big")
    text = octets.strip(b" \0")
    if text.strip(b"01234567"):
        raise TarInvalid("the tar archive has a member of no size")
    return int(text or b"0", 8)


def _pax_records(content: bytes) -> dict[str, str]:
    """``length keyword=value`` lines."""
    records = {}
    while content:
        digits, _, _ = content.partition(b" ")
        length = _decimal(digits[:21].decode("latin-1"))
        key, equals, value = content[len(digits) + 1 : length].partition(b"=")
        if not len(digits) < length <= len(content) or not equals:
            raise TarInvalid("the tar archive describes a member wrongly")
        records[_text(key)] = _text(value.removesuffix(b"\n"))
        content = content[length:]
    return records


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):  # noqa: PLR2004 - digits of 2**64
        raise TarInvalid("the tar archive describes a member wrongly")
    return int(text)


def _name_of(block: bytes) -> str:
    name, prefix = _text(block[:100]), _text(block[345:500]) if block[257:262] == b"ustar" else ""
    return f"{prefix}/{name}" if prefix and block[257:263] == b"ustar\0" else name


def _text(octets: bytes) -> str:
    return octets.split(b"\0", 1)[0].decode("utf-8", "replace")


def _padded(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _exactly(source: _Source, size: int) -> bytes:
    content = b""
    while len(content) < size:
        chunk = source.read(size - len(content))
        if not chunk:
            raise TarInvalid("the tar archive ends too early")
        content += chunk
    return content
