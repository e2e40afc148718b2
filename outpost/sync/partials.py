"""What has come so far of downloads that were cut: small ones in memory, large ones as files.

A file holds a line that names the representation, then its bytes as they came. Nothing here is believed: what is
joined has to have the digest that signed metadata states, so files are written without fsync, and one that was torn,
altered or is unreadable costs a download from the beginning and nothing else. Losing the disk costs resuming.
"""

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

import structlog

from outpost.errors import CacheUnavailable
from outpost.sync.resume import Begun
from pki.files import make_private_dir

FILE_FROM_BYTES: Final = 1024 * 1024  # less is fetched again sooner than a restart takes
KEPT: Final = 4  # files of downloads that nobody finishes any more make room for newer ones
_MAX_HEADER_BYTES: Final = 1024
_PIECE_BYTES: Final = 1024 * 1024
_SUFFIX: Final = ".part"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

_log = structlog.get_logger(__name__)


class Partial(Protocol):
    """The beginning of one representation. Every call may raise ``CacheUnavailable``: the disk is full or gone."""

    @property
    def begun(self) -> Begun:
        """What there is of it."""
        ...

    def append(self, data: bytes) -> None:
        """Add what follows."""
        ...

    def content(self) -> bytes:
        """All of it."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """All of it, piece by piece."""
        ...


@dataclass(slots=True)
class _InMemory:
    tag: str
    encoding: str
    data: bytearray

    @property
    def begun(self) -> Begun:
        return Begun(self.tag, self.encoding, len(self.data))

    def append(self, data: bytes) -> None:
        self.data += data

    def content(self) -> bytes:
        return bytes(self.data)

    def pieces(self) -> Iterator[bytes]:
        yield bytes(self.data)


@dataclass(slots=True)
class _InFile:
    """``header_bytes`` come before the content."""

    tag: str
    encoding: str
    path: Path
    header_bytes: int

    @property
    def begun(self) -> Begun:
        with _disk(self.path):
            return Begun(self.tag, self.encoding, max(0, self.path.stat().st_size - self.header_bytes))

    def append(self, data: bytes) -> None:
        with _disk(self.path), self.path.open("ab") as file:
            file.write(data)

    def content(self) -> bytes:
        with _disk(self.path), self.path.open("rb") as file:
            file.seek(self.header_bytes)
            return file.read()

    def pieces(self) -> Iterator[bytes]:
        with _disk(self.path), self.path.open("rb") as file:
            file.seek(self.header_bytes)
            while piece := file.read(_PIECE_BYTES):
                yield piece


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise CacheUnavailable(f"cannot read or write {path}: {err.strerror}") from err


def write_file(path: Path, pieces: Iterable[bytes]) -> str:
    """Write ``pieces`` to ``path``, durably; returns their SHA-256 in hexadecimal.

    Raises:
        CacheUnavailable: The disk is full or gone; what is there of the file means nothing.
    """
    digest = sha256()
    with _disk(path), path.open("wb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


class Partials:
    """By the digest of what is being downloaded. Without a ``directory`` everything is kept in memory.

    A directory that cannot be used is as good as none: downloads begin in memory.
    """

    def __init__(self, directory: Path | None = None, file_from_bytes: int = FILE_FROM_BYTES) -> None:
        self._directory = directory
        self._file_from_bytes = file_from_bytes
        self._in_memory: dict[str, _InMemory] = {}

    def find(self, digest: str) -> Partial | None:
        """What there is, if it can be resumed."""
        found: Partial | None = self._in_memory.get(digest)
        if found is None and self._directory is not None:
            with suppress(OSError, ValueError, RecursionError):
                found = _read_header(self._path(self._directory, digest))
        return found if found is not None and found.begun.can_resume else None

    def begin(self, digest: str, max_bytes: int, tag: str, encoding: str) -> Partial:
        """Forget what there is, and begin a download of at most ``max_bytes``."""
        self.drop(digest)
        if self._directory is not None and max_bytes >= self._file_from_bytes:
            try:
                return self._begin_file(self._path(self._directory, digest), tag, encoding)
            except OSError as err:
                _log.warning("downloads_not_kept", reason=err.strerror)
        while len(self._in_memory) >= KEPT:
            del self._in_memory[next(iter(self._in_memory))]
        partial = self._in_memory[digest] = _InMemory(tag, encoding, bytearray())
        return partial

    def drop(self, digest: str) -> None:
        """Forget what there is."""
        self._in_memory.pop(digest, None)
        if self._directory is not None:
            with suppress(OSError):
                self._path(self._directory, digest).unlink(missing_ok=True)

    def keep_only(self, digests: Collection[str]) -> None:
        """Forget every download but those of ``digests``: nobody will finish the others."""
        for digest in self._in_memory.keys() - set(digests):
            del self._in_memory[digest]
        if self._directory is not None:
            with suppress(OSError):
                for path in self._directory.glob(f"*{_SUFFIX}"):
                    if path.stem not in digests:
                        path.unlink(missing_ok=True)

    @staticmethod
    def _path(directory: Path, digest: str) -> Path:
        if _DIGEST.fullmatch(digest) is None:
            raise ValueError("a download is named by a SHA-256")
        return directory / f"{digest}{_SUFFIX}"

    def _begin_file(self, path: Path, tag: str, encoding: str) -> Partial:
        make_private_dir(path.parent.parent)
        make_private_dir(path.parent)
        others = sorted(path.parent.glob(f"*{_SUFFIX}"), key=lambda other: other.stat().st_mtime)
        for stale in others[: -(KEPT - 1)]:
            stale.unlink(missing_ok=True)
        header = json.dumps({"tag": tag, "encoding": encoding}).encode() + b"\n"
        path.touch(mode=0o600)
        path.write_bytes(header)
        return _InFile(tag, encoding, path, len(header))


def _read_header(path: Path) -> Partial | None:
    with path.open("rb") as file:
        line = file.readline(_MAX_HEADER_BYTES)
    header = json.loads(line) if line.endswith(b"\n") else None
    if not isinstance(header, dict):
        return None
    tag, encoding = header.get("tag"), header.get("encoding")
    if not isinstance(tag, str) or not isinstance(encoding, str):
        return None
    return _InFile(tag, encoding, path, len(line))
