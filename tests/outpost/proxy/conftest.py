"""A real outpost before a stand-in provider."""

import httpx
import pytest

from tests.fakes.outpost import running_outpost
from tests.fakes.upstream import running_upstream
from tests.outpost.proxy.setup import policy, routing


@pytest.fixture
async def upstream():
    async with running_upstream() as running:
        yield running


@pytest.fixture
def start(upstream):
    """``async with start(policy, base_url, ...) as running``: an outpost, by default before the stand-in."""

    def make(chosen=None, base_url=None, **more):
        return running_outpost(
            policy=chosen or policy("BLOCK"), routing=routing(base_url or upstream.openai_url), **more
        )

    return make


@pytest.fixture
async def outpost(start):
    async with start() as running:
        yield running


@pytest.fixture
def client_of():
    def make(running, key=None, **more):
        headers = {"Authorization": f"Bearer {key or running.api_key}"}
        return httpx.AsyncClient(base_url=running.base_url, headers=headers, timeout=10, **more)

    return make


@pytest.fixture
async def client(outpost, client_of):
    async with client_of(outpost) as made:
        yield made
