"""``outpost doctor``: looks at everything an outpost depends on and says what to do about each fault.

Changes nothing but one small file that it writes and removes to try the disk; works beside a running outpost and
without one. Each check stands alone: what one cannot find out never hides what another can.
"""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from outpost.audit.verify import verify_log
from outpost.cache.bundles import BundleStore, StateKey, StateStore
from outpost.cache.db import open_database
from outpost.config import Config
from outpost.errors import (
    AuditCorrupt,
    CertificateRefused,
    ConfigError,
    ControlPlaneOutOfTime,
    ControlPlaneUntrusted,
    IdentityInvalid,
    OutpostError,
    PackInvalid,
    Rejected,
    Unavailable,
)
from outpost.models.pack import open_pack, verify_files
from outpost.policy.bundle import Bundle, Freshness, load_bundle
from outpost.policy.pack import BundlePack
from outpost.proxy.client_tls import server_context
from outpost.proxy.listener import bind
from outpost.proxy.port import tls_files
from outpost.sync.client import ControlPlaneClient, Timeouts
from outpost.sync.clock import ClockWatch
from outpost.sync.doorstep import Doorstep, enrolment_url
from outpost.sync.exchange import Transport
from outpost.sync.identity import Identity, load_identity
from outpost.sync.packs import PACKS, PackStore
from outpost.sync.revocation import judge

DATABASE_FILE: Final = "outpost.db"
AUDIT_FILE: Final = "audit.db"
_CONNECT_S: Final = 5.0
_LOW_DISK_BYTES: Final = 1 << 30  # a busy outpost writes some 100 MB of audit log a day
_NO_DISK_BYTES: Final = 64 << 20  # below the audit log's reserve nothing can be promised
_SLOW_FSYNC_S: Final = 0.5  # every answer waits for one
_LARGE_AUDIT_BYTES: Final = 256 << 20  # beyond it verification takes minutes, and has its own command
_LATE_RENEWAL: Final = 0.25  # of the certificate's life left: renewal should have come at half


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. ``fix`` is empty if there is nothing to do."""

    name: str
    status: Status
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the doctor looks at besides the data directory; tests replace it."""

    clock: Callable[[], datetime]
    running: Mapping[str, object] | None
    """The running outpost's own health report, or None if it does not run."""
    transport: Transport | None = None
    resolve: Callable[[str, int], object] = socket.getaddrinfo
    connect: Callable[[str, int], None] = lambda host, port: socket.create_connection((host, port), _CONNECT_S).close()


async def examine(config: Config, around: Surroundings) -> list[Check]:
    """Every check, in the order in which faults build on each other. Raises for no fault that it looks for."""
    at = around.clock()
    checks = [*_disk(config.data_dir), *_ports(config, around), *_client_tls(config)]
    try:
        identity = load_identity(config.data_dir, at)
    except IdentityInvalid as err:
        fix = "enrol with `outpost register`, or restore the data directory from a backup"
        return [*checks, Check("identity", Status.FAIL, str(err), fix)]
    name = f"{identity.outpost_id} of {identity.org_id}, files closed to others"
    checks += [Check("identity", Status.OK, name), _certificate(identity, at)]
    bundle, policy = _policy(config.data_dir, identity, at)
    watch = ClockWatch(around.clock, time.monotonic, tolerance=timedelta(seconds=config.clock_tolerance_s))
    checks += [*_network(config, identity, around), *await _control_plane(config, identity, around, watch)]
    checks += [_clock(config.data_dir, watch), policy, *_models(config, bundle), _audit(config.data_dir, identity)]
    return [*checks, *_providers(bundle, around), _health(identity, around)]


