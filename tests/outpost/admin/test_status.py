import os
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from outpost.admin.status import gather
from outpost.audit.log import open_log
from outpost.cache.bundles import StateKey, StateStore
from outpost.cache.db import open_database
from outpost.config import Config
from outpost.errors import IdentityInvalid
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.control_plane import FakeControlPlane
from tests.fakes.enrolled import enrol, fill_cache


@pytest.fixture
def plane() -> FakeControlPlane:
    plane = FakeControlPlane(FakeClock())
    plane.publish()
    return plane


@pytest.fixture
def config(tmp_path) -> Config:
    return Config(data_dir=tmp_path / "data", admin_port=9)  # the discard port: nothing answers


@pytest.fixture
def identity(plane, config):
    return enrol(plane, config.data_dir, plane.clock)


def test_without_an_identity(config):
    with pytest.raises(IdentityInvalid):
        gather(config, NOON)


def test_of_one_that_never_ran(config, identity):
    status = gather(config, NOON)
    assert (status["running"], status["ready"], status["bundle"]) == (False, False, None)
    assert status["problems"] == ["it has not been started yet"]


@pytest.fixture
def stopped(plane, config, identity):
    """A data directory as an outpost leaves it."""
    fill_cache(plane, identity, config.data_dir)
    with open_database(config.data_dir / "outpost.db") as database:
        state = StateStore(database)
        state.set_time(StateKey.LAST_APPLIED_AT, NOON)
        state.update({StateKey.REFUSED_VERSION: 9, StateKey.REFUSED_REASON: "policy.json: packs: missing"})
    path = config.data_dir / "audit.db"
    open_log(path, identity.audit_signer(), identity.log_origin).close()
    return config


def test_of_one_that_is_stopped(stopped):
    status = gather(stopped, NOON + timedelta(days=2))
    assert status["problems"] == []
    assert status["bundle"]["freshness"] == "stale"
    assert status["bundle"]["age_s"] == 2 * 86_400
    assert status["sync"] == {
        "last_asked_at": None,
        "last_downloaded_at": None,
        "last_applied_at": NOON.isoformat(),
        "refused_version": 9,
        "refused_reason": "policy.json: packs: missing",
    }
    assert status["audit"]["waiting"] == status["audit"]["size"] - status["audit"]["delivered"]


def test_looking_changes_nothing(stopped):
    def contents() -> dict[str, bytes]:
        return {
            path.name: path.read_bytes()
            for path in stopped.data_dir.iterdir()
            if path.is_file() and not path.name.endswith(("-shm", "-wal"))
        }

    before = contents()
    gather(stopped, NOON)
    assert contents() == before


def test_what_would_refuse_requests_is_a_problem(stopped):
    with open_database(stopped.data_dir / "outpost.db") as database:
        StateStore(database).update({StateKey.REVOKED: True})
        StateStore(database).set_time(StateKey.CLOCK_FLOOR_AT, NOON + timedelta(hours=1))
    problems = gather(stopped, NOON)["problems"]
    assert [problem.partition(":")[0] for problem in problems] == ["outpost_revoked", "clock_untrusted"]


DAMAGE = {
    "a document": ("UPDATE bundle_document SET content = x'7b7d'", "the cached bundle is refused: "),
    "another program's file": ("PRAGMA application_id = 7", "is a database of another program"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_cannot_be_read_is_a_problem_and_no_crash(stopped, what):
    statement, says = DAMAGE[what]
    with closing(sqlite3.connect(stopped.data_dir / "outpost.db")) as connection, connection:
        connection.execute(statement)
    status = gather(stopped, NOON)
    assert says in status["problems"][0]
    assert status["bundle"] is None


def test_files_that_are_cut_off(stopped):
    for name in ("outpost.db", "audit.db"):
        os.truncate(stopped.data_dir / name, 100)
    assert len(gather(stopped, NOON)["problems"]) == 2
