"""Puts the outpost together and runs it: identity, cache, audit log, proxy, admin port, synchronisation.

Start order is the promise: the cached bundle is verified and in force before any network is tried, and both
ports listen before the control plane is asked anything. A cached bundle that does not verify leaves the outpost
running and refusing (``no_policy``), never running and open; a database in which the revocation or the clock floor
cannot be read stops the start, because both are refusals that must not be forgotten.
"""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import web

from outpost import collector
from outpost.admin.freshness import CHECK_EVERY_S, FreshnessWatch
from outpost.admin.health import OutpostHealth, Standing
from outpost.admin.server import make_admin_app
from outpost.admin.status import sync_report
from outpost.audit.event import AuditEvent
from outpost.audit.log import AuditLog, open_log
from outpost.cache.bundles import BundleStore, SecretStore, StateKey, StateStore, StoredBundle
from outpost.cache.db import Database, open_database
from outpost.config import Config
from outpost.errors import (
    AuditUnavailable,
    BundleRejected,
    ControlPlaneUntrusted,
    OutpostError,
    PackInvalid,
    Unavailable,
    Untrusted,
)
from outpost.first_start import ensure_enrolled
from outpost.in_force import InForce
from outpost.local_keys import local_list_keys, local_provider_keys
from outpost.models.options import Choice, WorkerSettings
from outpost.models.pack import DEFAULT, open_pack, pack_folder
from outpost.models.process import Pace
from outpost.models.quota import usable_processors
from outpost.models.service import ModelOptions, ModelService
from outpost.protocol.messages import MAX_REASON_CHARS, SealedSecrets
from outpost.proxy.body import BodyLimits
from outpost.proxy.drain import Drain
from outpost.proxy.enforcement import Admission
from outpost.proxy.forward import Forwarder, ForwardTimeouts
from outpost.proxy.metrics import ProxyMetrics
from outpost.proxy.parts import ProxyParts, retrieve
from outpost.proxy.port import ProxyPort, make_connections, tls_files
from outpost.sync.client import ControlPlaneClient
from outpost.sync.clock import ClockWatch
from outpost.sync.doorstep import Doorstep, enrolment_url
from outpost.sync.identity import Identity, load_identity
from outpost.sync.keeper import IdentityKeeper
from outpost.sync.loop import Effects, Stores, SyncLoop
from outpost.sync.packs import PACKS, FetchFiles, PackStore
from outpost.sync.revocation_watch import RevocationWatch
from outpost.sync.secrets import open_secrets
from outpost.sync.version import outpost_version

log = structlog.get_logger(__name__)

DATABASE_FILE: Final = "outpost.db"
AUDIT_FILE: Final = "audit.db"
DOWNLOADS: Final = Path("models", "partial")
CLOCK_FLOOR_EVERY_S: Final = 60.0  # a restart then notices a clock that went back by more than this and the tolerance

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
    local_keys, list_keys = local_provider_keys(config), local_list_keys(config)
    database = open_database(config.data_dir / DATABASE_FILE)
    try:
        audit = open_log(config.data_dir / AUDIT_FILE, identity.audit_signer(), identity.log_origin, clock=clock)
    except BaseException:
        database.close()
        raise
    stores = Stores(BundleStore(database), SecretStore(database), StateStore(database))
    tolerance = timedelta(seconds=config.clock_tolerance_s)
    admission = Admission(audit_is_healthy=lambda: audit.healthy, clock_tolerance=tolerance)
    offered = partial(offered_kinds, config.models_pack)
    at_hand = [pack_folder(Path(DEFAULT)), *([] if config.models_pack is None else [pack_folder(config.models_pack)])]
    packs = PackStore(config.data_dir / PACKS, at_hand)
    in_force = InForce(
        identity, admission, local_keys, clock, list_keys, offered, packs=packs, local_pack=config.models_pack
    )
    watch = ClockWatch(clock, time.monotonic, tolerance=tolerance)
    outpost = Outpost(config, identity, stores, database, audit, admission, in_force, watch, clock)
    try:
        _restore_state(outpost)
    except BaseException:
        outpost.close()
        raise
    return outpost


