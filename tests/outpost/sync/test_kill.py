"""``kill -9`` while an outpost fetches, keeps and applies: whatever is on the disk then is a bundle that verifies.

Each round forks a process that starts on the data directory the last one left, asks the repository and is killed:
before its n-th statement to SQLite (every n in turn), inside one (counted in steps of SQLite's virtual machine), or
after some microseconds, wherever it is then. ``KILLS=5000`` in the environment asks for more (``make kill``).
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from outpost.cache.bundles import BundleStore
from outpost.cache.db import open_database
from outpost.dlp.engine import default_engine
from outpost.errors import OutpostError
from outpost.policy.bundle import load_bundle
from outpost.policy.trusted_metadata import TrustedMetadata
from tests.fakes.clock import FakeClock
from tests.fakes.policy_world import PolicyOutpost, PolicyRepository, RepositoryClient

KILLS = int(os.environ.get("KILLS", "510"))
SEED = int(os.environ.get("SEED", "20260601"))
_DONE, _FAILED = 0, 3


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Dies at the n-th call."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, *_: object) -> None:
        self.left -= 1
        if self.left <= 0:
            _die()


STATEMENTS = 60  # so many are in a round with a new publication and a new root, each of them gets its turn
STEPS = 900  # of SQLite's virtual machine, likewise


def _at_a_statement(outpost: PolicyOutpost, number: int) -> None:
    outpost.database._connection.set_trace_callback(Countdown(number // 3 % STATEMENTS + 1))


def _inside_a_statement(outpost: PolicyOutpost, number: int) -> None:
    outpost.database._connection.set_progress_handler(Countdown(random.Random(number).randint(1, STEPS)), 1)


def _never(_outpost: PolicyOutpost, _number: int) -> None:
    """The parent does it, or nobody."""


def _child(world: tuple[Path, bytes, RepositoryClient], arm: Callable, number: int) -> int:
    """One process's life. Returns unless it is killed."""
    data_dir, root, client = world
    try:
        with PolicyOutpost(data_dir, root, client, FakeClock()) as outpost:
            if outpost.start_error is not None:
                return _FAILED
            arm(outpost, number)
            asyncio.run(outpost.sync())
    except OutpostError:
        return _FAILED
    return _DONE


def _verified_version(data_dir: Path, root: bytes) -> int:
    """Open what is there and verify it from the root up; 0 if nothing was applied yet."""
    with open_database(data_dir / "outpost.db") as database:
        store = BundleStore(database)
        kept = store.trusted.load()
        trusted = TrustedMetadata(root)
        for version in sorted(kept.roots):
            assert trusted.update_root(kept.roots[version]).version == version
        if "timestamp" in kept.roles:
            trusted.update_timestamp(kept.roles["timestamp"])
        if "snapshot" in kept.roles:
            trusted.recall_snapshot(kept.roles["snapshot"])
        stored = store.load()
        if stored is None:
            return 0
        bundle = load_bundle(
            root,
            roots=stored.roots,
            timestamp=stored.timestamp,
            snapshot=stored.snapshot,
            targets=stored.targets,
            documents=stored.documents,
            delegated=stored.delegated,
        )
        # The floor is at least what is applied, or a rotation has just dropped it with its keys.
        if "timestamp" in kept.roles:
            assert trusted.timestamp.snapshot_meta.version >= bundle.snapshot_version
        return bundle.snapshot_version


@pytest.mark.timeout(60 + KILLS)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_no_kill_leaves_anything_but_a_verified_bundle_that_is_no_older():
    default_engine()  # compiled here, not by each child
    chance = random.Random(SEED)
    ways = (_at_a_statement, _inside_a_statement, _never)
    killed = dict.fromkeys(ways, 0)
    in_memory = Path("/dev/shm")  # a kill leaves the page cache alone; only a power cut would not
    with TemporaryDirectory(dir=in_memory if in_memory.is_dir() else None) as directory:
        data_dir = Path(directory)
        repository = PolicyRepository()
        client = RepositoryClient(repository)
        root = repository.files["1.root.json"]
        version, lifetime_s = 0, 0.05
        for number in range(KILLS):
            if number % 3 == 0:
                repository.next_policy()
            if number % 40 == 39:
                repository.rotate(chance.choice(["root", "timestamp", "snapshot", "targets"]))
                repository.next_policy()
            way = ways[number % 3]
            child = os.fork()
            if child == 0:
                status = _FAILED
                with suppress(BaseException):
                    status = _child((data_dir, root, client), way, number)
                os._exit(status)
            if way is _never:
                time.sleep(chance.uniform(0, lifetime_s))
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if way is _never:  # so that two of three are killed, anywhere in their lives, on a machine of any speed
                lifetime_s *= 0.85 if status == _DONE else 1.08
            assert status in {_DONE, -signal.SIGKILL}, f"round {number} could not go on from what the last one left"
            killed[way] += status != _DONE
            now = _verified_version(data_dir, root) if (data_dir / "outpost.db").exists() else 0
            assert now >= version, f"round {number} took the applied version back"
            version = now
        assert _child((data_dir, root, client), _never, KILLS) == _DONE
        assert _verified_version(data_dir, root) == repository.snapshot.version
    assert sum(killed.values()) > KILLS * 3 // 4, killed  # else too few rounds ended by a kill to prove anything
    assert min(killed.values()) > KILLS // 9, killed
    assert version > 1
