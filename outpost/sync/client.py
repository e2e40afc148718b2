"""The control plane's mutual-TLS surface as async calls (``/outpost/v1/*``), with an identity that may change.

``move_to`` makes new work use another identity's certificate at once; exchanges under way end on the connections they
began on, which are closed after the last of them. Bounds and errors are those of ``exchange.py``. HTTP/1.1; proxies
from the environment are honoured and see only TLS.
"""

import re
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

import httpx

from outpost.errors import BundleRejected, Rejected
from outpost.protocol import routes
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import (
    AuditBatch,
    AuditReceipt,
    CertificateResponse,
    Heartbeat,
    HeartbeatReply,
    Message,
    RenewRequest,
    SealedSecrets,
    TrustUpdate,
    WatchReply,
)
from outpost.sync.download import Ask, download, download_file
from outpost.sync.exchange import OnDate, Transport, answering, exchange, parse, transport_for
from outpost.sync.identity import Identity
from outpost.sync.limits import CERTIFICATES_BYTES, CRL_BYTES, MESSAGE_BYTES, SECRETS_BYTES
from outpost.sync.partials import Partials
from outpost.sync.tls import mutual_context


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``total`` bounds a whole exchange, so a sender that trickles bytes cannot hold a task for ever."""

    connect_s: float = 10.0
    read_s: float = 30.0
    total_s: float = 60.0
    download_total_s: float = 600.0  # 16 MB at 30 KB/s, the slowest line we mean to serve
    watch_s: float = 120.0  # above any hold of the long poll; proxies commonly cut at 60 s, which is only a retry


KEEPALIVE_S: Final = 60.0
"""Heartbeats 30 s apart then need one handshake, not one each; the control plane and NGINX close after 75 s."""
_SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Terms:
    """What one exchange may take. ``read_s`` is the longest silence, if it is not the usual one."""

    max_bytes: int
    total_s: float
    read_s: float | None = None


@dataclass(slots=True)
class _Pool:
    """The connections made with one certificate, and how many exchanges are on them."""

    http: httpx.AsyncClient
    users: int = 0
    retired: bool = False


class ControlPlaneClient:
    """One outpost's connections to its control plane. ``on_date`` is told the server's clock with every answer."""

    def __init__(
        self,
        identity: Identity,
        *,
        transport: Transport | None = None,
        timeouts: Timeouts | None = None,
        on_date: OnDate | None = None,
        downloads: Path | None = None,
    ) -> None:
        """Raises ``IdentityInvalid`` if the identity's files cannot be used for TLS.

        ``downloads`` is where the beginnings of large downloads outlive the process; without it they do not.
        """
        self.past_caches = False
        """True: whatever caches are in between have to ask the control plane again, since what came did not verify."""
        self._partials = Partials(downloads)
        self._timeouts = timeouts or Timeouts()
        self._transport = transport
        self._on_date = on_date
        self._pool = self._connect(identity)

    def _connect(self, identity: Identity) -> _Pool:
        context: ssl.SSLContext = mutual_context(identity)
        return _Pool(
            httpx.AsyncClient(
                base_url=identity.sync_url,
                verify=context,
                http2=False,
                follow_redirects=False,
                transport=transport_for(self._transport, identity),
                timeout=httpx.Timeout(self._timeouts.read_s, connect=self._timeouts.connect_s),
                limits=httpx.Limits(keepalive_expiry=KEEPALIVE_S),
                headers={"Accept-Encoding": "identity"},
            )
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def _freshness(self) -> Mapping[str, str]:
        return {"Cache-Control": "no-cache"} if self.past_caches else _NONE

    async def close(self) -> None:
        """Close the connections in use."""
        await self._pool.http.aclose()

    def another(self, identity: Identity) -> "ControlPlaneClient":
        """A client of its own connections for ``identity``, to prove it with.

        Raises:
            IdentityInvalid: Its files cannot be used for TLS.
        """
        return ControlPlaneClient(identity, transport=self._transport, timeouts=self._timeouts, on_date=self._on_date)

    async def move_to(self, identity: Identity) -> None:
        """Use ``identity`` for every exchange that begins from now on; those under way end where they are.

        Raises:
            IdentityInvalid: Its files cannot be used for TLS; nothing was changed.
        """
        old, self._pool = self._pool, self._connect(identity)
        old.retired = True
        if old.users == 0:
            await old.http.aclose()

    @asynccontextmanager
    async def _use(self) -> AsyncIterator[httpx.AsyncClient]:
        pool = self._pool
        pool.users += 1
        try:
            yield pool.http
        finally:
            pool.users -= 1
            if pool.retired and pool.users == 0:
                await pool.http.aclose()

    async def fetch_metadata(self, filename: str, max_bytes: int) -> bytes | None:
        """One metadata file as sent; None if there is none of this name.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See ``exchange.py``.
        """
        try:
            path = routes.TUF_METADATA.format(filename=filename)
            return await self._download(path, max_bytes, self._freshness)
        except Rejected as err:
            if err.code is ErrorCode.NOT_FOUND:
                return None
            raise

    async def fetch_target(self, filename: str, max_bytes: int) -> bytes:
        """One target by its content-addressed name, whole and with the digest of its name; see ``download.py``.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See ``exchange.py``.
            BundleRejected: What is served has another digest.
        """
        return await download(self._asking(filename), self._partials, _digest_of(filename), max_bytes)

    async def fetch_file(self, filename: str, max_bytes: int, path: Path) -> None:
        """``fetch_target`` into the file ``path``.

        Raises:
            CacheUnavailable: The disk is full or gone.
            OutpostError: As ``fetch_target``.
        """
        await download_file(self._asking(filename), self._partials, _digest_of(filename), max_bytes, path)

    def forget_downloads_but(self, filenames: Iterable[str]) -> None:
        """Drop the beginnings of all targets but these."""
        self._partials.keep_only({_digest_of(filename) for filename in filenames})

    def _asking(self, filename: str) -> Ask:
        until_s = time.monotonic() + self._timeouts.download_total_s

        @asynccontextmanager
        async def ask(headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
            total_s = max(until_s - time.monotonic(), 0.0)  # of all attempts together
            async with self._use() as http:
                request = http.build_request(
                    "GET", routes.TUF_TARGETS.format(filename=filename), headers={**headers, **self._freshness}
                )
                async with answering(http, request, total_s=total_s, on_date=self._on_date) as response:
                    yield response

        return ask

    async def watch(self, after: int) -> int | None:
        """Wait for a snapshot version above ``after``; None if the wait ended without one.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See ``exchange.py``.
        """
        url = httpx.URL(routes.WATCH, params={"after": after})
        known = {"If-None-Match": f'"{after}"'}
        terms = _Terms(MESSAGE_BYTES, self._timeouts.watch_s, read_s=self._timeouts.watch_s)
        body = await self._exchange("GET", url, terms, headers=known)
        if not body:
            return None
        version = parse(WatchReply, body).snapshot_version
        return version if version > after else None

    async def heartbeat(self, message: Heartbeat) -> HeartbeatReply:
        """Report, and learn the control plane's clock and wish.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See ``exchange.py``.
        """
        return parse(HeartbeatReply, await self._post(routes.HEARTBEAT, message))

    async def push_audit(self, batch: AuditBatch) -> AuditReceipt:
        """Deliver consecutive events; the same batch twice gives a receipt twice. The receipt is not verified here.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See ``exchange.py``.
        """
        return parse(AuditReceipt, await self._post(routes.AUDIT, batch))

    async def fetch_secrets(self) -> SealedSecrets:
        """The org's secrets, sealed to this outpost.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See ``exchange.py``.
        """
        body = await self._exchange("GET", routes.SECRETS, _Terms(SECRETS_BYTES, self._timeouts.total_s))
        return parse(SealedSecrets, body)

    async def fetch_trust(self) -> TrustUpdate:
        """The authorities that count now, not yet believed.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See ``exchange.py``.
        """
        body = await self._exchange("GET", routes.TRUST, _Terms(CERTIFICATES_BYTES, self._timeouts.total_s))
        return parse(TrustUpdate, body)

    async def renew(self, request: RenewRequest) -> CertificateResponse:
        """A certificate for a new key, not yet verified.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See ``exchange.py``.
        """
        body = await self._post(routes.CERTIFICATE, request, CERTIFICATES_BYTES)
        return parse(CertificateResponse, body)

    async def fetch_crl(self) -> bytes:
        """The revocation list as sent.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See ``exchange.py``.
        """
        return await self._download(routes.CRL, CRL_BYTES)

    async def _download(self, path: str, max_bytes: int, headers: Mapping[str, str] = _NONE) -> bytes:
        terms = _Terms(max_bytes, self._timeouts.download_total_s)
        return await self._exchange("GET", path, terms, headers=headers)

    async def _post(self, path: str, message: Message, max_bytes: int = MESSAGE_BYTES) -> bytes:
        content, headers = message.model_dump_json().encode(), {"Content-Type": "application/json"}
        return await self._exchange("POST", path, _Terms(max_bytes, self._timeouts.total_s), content, headers)

    async def _exchange(
        self,
        method: str,
        url: httpx.URL | str,
        terms: _Terms,
        content: bytes | None = None,
        headers: Mapping[str, str] = _NONE,
    ) -> bytes:
        timeout = httpx.Timeout(terms.read_s or self._timeouts.read_s, connect=self._timeouts.connect_s)
        async with self._use() as http:
            request = http.build_request(method, url, content=content, headers=headers, timeout=timeout)
            return await exchange(
                http, request, max_bytes=terms.max_bytes, total_s=terms.total_s, on_date=self._on_date
            )


def _digest_of(filename: str) -> str:
    digest = filename.partition(".")[0]
    if _SHA256_HEX.fullmatch(digest) is None:
        raise BundleRejected("a target is fetched by its SHA-256")
    return digest
