"""The fleet with workers that are played; real ones are in tests/e2e/test_workers.py."""

import asyncio
from types import SimpleNamespace

import pytest

from outpost.cache.bundles import StoredBundle
from outpost.proxy.drain import Drain
from outpost.proxy.listener import bind
from outpost.workers import fleet as module
from outpost.workers.control import Gone
from outpost.workers.fleet import Crew, Fleet
from outpost.workers.member import Member
from outpost.workers.orders import Enforced, Start

START = Start("1", {}, {}, {}, b"", b"")
BUNDLE = StoredBundle((), b"1", b"", b"")
NEWER = StoredBundle((), b"2", b"", b"")


class Played:
    """A worker that obeys; ``deaf`` to some orders, or slow with one until told to go on."""

    def __init__(self, index, world):
        self.index, self.pid, self.world = index, 1000 + len(world.all), world
        self.ended = asyncio.get_running_loop().create_future()
        self.expected, self.reason, self.exit_code, self.known_kinds = False, "", 0, None
        self.orders = []
        self.deaf = set()

    async def ask(self, kind, content=None, *, timeout_s):
        self.orders.append((kind, dict(content or {})))
        if kind == self.world.slow_with:
            await self.world.go_on.wait()
        if kind in self.deaf or self.ended.done():
            self.kill(f"{kind}: it does not answer")
            raise Gone("it does not answer")
        if kind == "drain":
            self.end()
        return {"metrics": [], "cut": 0, "providers": self.world.known.get(self.index, [])}

    def kill(self, reason):
        self.reason = self.reason or reason
        self.end()

    def end(self):
        if not self.ended.done():
            self.ended.set_result(None)

    def told(self, kind):
        return [content for one, content in self.orders if one == kind]


@pytest.fixture
async def world(monkeypatch):
    world = SimpleNamespace(all=[], refused=0, slow_with=None, go_on=asyncio.Event(), ended=[], known={})

    async def spawn(index, _around):
        if world.refused:
            world.refused -= 1
            raise OSError(11, "no process can be had")
        world.all.append(Played(index, world))
        return world.all[-1]

    monkeypatch.setattr(Member, "spawn", spawn)
    for name, value in {"BACKOFF_S": 0.01, "MOST_BACKOFF_S": 0.02, "PULSE_EVERY_S": 0.01}.items():
        monkeypatch.setattr(module, name, value)
    return world


@pytest.fixture
async def fleet(world):
    crew = Crew(2, None, None, world.ended.append, 1.0, 1.0)
    opened = Fleet(crew, START, Enforced(BUNDLE, {"pepper/1": "x"}, revoked=False))
    yield opened
    await opened.close()


async def until(what):
    async with asyncio.timeout(5):
        while not what():  # noqa: ASYNC110 - of the world, no event
            await asyncio.sleep(0.005)


async def test_a_worker_serves_only_once_it_has_what_is_enforced(fleet, world):
    assert not fleet.serves
    await fleet.open_on_sockets(bind("127.0.0.1", 0))
    await until(lambda: fleet.serves)
    assert fleet.problem() is None
    for worker in world.all:
        kinds = [kind for kind, _ in worker.orders]
        assert kinds[:6] == ["start", "secrets", "bundle", "revoked", "pulse", "serve"]


async def test_a_change_is_done_when_every_worker_has_obeyed_or_is_dead(fleet, world):
    await fleet.open_on_sockets(bind("127.0.0.1", 0))
    await until(lambda: fleet.serves)
    deaf, other = world.all
    deaf.deaf.add("revoked")
    await fleet.set_revoked(True)
    assert deaf.ended.done()
    assert other.told("revoked")[-1] == {"revoked": True}
    assert fleet.problem() is not None
    await until(lambda: fleet.problem() is None)
    assert world.all[-1].told("revoked") == [{"revoked": True}]
    assert fleet.ends == 1
    assert world.ended == ["revoked: it does not answer (exit code 0)"]


async def test_a_change_while_a_worker_is_made_ready_reaches_it_before_it_serves(fleet, world):
    world.slow_with = "bundle"
    await fleet.open_on_sockets(bind("127.0.0.1", 0))
    await until(lambda: len(world.all) == 2 and all(worker.told("bundle") for worker in world.all))
    await fleet.enforce(NEWER)  # nobody serves yet, so nobody is waited for
    world.go_on.set()
    await until(lambda: fleet.serves)
    for worker in world.all:
        kinds = [kind for kind, _ in worker.orders]
        last = len(kinds) - 1 - kinds[::-1].index("bundle")
        assert worker.told("bundle")[-1]["timestamp"] == "Mg=="
        assert last < kinds.index("serve")


