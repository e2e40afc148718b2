"""The conversation with the control plane: secrets, bundle, audit, heartbeat, for as long as the outpost runs.

Nothing the control plane does or fails to do stops this loop or loosens anything: an error is noted, backed off
from and reported. A new bundle is verified and compiled whole, then stored in one transaction, then put in force; if it
cannot be, the stored one stays and the reason goes into the next heartbeat. The identity is kept alive by
``keeper.py``, revocation obeyed by ``revocation_watch.py``; when to do what is decided in ``schedule.py``.
"""

import asyncio
import random as _random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Protocol

import structlog

from outpost.audit.checkpoint import NoteVerifier
from outpost.cache.bundles import (
    BundleStore,
    SecretStore,
    StateKey,
    StateStore,
    StoredBundle,
    StoredSecrets,
)
from outpost.errors import (
    BundleRejected,
    ControlPlaneUnavailable,
    ControlPlaneUntrusted,
    OutpostError,
    Rejected,
    Untrusted,
)
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import (
    AuditBatch,
    AuditReceipt,
    BundleReport,
    Heartbeat,
)
from outpost.sync.client import ControlPlaneClient
from outpost.sync.identity import Identity
from outpost.sync.keeper import IdentityKeeper
from outpost.sync.refresh import refresh, snapshot_version
from outpost.sync.revocation_watch import RevocationWatch
from outpost.sync.schedule import Backoff, Schedule, Task
from outpost.sync.secrets import open_secrets
from outpost.sync.version import outpost_version
from pki.keys import certificate_sha256

MAX_BATCHES_PER_PASS: Final = 20
"""10,000 events; then the other tasks get their turn, however long the queue that an outage left."""
_AT_ONCE_S: Final = 0.01  # there is more to deliver
_MAX_REASON_CHARS: Final = 1024  # BundleReport.refused_reason
_MIN_WATCH_PAUSE_S: Final = 1.0  # between two long polls, in case the other end answers at once
_NOTHING_REFUSED: Final[Mapping[str, None]] = MappingProxyType(
    {StateKey.REFUSED_VERSION: None, StateKey.REFUSED_REASON: None}
)

_log = structlog.get_logger(__name__)


class AuditQueue(Protocol):
    """What the loop needs of ``AuditLog``; both methods may block and are called in a thread."""

    @property
    def size(self) -> int:
        """Durable events."""
        ...

    @property
    def delivered(self) -> int:
        """Countersigned events."""
        ...

    def pending(self) -> AuditBatch | None:
        """The next events to deliver."""
        ...

    def acknowledge(self, receipt: AuditReceipt, verifier: NoteVerifier) -> None:
        """Verify and take a receipt."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """The outpost's own state."""

    bundles: BundleStore
    secrets: SecretStore
    state: StateStore


@dataclass(frozen=True, slots=True)
class Applied:
    """The bundle in force."""

    snapshot_version: int
    applied_at: datetime


async def nothing_to_maintain() -> None:
    """The bundle is all there is."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What the loop causes. All are called on the event loop and must not block.

    Attributes:
        prepare: Make a verified bundle ready, whole or (``BundleRejected``) not at all; the result puts it in force,
            and is done when nobody decides by the one before any more.
        apply_secrets: Put newly opened secrets in force.
        applied: The bundle in force now, for reports.
        maintain: Repair what the bundle in force needs beside its documents.
    """

    prepare: Callable[[StoredBundle], Awaitable[Callable[[], Awaitable[None]]]]
    apply_secrets: Callable[[dict[str, str]], Awaitable[None]]
    applied: Callable[[], Applied | None]
    maintain: Callable[[], Awaitable[None]] = nothing_to_maintain


def utc_now() -> datetime:
    """The default clock."""
    return datetime.now(UTC)


