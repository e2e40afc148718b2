"""The floor: what any reverse proxy out of aiohttp's server, aiohttp's client and uvloop costs, doing nothing else.

Same upstream connection pool, same treatment of plain answers (read whole, sent whole) and of event streams
(chunk by chunk) as the outpost; no authentication, no inspection, no audit.
"""

import asyncio

import aiohttp
import uvloop
from aiohttp import web

from bench.processes import announce, server_arguments

DROPPED = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding"}


class Floor:
    """Forwards everything to one upstream."""

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self.upstream = upstream
        self.session = session

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in DROPPED}
        url = self.upstream + request.raw_path
        async with self.session.request(
            request.method, url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            if answer.content_type != "text/event-stream":
                whole = await answer.read()
                return web.Response(status=answer.status, body=whole, content_type=answer.content_type)
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


async def serve() -> None:
    given = server_arguments("The bare reverse proxy.", upstream=True)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        # The low-level server: without the router and the middlewares of an application, which cost more.
        runner = web.ServerRunner(web.Server(Floor(given.upstream, session).handle, access_log=None))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", given.port)
        await site.start()
        announce(runner.addresses[0][1])
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