async def test_whom_one_worker_leaves_in_peace_all_are_told_of(fleet, world):
    ejected = ["p", None, 0, 1, 1e8, "failed", 5.0]
    world.known[0] = [ejected, ["too short"]]
    await fleet.open_on_sockets(bind("127.0.0.1", 0))
    await until(lambda: fleet.serves)
    await until(lambda: all(worker.told("pulse")[-1]["providers"] == [ejected] for worker in world.all))
    assert [one.subject for one in fleet.outlook.providers()] == [("p", None)]
    world.known.clear()
    await until(lambda: fleet.outlook.providers() == [])


async def test_who_cannot_be_started_is_tried_again(fleet, world):
    world.refused = 3
    await fleet.open_on_sockets(bind("127.0.0.1", 0))
    await until(lambda: fleet.serves)
    world.all[0].end()
    await until(lambda: len(world.all) == 3 and fleet.problem() is None)
    assert fleet.report()["ended_unasked"] == 1


async def test_a_worker_is_replaced_by_one_that_serves_and_stays_if_there_is_none(fleet, world):
    await fleet.open_on_sockets(bind("127.0.0.1", 0))
    await until(lambda: fleet.serves)
    first = [*world.all]
    world.refused = 1
    fleet.renew({}, grace_s=1.0, linger_s=1.0)
    await until(lambda: world.refused == 0 and len(world.all) == 3)
    await until(lambda: sum(worker.ended.done() for worker in first) == 1)
    assert fleet.problem() is None
    fleet.renew({}, grace_s=1.0, linger_s=1.0)
    await until(lambda: all(worker.ended.done() for worker in first))
    assert fleet.problem() is None
    assert fleet.ends == 0
    assert all(worker.told("drain") for worker in first)


async def test_those_that_replace_others_are_born_with_what_is_new(fleet, world):
    await fleet.open_on_sockets(bind("127.0.0.1", 0))
    await until(lambda: fleet.serves)
    fleet.renew({"settings": {"x": 1}, "local_keys": {"p": "k"}}, grace_s=3.0, linger_s=0.5)
    await until(lambda: len(world.all) == 4 and all(worker.ended.done() for worker in world.all[:2]))
    born = [worker.told("start")[0] for worker in world.all]
    assert [one["settings"] for one in born] == [{}, {}, {"x": 1}, {"x": 1}]
    assert {one["redaction_key"] for one in born} == {""}
    assert world.all[0].told("drain") == [{"grace_s": 3.0, "linger_s": 1.0}]


async def test_before_another_program_takes_over_everybody_announces_it_and_then_waits_for_who_just_came(fleet, world):
    await fleet.open_on_sockets(bind("127.0.0.1", 0))
    await until(lambda: fleet.serves)
    await fleet.announce(2.0)
    assert not any(worker.ended.done() for worker in world.all)
    assert await fleet.leave(0.5, Drain(0.0, 1.0)) == 0
    for worker in world.all:
        assert worker.told("announce") == [{"most_s": 2.0}]
        assert worker.told("drain") == [{"grace_s": 1.0, "linger_s": 0.5}]


async def test_draining_says_so_first_and_waits_for_everybody(fleet, world):
    await fleet.open_on_sockets(bind("127.0.0.1", 0))
    await until(lambda: fleet.serves)
    fleet.standing = lambda: {"draining": True}
    assert await fleet.drain(Drain(0.0, 1.0)) == 0
    for worker in world.all:
        kinds = [kind for kind, _ in worker.orders]
        assert worker.told("pulse")[-1]["draining"] is True
        assert kinds[-1] == "drain"
    assert fleet.ends == 0


async def test_a_second_signal_hurries_them(fleet, world):
    await fleet.open_on_sockets(bind("127.0.0.1", 0))
    await until(lambda: fleet.serves)
    world.slow_with = "drain"
    how = Drain(0.0, 60.0)
    draining = asyncio.ensure_future(fleet.drain(how))
    await until(lambda: all(worker.told("drain") for worker in world.all))
    how.hurry.set()
    await until(lambda: all(worker.told("hurry") for worker in world.all))
    world.go_on.set()
    assert await draining == 0


async def test_what_nobody_foresaw_ends_the_program(fleet, monkeypatch, world):
    async def broken(_index, _around):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Member, "spawn", broken)
    await fleet.open_on_sockets(bind("127.0.0.1", 0))
    with pytest.raises(RuntimeError, match="a bug"):
        await fleet.run(asyncio.Event())
