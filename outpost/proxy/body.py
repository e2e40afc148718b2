"""Read a request body within its bounds of size and time, and undo its content coding if it has one."""

import asyncio
import zlib
from dataclasses import dataclass
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode

_WINDOW_BITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
ACCEPTED_ENCODINGS: Final = "gzip, deflate"


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large a body may be, as sent and as decoded, and how long it may take to arrive."""

    max_bytes: int
    timeout_s: float


async def read_body(request: web.BaseRequest, limits: BodyLimits) -> bytes:
    """The body's decoded bytes.

    Raises:
        Rejected: ``request_too_large``, ``request_timeout``, ``unsupported_encoding`` or ``invalid_request``.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity" and encoding not in _WINDOW_BITS:
        message = "the body's Content-Encoding is not supported; send it plain or as gzip"
        raise Rejected(ErrorCode.UNSUPPORTED_ENCODING, message)
    if (request.content_length or 0) > limits.max_bytes:
        raise _too_large(limits)
    asks_first = request.headers.get("Expect", "").lower() == "100-continue" and request.version >= HttpVersion11
    if asks_first and not request.content.is_eof():
        # RFC 9110 §10.1.1: the client waits to be told, unless it speaks HTTP/1.0. Only now, so that a refusal
        # spares it the body.
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun
    raw = await _receive(request, limits)
    return raw if encoding == "identity" else _inflate(raw, _WINDOW_BITS[encoding], limits)


async def _receive(request: web.BaseRequest, limits: BodyLimits) -> bytes:
    if request.content.is_eof() and not request.content.exception():  # it came with its headers: nothing to wait for
        raw = request.content.read_nowait()
        if len(raw) > limits.max_bytes:
            raise _too_large(limits)
        return raw
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.timeout_s):
            async for part in request.content.iter_any():
                size += len(part)
                if size > limits.max_bytes:
                    raise _too_large(limits)
                parts.append(part)
    except TimeoutError:
        message = f"the body did not arrive within {limits.timeout_s:g} s"
        raise Rejected(ErrorCode.REQUEST_TIMEOUT, message) from None
    except (web.RequestPayloadError, HttpProcessingError, ValueError) as err:
        raise Rejected(ErrorCode.INVALID_REQUEST, "the body's transfer coding is malformed") from err
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _inflate(raw: bytes, window_bits: int, limits: BodyLimits) -> bytes:
    inflater = zlib.decompressobj(window_bits)
    try:
        # One byte more than allowed tells a bomb from a body of exactly the limit, without inflating the bomb.
        body = inflater.decompress(raw, limits.max_bytes + 1)
    except zlib.error as err:
        raise Rejected(ErrorCode.INVALID_REQUEST, "the body does not decompress") from err
    if len(body) > limits.max_bytes:
        raise _too_large(limits)
    if not inflater.eof or inflater.unused_data:
        raise Rejected(ErrorCode.INVALID_REQUEST, "the compressed body is cut off or has something after its end")
    return body


def _too_large(limits: BodyLimits) -> Rejected:
    return Rejected(ErrorCode.REQUEST_TOO_LARGE, f"the body is larger than {limits.max_bytes} bytes")
