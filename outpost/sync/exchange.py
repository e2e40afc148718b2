"""One HTTP exchange with the control plane, bounded in time and bytes, and what its failure means.

Every exchange has a timeout for each step and for the whole, and stops reading at its byte limit; compressed answers
are refused, so the limit is what arrives and what is kept. 4xx is ``Rejected`` with the server's code; 5xx, 429 and
no answer are ``ControlPlaneUnavailable``: ``CertificateRefused`` if TLS said that our certificate is the reason, and
``ControlPlaneHungUp`` if it closed without a word, which is what is left of that alert when the closing overtakes it. A
certificate that does not verify or an answer that cannot be read is ``ControlPlaneUntrusted``, and
``ControlPlaneOutOfTime`` if the only reason is our clock's opinion of its validity.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import httpx
from pydantic import ValidationError

from outpost.errors import (
    CertificateRefused,
    ControlPlaneHungUp,
    ControlPlaneOutOfTime,
    ControlPlaneUnavailable,
    ControlPlaneUntrusted,
    OutpostError,
)
from outpost.protocol.messages import Message
from outpost.sync.http_errors import MAX_ERROR_BYTES, error_of
from outpost.sync.identity import Identity
from outpost.sync.tls import is_out_of_time, is_own_certificate_refused, is_verification_failure

M = TypeVar("M", bound=Message)
OnDate = Callable[[datetime], None]
Transport = httpx.AsyncBaseTransport | Callable[[Identity], httpx.AsyncBaseTransport]
"""The network, or for tests the network as the bearer of an identity sees it."""
_NO_CONTENT: Final = 204
_NOT_MODIFIED: Final = 304


def transport_for(transport: Transport | None, identity: Identity) -> httpx.AsyncBaseTransport | None:
    """The network for ``identity``; None is the real one."""
    return transport if transport is None or isinstance(transport, httpx.AsyncBaseTransport) else transport(identity)


async def exchange(
    http: httpx.AsyncClient,
    request: httpx.Request,
    *,
    max_bytes: int,
    total_s: float,
    on_date: OnDate | None = None,
) -> bytes:
    """The body of the answer; empty if the request asked for what has changed and nothing has (RFC 9110 §15.4.5).

    ``on_date`` is told the server's clock if the answer states it.

    Raises:
        Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See the module docstring.
    """
    async with answering(http, request, total_s=total_s, on_date=on_date) as response:
        return await _body(response, max_bytes)


@asynccontextmanager
async def answering(
    http: httpx.AsyncClient, request: httpx.Request, *, total_s: float, on_date: OnDate | None = None
) -> AsyncIterator[httpx.Response]:
    """The answer, whose body is still to be read inside the block; ``total_s`` bounds the whole block.

    Raises:
        ControlPlaneUnavailable, ControlPlaneUntrusted: See the module docstring.
    """
    try:
        async with asyncio.timeout(total_s):
            response = await http.send(request, stream=True)
            try:
                server_at = server_date(response.headers)
                if on_date is not None and server_at is not None:
                    on_date(server_at)
                yield response
            finally:
                await response.aclose()
    except TimeoutError as err:
        raise ControlPlaneUnavailable(f"no whole answer within {total_s:.0f} s") from err
    except (httpx.HTTPError, OSError) as err:
        # OSError: an ssl.SSLError in the middle of a read (TLS 1.3 refuses a client certificate only then) reaches
        # us untranslated by httpx 0.28.
        raise _error_of(err) from err


def parse(model: type[M], body: bytes) -> M:
    """The answer as a message.

    Raises:
        ControlPlaneUntrusted: It is none.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as err:
        raise ControlPlaneUntrusted(f"the answer is not a {model.__name__} that this version can read") from err


def server_date(headers: httpx.Headers) -> datetime | None:
    """The ``Date`` of an answer (RFC 9110 §6.6.1), aware; None if it has none that can be read."""
    try:
        at = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo is not None else None


def _error_of(err: Exception) -> OutpostError:
    if is_out_of_time(err):
        return ControlPlaneOutOfTime(
            "the control plane's certificate is not valid at this machine's time: one of the two clocks is wrong"
        )
    if is_verification_failure(err):
        return ControlPlaneUntrusted(
            "the control plane's TLS certificate does not lead to this outpost's anchors, or is for another "
            "name: an intercepting proxy may be in between"
        )
    if is_own_certificate_refused(err):
        return CertificateRefused("the control plane refuses this outpost's certificate in the TLS handshake")
    if isinstance(err, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError):
        return ControlPlaneHungUp(f"the control plane closed the connection without an answer ({type(err).__name__})")
    return ControlPlaneUnavailable(f"no answer from the control plane ({type(err).__name__})")


async def _body(response: httpx.Response, max_bytes: int) -> bytes:
    asked_for_changes = "If-None-Match" in response.request.headers
    if response.status_code == _NO_CONTENT or (response.status_code == _NOT_MODIFIED and asked_for_changes):
        return b""
    is_plain = response.headers.get("Content-Encoding", "identity") == "identity"
    if not response.is_success:
        body = await _read(response, MAX_ERROR_BYTES) if is_plain else None
        raise error_of(response.status_code, response.headers.get("Retry-After"), body or b"")
    if not is_plain:
        raise ControlPlaneUntrusted("the answer is compressed, which was not asked for and could hide its size")
    body = await _read(response, max_bytes)
    if body is None:
        raise ControlPlaneUntrusted(f"the answer is larger than the {max_bytes} bytes it may have")
    return body


async def _read(response: httpx.Response, max_bytes: int) -> bytes | None:
    """The body, which is not compressed, or None as soon as it passes ``max_bytes``."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            return None
    return bytes(body)
