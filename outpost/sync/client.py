"""The control plane's mutual-TLS surface as async calls (``/outpost/v1/*``).

Every call has a timeout for each step and for the whole, and stops reading at its byte limit; compressed answers
are refused, so the limit is what arrives and what is kept. 4xx is ``Rejected`` with the server's code; 5xx, 429
and no answer are ``ControlPlaneUnavailable``; a certificate that does not verify or an answer that cannot be
read is ``ControlPlaneUntrusted``. HTTP/1.1; proxies from the environment are honoured and see only TLS.
"""

import asyncio
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx
from pydantic import ValidationError

from outpost.errors import ControlPlaneUnavailable, ControlPlaneUntrusted, Rejected
from outpost.protocol import routes
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import (
    AuditBatch,
    AuditReceipt,
    Heartbeat,
    HeartbeatReply,
    Message,
    SealedSecrets,
    WatchReply,
)
from outpost.sync.http_errors import MAX_ERROR_BYTES, error_of
from outpost.sync.identity import Identity
from outpost.sync.limits import MESSAGE_BYTES, SECRETS_BYTES
from outpost.sync.tls import is_verification_failure, mutual_context

M = TypeVar("M", bound=Message)
_NO_CONTENT: Final = 204


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``total`` bounds a whole exchange, so a sender that trickles bytes cannot hold a task for ever."""

    connect_s: float = 10.0
    read_s: float = 30.0
    total_s: float = 60.0
    download_total_s: float = 600.0  # 16 MB at 30 KB/s, the slowest line we mean to serve
    watch_s: float = 120.0  # above any hold of the long poll; proxies commonly cut at 60 s, which is only a retry


class ControlPlaneClient:
    """One outpost's connection pool to its control plane."""

    def __init__(
        self,
        identity: Identity,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        """Raises ``IdentityInvalid`` if the identity's files cannot be used for TLS."""
        self._timeouts = timeouts or Timeouts()
        context: ssl.SSLContext = mutual_context(identity)
        self._http = httpx.AsyncClient(
            base_url=identity.sync_url,
            verify=context,
            http2=False,
            follow_redirects=False,
            transport=transport,
            timeout=httpx.Timeout(self._timeouts.read_s, connect=self._timeouts.connect_s),
            headers={"Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def fetch_metadata(self, filename: str, max_bytes: int) -> bytes | None:
        """One metadata file as sent; None if there is none of this name.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See the module docstring.
        """
        try:
            return await self._download(routes.TUF_METADATA.format(filename=filename), max_bytes)
        except Rejected as err:
            if err.code is ErrorCode.NOT_FOUND:
                return None
            raise

    async def fetch_target(self, filename: str, max_bytes: int) -> bytes:
        """One target by its content-addressed name.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See the module docstring.
        """
        return await self._download(routes.TUF_TARGETS.format(filename=filename), max_bytes)

    async def watch(self, after: int) -> int | None:
        """Wait for a snapshot version above ``after``; None if the wait ended without one.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See the module docstring.
        """
        url = httpx.URL(routes.WATCH, params={"after": after})
        body = await self._exchange("GET", url, MESSAGE_BYTES, self._timeouts.watch_s, read_s=self._timeouts.watch_s)
        if not body:
            return None
        version = _parse(WatchReply, body).snapshot_version
        return version if version > after else None

    async def heartbeat(self, message: Heartbeat) -> HeartbeatReply:
        """Report, and learn the control plane's clock and wish.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See the module docstring.
        """
        return _parse(HeartbeatReply, await self._post(routes.HEARTBEAT, message))

    async def push_audit(self, batch: AuditBatch) -> AuditReceipt:
        """Deliver consecutive events; the same batch twice gives a receipt twice. The receipt is not verified here.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See the module docstring.
        """
        return _parse(AuditReceipt, await self._post(routes.AUDIT, batch))

    async def fetch_secrets(self) -> SealedSecrets:
        """The org's secrets, sealed to this outpost.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See the module docstring.
        """
        body = await self._exchange("GET", httpx.URL(routes.SECRETS), SECRETS_BYTES, self._timeouts.total_s)
        return _parse(SealedSecrets, body)

    async def _download(self, path: str, max_bytes: int) -> bytes:
        return await self._exchange("GET", httpx.URL(path), max_bytes, self._timeouts.download_total_s)

    async def _post(self, path: str, message: Message) -> bytes:
        content = message.model_dump_json().encode()
        return await self._exchange("POST", httpx.URL(path), MESSAGE_BYTES, self._timeouts.total_s, content=content)

    async def _exchange(
        self,
        method: str,
        url: httpx.URL,
        max_bytes: int,
        total_s: float,
        *,
        content: bytes | None = None,
        read_s: float | None = None,
    ) -> bytes:
        headers = {} if content is None else {"Content-Type": "application/json"}
        timeout = httpx.Timeout(read_s or self._timeouts.read_s, connect=self._timeouts.connect_s)
        request = self._http.build_request(method, url, content=content, headers=headers, timeout=timeout)
        try:
            async with asyncio.timeout(total_s):
                response = await self._http.send(request, stream=True)
                try:
                    return await _body(response, max_bytes)
                finally:
                    await response.aclose()
        except TimeoutError as err:
            raise ControlPlaneUnavailable(f"no whole answer within {total_s:.0f} s") from err
        except (httpx.HTTPError, OSError) as err:
            # OSError: an ssl.SSLError in the middle of a read (TLS 1.3 refuses a client certificate only then) reaches
            # us untranslated by httpx 0.28.
            if is_verification_failure(err):
                raise ControlPlaneUntrusted(
                    "the control plane's TLS certificate does not lead to this outpost's anchors, or is for another "
                    "name: an intercepting proxy may be in between"
                ) from err
            raise ControlPlaneUnavailable(f"no answer from the control plane ({type(err).__name__})") from err


async def _body(response: httpx.Response, max_bytes: int) -> bytes:
    if response.status_code == _NO_CONTENT:
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


def _parse(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as err:
        raise ControlPlaneUntrusted(f"the answer is not a {model.__name__} that this version can read") from err
