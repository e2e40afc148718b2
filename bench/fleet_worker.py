"""Many outposts in one process: the product's own identity, client, schedule and state machine, on real connections.

What an outpost has beside its synchronisation (proxy, audit log, detectors) is not here. Prints a line of JSON for each
bundle that an outpost has verified and stored: its number, the time (CLOCK_MONOTONIC, which all processes share) and
the version.
"""

import argparse
import asyncio
import json
import logging
import random
import resource
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog
import uvloop

from outpost.audit.checkpoint import NoteVerifier
from outpost.cache.bundles import BundleStore, SecretStore, StateStore, StoredBundle
from outpost.cache.db import Database
from outpost.cache.migrations import migrate
from outpost.protocol.messages import AuditBatch, AuditReceipt
from outpost.sync.client import ControlPlaneClient
from outpost.sync.clock import ClockWatch
from outpost.sync.doorstep import Doorstep, enrolment_url
from outpost.sync.identity import load_identity
from outpost.sync.keeper import IdentityKeeper
from outpost.sync.loop import Applied, Effects, Stores, SyncLoop
from outpost.sync.refresh import snapshot_version
from outpost.sync.revocation_watch import RevocationWatch


class NoAudit:
    """Nothing to deliver."""

    size = delivered = 0

    def pending(self) -> AuditBatch | None:
        return None

    def acknowledge(self, receipt: AuditReceipt, verifier: NoteVerifier) -> None:
        raise NotImplementedError


def utc_now() -> datetime:
    return datetime.now(UTC)


def raise_file_limit() -> None:
    """Each outpost holds two connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def outpost(data_dir: Path, on_applied: Callable[[int], None], stop: asyncio.Event) -> None:
    """One outpost, until ``stop``."""
    identity = load_identity(data_dir, utc_now())
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    migrate(connection)
    database = Database(connection, data_dir / "outpost.db")
    stores = Stores(BundleStore(database), SecretStore(database), StateStore(database))
    applied: list[Applied] = []

    async def prepare(bundle: StoredBundle) -> Callable[[], Awaitable[None]]:
        async def put_in_force() -> None:
            applied[:] = [Applied(snapshot_version(bundle), utc_now())]
            on_applied(applied[0].snapshot_version)

        return put_in_force

    async def apply_secrets(_secrets: dict[str, str]) -> None:
        """Nobody here has use for them."""

    effects = Effects(prepare, apply_secrets, lambda: applied[0] if applied else None)
    async with ControlPlaneClient(identity) as client:
        doorstep = Doorstep(enrolment_url(identity, None))
        keeper = IdentityKeeper(identity, client, doorstep, ClockWatch(utc_now, time.monotonic), utc_now)
        revocations = RevocationWatch(
            lambda: keeper.identity, client, doorstep, stores.state, lambda _revoked: None, utc_now
        )
        await SyncLoop(client, keeper, revocations, stores, NoAudit(), effects).run(stop)
    database.close()


async def fleet(directory: Path, first: int, count: int, ramp_s: float) -> None:
    """``count`` outposts, started within ``ramp_s``, until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def one(number: int) -> None:
        await asyncio.sleep(random.random() * ramp_s)
        await outpost(directory / str(number), lambda version: tell(number, version), stop)

    def tell(number: int, version: int) -> None:
        print(json.dumps({"outpost": number, "at_s": time.monotonic(), "version": version}), flush=True)

    async with asyncio.TaskGroup() as group:
        for number in range(first, first + count):
            group.create_task(one(number))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--ramp-s", type=float, required=True)
    arguments = parser.parse_args()
    raise_file_limit()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    uvloop.run(fleet(arguments.directory, arguments.first, arguments.count, arguments.ramp_s))


if __name__ == "__main__":
    main()