def _restore_state(outpost: Outpost) -> None:
    state, in_force = outpost.stores.state, outpost.in_force
    outpost.admission.revoked = bool(state.get(StateKey.REVOKED))
    # An authority signed that this moment has come; the floor of the last run, that a later one has.
    outpost.clock_watch.vouch(outpost.identity.certificate.not_valid_before_utc)
    stored_floor_at = state.get_time(StateKey.CLOCK_FLOOR_AT)
    if stored_floor_at is not None:
        outpost.clock_watch.vouch(stored_floor_at)
    outpost.admission.clock_floor_at = outpost.clock_watch.floor_at
    sealed = outpost.stores.secrets.load()
    if sealed is not None:
        try:
            message = SealedSecrets.model_construct(version=sealed.version, sealed=sealed.sealed)
            in_force.apply_secrets(open_secrets(outpost.identity, message))
        except ControlPlaneUntrusted as err:
            log.error("cached_secrets_refused", reason=str(err))
    try:
        stored = outpost.stores.bundles.load()
        if stored is not None:
            in_force.apply(stored)
    except Untrusted as err:
        # Not fatal and not open: requests are refused with no_policy until a good bundle has arrived.
        log.error("cached_bundle_refused", reason=str(err))
        reason = f"cached bundle: {err}"[:MAX_REASON_CHARS]  # it goes into the next heartbeat
        state.update({StateKey.REFUSED_VERSION: None, StateKey.REFUSED_REASON: reason})


async def run(config: Config, *, clock: Clock = utc_now) -> None:
    """Run until SIGTERM or SIGINT, then drain; until a second one, then end at once.

    Raises:
        OutpostError: It cannot start; the message says what to do.
    """
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        if stop.is_set():
            hurry.set()
            loop.remove_signal_handler(number)  # a third one is the kernel's
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    if not await _finishes_before(stop, ensure_enrolled(config, clock=clock)):
        return
    outpost = open_outpost(config, clock=clock)
    try:
        await serve(outpost, stop, hurry)
    finally:
        await asyncio.to_thread(outpost.close)


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


def effects_of(outpost: Outpost, fetch: FetchFiles) -> Effects:
    """What synchronising changes in this outpost; each bundle is written to the audit log."""
    return Effects(
        prepare=_audited_prepare(outpost, fetch),
        apply_secrets=outpost.in_force.change_secrets,
        applied=lambda: outpost.in_force.applied,
        maintain=partial(outpost.in_force.maintain, fetch),
    )


async def serve(outpost: Outpost, stop: asyncio.Event, hurry: asyncio.Event | None = None) -> None:
    """Listen and synchronise until ``stop`` is set, then drain, at once if ``hurry`` is.

    What requests need (models, the control plane) goes on until the last of them has ended.

    Raises:
        OutpostError: It cannot listen; the message says what to do.
    """
    config, ended = outpost.config, asyncio.Event()
    drain = Drain(config.shutdown_delay_s, config.shutdown_grace_s, hurry or asyncio.Event())
    on_date = outpost.clock_watch.note_server_time
    downloads = outpost.config.data_dir / DOWNLOADS
    async with ControlPlaneClient(outpost.identity, on_date=on_date, downloads=downloads) as client:
        doorstep = Doorstep(enrolment_url(outpost.identity, outpost.config.control_plane_url), on_date=on_date)
        effects = effects_of(outpost, client)
        keeper = IdentityKeeper(outpost.identity, client, doorstep, outpost.clock_watch, outpost.clock)
        revocations = RevocationWatch(
            lambda: keeper.identity,
            client,
            doorstep,
            outpost.stores.state,
            outpost.in_force.set_revoked,
            outpost.clock,
        )
        sync = SyncLoop(client, keeper, revocations, outpost.stores, outpost.audit, effects, clock=outpost.clock)
        standing = Standing(keeper, revocations, outpost.clock_watch)
        metrics = ProxyMetrics()
        models = make_models(outpost.config, outpost.in_force.choice, metrics)
        outpost.in_force.attach(models)
        freshness = FreshnessWatch(outpost.admission, outpost.clock, metrics.registry)
        async with _listening(outpost, sync, standing, metrics, models) as port:
            await outpost.audit.append(_system_event(outpost, "start"))
            outpost.in_force.accelerate()
            collector.settle()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(sync.run(ended))
                tasks.create_task(_keep_clock_floor(outpost, ended))
                tasks.create_task(_watch_freshness(freshness, ended))
                tasks.create_task(port.keep_tls_current(ended))
                tasks.create_task(models.run(ended))
                await stop.wait()
                outpost.admission.draining = True
                log.info("draining")
                log.info("drained", cut_off=await port.drain(drain))
                ended.set()
    with contextlib.suppress(OutpostError):  # a full disk must not keep the process from ending
        await outpost.audit.append(_system_event(outpost, "stop"))


