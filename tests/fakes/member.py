"""One outpost's synchronisation as ``outpost.app`` joins it, over the real network; no proxy, no audit log."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from outpost.cache.bundles import BundleStore, SecretStore, StateStore, StoredBundle
from outpost.cache.db import Database, open_database
from outpost.sync.client import ControlPlaneClient, Timeouts
from outpost.sync.clock import ClockWatch
from outpost.sync.doorstep import Doorstep, enrolment_url
from outpost.sync.identity import Identity, load_identity
from outpost.sync.keeper import IdentityKeeper
from outpost.sync.loop import Applied, Effects, Stores, SyncLoop
from outpost.sync.refresh import snapshot_version
from outpost.sync.revocation_watch import RevocationWatch


class NoAudit:
    """Nothing to deliver."""

    size = delivered = 0

    def pending(self) -> None:
        return None

    def acknowledge(self, receipt: object, verifier: object) -> None:
        raise AssertionError("nothing was delivered")


@dataclass
class Member:
    """``live`` lets two passes go by, far enough apart that everything is due: news of one is acted on in the next."""

    data_dir: Path
    keeper: IdentityKeeper
    loop: SyncLoop
    revocations: RevocationWatch
    client: ControlPlaneClient
    clock: Callable[[], datetime]
    _database: Database
    _now_s: list[float] = field(default_factory=lambda: [0.0])

    @property
    def identity(self) -> Identity:
        """In use."""
        return self.keeper.identity

    def stored(self) -> Identity:
        """What the next start would use."""
        return load_identity(self.data_dir, self.clock())

    async def live(self, passes: int = 2) -> None:
        for _ in range(passes):
            self._now_s[0] += 10_000
            await self.loop.run_once()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        self._database.close()


def start_member(
    data_dir: Path,
    *,
    timeouts: Timeouts | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    enrol_url: str | None = None,
) -> Member:
    """The synchronisation of an enrolled data directory, as after a start of the process."""
    identity = load_identity(data_dir, clock())
    database = open_database(data_dir / "outpost.db")
    stores = Stores(BundleStore(database), SecretStore(database), StateStore(database))
    client = ControlPlaneClient(identity, timeouts=timeouts)
    watch = ClockWatch(clock, time.monotonic)
    doorstep = Doorstep(enrolment_url(identity, enrol_url), on_date=watch.note_server_time)
    keeper = IdentityKeeper(identity, client, doorstep, watch, clock, draw=lambda: 0.5)
    revocations = RevocationWatch(lambda: keeper.identity, client, doorstep, stores.state, lambda _revoked: None, clock)
    bundles: list[StoredBundle] = []

    async def prepare(bundle: StoredBundle) -> Callable[[], Awaitable[None]]:
        async def put_in_force() -> None:
            bundles.append(bundle)

        return put_in_force

    async def apply_secrets(_secrets: dict[str, str]) -> None:
        return None

    effects = Effects(
        prepare=prepare,
        apply_secrets=apply_secrets,
        applied=lambda: Applied(snapshot_version(bundles[-1]), clock()) if bundles else None,
    )
    now_s = [0.0]
    loop = SyncLoop(
        client, keeper, revocations, stores, NoAudit(), effects,
        clock=clock, random=lambda: 0.5, monotonic=lambda: now_s[0],
    )  # fmt: skip
    return Member(data_dir, keeper, loop, revocations, client, clock, database, now_s)
