"""Real processes (the demo's own stage); and the SDK in both flavours, at a provider or at an outpost before it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest

from outpost.demo.stage import Stage
from tests.e2e.sdk import Sdk, Target
from tests.e2e.setup import outpost_before, policy
from tests.fakes.upstream import UPSTREAM_KEY, Upstream, running_upstream


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Provider, control plane and an enrolled outpost, serving."""
    monkeypatch.delenv("OUTPOST_PROVIDER_URL", raising=False)
    running = Stage(tmp_path)
    try:
        running.start_provider()
        running.init_control_plane()
        running.serve_control_plane()
        running.enrol("e2e")
        running.run_outpost()
        yield running
    finally:
        running.close()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with running_upstream() as running:
        yield running


@pytest.fixture
def direct(upstream: Upstream) -> Target:
    return Target("direct", upstream.openai_url, UPSTREAM_KEY)


@pytest.fixture
async def outpost(upstream: Upstream) -> AsyncIterator[Target]:
    async with outpost_before(upstream, policy()) as target:
        yield target


@pytest.fixture(params=["direct", "outpost"])
async def target(request: pytest.FixtureRequest, upstream: Upstream, direct: Target) -> AsyncIterator[Target]:
    if request.param == "direct":
        yield direct
        return
    async with outpost_before(upstream, policy()) as through:
        yield through


@pytest.fixture(params=["sync", "async"])
def flavour(request: pytest.FixtureRequest) -> Literal["sync", "async"]:
    return request.param


@pytest.fixture
def sdk(target: Target, flavour: Literal["sync", "async"]) -> Sdk:
    return Sdk(target, flavour)


@pytest.fixture
def straight(direct: Target, flavour: Literal["sync", "async"]) -> Sdk:
    """The same flavour, straight to the provider: what the result must equal."""
    return Sdk(direct, flavour)


@pytest.fixture
def outpost_sdk(outpost: Target, flavour: Literal["sync", "async"]) -> Sdk:
    return Sdk(outpost, flavour)


@pytest.fixture
async def by_hand(target: Target) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {target.api_key}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=target.base_url, headers=headers, timeout=10) as client:
        yield client
