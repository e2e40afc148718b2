"""A stand-in provider on loopback and a client that knows its key."""

from collections.abc import AsyncIterator

import httpx
import pytest

from outpost.demo.provider import StandinOptions
from tests.fakes.upstream import UPSTREAM_KEY, Upstream, running_upstream
from tests.outpost.demo.asking import HUGE_BYTES


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    options = StandinOptions(deterministic=True, api_key=UPSTREAM_KEY, slow_s=0.05, huge_bytes=HUGE_BYTES)
    async with running_upstream(options) as running:
        yield running


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {UPSTREAM_KEY}"}
    async with httpx.AsyncClient(base_url=upstream.base_url, headers=headers, timeout=5.0) as made:
        yield made
