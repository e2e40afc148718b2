"""What a sealed control plane answers the network (nothing), and the local socket through which people unseal it.

The socket takes one share per request and says how many are there. No answer holds a share, and none is logged.
"""

import json
from typing import Protocol

from aiohttp import hdrs, web

from control_plane.api.middleware import answer_errors
from control_plane.errors import InvalidRequest, Sealed
from control_plane.seal import Unsealing
from outpost.protocol import routes

SEAL = "/seal"
SHARES = "/seal/shares"
SHARE_LIMIT_BYTES = 8192  # a share of the longest passphrase has about 1,700 characters
_RETRY_AFTER_S = 10  # people type; asking more often finds nothing new


class Door(Protocol):
    """What people move by hand."""

    @property
    def unsealing(self) -> Unsealing:
        """The shares given so far."""
        ...

    @property
    def is_sealed(self) -> bool:
        """True until enough shares were given, and again after ``seal``."""
        ...

    async def give(self, share: str) -> None:
        """Take a share. Raises ``ShareRefused``, or what opening the installation raises."""
        ...

    def seal(self) -> None:
        """Stop serving and forget the keys."""
        ...


class SealApi:
    """Handlers of the local socket."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def status(self, request: web.Request) -> web.Response:
        """How far it is."""
        del request
        unsealing = self._door.unsealing
        values = {
            "sealed": self._door.is_sealed,
            "given": unsealing.given,
            "threshold": unsealing.seal.threshold,
            "shares": unsealing.seal.shares,
        }
        return web.json_response(values)

    async def give(self, request: web.Request) -> web.Response:
        """One share."""
        try:
            values = json.loads(await request.read())
        except (ValueError, RecursionError) as err:
            raise InvalidRequest("the body is not JSON") from err
        if not isinstance(values, dict) or not isinstance(values.get("share"), str):
            raise InvalidRequest("the body has no share")
        await self._door.give(values["share"])
        return await self.status(request)

    async def reset(self, request: web.Request) -> web.Response:
        """Drop the shares given so far."""
        self._door.unsealing.reset()
        return await self.status(request)

    async def seal(self, request: web.Request) -> web.Response:
        """Seal it again."""
        self._door.seal()
        return await self.status(request)


def door_app(door: Door) -> web.Application:
    """The application of the local socket."""
    api = SealApi(door)
    app = web.Application(middlewares=[answer_errors], client_max_size=SHARE_LIMIT_BYTES)
    app.add_routes(
        [
            web.get(SEAL, api.status),
            web.post(SEAL, api.seal),
            web.post(SHARES, api.give),
            web.delete(SHARES, api.reset),
        ]
    )
    return app


def sealed_app(unsealing: Unsealing) -> web.Application:
    """The application of both listeners while sealed: alive, not ready, and nothing else."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        values = {
            "status": "sealed",
            "message": unsealing.progress,
            "given": unsealing.given,
            "threshold": unsealing.seal.threshold,
        }
        return web.json_response(values, status=503, headers={hdrs.RETRY_AFTER: str(_RETRY_AFTER_S)})

    async def refuse(_: web.Request) -> web.Response:
        raise Sealed(unsealing.progress)

    app = web.Application(middlewares=[answer_errors])
    app.add_routes(
        [web.get(routes.HEALTHZ, healthz), web.get(routes.READYZ, readyz), web.route("*", "/{anything:.*}", refuse)]
    )
    return app