class SyncLoop:
    """One outpost's synchronisation. ``run`` until told to stop, or ``run_once`` from a test."""

    def __init__(  # noqa: PLR0913 - six collaborators, and time and chance to make it repeatable
        self,
        client: ControlPlaneClient,
        keeper: IdentityKeeper,
        revocations: RevocationWatch,
        stores: Stores,
        audit_log: AuditQueue,
        effects: Effects,
        *,
        clock: Callable[[], datetime] = utc_now,
        random: Callable[[], float] = _random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._keeper = keeper
        self._revocations = revocations
        self._receipts = keeper.identity.receipt_verifier()
        self._stores = stores
        self._audit_log = audit_log
        self._effects = effects
        self._clock = clock
        self._random = random
        self._monotonic = monotonic
        self._schedule = Schedule.start(monotonic())
        self._watch_backoff = Backoff()
        self._wake = asyncio.Event()
        self._seen_version = 0
        self._errors: dict[Task, str] = {}

    @property
    def schedule(self) -> Schedule:
        """When what is due next."""
        return self._schedule

    @property
    def errors(self) -> MappingProxyType[Task, str]:
        """The last failure of each task that is failing now, for people."""
        return MappingProxyType(self._errors)

    async def run(self, stop: asyncio.Event) -> None:
        """Work and watch until ``stop`` is set; what is under way then is cut off, which every step survives."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._work()), group.create_task(self._watch())]
            await stop.wait()
            for task in tasks:
                task.cancel()

    async def run_once(self) -> None:
        """Do everything that is due, in order. Raises for no fault of the control plane, network or disk."""
        await self._attempt(Task.IDENTITY, self._keep_identity)
        await self._attempt(Task.SECRETS, self._sync_secrets)
        await self._attempt(Task.REFRESH, self._sync_bundle)
        await self._attempt(Task.AUDIT, self._push_audit)
        await self._attempt(Task.HEARTBEAT, self._report)
        await self._attempt(Task.REVOCATION, self._check_revocation)

    async def watch_once(self) -> bool:
        """Wait for one piece of news; True if there is some, which is then due at once.

        Raises:
            OutpostError: The long poll failed.
        """
        # A version that was seen and refused is not asked for again by watching: that would never wait.
        version = await self._client.watch(max(self._seen_version, self._version_in_force()))
        self._note_accepted()
        if version is None:
            return False
        self._seen_version = version
        for task in (Task.SECRETS, Task.REFRESH):
            self._schedule = self._schedule.hasten(task, self._monotonic())
        self._wake.set()
        return True

    async def _work(self) -> None:
        while True:
            await self.run_once()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(self._schedule.next_s - self._monotonic(), 0)):
                    await self._wake.wait()
            self._wake.clear()

    async def _watch(self) -> None:
        failures = 0
        while True:
            try:
                await self.watch_once()
            except OutpostError as err:
                failures += 1
                self._note_refusal(err)
                retry_after_s = err.retry_after_s if isinstance(err, ControlPlaneUnavailable) else None
                wait_s = self._watch_backoff.wait_s(failures, retry_after_s, self._random())
                _log.debug("watch_failed", failures=failures, wait_s=round(wait_s, 1), reason=str(err))
            else:
                failures = 0
                wait_s = 0.0
            await asyncio.sleep(_MIN_WATCH_PAUSE_S + wait_s)

    async def _attempt(self, task: Task, action: Callable[[], Awaitable[float | None]]) -> None:
        """Run ``action`` if ``task`` is due; it returns its own interval in seconds, or None for the usual one."""
        if task not in self._schedule.due(self._monotonic()):
            return
        try:
            interval_s = await action()
        except OutpostError as err:
            self._note_refusal(err)
            retry_after_s = err.retry_after_s if isinstance(err, ControlPlaneUnavailable) else None
            self._schedule = self._schedule.failed(task, self._monotonic(), self._random(), retry_after_s=retry_after_s)
            self._errors[task] = str(err)
            _log.warning(
                "sync_failed",
                task=task.value,
                failures=self._schedule.failures(task),
                error=type(err).__name__,
                code=err.code.value if isinstance(err, Rejected) else None,
                reason=str(err),
            )
        else:
            self._errors.pop(task, None)
            self._schedule = self._schedule.succeeded(task, self._monotonic(), self._random(), interval_s=interval_s)

    async def take_once(self) -> None:
        """Revocation, secrets and bundle, once and now: for a bundle file in the network's place.

        Raises:
            OutpostError: The first that fails; what was taken before it stays.
        """
        await self._check_revocation()
        await self._sync_secrets()
        await self._sync_bundle()

    async def _keep_identity(self) -> None:
        before = self._keeper.identity.credentials
        await self._keeper.keep(self._heartbeat)
        if self._keeper.identity.credentials != before:
            self._schedule = self._schedule.restart(self._monotonic())

    async def _check_revocation(self) -> None:
        await self._revocations.check()

    async def _sync_secrets(self) -> None:
        try:
            sealed = await self._client.fetch_secrets()
        except Rejected as err:
            if err.code is not ErrorCode.NOT_FOUND:
                raise
            return  # an org without secrets
        self._note_accepted()
        stored = self._stores.secrets.load()
        if stored is not None and sealed.version < stored.version:
            raise ControlPlaneUntrusted(f"secrets version {sealed.version} is older than the stored {stored.version}")
        if stored is not None and sealed.version == stored.version:
            return
        secrets = open_secrets(self._keeper.identity, sealed)
        self._stores.secrets.save(StoredSecrets(sealed.version, sealed.sealed))
        await self._effects.apply_secrets(secrets)
        _log.info("secrets_applied", version=sealed.version, count=len(secrets))

    async def _sync_bundle(self) -> None:
        now = self._clock()
        # A clock that was turned back must not make expired metadata look fresh: it is never before its floor.
        at = max(now, self._stores.state.get_time(StateKey.CLOCK_FLOOR_AT) or now)
        self._stores.state.set_time(StateKey.LAST_ASKED_AT, at)
        current = await asyncio.to_thread(self._stores.bundles.load)
        try:
            news = await self._ask_for_news(current, at)
        except Untrusted as err:
            self._note_refused_bundle(self._seen_version or None, err)
            raise
        self._note_accepted()
        if news is not None:
            self._stores.state.set_time(StateKey.LAST_DOWNLOADED_AT, at)
            await self._apply(news, save=True)
        elif current is not None and self._version_in_force() != snapshot_version(current):
            # Stored, current, and not in force: a crash came between the two, or it was refused at the start.
            await self._apply(current, save=False)
        else:
            self._stores.state.update(_NOTHING_REFUSED)
        await self._effects.maintain()

    async def _ask_for_news(self, current: StoredBundle | None, at: datetime) -> StoredBundle | None:
        """What does not verify may be a cache's doing, which is no refusal: once more, past all caches."""
        root = self._keeper.identity.tuf_root
        try:
            return await refresh(self._client, root, self._stores.bundles.trusted, current, at)
        except Untrusted as err:
            _log.warning("asking_past_caches", error=type(err).__name__, reason=str(err))
        self._client.past_caches = True
        try:
            return await refresh(self._client, root, self._stores.bundles.trusted, current, at)
        finally:
            self._client.past_caches = False

    async def _apply(self, bundle: StoredBundle, *, save: bool) -> None:
        """Store only what can be put in force, so that a crash at any point leaves a bundle that works."""
        version = snapshot_version(bundle)
        self._schedule = self._schedule.hasten(Task.HEARTBEAT, self._monotonic())
        try:
            put_in_force = await self._effects.prepare(bundle)
        except BundleRejected as err:
            self._note_refused_bundle(version, err)
            raise
        if save:
            await asyncio.to_thread(self._stores.bundles.save, bundle)
        await put_in_force()
        self._seen_version = max(self._seen_version, version)
        self._stores.state.update(_NOTHING_REFUSED)
        self._stores.state.set_time(StateKey.LAST_APPLIED_AT, self._clock())
        _log.info("bundle_applied", snapshot_version=version)

    def _version_in_force(self) -> int:
        applied = self._effects.applied()
        return applied.snapshot_version if applied else 0

    async def _push_audit(self) -> float | None:
        there = self._audit_log.size  # what comes while these are delivered waits for its turn, or it would never end
        for _ in range(MAX_BATCHES_PER_PASS):
            batch = await asyncio.to_thread(self._audit_log.pending)
            if batch is None:
                return None
            before = self._audit_log.delivered
            receipt = await self._client.push_audit(batch)
            await asyncio.to_thread(self._audit_log.acknowledge, receipt, self._receipts)
            self._note_accepted()
            if self._audit_log.delivered <= before:
                # A true but old receipt: taking it as progress would send the same events for ever.
                raise ControlPlaneUntrusted(f"the receipt for {receipt.size} events does not cover what was delivered")
            if self._audit_log.delivered >= there:
                return None
        return _AT_ONCE_S

    async def _report(self) -> float:
        reply = await self._client.heartbeat(self._heartbeat(self._keeper.identity))
        self._note_accepted()
        if self._keeper.note_reply(reply):
            self._schedule = self._schedule.hasten(Task.IDENTITY, self._monotonic())
        return float(reply.interval_s)

    def _heartbeat(self, identity: Identity) -> Heartbeat:
        return Heartbeat(
            outpost_version=outpost_version(),
            sent_at=self._clock(),
            bundle=self._bundle_report(),
            audit_size=self._audit_log.size,
            audit_delivered=self._audit_log.delivered,
            certificate_sha256=certificate_sha256(identity.certificate).hex(),
            trust_generation=identity.trust_generation,
            instance_id=self._keeper.instance_id,
        )

    def _bundle_report(self) -> BundleReport | None:
        applied = self._effects.applied()
        refused_version = self._stores.state.get(StateKey.REFUSED_VERSION)
        refused_reason = self._stores.state.get(StateKey.REFUSED_REASON)
        if applied is None and refused_reason is None:
            return None
        return BundleReport(
            snapshot_version=applied.snapshot_version if applied else 0,
            applied_at=applied.applied_at if applied else None,
            refused_version=refused_version,
            refused_reason=refused_reason,
        )

    def _note_refused_bundle(self, version: int | None, err: Untrusted) -> None:
        self._stores.state.update(
            {StateKey.REFUSED_VERSION: version, StateKey.REFUSED_REASON: str(err)[:_MAX_REASON_CHARS]}
        )
        self._schedule = self._schedule.hasten(Task.HEARTBEAT, self._monotonic())

    def _note_refusal(self, err: OutpostError) -> None:
        if isinstance(err, Rejected) and err.code is ErrorCode.OUTPOST_REVOKED:
            self._revocations.rumoured = True
            self._schedule = self._schedule.hasten(Task.REVOCATION, self._monotonic())
        if self._keeper.note_refusal(err):
            self._schedule = self._schedule.hasten(Task.IDENTITY, self._monotonic())

    def _note_accepted(self) -> None:
        """An answer over verified mutual TLS that is not a refusal: the registry knows this outpost as its own."""
        self._keeper.note_accepted()
        self._revocations.rumoured = False
        if self._revocations.revoked:
            self._schedule = self._schedule.hasten(Task.REVOCATION, self._monotonic())
