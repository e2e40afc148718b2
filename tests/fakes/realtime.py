"""A provider's WebSocket that says what a test wants, and keeps what it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Script = Callable[[web.WebSocketResponse], Awaitable[None]]


@dataclass(slots=True)
class Scripted:
    """``headers`` of each handshake, ``texts`` received after the script has ended, and whether a client has gone."""

    base_url: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def scripted_provider(script: Script, *, heartbeat: float | None = None) -> AsyncIterator[Scripted]:
    """A provider that runs ``script`` on each connection, then listens."""
    scripted = Scripted()

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        scripted.headers.append(dict(request.headers))
        scripted.targets.append(request.raw_path)
        socket = web.WebSocketResponse(compress=False, heartbeat=heartbeat, max_msg_size=1 << 26)
        await socket.prepare(request)
        try:
            await script(socket)
            async for message in socket:
                scripted.texts.append(message.data)
        finally:
            scripted.gone.set()
        return socket

    runner = web.ServerRunner(web.Server(serve, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        scripted.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield scripted
    finally:
        await runner.cleanup()