def _disk(data_dir: Path) -> Iterator[Check]:
    try:
        free = shutil.disk_usage(data_dir).free
        probe = data_dir / f".doctor-{os.getpid()}"
        started = time.monotonic()
        try:
            with probe.open("xb") as file:
                file.write(b"x")
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
        took_s = time.monotonic() - started
    except OSError as err:
        fix = "make the data directory writable for the user the outpost runs as (data_dir)"
        yield Check("disk", Status.FAIL, f"{data_dir}: {err.strerror}", fix)
        return
    detail = f"{free >> 20} MB free, written through in {took_s * 1000:.0f} ms"
    if free < _NO_DISK_BYTES:
        yield Check("disk", Status.FAIL, detail, "make room: without an audit log nothing passes")
    elif free < _LOW_DISK_BYTES or took_s > _SLOW_FSYNC_S:
        yield Check("disk", Status.WARN, detail, "give the data directory more room or a faster disk")
    else:
        yield Check("disk", Status.OK, detail)


def _models(config: Config, bundle: Bundle | None) -> Iterator[Check]:
    if bundle is not None and bundle.pack is not None:
        yield _bundle_pack(config, bundle.pack)
        return
    if config.models_pack is None:
        return
    try:
        pack = open_pack(config.models_pack)
        verify_files(pack)
    except PackInvalid as err:
        yield Check(
            "models", Status.FAIL, str(err), "put the pack back whole: `outpost models verify` says what is wrong"
        )
    else:
        detail = f"{pack.label} finds {len(pack.card.kinds)} kinds, licence {pack.card.licence}"
        yield Check("models", Status.OK, detail)


def _bundle_pack(config: Config, pack: BundlePack) -> Check:
    if not PackStore(config.data_dir / PACKS).is_whole(pack):
        fix = "start the outpost with the control plane reachable, or import a bundle file: it is fetched again"
        return Check("models", Status.FAIL, f"the bundle's pack {pack.label} is not whole here", fix)
    unused = "" if config.models_pack is None else "; models_pack does not count beside it"
    return Check("models", Status.OK, f"the bundle's {pack.label} finds {len(pack.card.kinds)} kinds{unused}")


def _ports(config: Config, around: Surroundings) -> Iterator[Check]:
    for what, host, port in (
        ("proxy port", config.listen_host, config.listen_port),
        ("admin port", config.admin_host, config.admin_port),
    ):
        if around.running is not None:
            yield Check(what, Status.OK, f"{host}:{port} is served by this outpost")
            continue
        try:
            for opened in bind(host, port):
                opened.close()
        except Unavailable as err:
            fix = f"stop what listens there (ss -ltnp), or set {what.split()[0].replace('proxy', 'listen')}_port"
            yield Check(what, Status.FAIL, str(err), fix)
        else:
            yield Check(what, Status.OK, f"{host}:{port} is free")


def _client_tls(config: Config) -> Iterator[Check]:
    files = tls_files(config)
    if files is None:
        return
    try:
        server_context(files)
    except ConfigError as err:
        yield Check("client TLS", Status.FAIL, str(err), "put the files right: the outpost does not start with these")
    else:
        asked = "" if files.client_ca is None else ", client certificates are asked for"
        yield Check("client TLS", Status.OK, f"{files.certificate} can be used{asked}")


def _certificate(identity: Identity, at: datetime) -> Check:
    certificate = identity.certificate
    ends_at = certificate.not_valid_after_utc
    detail = f"valid until {ends_at:%Y-%m-%dT%H:%M:%SZ}, leads to {len(identity.anchors)} anchor(s)"
    if at < certificate.not_valid_before_utc:
        return Check("certificate", Status.FAIL, "not valid yet by this machine's clock", "set the clock")
    if at > ends_at:
        fix = "start the outpost: it recovers by itself if it can reach the enrolment port"
        return Check("certificate", Status.FAIL, f"expired at {ends_at:%Y-%m-%dT%H:%M:%SZ}", fix)
    if ends_at - at < (ends_at - certificate.not_valid_before_utc) * _LATE_RENEWAL:
        return Check("certificate", Status.WARN, detail, "it should have been renewed: see what the checks below say")
    return Check("certificate", Status.OK, detail)


def _network(config: Config, identity: Identity, around: Surroundings) -> Iterator[Check]:
    urls = {"control plane": identity.sync_url, "enrolment port": enrolment_url(identity, config.control_plane_url)}
    for what, url in urls.items():
        yield from _reachable(what, url, around, unreachable=Status.FAIL if what == "control plane" else Status.WARN)


