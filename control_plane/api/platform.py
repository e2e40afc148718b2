"""The platform listener (8100, server TLS): trust anchors, enrolment, health."""

import asyncio
import base64

from aiohttp import web

from control_plane.api.middleware import OUTPOST_ID, answer_errors, json_response, read_message
from control_plane.operations import Operations
from outpost.protocol import routes
from outpost.protocol.messages import Anchors, EnrolRequest, EnrolResponse
from pki.pem import certificates_to_pem

ENROL_LIMIT_BYTES = 64 * 1024  # token, CSR and two public keys have about 4 KB


class PlatformApi:
    """Handlers over the operations."""

    def __init__(self, operations: Operations, sync_url: str) -> None:
        self._operations = operations
        self._sync_url = sync_url

    async def anchors(self, request: web.Request) -> web.Response:
        """Public: the enrolling outpost checks them against its token's fingerprint."""
        del request
        return json_response(Anchors(anchors_pem=[self._anchor_pem()]))

    async def enrol(self, request: web.Request) -> web.Response:
        """A token buys a certificate."""
        message = await read_message(request, EnrolRequest, ENROL_LIMIT_BYTES)
        enrolment, tuf_root = await asyncio.to_thread(self._operations.enroll, message)
        request[OUTPOST_ID] = enrolment.outpost.id
        keyring = self._operations.keyring
        return json_response(
            EnrolResponse(
                org_id=enrolment.outpost.org_id,
                outpost_id=enrolment.outpost.id,
                trust_domain=self._operations.trust_domain,
                certificate_pem=enrolment.certificate.pem,
                intermediates_pem=[certificates_to_pem([keyring.intermediate.certificate]).decode()],
                anchors_pem=[self._anchor_pem()],
                tuf_root=base64.b64encode(tuf_root),
                receipt_vkey=keyring.receipts.vkey,
                sync_url=self._sync_url,
            )
        )

    async def healthz(self, request: web.Request) -> web.Response:
        """The process answers."""
        del request
        return web.json_response({"status": "ok"})

    async def readyz(self, request: web.Request) -> web.Response:
        """The database answers too."""
        del request
        await asyncio.to_thread(self._operations.org_ids)
        return web.json_response({"status": "ready"})

    def _anchor_pem(self) -> str:
        return certificates_to_pem([self._operations.keyring.anchor]).decode()


def platform_app(operations: Operations, sync_url: str) -> web.Application:
    """The application of the platform listener."""
    api = PlatformApi(operations, sync_url)
    app = web.Application(middlewares=[answer_errors], client_max_size=ENROL_LIMIT_BYTES)
    app.add_routes(
        [
            web.get(routes.ANCHORS, api.anchors),
            web.post(routes.ENROL, api.enrol),
            web.get(routes.HEALTHZ, api.healthz),
            web.get(routes.READYZ, api.readyz),
        ]
    )
    return app
