"""The model pack that a bundle demands, on disk: fetched file by file, whole or not there, and never more than needed.

A pack lies in a folder named by its digest, which appears under that name when every file has the digest that the card
states. What has come of it stays for the next attempt; files that another folder at hand has already (the pack that
ships, a damaged copy) are not fetched. There is room for the pack in force and one that is coming; others are removed.
Whoever loads a pack verifies it again (``outpost/models/pack.py``), so nothing here has to be believed later.
"""

import asyncio
import hashlib
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import structlog

from outpost.errors import CacheUnavailable, ControlPlaneUnavailable
from outpost.policy.pack import BundlePack, PackFile
from outpost.sync.partials import write_file
from pki.files import make_private_dir

PACKS: Final = Path("models", "packs")
"""Within the data directory."""
COMING_SUFFIX: Final = ".coming"
SPARE_BYTES: Final = 64 * 1024 * 1024  # stays free for the audit log, without which nothing passes
_PIECE_BYTES: Final = 1024 * 1024

Signature = tuple[tuple[int, int, int], ...]
"""Of each file: inode, size in bytes, time of its last change in nanoseconds."""

_log = structlog.get_logger(__name__)


class FetchFiles(Protocol):
    """Where files come from; ``ControlPlaneClient`` in production."""

    async def fetch_file(self, filename: str, max_bytes: int, path: Path) -> None:
        """A target into a file, with the digest of its name."""
        ...

    def forget_downloads_but(self, filenames: Iterable[str]) -> None:
        """Drop what has come of other targets."""
        ...


class PackStore:
    """The packs of one data directory. One event loop uses it; what blocks runs in threads."""

    def __init__(self, directory: Path, at_hand: Sequence[Path] = ()) -> None:
        """``at_hand``: folders that may hold the same files."""
        self._directory = directory
        self._at_hand = tuple(at_hand)
        self._whole: dict[str, Signature] = {}
        self.coming: str | None = None
        """What is being fetched now, for people."""

    def folder(self, pack: BundlePack) -> Path:
        """Where ``pack`` lies once it is whole."""
        return self._directory / pack.digest

    def is_whole(self, pack: BundlePack, *, doubted: bool = False) -> bool:
        """Whether every file is there and right; it is read again if it changed since, or if it is ``doubted``."""
        folder = self.folder(pack)
        before = _signature(folder, pack)
        if before is None:
            self._whole.pop(pack.digest, None)
            return False
        if not doubted and self._whole.get(pack.digest) == before:
            return True
        self._whole.pop(pack.digest, None)
        if not all(_holds(folder / name, file) for name, file in pack.files.items()):
            return False
        self._whole[pack.digest] = before
        return True

    async def provide(self, fetch: FetchFiles | None, pack: BundlePack, *, doubted: bool = False) -> Path:
        """The folder of ``pack``, whole.

        Raises:
            ControlPlaneUnavailable: It is not here, and cannot be fetched now; what has come stays.
            CacheUnavailable: There is no room for it, or the disk is gone.
            OutpostError: See ``ControlPlaneClient.fetch_file``.
        """
        if await asyncio.to_thread(self.is_whole, pack, doubted=doubted):
            return self.folder(pack)
        coming = self._directory / f"{pack.digest}{COMING_SUFFIX}"
        try:
            await asyncio.to_thread(self._begin, coming, pack)
            missing = [file.filename for name, file in pack.files.items() if not (coming / name).exists()]
            if fetch is not None:
                fetch.forget_downloads_but(missing)
            for number, (name, file) in enumerate(pack.files.items(), 1):
                self.coming = f"{pack.label}: file {number} of {len(pack.files)}"
                if not (coming / name).exists():
                    if fetch is None:
                        raise ControlPlaneUnavailable(f"{name} of the model pack {pack.label} is not here")
                    await self._fetch(fetch, file, coming / name)
            await asyncio.to_thread(self._finish, coming, pack)
        finally:
            self.coming = None
        _log.info("models_pack_whole", pack=pack.label, size_bytes=pack.size_bytes)
        return self.folder(pack)

    def keep_only(self, digests: Collection[str]) -> None:
        """Remove every pack but these, and what has come of any other.

        Raises:
            CacheUnavailable: The disk is gone.
        """
        with _disk(self._directory):
            if not self._directory.is_dir():
                return
            for entry in self._directory.iterdir():
                if entry.name not in digests:
                    shutil.rmtree(entry, ignore_errors=True)

    def _begin(self, coming: Path, pack: BundlePack) -> None:
        """Gather what is at hand; what does not hold is removed, so that whatever is there is right."""
        with _disk(coming):
            make_private_dir(self._directory.parent)
            make_private_dir(self._directory)
            for entry in self._directory.glob(f"*{COMING_SUFFIX}"):
                if entry != coming:
                    shutil.rmtree(entry, ignore_errors=True)
            make_private_dir(coming)
            for entry in coming.iterdir():
                if entry.name not in pack.files or not _holds(entry, pack.files[entry.name]):
                    entry.unlink()
            lacking = sum(file.size_bytes for name, file in pack.files.items() if not (coming / name).exists())
            largest = max(file.size_bytes for file in pack.files.values())  # lies there twice while it is put together
            if shutil.disk_usage(coming).free < lacking + largest + SPARE_BYTES:
                raise CacheUnavailable(f"there is no room for the model pack {pack.label}: {pack.size_bytes} bytes")
        for name, file in pack.files.items():
            for folder in (self.folder(pack), *self._at_hand):
                if not (coming / name).exists() and _holds(folder / name, file):
                    _put(coming / name, folder / name)

    async def _fetch(self, fetch: FetchFiles, file: PackFile, path: Path) -> None:
        unfinished = path.with_name(f".{path.name}")
        try:
            await fetch.fetch_file(file.filename, file.size_bytes, unfinished)
            with _disk(path):
                unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _finish(self, coming: Path, pack: BundlePack) -> None:
        folder = self.folder(pack)
        with _disk(folder):
            if folder.exists():
                shutil.rmtree(folder)
            coming.rename(folder)
        if not self.is_whole(pack, doubted=True):
            raise CacheUnavailable(f"the model pack {pack.label} cannot be kept: the disk gives back something else")


def _signature(folder: Path, pack: BundlePack) -> Signature | None:
    found = []
    for name, file in pack.files.items():
        try:
            status = (folder / name).lstat()
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.size_bytes:
            return None
        found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _holds(path: Path, file: PackFile) -> bool:
    try:
        if not stat.S_ISREG(path.stat().st_mode) or path.stat().st_size != file.size_bytes:
            return False
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
    except OSError:
        return False


def _put(path: Path, source: Path) -> None:
    """Copy ``source`` to ``path``, which appears whole."""
    unfinished = path.with_name(f".{path.name}")
    with _disk(path), source.open("rb") as file:
        write_file(unfinished, iter(lambda: file.read(_PIECE_BYTES), b""))
        unfinished.replace(path)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise CacheUnavailable(f"cannot read or write {path}: {err.strerror}") from err
