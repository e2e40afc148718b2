"""What becomes of a wish, with a port that is played; real signals and processes are in tests/e2e/test_upgrade.py."""

import asyncio
import sys

import pytest

from outpost import steward as module
from outpost.config import Config
from outpost.doors import Doors
from outpost.errors import ConfigError
from outpost.proxy.enforcement import Admission
from outpost.steward import Steward
from outpost.upgrade import NotUpgraded
from outpost.wishes import Wishes


class Port:
    """Notes what it is told; ``slow`` until told to go on."""

    def __init__(self):
        self.told, self.slow, self.go_on = [], set(), asyncio.Event()

    async def announce(self, most_s):
        await self._do("announce", most_s)

    async def leave(self, linger_s, how):
        await self._do("leave", linger_s, how.delay_s, how.grace_s)
        return 0

    async def drain(self, how):
        await self._do("drain", how.delay_s, how.grace_s)
        return 0

    async def _do(self, what, *how):
        self.told.append((what, *how))
        if what in self.slow:
            await self.go_on.wait()


@pytest.fixture
def wishes():
    return Wishes()


@pytest.fixture
async def doors(tmp_path):
    opened = await Doors.open(Config(data_dir=tmp_path, listen_host="127.0.0.1", listen_port=0, admin_port=0))
    yield opened
    opened.close()


@pytest.fixture
def make(wishes, doors, monkeypatch):
    """A steward of settings that were ``read`` so, and a list of what it renewed workers with."""
    monkeypatch.setattr(sys, "argv", ["-c", "run"])
    config = Config(shutdown_delay_s=7, shutdown_grace_s=3, keepalive_timeout_s=2)

    def made(read=lambda: config, *, alone=False):
        renewed = []
        return Steward(wishes, config, doors, read, None if alone else renewed.append, enforces=lambda: True), renewed

    return made


@pytest.fixture
def rehearsed(monkeypatch):
    """Rehearsals so far; they end well, with the errors in ``refusals``, or never if there is a None in it."""
    happened, refusals = [], []

    async def rehearse(command, running):
        happened.append((command, running.config))
        if refusals:
            refusal = refusals.pop(0)
            if refusal is None:
                await asyncio.Event().wait()
            raise refusal
        return "2"

    monkeypatch.setattr(module, "rehearse", rehearse)
    return happened, refusals


async def attended(steward):
    async with asyncio.timeout(5):
        return await steward.attend()


async def test_settings_are_read_anew_and_the_workers_renewed(make, wishes):
    steward, renewed = make(lambda: Config(keepalive_timeout_s=9, listen_port=1))
    wishes.renew.set()
    attending = asyncio.ensure_future(attended(steward))
    while not renewed:  # noqa: ASYNC110 - a thread reads
        await asyncio.sleep(0.01)
    assert steward.config.keepalive_timeout_s == 9
    assert steward.config.listen_port == 8300
    assert renewed[0].waiting == ("listen_port",)
    wishes.stop.set()
    assert await attending is None


async def test_wrong_settings_change_nothing(make, wishes, capsys):
    def read():
        wishes.stop.set()
        raise ConfigError(["workers: no"])

    steward, renewed = make(read)
    before = steward.config
    wishes.renew.set()
    assert await attended(steward) is None
    assert not renewed
    assert steward.config is before
    assert "settings_refused" in capsys.readouterr().out


@pytest.mark.parametrize("wish", ["renew", "upgrade"])
async def test_one_process_goes_on_with_the_next_program(make, wishes, rehearsed, wish):
    steward, _ = make(alone=True)
    getattr(wishes, wish).set()
    assert await attended(steward) == [sys.executable, *sys.orig_argv[1:]]


async def test_a_program_that_would_not_start_leaves_this_one_serving_until_the_next_try(
    make, wishes, rehearsed, capsys
):
    happened, refusals = rehearsed
    refusals.append(NotUpgraded("it is broken"))
    steward, renewed = make()
    wishes.upgrade.set()
    attending = asyncio.ensure_future(attended(steward))
    while not happened or wishes.upgrade.is_set():  # noqa: ASYNC110 - of a task
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert not attending.done()
    assert "it is broken" in capsys.readouterr().out
    wishes.upgrade.set()
    assert await attending
    assert len(happened) == 2
    assert not renewed


async def test_the_end_does_not_wait_for_a_rehearsal(make, wishes, rehearsed):
    happened, refusals = rehearsed
    refusals.append(None)
    steward, _ = make()
    wishes.upgrade.set()
    attending = asyncio.ensure_future(attended(steward))
    while not happened:  # noqa: ASYNC110 - of a task
        await asyncio.sleep(0)
    wishes.stop.set()
    assert await attending is None


async def test_clients_are_told_before_the_port_is_left_to_the_next_program(make, doors):
    steward, _ = make()
    port, admission = Port(), Admission(audit_is_healthy=lambda: True)
    handover = await steward.leave(port, admission, ["outpost", "run"])
    assert port.told == [("announce", 2), ("leave", 1.0, 0.0, 3)]
    assert admission.draining
    assert handover.command == ["outpost", "run"]
    at = [one.getsockname() for door in (doors.proxy, doors.admin) for one in door.sockets]
    assert [(name, one.getsockname()) for name, one in handover.sockets] == [
        ("proxy.opened", at[0]),
        ("admin.opened", at[1]),
    ]
    for _, one in handover.sockets:
        one.close()


async def test_the_end_is_the_drain_of_the_settings(make):
    steward, _ = make()
    port = Port()
    assert await steward.leave(port, Admission(audit_is_healthy=lambda: True), None) is None
    assert port.told == [("drain", 7, 3)]


@pytest.mark.parametrize(
    ("during", "then"),
    [("announce", [("announce", 2), ("drain", 7, 3)]), ("leave", [("announce", 2), ("leave", 1.0, 0.0, 3)])],
)
async def test_who_is_told_to_end_meanwhile_ends(make, wishes, during, then):
    steward, _ = make()
    port = Port()
    port.slow.add(during)
    leaving = asyncio.ensure_future(steward.leave(port, Admission(audit_is_healthy=lambda: True), ["outpost"]))
    while not port.told or port.told[-1][0] != during:  # noqa: ASYNC110 - of a task
        await asyncio.sleep(0)
    wishes.stop.set()
    port.go_on.set()
    assert await leaving is None
    assert port.told == then
