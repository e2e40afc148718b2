import asyncio
import contextlib
import os
import signal

import pytest
from prometheus_client import CollectorRegistry

from outpost.errors import ModelUnavailable
from outpost.models.options import Choice, WorkerSettings
from outpost.models.pack import open_pack
from outpost.models.process import Pace
from outpost.models.service import ModelOptions, ModelService
from outpost.protocol.detectors import DetectorsDocument, TopicRule
from outpost.protocol.topics import TopicSet
from tests.fakes.model_pack import BOOM, write_pack

NOTES = TopicRule(id="notes", kind="topic.notes", examples=["note", "a note"])


@contextlib.asynccontextmanager
async def serving(folder):
    registry = CollectorRegistry()
    pace = Pace(timeout_s=20, look_every_s=0.1, backoff_s=0.05)
    service = ModelService(
        ModelOptions(folder if folder is None else Choice(folder), WorkerSettings((), ""), pace, cache_entries=10),
        registry,
    )
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
        assert service.kinds == {"pii.person", "attack.direct_injection", "attack.jailbreak", "topic.*"}
        assert service.remembered("Ana Silva") is None
        first = await service.look("Ana Silva")
        assert service.remembered("Ana Silva") is first
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


async def test_topics_are_told_to_each_process_once_and_judge_apart(tiny):
    topics = TopicSet.of(DetectorsDocument(schema_version="1", topics=[NOTES]))
    choice = Choice(tiny, open_pack(tiny).digest)
    async with serving(None) as (service, registry):
        assert (service.kinds, service.problem) == (frozenset(), None)
        await service.prepare(choice, topics)
        service.use(choice)
        assert "topic.notes" not in {f.finding.kind for f in (await service.look("note")).findings}
        (found,) = (await service.look("note", topics=topics)).findings
        assert (found.finding.kind, found.finding.detector, found.label) == ("topic.notes", "tiny/topics", "notes")
        assert counted(registry, "answered") == 2
        os.kill(service._process.pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while service.report()["starts"] < 2 or service.problem is not None:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
        assert (await service.look("a note", topics=topics)).findings  # the new process was told at once
