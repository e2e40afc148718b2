"""The local admin port, 8301 on loopback: health probes and Prometheus metrics."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from outpost.protocol import routes
from outpost.proxy.server import Health, probe

METRICS = "/metrics"


def make_admin_app(
    health: Health, registry: CollectorRegistry, gather: Callable[[], Awaitable[None]] | None = None
) -> web.Application:
    """An application that shows the outpost's state and changes nothing.

    ``gather`` brings what other processes have counted into ``registry``.
    """

    async def serve_probe(request: web.Request) -> web.Response:
        return probe(request.path, health)

    async def serve_metrics(_request: web.Request) -> web.Response:
        if gather is not None:
            await gather()
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    for path in (routes.HEALTHZ, routes.READYZ, routes.HEALTH):
        app.router.add_get(path, serve_probe)
    app.router.add_get(METRICS, serve_metrics)
    return app
