"""A target by its digest, whole and true, however often the connection is cut on the way.

What has come stays: the next attempt, or the next run of the process, asks for the rest. The signed length bounds what
is received and what it may unfold to; the digest in the name decides at the end. Somebody who sends parts that do not
fit is asked for the whole; the number of attempts is bounded, and one that brings nothing ends the download until the
schedule tries again.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial as partial_function
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar

import httpx
import structlog

from outpost.errors import BundleRejected, ControlPlaneUnavailable, ControlPlaneUntrusted
from outpost.protocol.compression import CompressionInvalid, expand
from outpost.sync.http_errors import MAX_ERROR_BYTES, error_of
from outpost.sync.partials import Partial, Partials, write_file
from outpost.sync.resume import IDENTITY, PartUnfit, Piece, piece_of, wish

MAX_ATTEMPTS: Final = 16  # 16 MB over a line that breaks after each megabyte
MAX_RESTARTS: Final = 2
_WRITE_BYTES: Final = 256 * 1024  # at a time: one hop into a thread each
_FRAME_OVERHEAD_BYTES: Final = 1024  # what a compressed form may be longer than the plain one

Ask = Callable[[Mapping[str, str]], AbstractAsyncContextManager[httpx.Response]]
"""Sends one request for the file with these headers; errors of the network come out as ours (``exchange.py``)."""

Whole = TypeVar("Whole")

_log = structlog.get_logger(__name__)


async def download(ask: Ask, partials: Partials, digest: str, max_bytes: int) -> bytes:
    """The bytes with SHA-256 ``digest`` (hexadecimal), at most ``max_bytes`` of them.

    Raises:
        Rejected, ControlPlaneUnavailable: See ``exchange.py``; what has come is kept for the next time.
        ControlPlaneUntrusted: The answers are longer than they may be, or do not fit together.
        BundleRejected: What is served has another digest.
    """
    return await _downloaded(ask, partials, _Goal(digest, max_bytes), _in_memory)


async def download_file(ask: Ask, partials: Partials, digest: str, max_bytes: int, path: Path) -> None:
    """``download`` into the file ``path``, piece by piece: what is asked for plain never is in memory as a whole.

    Raises:
        CacheUnavailable: The disk is full or gone.
        OutpostError: As ``download``.
    """

    def asked_plain(headers: Mapping[str, str]) -> AbstractAsyncContextManager[httpx.Response]:
        return ask(headers if "Range" in headers else {**headers, "Accept-Encoding": IDENTITY})

    await _downloaded(asked_plain, partials, _Goal(digest, max_bytes), partial_function(_into_file, path))


class _Unfinished:
    """More has to be asked for."""


class _OtherDigest(Exception):
    """What has come is whole, and something else."""


@dataclass(frozen=True, slots=True)
class _Goal:
    digest: str
    max_bytes: int


def _in_memory(partial: Partial, goal: _Goal) -> bytes:
    received = partial.content()
    content = received if partial.begun.encoding == IDENTITY else expand(received, goal.max_bytes)
    if sha256(content).hexdigest() != goal.digest:
        raise _OtherDigest
    return content


def _into_file(path: Path, partial: Partial, goal: _Goal) -> None:
    if partial.begun.encoding != IDENTITY:  # it was begun so, or the other end insists
        write_file(path, [_in_memory(partial, goal)])
    elif write_file(path, partial.pieces()) != goal.digest:
        raise _OtherDigest


async def _downloaded(ask: Ask, partials: Partials, goal: _Goal, take: Callable[[Partial, _Goal], Whole]) -> Whole:
    restarts, digest = 0, goal.digest
    for _ in range(MAX_ATTEMPTS):
        partial = await asyncio.to_thread(partials.find, digest)
        before = _size(partial)
        try:
            taken = await _attempt(ask, partials, goal, partial, take)
        except PartUnfit as err:
            await asyncio.to_thread(partials.drop, digest)
            restarts += 1
            _log.info("download_begins_again", digest=digest, reason=str(err))
            if restarts > MAX_RESTARTS or partial is None:
                raise ControlPlaneUntrusted(f"a download cannot be put together: {err}") from err
            continue
        except ControlPlaneUnavailable:
            if _size(await asyncio.to_thread(partials.find, digest)) <= before:
                raise
            continue  # it was cut, and brought us on: the rest, at once
        if not isinstance(taken, _Unfinished):
            return taken
    raise ControlPlaneUnavailable("a download was cut too often; it goes on later")


def _size(partial: Partial | None) -> int:
    return 0 if partial is None else partial.begun.size_bytes


async def _attempt(
    ask: Ask, partials: Partials, goal: _Goal, partial: Partial | None, take: Callable[[Partial, _Goal], Whole]
) -> "Whole | _Unfinished":
    """One request; the content if it is whole now."""
    digest, max_bytes = goal.digest, goal.max_bytes
    begun = None if partial is None else partial.begun
    async with ask(wish(begun)) as response:
        if response.status_code not in _ANSWERS:
            raise error_of(response.status_code, response.headers.get("Retry-After"), await _error_body(response))
        headers = {name.lower(): value for name, value in response.headers.items()}
        piece = piece_of(response.status_code, headers, begun)
        if not piece.resumes:
            # Without a tag it is written down all the same, and never resumed.
            partial = await asyncio.to_thread(partials.begin, digest, max_bytes, piece.tag or "", piece.encoding)
        if partial is None:
            raise PartUnfit("there is nothing to join the part to")
        try:
            await _receive(response, piece, partial, _limit(piece.encoding, max_bytes))
        except ControlPlaneUntrusted:
            await asyncio.to_thread(partials.drop, digest)
            raise
    if not piece.is_last:
        return _Unfinished()
    return await asyncio.to_thread(_finished, partials, partial, goal, take, resumed=piece.resumes)


_ANSWERS: Final = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)


async def _receive(response: httpx.Response, piece: Piece, partial: Partial, limit_bytes: int) -> None:
    room_bytes = limit_bytes - partial.begun.size_bytes
    if (piece.length_bytes or 0) > room_bytes:
        raise _too_large(limit_bytes)
    left = room_bytes if piece.length_bytes is None else piece.length_bytes
    came = bytearray()
    try:
        async for chunk in response.aiter_bytes() if piece.encoding == IDENTITY else response.aiter_raw():
            left -= len(chunk)
            if left < 0:
                break
            came += chunk
            if len(came) >= _WRITE_BYTES:
                await asyncio.to_thread(partial.append, bytes(came))
                came.clear()
    finally:
        if came:
            partial.append(bytes(came))  # not in a thread: this runs when the task is cancelled too
    if left < 0 and piece.length_bytes is None:
        raise _too_large(limit_bytes)
    if left and piece.length_bytes is not None:
        raise PartUnfit("the body is not as long as its header says")


def _too_large(limit_bytes: int) -> ControlPlaneUntrusted:
    return ControlPlaneUntrusted(f"the answer is larger than the {limit_bytes} bytes it may have")


def _finished(
    partials: Partials, partial: Partial, goal: _Goal, take: Callable[[Partial, _Goal], Whole], *, resumed: bool
) -> Whole:
    try:
        taken = take(partial, goal)
    except (CompressionInvalid, _OtherDigest) as err:
        partials.drop(goal.digest)
        if resumed:
            raise PartUnfit("the parts make no whole, or another file") from err
        if isinstance(err, CompressionInvalid):
            raise ControlPlaneUntrusted(f"the answer cannot be decompressed: {err}") from err
        raise BundleRejected(f"what is served as target {goal.digest} has another digest") from err
    partials.drop(goal.digest)
    return taken


def _limit(encoding: str, max_bytes: int) -> int:
    return max_bytes if encoding == IDENTITY else max_bytes + _FRAME_OVERHEAD_BYTES


async def _error_body(response: httpx.Response) -> bytes:
    body = bytearray()
    if response.headers.get("Content-Encoding", IDENTITY) == IDENTITY:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ERROR_BYTES:
                return b""
    return bytes(body)
