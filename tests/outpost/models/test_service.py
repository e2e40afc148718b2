import asyncio
import contextlib

import pytest
from prometheus_client import CollectorRegistry

from outpost.errors import ModelUnavailable
from outpost.models.options import Choice, WorkerSettings
from outpost.models.process import Pace
from outpost.models.service import ModelOptions, ModelService
from tests.fakes.model_pack import BOOM, write_pack


@contextlib.asynccontextmanager
async def serving(folder):
    registry = CollectorRegistry()
    pace = Pace(timeout_s=20, look_every_s=0.1, backoff_s=0.05)
    service = ModelService(ModelOptions(Choice(folder), WorkerSettings((), ""), pace, cache_entries=10), registry)
    stop = asyncio.Event()
    task = asyncio.ensure_future(service.run(stop))
    try:
        yield service, registry
    finally:
        stop.set()
        await task


async def well(service):
    async with asyncio.timeout(60):
        while service.problem is not None:  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.01)


def counted(registry, outcome):
    return registry.get_sample_value("outpost_models_texts_total", {"outcome": outcome}) or 0


async def test_a_text_is_asked_about_once_for_each_pack(tmp_path):
    one, two = write_pack(tmp_path / "one"), write_pack(tmp_path / "two", version="2.0")
    link = tmp_path / "current"
    link.symlink_to(one)
    async with serving(link) as (service, registry):
        assert service.kinds is None
        with pytest.raises(ModelUnavailable, match="starting"):
            await service.look("Ana")
        await well(service)
        assert service.kinds == {"pii.person", "attack.direct_injection", "attack.jailbreak"}
        first = await service.look("Ana Silva")
        assert await service.look("Ana Silva") is first
        with pytest.raises(ModelUnavailable):
            await service.look(BOOM)
        assert [counted(registry, name) for name in ("answered", "remembered", "refused")] == [1, 1, 2]
        (tmp_path / "next").symlink_to(two)
        (tmp_path / "next").rename(link)
        async with asyncio.timeout(60):
            while service.report()["pack"] != "tiny 2.0":  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
        await well(service)
        assert await service.look("Ana Silva") == first
        assert counted(registry, "answered") == 2
        assert registry.get_sample_value("outpost_models_up") == 1
        assert registry.get_sample_value("outpost_models_tokens_total") == 4
