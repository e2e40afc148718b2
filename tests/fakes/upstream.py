"""The stand-in provider in this process, on a free loopback port, with what it received at hand."""

from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from outpost.demo.provider import STANDIN, ReceivedRequest, StandinOptions, make_app

UPSTREAM_KEY = "sk-standin-upstream-0123456789"


@dataclass(frozen=True, slots=True)
class Upstream:
    """A running stand-in. ``base_url`` is without ``/v1``; ``requests`` grows as they come in."""

    base_url: str
    requests: deque[ReceivedRequest]
    stats: Counter[str]
    api_key: str | None
    files: dict[str, tuple[dict[str, Any], bytes]]

    @property
    def openai_url(self) -> str:
        """What OpenAI's SDK takes as ``base_url``."""
        return f"{self.base_url}/v1"

    def received(self) -> bytes:
        """Every body and header value so far, to search for what must not be there."""
        parts = [part for one in self.requests for part in (one.body, *(value.encode() for _, value in one.headers))]
        return b"\n".join(parts)


@asynccontextmanager
async def running_upstream(
    options: StandinOptions | None = None, *, api_key: str | None = UPSTREAM_KEY
) -> AsyncIterator[Upstream]:
    """Start the stand-in; deterministic and accepting only ``api_key`` unless ``options`` say otherwise."""
    chosen = options or StandinOptions(deterministic=True, api_key=api_key, slow_s=0.3)
    app = make_app(chosen)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        standin = app[STANDIN]
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield Upstream(url, standin.requests, standin.stats, chosen.api_key, standin.files)
    finally:
        await runner.cleanup()
