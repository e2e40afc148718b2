"""The outpost listener (8443, mutual TLS): everything under ``/outpost/v1``.

TLS has asked for a certificate; every request asks again: the whole chain, purpose, name and time (``admission.py``),
then the registry.
So a revocation counts on the next request of an open connection, and a TLS layer that trusts too much lets nobody in.
How the certificate is found is injected (the connection itself, or a trusted ingress).
"""

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import hdrs, web
from cryptography import x509

from control_plane.api.batch import Batcher
from control_plane.api.crl import authority_key_id, crl_response
from control_plane.api.delivery import IMMUTABLE, REVALIDATE, deliver
from control_plane.api.ingress import refuse_header
from control_plane.api.middleware import OUTPOST_ID, Handler, answer_errors, json_response, read_message
from control_plane.api.news import NewsBoard
from control_plane.api.shelf import Filed, Key, Representation, Shelf
from control_plane.canary import Audiences
from control_plane.conditional import has_match
from control_plane.errors import CertificateRejected, ControlPlaneError, InvalidRequest
from control_plane.heartbeat import Report
from control_plane.load import Gate
from control_plane.operations import Operations
from control_plane.outposts import OutpostRecord
from control_plane.release import STABLE
from outpost.protocol import routes
from outpost.protocol.messages import AuditBatch, Heartbeat, HeartbeatReply, RenewRequest, WatchReply
from pki.keys import certificate_sha256

PeerCertificate = Callable[[web.Request], x509.Certificate | None]

OUTPOST = web.RequestKey("outpost", OutpostRecord)
CERTIFICATE = web.RequestKey("certificate", x509.Certificate)
ORG_HEADER = "X-Outpost-Org"
MESSAGE_LIMIT_BYTES = 64 * 1024  # a heartbeat has about 1 KB
AUDIT_LIMIT_BYTES = 8 * 1024 * 1024  # 1 MiB of events (outpost.audit.delivery); JSON may escape a byte into six
_MAX_VERSION = 2**63 - 1  # a 64-bit column
_TIMESTAMP = "timestamp.json"
_NEVER_STORE = "no-store"


def tls_peer_certificate(request: web.Request) -> x509.Certificate | None:
    """The client certificate of the TLS connection, or None.

    Raises:
        CertificateRejected: It cannot be read, or somebody claims another one in a header.
    """
    refuse_header(request)
    tls = None if request.transport is None else request.transport.get_extra_info("ssl_object")
    der = None if tls is None else tls.getpeercert(binary_form=True)
    if not der:
        return None
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as err:
        raise CertificateRejected("the client certificate cannot be read", "malformed") from err


