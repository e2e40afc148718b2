from pathlib import Path
from types import SimpleNamespace

import pytest

from outpost.cache.bundles import BundleStore, SecretStore, StateStore
from outpost.cache.db import open_database
from outpost.sync.client import ControlPlaneClient
from outpost.sync.clock import ClockWatch
from outpost.sync.doorstep import Doorstep, enrolment_url
from outpost.sync.enrol import register
from outpost.sync.identity import Identity
from outpost.sync.keeper import IdentityKeeper
from outpost.sync.loop import Stores
from outpost.sync.revocation_watch import RevocationWatch
from tests.fakes.clock import FakeClock
from tests.fakes.rotating_plane import RotatingPlane


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def plane(clock) -> RotatingPlane:
    return RotatingPlane(clock)


@pytest.fixture
def data_dir(tmp_path) -> Path:
    return tmp_path / "outpost-data"


@pytest.fixture
def identity(plane, clock, data_dir) -> Identity:
    return register(
        "https://control-plane.test:8100", plane.create_token(), data_dir, transport=plane.transport(), clock=clock
    )


@pytest.fixture
async def client(identity, plane):
    async with ControlPlaneClient(identity, transport=plane.transport_for) as client:
        yield client


@pytest.fixture
def stores(identity, data_dir):
    with open_database(data_dir / "outpost.db") as database:
        yield Stores(BundleStore(database), SecretStore(database), StateStore(database))


@pytest.fixture
def standing(plane, clock):
    """Keeper and revocation watch of an identity, as the app joins them; ``revoked`` is what callers would be told."""

    def standing(identity, client, stores, monotonic=lambda: 0.0, outpost_clock=clock):
        watch = ClockWatch(outpost_clock, monotonic)
        doorstep = Doorstep(
            enrolment_url(identity, None), transport=plane.transport_for, on_date=watch.note_server_time
        )
        keeper = IdentityKeeper(identity, client, doorstep, watch, outpost_clock, draw=lambda: 0.5)
        revoked = []
        revocations = RevocationWatch(
            lambda: keeper.identity, client, doorstep, stores.state, revoked.append, outpost_clock
        )
        return SimpleNamespace(keeper=keeper, revocations=revocations, watch=watch, doorstep=doorstep, revoked=revoked)

    return standing
