"""Two hundred outposts through a rotation of intermediate and root, a tenth of them offline: none stranded.

Real loops, real identity files; the control plane is the one of the tests that rotates, with TLS played.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace

import pytest

from outpost.cache.bundles import BundleStore, SecretStore, StateStore
from outpost.cache.db import Database, open_database
from outpost.sync.client import ControlPlaneClient
from outpost.sync.identity import load_identity
from outpost.sync.loop import Applied, Effects, Stores, SyncLoop
from outpost.sync.refresh import snapshot_version
from tests.fakes.enrolled import enrol

FLEET = int(os.environ.get("OUTPOST_FLEET", "200"))
DAY = timedelta(days=1)


class NoAudit:
    """Nothing to deliver."""

    size = delivered = 0

    def pending(self):
        return None


@dataclass
class Member:
    """One outpost: its loop, and the seconds its loop counts."""

    name: str
    loop: SyncLoop
    parts: SimpleNamespace
    client: ControlPlaneClient
    database: Database
    now_s: float = 0.0

    async def live(self) -> None:
        """Two passes some time apart: what a heartbeat is told in one is done in the next."""
        for _ in range(2):
            self.now_s += 10_000
            await self.loop.run_once()


@pytest.fixture
async def fleet(plane, clock, standing, tmp_path):
    plane.publish()
    names = [f"edge-{number}" for number in range(FLEET)]
    members = [join(plane, clock, standing, tmp_path / name, name) for name in names]
    yield members
    for member in members:
        await member.client.close()
        member.database.close()


def join(plane, clock, standing, data_dir, name) -> Member:
    identity = enrol(plane, data_dir, clock, name)
    database = open_database(data_dir / "outpost.db")
    stores = Stores(BundleStore(database), SecretStore(database), StateStore(database))
    client = ControlPlaneClient(identity, transport=plane.transport_for)
    parts = standing(identity, client, stores)
    applied = []
    effects = Effects(
        apply=applied.append,
        apply_secrets=lambda _secrets: None,
        applied=lambda: Applied(snapshot_version(applied[-1]), clock()) if applied else None,
    )
    member = Member(name, None, parts, client, database)
    member.loop = SyncLoop(
        client,
        parts.keeper,
        parts.revocations,
        stores,
        NoAudit(),
        effects,
        clock=clock,
        random=lambda: 0.5,
        monotonic=lambda: member.now_s,
    )
    return member


@pytest.mark.timeout(300)
async def test_none_is_stranded(fleet, plane, clock, standing, tmp_path):
    offline = {member.name for member in fleet[::10]}
    for member in fleet:
        await member.live()
    plane.unreachable = offline

    async def days_pass(days: float) -> None:
        clock.advance(timedelta(days=days))
        plane.renew()
        for member in fleet:
            await member.live()

    plane.activate(plane.new_intermediate())
    await days_pass(1)
    new = plane.new_root()
    await days_pass(1)
    plane.activate(plane.new_intermediate(new))
    await days_pass(1)
    online = [member for member in fleet if member.name not in offline]
    assert all(member.parts.keeper.identity.trust_generation == plane.generation for member in online)
    late = join(plane, clock, standing, tmp_path / "late", "late")  # in the middle of it, with a token of the old root
    await late.live()
    plane.retire_old_root()
    await days_pass(6)
    assert not set(plane.recovered) & {member.name for member in online}
    plane.unreachable = set()
    await days_pass(1)
    await late.live()  # after seven days without a word
    for member in [*fleet, late]:
        assert member.loop.errors == {}, member.name
        stored = load_identity(member.parts.keeper.identity.directory.parent, clock())
        assert stored.is_current(clock())
        assert stored.anchors == (new.certificate,)
        assert plane.beats[member.name][-1].trust_generation == plane.generation
    assert set(plane.recovered) == offline
    await late.client.close()
    late.database.close()
