"""Opens what holds other files: zip (and what is one: docx, jar), tar, gzip, bzip2, xz; in memory, within bounds.

Nothing is written to disk. One ``Limits`` counts for everything that is unpacked from one file, however nested, so a
bomb ends as ``ArchiveTooLarge``; whatever else is wrong with an archive is ``ArchiveDamaged``; any bytes give members
or one of the two. Formats: PKWARE APPNOTE 6.3.10, RFC 1952, xz 1.2.1; tar is in ``tar.py``.
"""

import bz2
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final, Protocol

from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from outpost.scan.decode import HEAD_BYTES
from outpost.scan.tar import TarInvalid, is_tar, read_tar

CHUNK_BYTES: Final = 256 * 1024
MAX_UNPACKED_BYTES: Final = 4 * 1024**3
MAX_MEMBERS: Final = 20_000
# Repetitive logs compress 100 times and a disk image of zeros 1000 times, which is deflate's own limit (1032).
MAX_RATIO: Final = 200
# Below this a ratio says nothing: a small file of blanks is no bomb.
RATIO_FREE_BYTES: Final = 32 * 1024**2
MAX_CONTAINERS: Final = 2
"""An archive in an archive is opened, a third level is not."""
_MAX_LAYERS: Final = 4
# A zip is read from its end, so one that cannot be sought in is kept in memory.
_MAX_KEPT_BYTES: Final = 128 * 1024**2
# A zip's directory is parsed whole: 46 bytes and a name for each member (APPNOTE 4.3.12), 500 times as many in memory.
_MAX_DIRECTORY_BYTES: Final = 8 * 1024**2
_XZ_MEMORY_BYTES: Final = 128 * 1024**2  # `xz -9` needs 65 MiB to decompress (xz(1))
_END_RECORD: Final = b"PK\x05\x06"
_END_RECORD_BYTES: Final = 22
_ZIP64_LOCATOR: Final = b"PK\x06\x07"
_MAX_COMMENT_BYTES: Final = 65_535
_ENCRYPTED: Final = 0x1  # general purpose bit 0


class ArchiveDamaged(CouldNotInspect):
    """An archive, or one member of it, cannot be read: damaged, encrypted, or packed in a way that is not known."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.UNSCANNABLE, message)


class ArchiveTooLarge(ArchiveDamaged):
    """Unpacking goes beyond the bounds; nothing more of this file is read."""


class Readable(Protocol):
    """Bytes to be read from front to back."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""


