from pathlib import Path

import pytest

from outpost.cache.bundles import BundleStore, SecretStore, StateStore
from outpost.cache.db import open_database
from outpost.sync.client import ControlPlaneClient
from outpost.sync.enrol import register
from outpost.sync.identity import Identity
from outpost.sync.loop import Stores
from tests.fakes.clock import FakeClock
from tests.fakes.control_plane import FakeControlPlane


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def plane(clock) -> FakeControlPlane:
    return FakeControlPlane(clock)


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
    async with ControlPlaneClient(identity, transport=plane.transport()) as client:
        yield client


@pytest.fixture
def stores(identity, data_dir):
    with open_database(data_dir / "outpost.db") as database:
        yield Stores(BundleStore(database), SecretStore(database), StateStore(database))