class OutpostApi:
    """Handlers over the operations; each runs for an admitted outpost."""

    def __init__(
        self, operations: Operations, board: NewsBoard, gate: Gate, heartbeat_interval_s: int, watch_s: float
    ) -> None:
        self._operations = operations
        self._board = board
        self._gate = gate
        self._metadata_files = Batcher(_each(lambda key: operations.metadata(*key)))
        self._timestamps = Batcher(_each(lambda key: operations.metadata(key[0], _TIMESTAMP, key[1])))
        audiences = operations.policy.audiences
        self._audiences = Batcher[str, Audiences | None](lambda orgs: {**dict.fromkeys(orgs), **audiences(orgs)})
        self._metadata = Shelf(self._load_metadata)
        self._targets = Shelf(lambda key: asyncio.to_thread(operations.target, *key))
        self._heartbeats = Batcher[Report, HeartbeatReply](
            lambda many: operations.heartbeats(many, heartbeat_interval_s)
        )
        self._watch_s = watch_s

    async def metadata(self, request: web.Request) -> web.Response:
        """One TUF metadata file; all but the timestamp never change."""
        key = (request[OUTPOST].org_id, request.match_info["filename"])
        if key[1] == _TIMESTAMP:
            shown = (key[0], await self._audience(request[OUTPOST]))
            newest = Filed(Representation.of(_found(await self._timestamps.get(shown))))
            return deliver(request, newest, "application/json", REVALIDATE)
        return deliver(request, await self._metadata.get(key), "application/json", IMMUTABLE)

    async def target(self, request: web.Request) -> web.Response:
        """One TUF target by its digest."""
        found = await self._targets.get((request[OUTPOST].org_id, request.match_info["filename"]))
        return deliver(request, found, "application/octet-stream", IMMUTABLE)

    async def watch(self, request: web.Request) -> web.Response:
        """Answers once the org's snapshot version is above ``after``, or when the wait is over.

        304 if that is the version the caller names in ``If-None-Match`` (RFC 9110 §13.1.2).
        """
        after = request.query.get("after", "0")
        plain = after.isascii() and after.isdecimal() and len(after) <= 19  # noqa: PLR2004 - digits of 2**63
        if not plain or int(after) > _MAX_VERSION:
            raise InvalidRequest("after: must be a snapshot version")
        with self._gate.watching(time.monotonic()):
            version = await self._board.wait_above(
                request[OUTPOST].org_id, int(after), self._watch_s, request[OUTPOST].id
            )
        headers = {hdrs.ETAG: f'"{version}"', hdrs.CACHE_CONTROL: _NEVER_STORE}
        if has_match(request.headers.getall(hdrs.IF_NONE_MATCH, ()), headers[hdrs.ETAG]):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        response = json_response(WatchReply(snapshot_version=version))
        response.headers.update(headers)
        return response

    async def admission(self, request: web.Request) -> web.Response:
        """Tells a cache in front that the caller is admitted, and to which org's files (deploy/nginx)."""
        headers = {ORG_HEADER: request[OUTPOST].org_id, hdrs.CACHE_CONTROL: _NEVER_STORE}
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)

    async def heartbeat(self, request: web.Request) -> web.Response:
        """Records what the outpost says about itself."""
        beat = await read_message(request, Heartbeat, MESSAGE_LIMIT_BYTES)
        report = Report(request[OUTPOST], beat, certificate_sha256(request[CERTIFICATE]))
        return json_response(await self._heartbeats.get(report))

    async def trust(self, request: web.Request) -> web.Response:
        """The authorities that count now."""
        del request
        response = json_response(await asyncio.to_thread(self._operations.trust))
        response.headers[hdrs.CACHE_CONTROL] = REVALIDATE
        return response

    async def certificate(self, request: web.Request) -> web.Response:
        """A certificate for a new key."""
        message = await read_message(request, RenewRequest, MESSAGE_LIMIT_BYTES)
        presented = certificate_sha256(request[CERTIFICATE])
        return json_response(
            await asyncio.to_thread(self._operations.renew, request[OUTPOST], message.csr_pem, presented)
        )

    async def audit(self, request: web.Request) -> web.Response:
        """Takes an audit batch and gives a receipt."""
        batch = await read_message(request, AuditBatch, AUDIT_LIMIT_BYTES)
        return json_response(await asyncio.to_thread(self._operations.take_batch, request[OUTPOST], batch))

    async def secrets(self, request: web.Request) -> web.Response:
        """The org's secrets, sealed to this outpost alone."""
        response = json_response(await asyncio.to_thread(self._operations.seal_secrets, request[OUTPOST]))
        response.headers[hdrs.CACHE_CONTROL] = _NEVER_STORE
        return response

    async def _audience(self, outpost: OutpostRecord) -> str:
        found = await self._audiences.get(outpost.org_id)
        if found is None or found.of(outpost.id) == STABLE or found.members[outpost.id]:
            return STABLE if found is None else found.of(outpost.id)
        return await asyncio.to_thread(self._operations.policy.audience, outpost.org_id, outpost.id)  # its first time

    async def _load_metadata(self, key: Key) -> bytes:
        return _found(await self._metadata_files.get(key))

    async def crl(self, request: web.Request) -> web.Response:
        """The newest CRL of whoever issued the caller's certificate, DER."""
        return await crl_response(self._operations, request, authority_key_id(request[CERTIFICATE]))


def _found(answer: bytes | ControlPlaneError) -> bytes:
    if isinstance(answer, ControlPlaneError):
        raise answer
    return answer


def _each(ask: Callable[[Key], bytes]) -> Callable[[list[Key]], dict[Key, bytes | ControlPlaneError]]:
    """``ask`` for many at once, each with an answer or a refusal of its own."""

    def answer(key: Key) -> bytes | ControlPlaneError:
        try:
            return ask(key)
        except ControlPlaneError as err:
            return err

    return lambda keys: {key: answer(key) for key in keys}


def outpost_app(
    operations: Operations,
    board: NewsBoard,
    gate: Gate,
    *,
    heartbeat_interval_s: int,
    watch_s: float,
    peer_certificate: PeerCertificate = tls_peer_certificate,
) -> web.Application:
    """The application of the outpost listener."""
    admission = Batcher(operations.admit_all)

    @web.middleware
    async def take_on(request: web.Request, handler: Handler) -> web.StreamResponse:
        with gate.request(time.monotonic()):  # before anything that costs
            return await handler(request)

    @web.middleware
    async def admit_outpost(request: web.Request, handler: Handler) -> web.StreamResponse:
        certificate = peer_certificate(request)
        if certificate is None:
            raise CertificateRejected("a client certificate is needed; enrol this outpost first", "missing")
        outpost = await admission.get(certificate)
        if isinstance(outpost, ControlPlaneError):
            raise outpost
        request[OUTPOST], request[OUTPOST_ID], request[CERTIFICATE] = outpost, outpost.id, certificate
        return await handler(request)

    api = OutpostApi(operations, board, gate, heartbeat_interval_s, watch_s)
    app = web.Application(middlewares=[answer_errors, take_on, admit_outpost], client_max_size=AUDIT_LIMIT_BYTES)
    app.add_routes(
        [
            web.get(routes.TUF_METADATA, api.metadata),
            web.get(routes.TUF_TARGETS, api.target),
            web.get(routes.WATCH, api.watch),
            web.get(routes.ADMISSION, api.admission),
            web.post(routes.HEARTBEAT, api.heartbeat),
            web.post(routes.AUDIT, api.audit),
            web.get(routes.SECRETS, api.secrets),
            web.get(routes.CRL, api.crl),
            web.get(routes.TRUST, api.trust),
            web.post(routes.CERTIFICATE, api.certificate),
        ]
    )
    return app
