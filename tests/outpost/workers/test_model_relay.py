import asyncio
import socket
from types import MappingProxyType

import pytest

from outpost.errors import ModelUnavailable
from outpost.models.results import ModelFinding, TextResult, Wanted
from outpost.protocol.detectors import DetectorsDocument, TopicRule
from outpost.protocol.findings import Finding, Tier
from outpost.protocol.topics import TopicSet
from outpost.workers.model_relay import RelayedModels, relay
from tests.fakes.models import NAME, FakeFollowing, FakeModels

FOUND = Finding("pii.person", 0, 4, 0.9, "model", Tier(2))
RESULT = TextResult(
    (ModelFinding(FOUND, "PERSON", 0.9, 0.5, (0, 9), (("O", 0.1),)),),
    MappingProxyType({}),
    (),
    MappingProxyType({}),
    3,
    1,
)
KINDS = frozenset({"pii.person"})
WANTED = Wanted(KINDS)


class Models:
    def __init__(self):
        self.kinds = KINDS
        self.asked = []
        self.slow = asyncio.Event()
        self.judged_whole = frozenset()
        self.following = []

    def follow(self, wanted, *, pack=None):
        if wanted.judged_whole != self.judged_whole:
            raise ModelUnavailable("the models have just changed")
        self.wanted = wanted
        self.following.append(FakeFollowing(FakeModels()))
        return self.following[-1]

    async def look(self, text, weak=(), *, priority=0, pack=None, topics=None):
        self.asked.append((text, tuple(weak), priority, pack))
        self.topics = topics
        if text == "slow":
            try:
                await asyncio.Event().wait()
            finally:
                self.slow.set()
        if text == "ill":
            raise ModelUnavailable("they are ill")
        return RESULT


@pytest.fixture
async def models():
    return Models()


@pytest.fixture
async def worker(models):
    ours, theirs = socket.socketpair()
    serving = asyncio.ensure_future(relay(ours, models, lambda: KINDS))
    relayed = await RelayedModels.open(theirs, timeout_s=0.2)
    relayed.told({"kinds": [*KINDS], "problem": None})
    yield relayed
    relayed.close()
    await serving


async def test_a_text_is_answered_as_if_asked_directly(worker, models):
    assert await worker.look("Anna", [FOUND], priority=1) == RESULT
    assert await worker.look("Anna", pack="sha256:1") == RESULT
    assert models.asked == [("Anna", (FOUND,), 1, None), ("Anna", (), 0, "sha256:1")]


async def test_what_was_said_is_remembered_until_another_pack_answers(worker, models):
    def told(pack, problem=None):
        worker.told({"kinds": [*KINDS], "problem": problem, "pack": pack})

    await worker.look("Anna")
    assert worker.remembered("Anna") is None  # nobody said which pack it was
    told("sha256:1")
    await worker.look("Anna", [FOUND])
    assert worker.remembered("Anna", [FOUND]) == TextResult(RESULT.findings)
    assert worker.remembered("Anna", [FOUND], pack="sha256:1") == TextResult(RESULT.findings)
    assert worker.remembered("Anna", [FOUND], pack="sha256:2") is worker.remembered("Anna") is None
    told("sha256:1", "they are ill")
    with pytest.raises(ModelUnavailable, match="they are ill"):
        worker.remembered("Anna", [FOUND])
    for pack in ("sha256:2", "sha256:1"):  # and back: it may have been said by the other one
        told(pack)
        assert worker.remembered("Anna", [FOUND]) is None


async def test_the_parent_is_told_topics_once_and_asks_with_them(worker, models):
    rule = TopicRule(id="leave", kind="topic.leave", examples=["How many days off have I got?"])
    topics = TopicSet.of(DetectorsDocument(schema_version="1", topics=[rule]))
    for _ in range(2):
        assert await worker.look("Anna", topics=topics) == RESULT
        assert models.topics == topics
    await worker.look("Anna")
    assert models.topics is None


async def test_a_refusal_is_a_refusal_here_too(worker):
    with pytest.raises(ModelUnavailable, match="they are ill"):
        await worker.look("ill")


async def test_nobody_is_asked_while_the_parent_says_that_they_are_down(worker, models):
    worker.told({"kinds": [*KINDS], "problem": "the models are starting"})
    with pytest.raises(ModelUnavailable, match="starting"):
        await worker.look("Anna")
    assert not models.asked


async def test_one_who_believes_that_they_find_something_else_is_refused(worker, models):
    models.kinds = frozenset()
    with pytest.raises(ModelUnavailable, match="changed"):
        await worker.look("Anna")
    assert not models.asked
    assert await worker.look("Anna", pack="sha256:1") == RESULT, "which pack is meant is certain"


async def test_who_stops_waiting_is_not_worked_for(worker, models):
    asking = asyncio.ensure_future(worker.look("slow"))
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.wait_for(models.slow.wait(), 5)


@pytest.mark.parametrize("said", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x02[]"])
async def test_what_is_no_question_ends_the_connection(models, said):
    ours, theirs = socket.socketpair()
    theirs.sendall(said)
    await asyncio.wait_for(relay(ours, models, lambda: KINDS), 5)
    theirs.close()


async def test_a_text_grows_through_the_parent_until_it_is_forgotten(worker, models):
    assert worker.judged_whole == frozenset()
    following = worker.follow(WANTED)
    await following.add("some words ", [FOUND], last=False)
    settled = await following.add(f"and {NAME}", last=True)
    assert [item.finding.start for item in settled.findings] == [15]
    (there,) = models.following
    assert models.wanted == WANTED
    assert there.added == [("some words ", False), (f"and {NAME}", True)]
    following.close()
    await worker.look("Anna")  # said after it
    assert there.closed
    other = worker.follow(Wanted(KINDS, frozenset({"topic.*"})))
    with pytest.raises(ModelUnavailable, match="just changed"):
        await other.add("x", last=True)
    models.kinds = frozenset()
    with pytest.raises(ModelUnavailable, match="just changed"):
        await worker.follow(WANTED).add("x", last=True)
    worker.told({"kinds": [], "judged_whole": ["intent.x"], "problem": "they are ill"})
    assert worker.judged_whole == {"intent.x"}
    with pytest.raises(ModelUnavailable, match="they are ill"):
        worker.follow(WANTED)


async def test_a_worker_that_ends_leaves_no_text_open(models):
    ours, theirs = socket.socketpair()
    serving = asyncio.ensure_future(relay(ours, models, lambda: KINDS))
    relayed = await RelayedModels.open(theirs, timeout_s=1.0)
    relayed.told({"kinds": [*KINDS], "problem": None})
    await relayed.follow(WANTED).add("some words ", last=False)
    relayed.close()
    await asyncio.wait_for(serving, 5)
    assert models.following[0].closed
