"""Files that never change, ready to be sent: read from the database once, compressed once, kept within a bound.

The ETag of a representation is the SHA-256 of its own bytes as they are on the wire, so plain and compressed have
different ones (RFC 9110 §8.8.3.3) and a download that was cut can go on with either, at any replica.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256

from outpost.protocol.compression import ENCODING, compress

MAX_BYTES = 128 * 1024 * 1024  # two versions of the largest documents of three orgs, or the bundles of thousands
_WORTH_BYTES = 1024  # below, a frame's overhead and the processor's time buy nothing
_WORTH_RATIO = 0.9

Key = tuple[str, str]
"""Org and file name."""


@dataclass(frozen=True, slots=True)
class Representation:
    """What is sent for a file in one encoding."""

    content: bytes
    tag: str
    encoding: str | None = None

    @classmethod
    def of(cls, content: bytes, encoding: str | None = None) -> "Representation":
        """These bytes as they go out."""
        return cls(content, f'"{sha256(content).hexdigest()}"', encoding)


@dataclass(frozen=True, slots=True)
class Filed:
    """One file in the encodings there are."""

    plain: Representation
    compressed: Representation | None = None

    def best(self, *, zstd: bool) -> Representation:
        """What to send to somebody who accepts zstd, or does not."""
        return self.compressed if zstd and self.compressed is not None else self.plain

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return len(self.plain.content) + (len(self.compressed.content) if self.compressed else 0)


class Shelf:
    """Keeps what ``load`` gives, at most ``max_bytes`` of it; what was not asked for longest goes first."""

    def __init__(self, load: Callable[[Key], Awaitable[bytes]], max_bytes: int = MAX_BYTES) -> None:
        self._load = load
        self._max_bytes = max_bytes
        self._files: OrderedDict[Key, Filed] = OrderedDict()
        self._coming: dict[Key, asyncio.Task[Filed]] = {}
        self.size_bytes = 0

    async def get(self, key: Key) -> Filed:
        """The file; whoever asks while it is being fetched waits for the same. Raises whatever ``load`` raises."""
        found = self._files.get(key)
        if found is not None:
            self._files.move_to_end(key)
            return found
        coming = self._coming.get(key)
        if coming is None:
            coming = self._coming[key] = asyncio.create_task(self._fetch(key))
            coming.add_done_callback(lambda task: self._came(key, task))
        return await asyncio.shield(coming)  # one who goes away must not take it from the others

    def _came(self, key: Key, task: asyncio.Task[Filed]) -> None:
        del self._coming[key]
        if not task.cancelled():
            task.exception()  # seen, also if whoever asked has gone

    async def _fetch(self, key: Key) -> Filed:
        content = await self._load(key)
        filed = await asyncio.to_thread(file_of, content)
        if filed.size_bytes <= self._max_bytes:
            self._files[key] = filed
            self.size_bytes += filed.size_bytes
        while self.size_bytes > self._max_bytes:
            _, oldest = self._files.popitem(last=False)
            self.size_bytes -= oldest.size_bytes
        return filed


def file_of(content: bytes) -> Filed:
    """``content`` in the encodings that are worth it."""
    plain = Representation.of(content)
    if len(content) < _WORTH_BYTES:
        return Filed(plain)
    compressed = compress(content)
    if len(compressed) > _WORTH_RATIO * len(content):
        return Filed(plain)
    return Filed(plain, Representation.of(compressed, ENCODING))