def _reachable(what: str, url: str, around: Surroundings, unreachable: Status) -> Iterator[Check]:
    host, port = _endpoint(url)
    proxy = _proxy_for(url, host)
    if proxy is not None:
        host, port = _endpoint(proxy)
        yield Check(f"proxy to {what}", Status.OK, f"{host}:{port} (from HTTPS_PROXY; NO_PROXY exempts hosts)")
    try:
        around.resolve(host, port)
    except OSError as err:
        reason = err.strerror or type(err).__name__
        yield Check(
            f"{what} name", unreachable, f"{host}: {reason}", "repair DNS (/etc/resolv.conf), or the URL's host"
        )
        return
    try:
        around.connect(host, port)
    except OSError as err:
        reason = err.strerror or type(err).__name__
        fix = f"open {host}:{port} in the firewall, or set HTTPS_PROXY/NO_PROXY"
        yield Check(f"{what} connection", unreachable, f"{host}:{port}: {reason}", fix)
    else:
        yield Check(f"{what} connection", Status.OK, f"{host}:{port} accepts connections")


async def _control_plane(config: Config, identity: Identity, around: Surroundings, watch: ClockWatch) -> list[Check]:
    """TLS both ways, the time, and the revocation list, by one real exchange on each port."""
    timeouts = Timeouts(connect_s=_CONNECT_S, read_s=_CONNECT_S, download_total_s=2 * _CONNECT_S)
    on_date = watch.note_server_time
    doorstep = Doorstep(enrolment_url(identity, config.control_plane_url), transport=around.transport, on_date=on_date)
    async with ControlPlaneClient(identity, transport=around.transport, timeouts=timeouts, on_date=on_date) as client:
        try:
            der = await client.fetch_crl()
            tls = Check("TLS", Status.OK, "both certificates are accepted")
        except OutpostError as err:
            if isinstance(err, ControlPlaneOutOfTime):
                hint = await doorstep.unverified_date(identity)
                if hint is not None:
                    watch.note_hint(hint)
            tls = Check("TLS", Status.FAIL, str(err), _tls_fix(err))
            try:
                der = await doorstep.fetch_crl(identity)
            except OutpostError as second:
                return [tls, Check("revocation", Status.WARN, str(second), "nothing is known; repair the above first")]
    return [tls, _revocation(der, identity, around.clock())]


def _tls_fix(err: OutpostError) -> str:
    if isinstance(err, ControlPlaneOutOfTime):
        return "set this machine's clock (chronyc makestep, timedatectl); if it is right, the control plane's is wrong"
    if isinstance(err, ControlPlaneUntrusted):
        return "exempt the control plane's host from TLS inspection; check that the URL's host is one of its names"
    if isinstance(err, CertificateRefused):
        return "start the outpost: it recovers by itself; else look at the control plane's log"
    if isinstance(err, Rejected):
        return f"the control plane says {err.code.value}: see docs/errors.md"
    return "see the connection above; the outpost retries by itself"


def _revocation(der: bytes, identity: Identity, at: datetime) -> Check:
    try:
        verdict = judge(der, identity, at)
    except ControlPlaneUntrusted as err:
        return Check("revocation", Status.WARN, str(err), "ask the control plane's operator for a new revocation list")
    if verdict.revoked:
        fix = "enrol a new outpost if that was a mistake: control-plane outpost create"
        return Check("revocation", Status.FAIL, f"revoked by list {verdict.number}", fix)
    if not verdict.current:
        fix = "ask the control plane's operator for a new revocation list"
        return Check("revocation", Status.WARN, f"list {verdict.number} is past its next update", fix)
    return Check("revocation", Status.OK, f"not on list {verdict.number}")


