import asyncio

from control_plane.api.news import NewsBoard
from control_plane.canary import Audiences
from control_plane.errors import StoreUnavailable


class Versions:
    """A database of versions that counts the questions and can be down."""

    def __init__(self):
        self.newest, self.asked, self.down = {"acme": 1, "globex": 5}, [], False

    def __call__(self, org_ids):
        self.asked.append(sorted(org_ids))
        if self.down:
            raise StoreUnavailable("down")
        return {org_id: Audiences(self.newest[org_id]) for org_id in org_ids}


async def _running(board):
    task = asyncio.ensure_future(board.run())
    await asyncio.sleep(0)
    return task


async def test_one_question_serves_all_watchers_and_none_is_asked_without_them():
    versions = Versions()
    board = NewsBoard(versions, 0.01)
    task = await _running(board)
    await asyncio.sleep(0.05)
    assert versions.asked == []
    watchers = [asyncio.ensure_future(board.wait_above("acme", 1, 5)) for _ in range(50)]
    await asyncio.sleep(0.1)
    versions.newest["acme"] = 2
    assert set(await asyncio.gather(*watchers)) == {2}
    assert versions.asked.count(["acme"]) == len(versions.asked)
    await board.close()
    await task


async def test_a_database_that_is_down_for_a_while_only_delays_the_news():
    versions = Versions()
    board = NewsBoard(versions, 0.01)
    task = await _running(board)
    watcher = asyncio.ensure_future(board.wait_above("acme", 1, 5))
    await asyncio.sleep(0.05)
    versions.down = True
    await asyncio.sleep(0.05)
    versions.down, versions.newest["acme"] = False, 3
    assert await watcher == 3
    await board.close()
    await task


async def test_another_orgs_news_wakes_nobody_and_closing_wakes_all():
    versions = Versions()
    board = NewsBoard(versions, 0.01)
    task = await _running(board)
    assert await board.wait_above("globex", 1, 5) == 5
    watcher = asyncio.ensure_future(board.wait_above("acme", 1, 5))
    versions.newest["globex"] = 9
    await asyncio.sleep(0.05)
    assert not watcher.done()
    await board.close()
    assert await watcher == 1
    await task


async def test_the_waiting_are_told_in_order_and_as_there_is_room():
    versions, room = Versions(), [8]
    board = NewsBoard(versions, 0.01, lambda: room[0])
    task = await _running(board)
    heard = []

    async def watch(number):
        await board.wait_above("acme", 1, 5)
        heard.append(number)
        room[0] = 0  # busy with what the first four do

    watchers = [asyncio.ensure_future(watch(number)) for number in range(20)]
    await asyncio.sleep(0.05)
    assert board.waiting == 20
    versions.newest["acme"] = 2
    await asyncio.wait([*watchers], return_when=asyncio.FIRST_COMPLETED)
    assert 0 < len(heard) <= 6
    room[0] = 1000
    await asyncio.gather(*watchers)
    assert heard == list(range(20))
    await board.close()
    await task


async def test_a_watcher_who_goes_away_leaves_nothing_behind():
    board = NewsBoard(Versions(), 0.01)
    watcher = asyncio.ensure_future(board.wait_above("acme", 1, 5))
    await asyncio.sleep(0.05)
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)
    assert board.waiting == 0
    await board.close()
    assert await board.wait_above("acme", 1, 5) == 1  # nobody waits on what is closed


async def test_each_outpost_hears_the_version_of_its_audience():
    shown = {"acme": Audiences(1)}
    board = NewsBoard(lambda org_ids: {org_id: shown[org_id] for org_id in org_ids}, 0.01)
    task = await _running(board)
    member, other = (asyncio.ensure_future(board.wait_above("acme", 1, 5, name)) for name in ("member", "other"))
    await asyncio.sleep(0.05)
    shown["acme"] = Audiences(1, 2, running=True, members={"member": False})
    assert await member == 2
    await asyncio.sleep(0.05)
    assert not other.done()
    shown["acme"] = Audiences(3)
    assert await other == 3
    await board.close()
    await task
