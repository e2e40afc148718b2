import asyncio
import threading

import pytest

from control_plane.api.batch import Batcher
from control_plane.errors import StoreUnavailable


class Database:
    """Counts questions; each waits until it may answer."""

    def __init__(self):
        self.asked, self.may_answer, self.error = [], threading.Event(), None
        self.value = 0

    def __call__(self, keys):
        value = self.value
        self.asked.append(sorted(keys))
        self.may_answer.wait(5)
        if self.error:
            raise self.error
        return {key: (key, value) for key in keys}


async def test_whoever_asks_while_a_question_is_out_gets_the_next_one():
    database = Database()
    batcher = Batcher(database)
    first = asyncio.ensure_future(batcher.get("a"))
    await asyncio.sleep(0.05)
    database.value = 1  # committed while the first question is out
    rest = [asyncio.ensure_future(batcher.get(key)) for key in ["a", "b", "a"]]
    await asyncio.sleep(0.05)
    database.may_answer.set()
    assert await first == ("a", 0)
    assert await asyncio.gather(*rest) == [("a", 1), ("b", 1), ("a", 1)]
    assert database.asked == [["a"], ["a", "b"]]


@pytest.mark.parametrize("error", [StoreUnavailable("down"), ZeroDivisionError("a bug")])
async def test_a_failure_is_told_to_all_and_the_next_question_is_asked(error):
    database = Database()
    database.may_answer.set()
    batcher = Batcher(database)
    database.error = error
    answers = await asyncio.gather(*(batcher.get("a") for _ in range(3)), return_exceptions=True)
    assert answers == [error] * 3
    database.error = None
    assert await batcher.get("a") == ("a", 0)


async def test_one_who_goes_away_takes_nothing_from_the_others():
    database = Database()
    batcher = Batcher(database)
    gone, stays = (asyncio.ensure_future(batcher.get("a")) for _ in range(2))
    await asyncio.sleep(0.05)
    gone.cancel()
    await asyncio.sleep(0)
    database.may_answer.set()
    assert await stays == ("a", 0)


async def test_a_question_has_a_bound():
    database = Database()
    database.may_answer.set()
    batcher = Batcher(database)
    assert len(await asyncio.gather(*(batcher.get(number) for number in range(1_200)))) == 1_200
    assert [len(keys) for keys in database.asked] == [500, 500, 200]