@contextlib.asynccontextmanager
async def _listening(
    outpost: Outpost, sync: SyncLoop, standing: Standing, metrics: ProxyMetrics, models: ModelService
) -> AsyncIterator[ProxyPort]:
    """Both ports, open from entering to leaving."""
    config = outpost.config
    health = OutpostHealth(
        standing,
        outpost.admission,
        outpost.audit,
        outpost.clock,
        lambda: _sync_report(outpost, sync),
        models=models,
        pack_report=outpost.in_force.pack_report,
    )
    forwarder = make_forwarder(config, outpost.in_force.provider_key)
    async with contextlib.aclosing(forwarder):
        parts = ProxyParts(
            admission=outpost.admission,
            audit=outpost.audit,
            forwarder=forwarder,
            limits=BodyLimits(config.max_chat_bytes, config.body_timeout_s),
            document_limits=BodyLimits(config.max_document_bytes, config.body_timeout_s),
            metrics=metrics,
            clock=outpost.clock,
            models=models,
        )
        server = make_connections(config, parts, health)
        admin = web.AppRunner(make_admin_app(health, metrics.registry), access_log=None)
        port = ProxyPort(server, tls_files(config), handshake_timeout_s=config.header_timeout_s)
        try:
            await admin.setup()
            await _listen(admin, config.admin_host, config.admin_port)
            await port.open(config.listen_host, config.listen_port)
            log.info(
                "listening",
                proxy=[_address(address, port.scheme) for address in port.addresses],
                admin=[_address(address) for address in admin.addresses],
                ready=not health.ready_problems(),
            )
            yield port
        finally:
            await port.close()
            await admin.cleanup()


def make_models(config: Config, choice: Choice | None, metrics: ProxyMetrics) -> ModelService:
    """What runs model packs, beginning with ``choice``; it rests without one."""
    threads = config.models_threads or usable_processors()
    worker = WorkerSettings(
        sockets=(),
        pack="",
        provider=config.models_provider,
        runners=threads,
        memory_bytes=config.models_memory_mb << 20,
        waiting_tokens=config.models_queue_tokens,
        batch_windows=config.models_batch,
    )
    # No exchange lasts longer than its provider may take, so no question about an older pack comes later than that.
    pace = Pace(timeout_s=config.models_timeout_s, retire_s=config.provider_total_timeout_s)
    return ModelService(ModelOptions(choice, worker, pace, config.models_cache_entries), metrics.registry)


def offered_kinds(pack: Path | None) -> frozenset[str] | None:
    """What the pack on disk offers: nothing without a pack; None if its card cannot be read now."""
    if pack is None:
        return frozenset()
    try:
        return open_pack(pack).card.offered
    except PackInvalid:
        return None  # every request is refused until it can be; a policy is not refused for it


async def _listen(runner: web.BaseRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as err:
        reason = err.strerror if isinstance(err, socket.gaierror) or not err.errno else os.strerror(err.errno)
        raise Unavailable(f"cannot listen on {host} port {port}: {reason}") from err


def make_forwarder(config: Config, provider_key: Callable[[str], str | None]) -> Forwarder:
    """A forwarder with the configured patience."""
    timeouts = ForwardTimeouts(
        connect_s=config.provider_connect_timeout_s,
        read_s=config.provider_read_timeout_s,
        total_s=config.provider_total_timeout_s,
    )
    return Forwarder(provider_key, timeouts=timeouts, max_answer_bytes=config.max_answer_bytes)


async def _keep_clock_floor(outpost: Outpost, stop: asyncio.Event) -> None:
    """Remember that time has passed, so that a clock turned back is noticed after a restart too.

    Only times that a verified source vouches for count: this machine's own clock may be years ahead by mistake, and
    the floor would refuse everything once it is put right.
    """
    while not stop.is_set():
        floor_at = outpost.clock_watch.floor_at
        if floor_at is not None:
            try:
                outpost.admission.clock_floor_at = await asyncio.to_thread(
                    outpost.stores.state.raise_time, StateKey.CLOCK_FLOOR_AT, floor_at
                )
            except OutpostError as err:
                log.error("clock_floor_not_stored", reason=str(err))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOCK_FLOOR_EVERY_S):
                await stop.wait()


async def _watch_freshness(freshness: FreshnessWatch, stop: asyncio.Event) -> None:
    while not stop.is_set():
        freshness.check()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHECK_EVERY_S):
                await stop.wait()


def _audited_prepare(outpost: Outpost, fetch: FetchFiles) -> Callable[[StoredBundle], Awaitable[Callable[[], None]]]:
    def note(outcome: str, detail: str | None = None) -> None:
        # Nothing waits for it: while the audit log fails no request passes anyway, and the log says so itself.
        with contextlib.suppress(AuditUnavailable):
            outpost.audit.submit(_system_event(outpost, outcome, detail)).add_done_callback(retrieve)

    async def prepare(stored: StoredBundle) -> Callable[[], None]:
        try:
            put_in_force = await outpost.in_force.prepare(stored, fetch)
        except BundleRejected as err:
            note("bundle_refused", str(err))
            raise

        def put_and_note() -> None:
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