class Stream:
    """Bytes from front to back, with a look at the first ones."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.head = _read_exactly(source, HEAD_BYTES)
        self._ahead = self.head

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        if self._ahead:
            given, self._ahead = self._ahead[:size], self._ahead[size:]
            return given
        return self._source.read(size)

    def chunks(self) -> Iterator[bytes]:
        """The rest."""
        while chunk := self.read(CHUNK_BYTES):
            yield chunk

    def seekable(self) -> io.BufferedIOBase | None:
        """The file behind it, from its first byte on, if that can be sought in."""
        source = self._source
        if isinstance(source, io.BufferedIOBase) and source.seekable():
            source.seek(0)
            return source
        return None


class Limits:
    """What may still be unpacked from one file; ``packed_bytes`` grows as a pipe is read."""

    def __init__(self, packed_bytes: int) -> None:
        self.packed_bytes = packed_bytes
        self._unpacked_bytes = 0
        self._members = 0

    def unpacked(self, size_bytes: int) -> None:
        """Count bytes.

        Raises:
            ArchiveTooLarge: They are too many, or too many for what they came from.
        """
        self._unpacked_bytes += size_bytes
        if self._unpacked_bytes > MAX_UNPACKED_BYTES:
            raise ArchiveTooLarge(f"it holds more than {MAX_UNPACKED_BYTES >> 30} GiB")
        if self._unpacked_bytes > max(RATIO_FREE_BYTES, MAX_RATIO * self.packed_bytes):
            raise ArchiveTooLarge(f"it unpacks to more than {MAX_RATIO} times its size")

    def member(self) -> None:
        """Count a member.

        Raises:
            ArchiveTooLarge: They are too many.
        """
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise ArchiveTooLarge(f"it has more than {MAX_MEMBERS} members")


class Form(StrEnum):
    """What content is, by its first bytes."""

    ZIP = "zip"
    TAR = "tar"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"


def form_of(head: bytes) -> Form | None:
    """The form of archive that ``head`` begins; None if it is none."""
    if head.startswith((b"PK\x03\x04", _END_RECORD)):
        return Form.ZIP
    if head.startswith(b"\x1f\x8b\x08"):
        return Form.GZIP
    if head.startswith(b"BZh") and head[4:10] in {b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"}:
        return Form.BZIP2
    if head.startswith(b"\xfd7zXZ\0"):
        return Form.XZ
    return Form.TAR if is_tar(head) else None


@dataclass(frozen=True, slots=True)
class Member:
    """One file that is not an archive, or a part that could not be read (``problem``).

    Attributes:
        name: ``inner.zip!/path``; empty for the file itself.
    """

    name: str
    stream: Stream | None = None
    problem: str = ""


def members(stream: Stream, limits: Limits) -> Iterator[Member]:
    """Every file in ``stream``, which may be an archive, archives in it opened; each must be read before the next.

    Raises:
        ArchiveTooLarge: Beyond the bounds.
        ArchiveDamaged: Reading a member failed, so that there is no next one.
    """
    yield from _members(stream, "", limits, containers=0, layers=0)


def _members(stream: Stream, name: str, limits: Limits, *, containers: int, layers: int) -> Iterator[Member]:
    form = form_of(stream.head)
    if form is None:
        yield Member(name, stream)
        return
    layers += 1
    containers += form in {Form.ZIP, Form.TAR}
    if containers > MAX_CONTAINERS or layers > _MAX_LAYERS:
        yield Member(name, problem="archives are nested too deep")
        return
    try:
        if form not in {Form.ZIP, Form.TAR}:
            inner = Stream(_Unpacked(stream, form, limits))
            yield from _members(inner, name, limits, containers=containers, layers=layers)
            return
        for inner_name, open_member in (_zip if form is Form.ZIP else _tar)(stream, limits):
            limits.member()
            path = f"{name}!/{inner_name}" if name else inner_name
            try:
                inner = Stream(open_member())
            except ArchiveTooLarge:
                raise
            except ArchiveDamaged as err:
                yield Member(path, problem=err.message)
                continue
            yield from _members(inner, path, limits, containers=containers, layers=layers)
    except ArchiveTooLarge:
        raise
    except ArchiveDamaged as err:
        yield Member(name, problem=err.message)


_Opened = Iterator[tuple[str, Callable[[], Readable]]]


def _tar(stream: Stream, _: Limits) -> _Opened:
    try:
        for name, reader in read_tar(stream):
            yield name, partial(_TarMember, reader)
    except TarInvalid as err:
        raise ArchiveDamaged(str(err)) from err


def _zip(stream: Stream, limits: Limits) -> _Opened:
    file = stream.seekable() or io.BytesIO(_kept(stream))
    _check_directory(file)
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, partial(_ZipMember, archive, info, limits)
    except _ZIP_ERRORS as err:
        raise ArchiveDamaged("the zip archive is damaged") from err


# What zipfile and the decompressors raise for bytes that are not what they should be.
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    KeyError,
    IndexError,
)


def _check_directory(file: io.BufferedIOBase) -> None:
    """Refuse a directory that would fill the memory, before zipfile parses it."""
    size = file.seek(0, io.SEEK_END)
    tail_bytes = min(size, _MAX_COMMENT_BYTES + _END_RECORD_BYTES + 20)
    file.seek(size - tail_bytes)
    tail = file.read(tail_bytes)
    at = tail.rfind(_END_RECORD)
    if at < 0 or len(tail) - at < _END_RECORD_BYTES:
        raise ArchiveDamaged("the zip archive has no directory")
    (directory_bytes,) = struct.unpack_from("<L", tail, at + 12)
    if tail[max(0, at - 20) : at].startswith(_ZIP64_LOCATOR) or directory_bytes > _MAX_DIRECTORY_BYTES:
        # A 64-bit directory is for more than 65,535 members or 4 GiB: beyond the bounds in either case.
        raise ArchiveTooLarge("its directory is too large")
    file.seek(0)


def _kept(stream: Stream) -> bytes:
    kept = bytearray()
    for chunk in stream.chunks():
        kept += chunk
        if len(kept) > _MAX_KEPT_BYTES:
            raise ArchiveTooLarge(f"a zip archive in it is larger than {_MAX_KEPT_BYTES >> 20} MiB")
    return bytes(kept)


class _ZipMember:
    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, limits: Limits) -> None:
        if info.flag_bits & _ENCRYPTED:
            raise ArchiveDamaged("it is encrypted")
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}:
            raise ArchiveDamaged("it is compressed in a way that is not known")
        self._limits = limits
        try:
            self._file = archive.open(info)
        except _ZIP_ERRORS as err:
            raise ArchiveDamaged("it cannot be read") from err

    def read(self, size: int, /) -> bytes:
        try:
            content = self._file.read(size)
        except _ZIP_ERRORS as err:
            raise ArchiveDamaged("it is damaged") from err
        self._limits.unpacked(len(content))
        return content


class _TarMember:
    """Unpacks nothing, so it counts nothing."""

    def __init__(self, source: Readable) -> None:
        self._source = source

    def read(self, size: int, /) -> bytes:
        try:
            return self._source.read(size)
        except TarInvalid as err:
            raise ArchiveDamaged(str(err)) from err


class _Inflater:
    """zlib's decompressor with the interface of the other two."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)  # 16: with the header of gzip

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflater.decompress(self._inflater.unconsumed_tail + data, max_length)

    @property
    def needs_input(self) -> bool:
        return not self._inflater.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data


class _Unpacked:
    """What a gzip, bzip2 or xz stream unpacks to; several may stand one after the other."""

    def __init__(self, source: Stream, form: Form, limits: Limits) -> None:
        self._source, self._form, self._limits = source, form, limits
        self._unpacker = self._new()
        self._rest = b""
        self._ended = False

    def _new(self) -> "_Inflater | bz2.BZ2Decompressor | lzma.LZMADecompressor":
        if self._form is Form.GZIP:
            return _Inflater()
        if self._form is Form.BZIP2:
            return bz2.BZ2Decompressor()
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)

    def read(self, size: int, /) -> bytes:
        try:
            content = self._next(size)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as err:
            raise ArchiveDamaged(f"the {self._form} data is damaged") from err
        self._limits.unpacked(len(content))
        return content

    def _next(self, size: int) -> bytes:
        while not self._ended:
            data = self._rest
            self._rest = b""
            if not data and self._unpacker.needs_input:
                data = self._source.read(CHUNK_BYTES)
                if not data:
                    raise EOFError
            content = self._unpacker.decompress(data, size)
            if self._unpacker.eof:
                self._rest = self._unpacker.unused_data or self._source.read(CHUNK_BYTES)
                # What follows the last stream and begins none is padding (gzip(1) ignores it as well).
                self._ended = form_of(self._rest) is not self._form
                self._unpacker = self._new()
            if content:
                return content
        return b""


def _read_exactly(source: Readable, size: int) -> bytes:
    head = b""
    while len(head) < size and (chunk := source.read(size - len(head))):
        head += chunk
    return head
