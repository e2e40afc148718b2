"""A bundle as one file, for a site with no network: a tar of named files, uncompressed or in one zstd frame.

It proves nothing and is believed nothing: it stands in for the network, and what is in it is verified as if it had come
over one. Reading is strict: plain files under the names below, each once, within bounds; any bytes give files or
``BundleFileInvalid``. POSIX ustar (IEEE Std 1003.1-2017, pax, "ustar Interchange Format"), so that any tar shows it.

    tuf/N.root.json …, tuf/timestamp.json, tuf/N.snapshot.json, tuf/N.targets.json, tuf/N.<delegated role>.json
    targets/<sha256>.<name>      secrets/<outpost id>.json      crl/<authority key id>.der
"""

import re
from collections.abc import Mapping
from typing import Final

from outpost.protocol.compression import CompressionInvalid, compress, expand
from outpost.protocol.ids import ID_PATTERN

SUFFIX: Final = ".outpost-bundle"
MAX_BYTES: Final = 512 * 1024 * 1024  # unfolded: a model pack of 256 MB, lists of 128 MB, a few documents of 16 MB
MAX_MEMBERS: Final = 20_000  # each outpost of an org has its secrets here
TUF, TARGETS, SECRETS, CRLS = "tuf/", "targets/", "secrets/", "crl/"

_BLOCK: Final = 512
_NAME_BYTES: Final = 100
_SIZE: Final = slice(124, 136)
_CHECKSUM: Final = slice(148, 156)
_TYPE: Final = slice(156, 157)
_MAGIC: Final = slice(257, 265)
_PREFIX: Final = slice(345, 500)
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"  # RFC 8878 §3.1.1
_OCTAL: Final = re.compile(rb"[0-7]{1,11}[ \0]?")
_NAMES: Final = re.compile(
    r"tuf/timestamp\.json"
    r"|tuf/[1-9][0-9]{0,17}\.[a-z][a-z0-9-]{0,62}\.json"
    r"|targets/[0-9a-f]{64}\.[A-Za-z0-9][A-Za-z0-9._-]{0,25}"
    rf"|secrets/{ID_PATTERN}\.json"
    r"|crl/[0-9a-f]{2,80}\.der"
)


class BundleFileInvalid(ValueError):
    """Not a bundle file, cut short, damaged, or holding what a bundle file does not hold."""


def write_bundle_file(files: Mapping[str, bytes], *, compressed: bool = True) -> bytes:
    """The files as one, the same bytes for the same files.

    Raises:
        BundleFileInvalid: A name is none that a bundle file has, or it is too much.
    """
    _require_bounds(len(files), sum(map(len, files.values())))
    parts: list[bytes] = []
    for name, content in sorted(files.items()):
        _require_name(name)
        parts += [_header(name, len(content)), content, bytes(-len(content) % _BLOCK)]
    parts.append(bytes(2 * _BLOCK))
    whole = b"".join(parts)
    return compress(whole) if compressed else whole


def read_bundle_file(data: bytes) -> dict[str, bytes]:
    """The files by name.

    Raises:
        BundleFileInvalid: See the class.
    """
    if data.startswith(_ZSTD_MAGIC):
        try:
            data = expand(data, MAX_BYTES)
        except CompressionInvalid as err:
            raise BundleFileInvalid(f"it cannot be unfolded: {err}") from err
    files: dict[str, bytes] = {}
    place = 0
    while True:
        header = data[place : place + _BLOCK]
        if len(header) != _BLOCK:
            raise BundleFileInvalid("it is cut short")
        if not any(header):
            break
        name, size = _member(header)
        if name in files:
            raise BundleFileInvalid(f"it has {name} twice")
        start, end = place + _BLOCK, place + _BLOCK + size
        place = end + -size % _BLOCK
        _require_bounds(len(files) + 1, place)
        if place > len(data) or any(data[end:place]):
            raise BundleFileInvalid("it is cut short or damaged")
        files[name] = data[start:end]
    if len(data) - place < 2 * _BLOCK or any(data[place:]):
        raise BundleFileInvalid("it is cut short, or something follows its end")
    return files


def _header(name: str, size: int) -> bytes:
    fields = name.encode().ljust(_NAME_BYTES, b"\0") + b"0000644\0" + b"0000000\0" * 2
    fields += f"{size:011o}\0".encode() + b"00000000000\0" + b" " * 8 + b"0" + bytes(_NAME_BYTES)
    fields = (fields + b"ustar\00000").ljust(_BLOCK, b"\0")
    return fields[:148] + f"{sum(fields):06o}\0 ".encode() + fields[156:]


def _member(header: bytes) -> tuple[str, int]:
    stated, size = header[_CHECKSUM].strip(b" \0"), header[_SIZE].rstrip(b" \0")
    blank = header[:148] + b" " * 8 + header[156:]
    if not _OCTAL.fullmatch(stated) or int(stated, 8) != sum(blank) or header[_MAGIC] != b"ustar\00000":
        raise BundleFileInvalid("it is no bundle file, or damaged")
    if header[_TYPE] != b"0" or any(header[_PREFIX]) or not _OCTAL.fullmatch(size):
        raise BundleFileInvalid("it holds something other than plain files")
    try:
        name = header[:_NAME_BYTES].rstrip(b"\0").decode("ascii")
    except UnicodeDecodeError as err:
        raise BundleFileInvalid("it holds a file that no bundle has") from err
    _require_name(name)
    return name, int(size, 8)


def _require_name(name: str) -> None:
    if _NAMES.fullmatch(name) is None:
        raise BundleFileInvalid("it holds a file that no bundle has")


def _require_bounds(members: int, size_bytes: int) -> None:
    if members > MAX_MEMBERS or size_bytes > MAX_BYTES:
        raise BundleFileInvalid(f"it holds more than {MAX_MEMBERS} files or {MAX_BYTES} bytes")
