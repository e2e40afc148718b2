"""Two hundred outposts through a rotation of the intermediate, a tenth of them offline all the while: none stranded.

A real control plane (its own process, SQLite, TLS on both ports), and the real synchronisation and identity files of
every outpost. ``OUTPOST_FLEET`` sets how many.
"""

import asyncio
import json
import os
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from control_plane.app import open_for
from control_plane.authorities import Kind
from control_plane.ceremonies import Ceremonies
from control_plane.config import Config
from control_plane.errors import RotationRefused
from control_plane.rotation import Step
from control_plane.store.outposts import SqlRegistryStore
from outpost.demo.stage import Stage
from outpost.sync.enrol import register
from tests.fakes.member import Member, start_member

FLEET = int(os.environ.get("OUTPOST_FLEET", "200"))
AT_ONCE = 16  # handshakes under way at a time, on a machine of two cores


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.delenv("OUTPOST_PROVIDER_URL", raising=False)
    running = Stage(tmp_path, {"CONTROL_PLANE_ENROL_BURST": "10000", "CONTROL_PLANE_LOG_LEVEL": "warning"})
    try:
        running.init_control_plane()
        running.serve_control_plane()
        yield running
    finally:
        running.close()


@pytest.fixture
def opened(stage):
    """The installation as the operator's commands open it, beside the server."""
    installation = open_for(Config(data_dir=stage.directory / "control-plane"))
    yield installation
    installation.close()


async def _each(members, act):
    """``act`` for all of them, some at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(member):
        async with gate:
            return await act(member)

    return await asyncio.gather(*(one(member) for member in members))


async def _live(members, passes=2):
    await _each(members, lambda member: member.live(passes))
    failing = {member.data_dir.name: dict(member.loop.errors) for member in members if member.loop.errors}
    assert failing == {}


async def _join(stage, opened, stack, name) -> Member:
    _, token = opened.operations.create_outpost("acme", name, timedelta(minutes=15))
    data_dir = stage.directory / "fleet" / name
    await asyncio.to_thread(register, stage.control_plane_urls[0], token.text, data_dir)
    return await stack.enter_async_context(start_member(data_dir))


def _not_heard_for(opened, members, duration):
    """As though they had been switched off a while ago: what is waited for is who was heard lately."""
    with opened.operations.database.write() as connection:
        store = SqlRegistryStore(connection)
        for member in members:
            status = store.status(member.identity.outpost_id)
            earlier = replace(status, received_at=status.received_at - duration)
            store.save_status(member.identity.outpost_id, earlier)


@pytest.mark.e2e
@pytest.mark.timeout(600)
async def test_none_is_stranded(stage, opened):
    started = time.monotonic()
    ceremonies = Ceremonies(opened.operations, heartbeat_interval_s=30)
    async with AsyncExitStack() as stack:
        names = [f"edge-{number}" for number in range(FLEET)]
        fleet = await _each(names, lambda name: _join(stage, opened, stack, name))
        await _live(fleet, passes=1)
        offline, online = fleet[::10], [member for index, member in enumerate(fleet) if index % 10]
        first = {member.identity.certificate for member in fleet}
        assert len(first) == FLEET
        _not_heard_for(opened, offline, timedelta(hours=1))

        ceremonies.prepare(Kind.INTERMEDIATE)
        with pytest.raises(RotationRefused) as early:
            ceremonies.advance(Kind.INTERMEDIATE, Step.ACTIVATE)
        assert set(early.value.unconfirmed) == {member.identity.outpost_id for member in online}
        await _live(online)
        ceremonies.advance(Kind.INTERMEDIATE, Step.ACTIVATE)

        late = await _join(stage, opened, stack, "late")
        await _live([late], passes=1)
        with pytest.raises(RotationRefused):
            ceremonies.advance(Kind.INTERMEDIATE, Step.RETIRE)
        await _live(online)
        state = ceremonies.advance(Kind.INTERMEDIATE, Step.RETIRE)

        # A refused certificate tells them that there is something to recover; then they have nothing to mend.
        await _each(offline, lambda member: member.live())
        everybody = [*fleet, late]
        await _live(everybody)
        new = state.active(Kind.INTERMEDIATE).certificate
        for member in everybody:
            stored = member.stored()
            assert stored.certificate == member.identity.certificate
            stored.certificate.verify_directly_issued_by(new)
            assert stored.trust_generation == state.generation
        assert not first & {member.identity.certificate for member in everybody}

    events = Counter((event.kind, event.outpost_id) for event in opened.operations.events(1000 + 10 * FLEET))
    recovered = {outpost_id for kind, outpost_id in events if kind == "recovered"}
    assert recovered == {member.identity.outpost_id for member in offline}
    assert set(events.values()) == {1}  # nobody renewed or recovered twice
    status = json.loads(stage.control_plane("ca", "rotate", "intermediate", "--status", "--json"))
    assert (status["phase"], status["unconfirmed"], status["offline"]) == ("idle", [], [])
    assert len(status["confirmed"]) == FLEET + 1
    print(f"fleet of {FLEET} and a latecomer: {time.monotonic() - started:.0f} s")
