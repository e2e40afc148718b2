"""Puts the outpost together and runs it: identity, cache, audit log, proxy, admin port, synchronisation.

Start order is the promise: the cached bundle is verified and in force before any network is tried, and both
ports listen before the control plane is asked anything. A cached bundle that does not verify leaves the outpost
running and refusing (``no_policy``), never running and open; a database in which the revocation or the clock floor
cannot be read stops the start, because both are refusals that must not be forgotten.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from outpost import collector
from outpost.admin.freshness import CHECK_EVERY_S, FreshnessWatch
from outpost.admin.health import OutpostHealth, Standing
from outpost.admin.outside import watch_certificate
from outpost.admin.server import make_admin_app
from outpost.admin.status import sync_report
from outpost.audit.event import AuditEvent
from outpost.audit.log import AuditLog, open_log
from outpost.cache.bundles import BundleStore, SecretStore, StateKey, StateStore, StoredBundle
from outpost.cache.db import Database, open_database
from outpost.clock_floor import keep_clock_floor
from outpost.config import Config
from outpost.crew import bury_orphans, make_fleet, renewing, standing_of
from outpost.doors import Doors, Named
from outpost.errors import AuditUnavailable, BundleRejected, OutpostError
from outpost.first_start import ensure_enrolled
from outpost.in_force import InForce
from outpost.local_keys import local_list_keys, local_provider_keys
from outpost.models.service import ModelService
from outpost.protocol.messages import MAX_REASON_CHARS
from outpost.proxy.enforcement import Admission
from outpost.proxy.health import HealthBoard
from outpost.proxy.metrics import ProxyMetrics
from outpost.proxy.parts import retrieve
from outpost.proxy.port import ProxyPort, make_connections, tls_files
from outpost.restore import make_in_force, restore
from outpost.steward import Handover, Steward
from outpost.sync.client import ControlPlaneClient
from outpost.sync.clock import ClockWatch
from outpost.sync.doorstep import Doorstep, enrolment_url
from outpost.sync.identity import Identity, load_identity
from outpost.sync.keeper import IdentityKeeper
from outpost.sync.loop import Effects, Stores, SyncLoop
from outpost.sync.packs import FetchFiles
from outpost.sync.revocation_watch import RevocationWatch
from outpost.sync.version import outpost_version
from outpost.wiring import make_forwarder, make_models, make_parts
from outpost.wishes import Wishes, hold
from outpost.workers.fleet import Fleet

log = structlog.get_logger(__name__)

DATABASE_FILE: Final = "outpost.db"
AUDIT_FILE: Final = "audit.db"
DOWNLOADS: Final = Path("models", "partial")
_SIGNALS_S: Final = 0.01  # a few turns of the event loop, to hear of signals that came before they were held back

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The default clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Outpost:
    """An opened outpost, not yet listening."""

    config: Config
    identity: Identity
    """As it was at the start; ``sync`` replaces certificate and authorities while running."""
    stores: Stores
    database: Database
    audit: AuditLog
    admission: Admission
    in_force: InForce
    clock_watch: ClockWatch
    clock: Clock

    def close(self) -> None:
        """Make everything durable and release the files."""
        self.audit.close()
        self.database.close()


def open_outpost(config: Config, *, clock: Clock = utc_now) -> Outpost:
    """Load what is on disk, verify it, and put the cached bundle in force. Touches no network.

    Raises:
        OutpostError: Identity, cache or audit log cannot be used; the message says what to do.
        ConfigError: A provider key file cannot be read.
    """
    identity = load_identity(config.data_dir, clock())
    tolerance = timedelta(seconds=config.clock_tolerance_s)
    admission = Admission(audit_is_healthy=lambda: audit.healthy, clock_tolerance=tolerance)
    in_force = make_in_force(config, identity, admission, clock)
    database = open_database(config.data_dir / DATABASE_FILE)
    try:
        audit = open_log(config.data_dir / AUDIT_FILE, identity.audit_signer(), identity.log_origin, clock=clock)
    except BaseException:
        database.close()
        raise
    stores = Stores(BundleStore(database), SecretStore(database), StateStore(database))
    watch = ClockWatch(clock, time.monotonic, tolerance=tolerance)
    outpost = Outpost(config, identity, stores, database, audit, admission, in_force, watch, clock)
    try:
        _restore_state(outpost)
    except BaseException:
        outpost.close()
        raise
    return outpost


def _restore_state(outpost: Outpost) -> None:
    state = outpost.stores.state
    outpost.admission.revoked = bool(state.get(StateKey.REVOKED))
    # An authority signed that this moment has come; the floor of the last run, that a later one has.
    outpost.clock_watch.vouch(outpost.identity.certificate.not_valid_before_utc)
    stored_floor_at = state.get_time(StateKey.CLOCK_FLOOR_AT)
    if stored_floor_at is not None:
        outpost.clock_watch.vouch(stored_floor_at)
    outpost.admission.clock_floor_at = outpost.clock_watch.floor_at
    refused = restore(outpost.in_force, outpost.identity, outpost.stores.secrets, outpost.stores.bundles)
    if refused is not None:
        # Not fatal and not open: requests are refused with no_policy until a good bundle has arrived.
        reason = f"cached bundle: {refused}"[:MAX_REASON_CHARS]  # it goes into the next heartbeat
        state.update({StateKey.REFUSED_VERSION: None, StateKey.REFUSED_REASON: reason})


async def run(
    config: Config,
    *,
    clock: Clock = utc_now,
    inherited: Sequence[Named] = (),
    read: Callable[[], Config] | None = None,
) -> Handover | None:
    """Run until SIGTERM or SIGINT, then drain; until a second one, then end at once.

    ``inherited`` are sockets that were opened for us; ``read`` gives the settings as they are when it is called. What
    is returned after SIGUSR2 is the next program, to be run at once; signals are held back.

    Raises:
        OutpostError: It cannot start; the message says what to do.
    """
    wishes = Wishes()
    wishes.hear()
    if not await _finishes_before(wishes.stop, ensure_enrolled(config, clock=clock)):
        return None
    outpost = open_outpost(config, clock=clock)
    try:
        handover = await serve(outpost, wishes, inherited, read)
    finally:
        await asyncio.to_thread(outpost.close)
    if handover is not None:
        # A thread that is left would take a signal that is held back here, and it would be lost with the thread.
        await asyncio.get_running_loop().shutdown_default_executor()
        hold()
        await asyncio.sleep(_SIGNALS_S)
    return handover if not wishes.stop.is_set() else None


async def _finishes_before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Await ``work``; False, and ``work`` cancelled, if ``stop`` is set first."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        await working
        return True
    finally:
        working.cancel()
        stopping.cancel()


def effects_of(outpost: Outpost, fetch: FetchFiles, fleet: Fleet | None = None) -> Effects:
    """What synchronising changes in this outpost and its workers; each bundle is written to the audit log."""

    async def apply_secrets(secrets: dict[str, str]) -> None:
        if fleet is not None:
            await fleet.change_secrets(secrets)
        await outpost.in_force.change_secrets(secrets)

    return Effects(
        prepare=_audited_prepare(outpost, fetch, fleet),
        apply_secrets=apply_secrets,
        applied=lambda: outpost.in_force.applied,
        maintain=partial(outpost.in_force.maintain, fetch),
    )


async def serve(
    outpost: Outpost,
    wishes: Wishes,
    inherited: Sequence[Named] = (),
    read: Callable[[], Config] | None = None,
) -> Handover | None:
    """Listen and synchronise until it is time to end, then drain; with what follows, if that is not the end.

    What requests need (models, the control plane) goes on until the last of them has ended.

    Raises:
        OutpostError: It cannot listen; the message says what to do.
    """
    ended, handover = asyncio.Event(), None
    on_date = outpost.clock_watch.note_server_time
    downloads = outpost.config.data_dir / DOWNLOADS
    async with ControlPlaneClient(outpost.identity, on_date=on_date, downloads=downloads) as client:
        doorstep = Doorstep(enrolment_url(outpost.identity, outpost.config.control_plane_url), on_date=on_date)
        registry = CollectorRegistry()
        models = make_models(outpost.config, outpost.in_force.choice, registry)
        outpost.in_force.attach(models)
        fleet = None if outpost.config.workers == 1 else _fleet(outpost, models)
        effects = effects_of(outpost, client, fleet)
        keeper = IdentityKeeper(outpost.identity, client, doorstep, outpost.clock_watch, outpost.clock)
        revocations = RevocationWatch(
            lambda: keeper.identity,
            client,
            doorstep,
            outpost.stores.state,
            outpost.in_force.set_revoked,
            outpost.clock,
            spread=None if fleet is None else fleet.set_revoked,
        )
        sync = SyncLoop(client, keeper, revocations, outpost.stores, outpost.audit, effects, clock=outpost.clock)
        standing = Standing(keeper, revocations, outpost.clock_watch)
        freshness = FreshnessWatch(outpost.admission, outpost.clock, registry)
        health = OutpostHealth(
            standing,
            outpost.admission,
            outpost.audit,
            outpost.clock,
            lambda: _sync_report(outpost, sync),
            models=models,
            pack_report=outpost.in_force.pack_report,
            workers=fleet,
        )
        doors = await Doors.open(outpost.config, inherited)
        steward = Steward(
            wishes,
            outpost.config,
            doors,
            read or (lambda: outpost.config),
            None if fleet is None else renewing(fleet),
            enforces=lambda: outpost.in_force.applied is not None,
        )
        async with _listening(outpost, doors, health, registry, models, fleet) as port:
            await outpost.audit.append(_system_event(outpost, "start"))
            if fleet is None:
                outpost.in_force.accelerate()
            collector.settle()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(sync.run(ended))
                tasks.create_task(keep_clock_floor(outpost.clock_watch, outpost.admission, outpost.stores.state, ended))
                tasks.create_task(_watch_freshness(freshness, ended))
                tasks.create_task(port.run(ended))
                tasks.create_task(models.run(ended))
                tasks.create_task(bury_orphans(ended))
                command = await steward.attend()
                handover = await steward.leave(port, outpost.admission, command)
                ended.set()
    with contextlib.suppress(OutpostError):  # a full disk must not keep the process from ending
        await outpost.audit.append(_system_event(outpost, "stop"))
    return handover


@contextlib.asynccontextmanager
async def _listening(
    outpost: Outpost,
    doors: Doors,
    health: OutpostHealth,
    registry: CollectorRegistry,
    models: ModelService,
    fleet: Fleet | None,
) -> AsyncIterator[ProxyPort | Fleet]:
    """Both ports, open from entering to leaving."""
    config = outpost.config
    forwarder = make_forwarder(config, outpost.in_force.provider_key)
    async with contextlib.aclosing(forwarder):
        if fleet is None:
            board = HealthBoard(time.monotonic)
            parts = make_parts(
                config,
                admission=outpost.admission,
                audit=outpost.audit,
                forwarder=forwarder,
                metrics=ProxyMetrics(registry),
                clock=outpost.clock,
                models=models,
                database=outpost.database,
                health=board,
            )
            server = make_connections(config, parts, health)
            alone = ProxyPort(server, tls_files(config), handshake_timeout_s=config.header_timeout_s)
            health.providers, health.listener = board.known, lambda: alone.validity
            port: ProxyPort | Fleet = alone
        else:
            fleet.standing = standing_of(outpost.admission, outpost.audit, models, health)
            registry.register(fleet.gathered)
            health.providers, health.listener = fleet.outlook.providers, fleet.outlook.validity
            port = fleet
        watch_certificate(health.listener, registry)
        gather = None if fleet is None else fleet.scrape
        admin = web.AppRunner(make_admin_app(health, registry, gather), access_log=None)
        try:
            await admin.setup()
            for one in doors.admin.sockets:
                await web.SockSite(admin, one).start()
            await port.open_on_sockets(doors.proxy.sockets)
            scheme = "http" if tls_files(config) is None else "https"
            log.info(
                "listening",
                proxy=[_address(address, scheme) for address in port.addresses],
                admin=[_address(address) for address in admin.addresses],
                ready=not health.ready_problems(),
            )
            yield port
        finally:
            await port.close()
            await admin.cleanup()
            doors.close()


def _fleet(outpost: Outpost, models: ModelService) -> Fleet:
    def on_end(reason: str) -> None:
        with contextlib.suppress(AuditUnavailable):  # then no request passes, and the log says so itself
            outpost.audit.submit(_system_event(outpost, "worker_ended", reason)).add_done_callback(retrieve)

    local_keys = local_provider_keys(outpost.config), local_list_keys(outpost.config)
    return make_fleet(outpost.config, outpost.in_force, outpost.admission, outpost.audit, models, local_keys, on_end)


async def _watch_freshness(freshness: FreshnessWatch, stop: asyncio.Event) -> None:
    while not stop.is_set():
        freshness.check()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHECK_EVERY_S):
                await stop.wait()


def _audited_prepare(
    outpost: Outpost, fetch: FetchFiles, fleet: Fleet | None = None
) -> Callable[[StoredBundle], Awaitable[Callable[[], Awaitable[None]]]]:
    def note(outcome: str, detail: str | None = None) -> None:
        # Nothing waits for it: while the audit log fails no request passes anyway, and the log says so itself.
        with contextlib.suppress(AuditUnavailable):
            outpost.audit.submit(_system_event(outpost, outcome, detail)).add_done_callback(retrieve)

    async def prepare(stored: StoredBundle) -> Callable[[], Awaitable[None]]:
        try:
            put_in_force = await outpost.in_force.prepare(stored, fetch)
        except BundleRejected as err:
            note("bundle_refused", str(err))
            raise

        async def put_and_note() -> None:
            if fleet is not None:
                await fleet.enforce(stored)  # in force is what nobody decides differently any more
            put_in_force()
            note("bundle_applied")

        return put_and_note

    return prepare


def _system_event(outpost: Outpost, outcome: str, detail: str | None = None) -> AuditEvent:
    applied = outpost.in_force.applied
    return AuditEvent(
        kind="system",
        at=outpost.clock(),
        request_id="system",
        outcome=outcome,
        bundle_version=applied.snapshot_version if applied else None,
        detail=detail or f"version {outpost_version()}",
    )


def _sync_report(outpost: Outpost, sync: SyncLoop) -> dict[str, Any]:
    failing = {task.value: reason for task, reason in sync.errors.items()}
    return {**sync_report(outpost.stores.state), "failing": failing}


def _address(address: Any, scheme: str = "http") -> str:
    host, port = address[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