def _clock(data_dir: Path, watch: ClockWatch) -> Check:
    path = data_dir / DATABASE_FILE
    try:
        if path.exists():
            with open_database(path) as database:
                floor_at = StateStore(database).get_time(StateKey.CLOCK_FLOOR_AT)
            if floor_at is not None:
                watch.vouch(floor_at)
    except OutpostError as err:
        return Check("clock", Status.FAIL, str(err), "see the message")
    problem = watch.problem()
    if problem is not None:
        return Check("clock", Status.FAIL, problem, "repair time synchronisation: chronyc tracking, timedatectl")
    if watch.reading is None:
        return Check("clock", Status.WARN, "nobody could be asked for the time", "repair the connection above")
    return Check("clock", Status.OK, f"{watch.reading.skew_s:+.0f} s from the control plane's")


def _policy(data_dir: Path, identity: Identity, at: datetime) -> tuple[Bundle | None, Check]:
    path = data_dir / DATABASE_FILE
    if not path.exists():
        return None, Check("policy", Status.WARN, "the outpost has not been started yet", "run `outpost run`")
    try:
        with open_database(path) as database:
            stored = BundleStore(database).load()
        if stored is None:
            return None, Check("policy", Status.FAIL, "none yet", "start the outpost with the control plane reachable")
        bundle = load_bundle(
            identity.tuf_root,
            roots=stored.roots,
            timestamp=stored.timestamp,
            snapshot=stored.snapshot,
            targets=stored.targets,
            documents=stored.documents,
            delegated=stored.delegated,
        )
    except OutpostError as err:
        return None, Check("policy", Status.FAIL, str(err), "restore the connection: a good bundle replaces this one")
    until = f"version {bundle.snapshot_version}, enforceable until {bundle.enforceable_until:%Y-%m-%dT%H:%M:%SZ}"
    freshness = bundle.freshness(at)
    status = {Freshness.EXPIRED: Status.FAIL, Freshness.STALE: Status.WARN}.get(freshness, Status.OK)
    fix = "" if status is Status.OK else "restore the connection to the control plane"
    return bundle, Check("policy", status, f"{freshness.value}: {until}", fix)


def _audit(data_dir: Path, identity: Identity) -> Check:
    path = data_dir / AUDIT_FILE
    if not path.exists():
        return Check("audit log", Status.WARN, "there is none yet", "run `outpost run`")
    if path.stat().st_size > _LARGE_AUDIT_BYTES:
        return Check("audit log", Status.WARN, "too large to verify here", "run `outpost audit verify`")
    try:
        report = verify_log(path, identity.audit_signer().verifier, identity.receipt_verifier())
    except (AuditCorrupt, OutpostError) as err:
        return Check("audit log", Status.FAIL, str(err), "keep the file for examination; see docs/errors.md")
    if not report.ok:
        return Check("audit log", Status.FAIL, report.problems[0].message, "run `outpost audit verify` for the places")
    return Check("audit log", Status.OK, f"{report.size} events verify")


def _providers(bundle: Bundle | None, around: Surroundings) -> Iterator[Check]:
    for provider in bundle.routing.providers if bundle else ():
        yield from _reachable(f"provider {provider.id}", provider.base_url, around, unreachable=Status.WARN)


def _health(identity: Identity, around: Surroundings) -> Check:
    if around.running is None:
        return Check("outpost", Status.WARN, "not running", "run `outpost run`")
    if around.running.get("outpost_id") != identity.outpost_id:
        fix = "give each outpost ports of its own (listen_port, admin_port)"
        return Check("outpost", Status.FAIL, "another outpost answers on the admin port", fix)
    state = around.running.get("state")
    told = [str(line) for key in ("problems", "warnings") for line in _lines(around.running.get(key))]
    detail = "; ".join([f"running, {state}", *told])
    if state == "red":
        return Check("outpost", Status.FAIL, detail, "the messages say what is wrong; codes are in docs/errors.md")
    return Check("outpost", Status.WARN if told else Status.OK, detail, "see the messages" if told else "")


def _lines(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _endpoint(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _proxy_for(url: str, host: str) -> str | None:
    """The proxy of the environment for ``url``, as the HTTP clients choose it."""
    proxies = getproxies()
    return None if proxy_bypass(host) else proxies.get(urlsplit(url).scheme, proxies.get("all"))
