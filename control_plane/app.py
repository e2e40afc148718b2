"""Wiring: opens an installation, serves both listeners, keeps bundles and the server's certificate fresh.

Refuses to start when the installation is unfinished, the database is another's, or a key is missing or open to others.
On SIGTERM or SIGINT it stops listening, lets watchers go, and gives requests ``shutdown_grace_s``.
"""

import asyncio
import resource
import signal
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Self

import structlog
import uvloop
from aiohttp import web

from control_plane.api.ingress import UNIX_PREFIX, IngressPeer, parse_hops
from control_plane.api.news import NewsBoard
from control_plane.api.outpost import PeerCertificate, outpost_app, tls_peer_certificate
from control_plane.api.platform import platform_app
from control_plane.authority_keys import AskForShares, open_authority_keys
from control_plane.ceremonies import ensure_crls
from control_plane.config import Config
from control_plane.errors import ControlPlaneError, KeysUnsafe
from control_plane.events import IdentityEvent
from control_plane.initialise import open_installation, require_initialised
from control_plane.keyring import DataDir, Keyring, ensure_server_certificate, load_keyring
from control_plane.load import Gate, LoadLimits
from control_plane.operations import Operations
from control_plane.operations_core import utc_now
from control_plane.pruning import PRUNE_EVERY
from control_plane.rate_limit import RateLimiter
from control_plane.recovery import RecoveryPolicy
from control_plane.seal import Seal, read_seal
from control_plane.store.authorities import SqlAuthorityStore
from control_plane.store.engine import Database
from control_plane.store.events import SqlEventStore
from control_plane.unsealing import SealDoor, SealedListeners

_MAINTENANCE_MAX_S = 60.0  # a new org's first re-signing and a certificate's renewal wait no longer than this
_KEEPALIVE_S = 75.0  # aiohttp's default and NGINX's; outposts talk every 30 s and keep their connection
_BACKLOG = 4096  # a fleet that comes back after a restart; the kernel cuts it to net.core.somaxconn, commonly just this
_LINGERING_S = 1.0  # how long the rest of a refused body is read, so that its sender sees why; aiohttp waits 10

_AUTHORITY_WARNING = timedelta(days=60)  # a rotation takes days where outposts are offline; a month's slack on top
_INGRESS_SOCKET_MODE = 0o660  # the ingress is in the group; nobody else may claim to be an outpost

_log = structlog.get_logger("control_plane.app")


@dataclass(frozen=True, slots=True)
class Opened:
    """An installation ready for use. ``close`` it afterwards."""

    operations: Operations
    server_names: tuple[str, ...]

    def close(self) -> None:
        """Close the database."""
        self.operations.database.close()


def open_for(config: Config, *, to_issue: bool = True, shares: bytes | AskForShares | None = None) -> Opened:
    """The installation that ``config`` names. ``to_issue=False``: also with an authority that has ended.

    ``shares`` opens sealed keys: the passphrase, or who asks people for their shares once a key is needed.

    Raises:
        NotInitialised, KeysUnsafe, KeyStoreFailed, StoreUnavailable: It cannot be used; says what to do.
    """
    require_initialised(config.data_dir)
    database = Database(config.resolved_database_url())
    try:
        installation = open_installation(config.data_dir, database, config.trust_domain)
        with database.read() as connection:
            state = SqlAuthorityStore(connection).load()
        files, trust_domain = DataDir(config.data_dir), installation.trust_domain
        keys = open_authority_keys(files.ca, replace(config.key_store_choice(), shares=shares))
        backdate = timedelta(seconds=config.certificate_backdate_s)
        keyring = load_keyring(files, trust_domain, utc_now(), state, keys=keys, to_issue=to_issue, backdate=backdate)
    except ControlPlaneError:
        database.close()
        raise
    lifetime = timedelta(seconds=config.timestamp_lifetime_s)
    recovery = RecoveryPolicy(timedelta(seconds=config.recovery_window_s), config.recovery_approval == "operator")
    operations = Operations(
        database, keyring, installation.trust_domain, timestamp_lifetime=lifetime, recovery=recovery
    )
    return Opened(operations, tuple(config.server_names or installation.server_names))


