import asyncio

import pytest

from outpost.errors import CouldNotInspect
from outpost.policy.evaluate import Facts
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Direction
from outpost.proxy.inspection import look_for
from outpost.proxy.watcher import Watcher, watcher_for
from tests.fakes.models import NAME, FakeModels
from tests.outpost.proxy.setup import policy
from tests.outpost.proxy.test_realtime_answers import enforcing

OUTPUT = Facts("openai.chat_completions", "m", "everyone", Direction.OUTPUT)


def watcher_of(models, chosen=None):
    enforcement = enforcing(chosen or policy("REDACT", ("pii.person",)), models.kinds)
    return watcher_for(look_for(models, enforcement, OUTPUT))


def said(scanner):
    return [(part.text, [f.kind for f in part.findings]) for part in scanner.take()]


async def test_nobody_is_asked_where_no_rule_could_care():
    assert watcher_of(FakeModels(), policy("BLOCK", ("pci.*",))) is None


async def test_all_that_is_due_is_asked_at_once_and_only_then():
    models = FakeModels()
    watcher = watcher_of(models)
    one, two = watcher.watch.scanner(), watcher.watch.scanner()
    one.feed("short")
    assert not await watcher.answer()
    one.finish()
    two.feed("long words " * 40)
    assert await watcher.answer()
    assert [following.added[0][1] for following in models.following] == [True, False]
    assert said(one) == [("short", [])]
    assert len(said(two)[0][0]) > 300
    assert [following.closed for following in models.following] == [True, False]
    watcher.close()
    assert all(following.closed for following in models.following)


async def test_a_text_that_is_said_again_is_asked_about_after_it_has_grown():
    models = FakeModels()
    watcher = watcher_of(models)
    again, twice, grown = *(watcher.watch.scanner(whole=True) for _ in range(2)), watcher.watch.scanner()
    for scanner in (again, twice, grown):
        scanner.feed(f"I am {NAME}")
        scanner.finish()
    assert await watcher.answer()
    assert said(again) == said(twice) == said(grown) == [(f"I am {NAME}", ["pii.person"])]
    assert models.asked == [f"I am {NAME}"] * 2
    assert len(models.following) == 1


async def test_where_whole_texts_matter_none_grows():
    models = FakeModels()
    models.judged_whole = models.kinds
    watcher = watcher_of(models)
    scanner = watcher.watch.scanner()
    scanner.feed("words " * 500)
    assert not await watcher.answer()
    scanner.finish()
    assert await watcher.answer()
    assert models.following == []
    assert len(said(scanner)[0][0]) == 3000


async def test_what_nobody_waits_for_any_more_is_forgotten():
    models = FakeModels()
    watcher = watcher_of(models)
    one, two = watcher.watch.scanner(), watcher.watch.scanner()
    one.feed("words " * 60)
    await watcher.answer()
    watcher.watch.drop(one)
    two.feed("words " * 60)
    await watcher.answer()
    assert [following.closed for following in models.following] == [True, False]
    watcher.close()


@pytest.mark.parametrize("whole", [False, True])
async def test_models_that_say_nothing_release_nothing(whole):
    models = FakeModels()
    watcher = watcher_of(models)
    scanners = [watcher.watch.scanner(whole=whole) for _ in range(3)]
    for scanner in scanners:
        scanner.feed("words")
        scanner.finish()
    models.down = True
    with pytest.raises(CouldNotInspect) as refused:
        await watcher.answer()
    assert refused.value.code is ErrorCode.INSPECTION_UNAVAILABLE
    assert [said(scanner) for scanner in scanners] == [[], [], []]


async def test_one_who_goes_away_leaves_nothing_open():
    models = FakeModels()
    models.slow_s = 60.0
    watcher = watcher_of(models)
    scanner = watcher.watch.scanner()
    scanner.feed("words " * 60)
    asking = asyncio.ensure_future(watcher.answer())
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    watcher.close()
    assert all(following.closed for following in models.following)
    assert said(scanner) == []
    assert isinstance(watcher, Watcher)
