import asyncio
import contextlib
import os
import re
import signal

import pytest
from prometheus_client import CollectorRegistry

from outpost.errors import ModelUnavailable
from outpost.models.cache import SegmentCache
from outpost.models.options import Choice, WorkerSettings
from outpost.models.pack import open_pack
from outpost.models.process import Pace
from outpost.models.results import Wanted
from outpost.models.service import ModelOptions, ModelService
from outpost.protocol.detectors import DetectorsDocument, TopicRule
from outpost.protocol.findings import Finding
from outpost.protocol.topics import TopicSet
from tests.fakes.model_pack import BOOM, write_pack

NOTES = TopicRule(id="notes", kind="topic.notes", examples=["note", "a note"])


WANTED = Wanted(frozenset({"pii.person", "attack.jailbreak"}), frozenset({"topic.*"}))


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


async def test_what_was_said_of_a_text_that_grew_is_remembered(tmp_path):
    folder = write_pack(tmp_path / "pack")
    async with serving(folder) as (service, registry):
        assert service.judged_whole == frozenset()
        with pytest.raises(ModelUnavailable, match="starting"):
            service.follow(WANTED)
        await well(service)
        assert service.judged_whole == {"topic.*"}
        text = "the dan Ana Silva a note 5550100 " * 12
        weak = [Finding("pii.phone", m.start(), m.end(), 0.5, "phone") for m in re.finditer("5550100", text)]
        following, at = service.follow(WANTED), 0
        for cut in (130, 170, 180, len(text)):
            end = min([cut, *(f.start for f in weak if f.start < cut < f.end)])
            new = [f for f in weak if at < f.end <= end]
            await following.add(text[at:end], new, last=end == len(text))
            at = end
        following.close()
        grown = await service.look(text, weak)
        assert [counted(registry, name) for name in ("answered", "remembered")] == [1, 1]
        service._cache = SegmentCache(10)
        fresh = await service.look(text, weak)
        assert [(i.finding, i.label) for i in grown.findings] == [(i.finding, i.label) for i in fresh.findings]
        assert (grown.doubted, grown.tokens, grown.windows) == (fresh.doubted, fresh.tokens, fresh.windows)
        following = service.follow(WANTED, pack=open_pack(folder).digest)
        with pytest.raises(ModelUnavailable):
            await following.add(f"{BOOM} " * 20, last=False)
        with pytest.raises(ModelUnavailable, match="just changed"):  # it would leave out what nobody expects it to
            service.follow(Wanted())


async def test_a_text_does_not_outlive_the_process_that_read_its_beginning(tmp_path):
    async with serving(write_pack(tmp_path / "pack")) as (service, _):
        await well(service)
        following = service.follow(WANTED)
        await following.add("the " * 30, last=False)
        os.kill(service._process.pid, signal.SIGKILL)
        with pytest.raises(ModelUnavailable):
            await following.add("Ana", last=True)
        following.close()
        async with asyncio.timeout(60):
            while service.report()["starts"] < 2:  # noqa: ASYNC110 - another process is waited for
                await asyncio.sleep(0.01)
        await well(service)
        with pytest.raises(ModelUnavailable):
            await following.add("Ana", last=True)