class Server:
    """Both listeners and the schedule. ``async with`` starts and stops them; ``urls`` are where they listen."""

    def __init__(
        self, config: Config, opened: Opened, peer_certificate: PeerCertificate = tls_peer_certificate
    ) -> None:
        self._config = config
        self._operations = opened.operations
        self._names = opened.server_names
        self._peer_certificate = peer_certificate
        self._stack = AsyncExitStack()
        self._tasks = asyncio.TaskGroup()
        self._loops: list[asyncio.Task[None]] = []
        self._pruned_at: datetime | None = None
        self.platform_tls = _server_context()
        self.outpost_tls = _mutual_context(opened.operations.keyring)
        self.urls: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._refresh)
        self._load_certificate()
        async with self._stack:  # whatever fails from here on, what was started is stopped
            await self._start()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        config, operations = self._config, self._operations
        gate = Gate(LoadLimits(config.max_requests, config.max_watchers))
        board = NewsBoard(operations.policy.audiences, config.watch_poll_s, lambda: gate.idle)
        limiter = RateLimiter(config.enrol_rate_per_minute / 60, config.enrol_burst)
        platform = platform_app(operations, config.sync_url(self._names), limiter)
        outposts = partial(
            outpost_app,
            operations,
            board,
            gate,
            heartbeat_interval_s=config.heartbeat_interval_s,
            watch_s=config.watch_timeout_s,
        )
        mutual = outposts(peer_certificate=self._peer_certificate)
        await self._listen("platform", platform, config.platform_host, config.platform_port, self.platform_tls)
        await self._listen("outpost", mutual, config.outpost_host, config.outpost_port, self.outpost_tls)
        if config.ingress_listen is not None:
            hops = parse_hops(config.ingress_listen, config.trusted_ingress)
            await self._listen_for_ingress(outposts(peer_certificate=IngressPeer(hops)), config.ingress_listen)
        await self._stack.enter_async_context(self._tasks)
        self._stack.callback(self._cancel_loops)
        loops = (board.run(), self._maintain(), self._follow_trust())
        self._loops = [self._tasks.create_task(loop) for loop in loops]
        self._stack.push_async_callback(board.close)  # before the runners, or they would wait for the watchers

    async def _listen_for_ingress(self, app: web.Application, listen: str) -> None:
        if not listen.startswith(UNIX_PREFIX):
            host, _, port = listen.rpartition(":")
            await self._listen("ingress", app, host.strip("[]"), int(port), None)
            return
        path = Path(listen.removeprefix(UNIX_PREFIX))
        runner = await self._runner(app)
        await web.UnixSite(runner, path).start()
        await asyncio.to_thread(path.chmod, _INGRESS_SOCKET_MODE)
        self.urls["ingress"] = listen
        _log.info("listening", listener="ingress", url=listen)

    async def _listen(self, name: str, app: web.Application, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        runner = await self._runner(app)
        site = web.TCPSite(runner, host, port, ssl_context=tls, backlog=_BACKLOG)
        await site.start()
        bound_port = runner.addresses[0][1]
        scheme = "http" if tls is None else "https"
        self.urls[name] = f"{scheme}://{f'[{host}]' if ':' in host else host}:{bound_port}"
        _log.info("listening", listener=name, url=self.urls[name])

    async def _runner(self, app: web.Application) -> web.AppRunner:
        runner = web.AppRunner(
            app,
            access_log=None,  # the middleware logs, and knows what not to
            auto_decompress=False,
            keepalive_timeout=_KEEPALIVE_S,
            lingering_time=_LINGERING_S,
            shutdown_timeout=self._config.shutdown_grace_s,
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        return runner

    async def _maintain(self) -> None:
        interval_s = min(_MAINTENANCE_MAX_S, self._config.timestamp_resign_s / 4)
        while True:
            await asyncio.sleep(interval_s)
            await self._renew_what_is_due()

    async def _follow_trust(self) -> None:
        """Present the new chain, and let TLS read the new authorities' certificates, as soon as a rotation moves."""
        served = self._operations.keyring.state.generation
        while True:
            await asyncio.sleep(self._config.watch_poll_s)
            try:
                newest = (await asyncio.to_thread(self._operations.newest_trust)).state.generation
            except ControlPlaneError as err:
                _log.warning("trust_unavailable", error=type(err).__name__)
                continue
            if newest != served and await self._renew_what_is_due():
                served = newest
                _log.info("trust_changed", generation=newest)

    async def _renew_what_is_due(self) -> bool:
        try:
            if await asyncio.to_thread(self._refresh):
                self._load_certificate()
            _trust_authorities(self.outpost_tls, self._operations.keyring)
        except (ControlPlaneError, OSError) as err:
            _log.error("maintenance_failed", error=type(err).__name__)
            return False
        return True

    def _refresh(self) -> bool:
        """Re-sign what is due; True if the server has a new certificate."""
        renewed = self._operations.renew_bundles(timedelta(seconds=self._config.timestamp_resign_s))
        for org_id, roles in renewed.items():
            _log.info("metadata_signed", org=org_id, roles=list(roles))
        for name in ensure_crls(self._operations):
            _log.warning("root_crl_is_due", authority=name, hint="control-plane ca root crl --root-key FILE")
        keyring, at = self._operations.newest_trust(), self._operations.clock()
        if self._pruned_at is None or at - self._pruned_at >= PRUNE_EVERY:
            forgotten, self._pruned_at = self._operations.forget_certificates(), at
            if forgotten:
                _log.info("certificates_forgotten", count=forgotten)
        for authority, certificate in (("root", keyring.anchor), ("intermediate", keyring.intermediate.certificate)):
            if certificate.not_valid_after_utc - at < _AUTHORITY_WARNING:
                hint = f"control-plane ca rotate {authority} --prepare"
                _log.warning("authority_ends_soon", authority=authority, hint=hint)
        return ensure_server_certificate(keyring, list(self._names), at)

    def _load_certificate(self) -> None:
        for context in (self.platform_tls, self.outpost_tls):
            context.load_cert_chain(self._operations.keyring.files.server)

    def _cancel_loops(self) -> None:
        for task in self._loops:
            task.cancel()


def serve(config: Config, announce: Callable[[dict[str, str]], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``announce`` is told where once both listeners are up.

    Raises:
        ControlPlaneError: It cannot start; says what to do.
        OSError: A port is taken.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Each watcher holds a connection; 1,024 is a usual default.
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    require_initialised(config.data_dir)
    seal = read_seal(DataDir(config.data_dir).ca)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if seal:
            runner.run(_serve_sealed(config, seal, announce))
        else:
            with closing(open_for(config)) as opened:
                runner.run(_serve(config, opened, announce))


async def _serve(config: Config, opened: Opened, announce: Callable[[dict[str, str]], None]) -> None:
    stop = _stopped_by_signals()
    async with Server(config, opened) as server:
        announce(server.urls)
        await stop.wait()
        _log.info("stopping")


async def _serve_sealed(config: Config, seal: Seal, announce: Callable[[dict[str, str]], None]) -> None:
    """Refuse everything until people have given enough shares; serve; and so on, until stopped."""
    stop, files = _stopped_by_signals(), DataDir(config.data_dir)
    async with SealDoor(config.data_dir, seal, lambda shares: open_for(config, shares=shares)) as door:
        while not stop.is_set():
            async with SealedListeners(config, _presenting(files.server), door.unsealing) as listeners:
                config = listeners.with_their_ports(config)
                _log.warning("sealed", shares_needed=seal.threshold, hint="control-plane unseal")
                await _first(stop, door.unsealed)
            if stop.is_set():
                break
            opened = door.take()
            try:
                await asyncio.to_thread(_record, opened, "unsealed")
                async with Server(config, opened) as server:
                    announce(server.urls)
                    await _first(stop, door.sealed)
                await asyncio.to_thread(_record, opened, "sealed")
            finally:
                opened.close()
        _log.info("stopping")


def _record(opened: Opened, kind: str) -> None:
    operations = opened.operations
    with operations.database.write() as connection:
        SqlEventStore(connection).record(IdentityEvent(operations.clock(), kind))


def _stopped_by_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    return stop


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


def _presenting(chain: Path) -> ssl.SSLContext:
    """TLS with the certificate that was served last; whether it is still good is for the other end to say."""
    context = _server_context()
    try:
        context.load_cert_chain(chain)
    except (OSError, ssl.SSLError) as err:
        raise KeysUnsafe(f"{chain}: cannot be used; restore it from a backup") from err
    return context


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION  # every connection proves itself anew
    context.num_tickets = 0
    return context


def _mutual_context(keyring: Keyring) -> ssl.SSLContext:
    context = _server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    _trust_authorities(context, keyring)
    return context


def _trust_authorities(context: ssl.SSLContext, keyring: Keyring) -> None:
    """Let the handshake through for whatever any authority of ours signed: the application decides on every request.

    So an outpost with a retired authority's certificate reads in the answer that it has to recover. Intermediates help
    a client that sends its leaf alone.
    """
    for record in keyring.state.authorities:
        context.load_verify_locations(cadata=record.certificate_der)
