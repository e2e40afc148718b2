"""The platform listener (8100, server TLS): trust anchors, enrolment, recovery, revocation lists, health."""

import asyncio
import time

from aiohttp import web

from control_plane.air_gap import enrol
from control_plane.api.crl import crl_response
from control_plane.api.middleware import OUTPOST_ID, answer_errors, json_response, read_message
from control_plane.errors import RateLimited
from control_plane.operations import Operations
from control_plane.rate_limit import RateLimiter, source_of
from outpost.protocol import routes
from outpost.protocol.messages import Anchors, EnrolRequest, RecoverRequest, TrustUpdate

ENROL_LIMIT_BYTES = 64 * 1024  # token, CSR and two public keys have about 4 KB
_ENROL_INTERMEDIATES = 4  # what the message holds; the active one is first


class PlatformApi:
    """Handlers over the operations."""

    def __init__(self, operations: Operations, sync_url: str, limiter: RateLimiter) -> None:
        self._operations = operations
        self._limiter = limiter
        self._sync_url = sync_url

    async def anchors(self, request: web.Request) -> web.Response:
        """Public: the enrolling outpost checks them against its token's fingerprint."""
        del request
        return json_response(Anchors(anchors_pem=(await self._trust()).anchors_pem))

    async def enrol(self, request: web.Request) -> web.Response:
        """A token buys a certificate."""
        self._require_patience(request)
        message = await read_message(request, EnrolRequest, ENROL_LIMIT_BYTES)
        answer = await asyncio.to_thread(enrol, self._operations, message, self._sync_url)
        request[OUTPOST_ID] = answer.outpost_id
        return json_response(answer)

    async def recover(self, request: web.Request) -> web.Response:
        """An ended certificate and its key buy a new certificate."""
        self._require_patience(request)
        message = await read_message(request, RecoverRequest, ENROL_LIMIT_BYTES)
        request[OUTPOST_ID], response = await asyncio.to_thread(self._operations.recover, message)
        return json_response(response)

    async def crl(self, request: web.Request) -> web.Response:
        """The newest CRL, for anybody; ``?issuer=`` is the key identifier of another intermediate than the newest."""
        return await crl_response(self._operations, request, request.query.get("issuer"))

    async def healthz(self, request: web.Request) -> web.Response:
        """The process answers."""
        del request
        return web.json_response({"status": "ok"})

    async def readyz(self, request: web.Request) -> web.Response:
        """The database answers too."""
        del request
        await asyncio.to_thread(self._operations.org_ids)
        return web.json_response({"status": "ready"})

    async def _trust(self) -> TrustUpdate:
        return await asyncio.to_thread(self._operations.trust)

    def _require_patience(self, request: web.Request) -> None:
        retry_after_s = self._limiter.take(source_of(request.remote), time.monotonic())
        if retry_after_s is not None:
            raise RateLimited("too many requests from this address", retry_after_s)


def platform_app(operations: Operations, sync_url: str, limiter: RateLimiter) -> web.Application:
    """The application of the platform listener; ``limiter`` bounds how often an address may enrol or recover."""
    api = PlatformApi(operations, sync_url, limiter)
    app = web.Application(middlewares=[answer_errors], client_max_size=ENROL_LIMIT_BYTES)
    app.add_routes(
        [
            web.get(routes.ANCHORS, api.anchors),
            web.post(routes.ENROL, api.enrol),
            web.post(routes.RECOVER, api.recover),
            web.get(routes.PUBLIC_CRL, api.crl),
            web.get(routes.HEALTHZ, api.healthz),
            web.get(routes.READYZ, api.readyz),
        ]
    )
    return app
