"""One of several processes that serve the proxy port; started by the parent, which alone writes and synchronises.

It enforces what it was told and nothing before, and hands every event to the parent. Without the parent it refuses
everything (``audit_unavailable``) and ends: it could prove nothing of what it lets through (ADR 0010).
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
import uvloop

from outpost import collector
from outpost.app import DATABASE_FILE, utc_now
from outpost.cache.db import open_database
from outpost.config import Config
from outpost.errors import Rejected
from outpost.in_force import InForce
from outpost.models.frames import Message
from outpost.protocol.logs import configure_logs
from outpost.proxy.drain import Drain
from outpost.proxy.enforcement import Admission
from outpost.proxy.health import HealthBoard
from outpost.proxy.metrics import ProxyMetrics
from outpost.proxy.port import ProxyPort, make_connections, tls_files
from outpost.sync.version import outpost_version
from outpost.wiring import make_forwarder, make_parts
from outpost.workers.acceptor import Acceptor
from outpost.workers.control import Channel
from outpost.workers.metrics import snapshot
from outpost.workers.model_relay import RelayedModels
from outpost.workers.orders import Birth, OrderInvalid, Start, bundle_from_json, secrets_from_json
from outpost.workers.outlook import known_from_json, told_of
from outpost.workers.piped_audit import PipedAudit
from outpost.workers.slots import OwnSlot, Slots

DYING_S: Final = 3.0  # without a parent: long enough to tell clients, too short to matter to a new parent
SETTLE_S: Final = 2.0  # of events that nobody waits for

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Anchor:
    """Whose policy is believed."""

    tuf_root: bytes = field(repr=False)


class WorkerHealth:
    """The probes on the proxy port: what this process knows at once, and what the parent said last."""

    def __init__(self, admission: Admission, clock: Callable[[], datetime]) -> None:
        self._admission = admission
        self._clock = clock
        self._problems: list[str] = []
        self._report: dict[str, Any] = {}

    def told(self, problems: list[str], report: dict[str, Any]) -> None:
        """Take what the parent says; it is at most some seconds old."""
        self._problems, self._report = problems, report

    def ready_problems(self) -> list[str]:
        """Why requests cannot be served now; empty if they can."""
        if self._admission.draining:
            return ["draining: the outpost is shutting down"]
        try:
            self._admission.admit(self._clock())
        except Rejected as err:
            return [f"{err.code}: {err.message}"]
        return self._problems

    def report(self) -> dict[str, Any]:
        """The parent's."""
        return self._report


@dataclass(frozen=True, slots=True)
class _Parts:
    """What there is once the parent has said who we are."""

    config: Config
    admission: Admission
    in_force: InForce
    health: WorkerHealth
    providers: HealthBoard
    metrics: ProxyMetrics
    models: RelayedModels
    port: ProxyPort
    slot: OwnSlot
    acceptor: Acceptor


class Worker:
    """Everything of the process but its birth."""

    def __init__(self, birth: Birth) -> None:
        self._birth = birth
        self._listeners = [socket.socket(fileno=number) for number in birth.listeners]
        self._parts: _Parts | None = None
        self._audit: PipedAudit | None = None
        self._hurry = asyncio.Event()
        self._drained = asyncio.Event()
        self._stop = asyncio.Event()
        self._orders: Mapping[str, Callable[[_Parts, Message], Awaitable[Message]]] = {
            "secrets": self._secrets,
            "bundle": self._bundle,
            "revoked": self._revoked,
            "pulse": self._pulse,
            "serve": self._serve,
            "announce": self._announce,
            "drain": self._drain,
            "hurry": self._hasten,
        }

    async def run(self) -> None:
        """Serve until told to end, or until the parent is gone."""
        self._audit = await PipedAudit.open(socket.socket(fileno=self._birth.audit))
        channel = await Channel.open(socket.socket(fileno=self._birth.control), self._obey)
        drained = asyncio.ensure_future(self._drained.wait())
        ends: set[asyncio.Future[Any]] = {channel.closed, self._audit.gone, drained}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self._stop.set()
        if not drained.done():
            await self._end_without_parent()
        await asyncio.sleep(0)  # the answer to the order to drain goes out
        channel.close()

    async def _end_without_parent(self) -> None:
        if self._audit is not None:
            self._audit.close()  # from here on every request is refused: audit_unavailable
        for listener in self._listeners:
            listener.close()
        _log.error("parent_gone")
        if self._parts is not None:
            await self._parts.port.drain(Drain(grace_s=DYING_S))

    async def _obey(self, message: Message) -> Message:
        kind = message.get("type")
        if kind == "start":
            self._parts = await self._start(Start.from_json(message))
            return {"pid": os.getpid()}
        order = self._orders.get(str(kind))
        if order is None or self._parts is None:
            raise OrderInvalid("no such order, or too early")
        return await order(self._parts, message)

    async def _start(self, start: Start) -> _Parts:
        if start.version != outpost_version():
            raise OrderInvalid("the parent runs another version of the program")
        config = Config(**start.settings)
        configure_logs(config.log_level)
        audit = self._audit
        if audit is None or self._parts is not None:
            raise OrderInvalid("a worker is born once")
        admission = Admission(
            audit_is_healthy=lambda: audit.healthy, clock_tolerance=timedelta(seconds=config.clock_tolerance_s)
        )
        # What the models here find was checked by the parent when the bundle came, and is again with every request.
        in_force = InForce(
            Anchor(start.tuf_root), admission, start.local_keys, utc_now, start.list_keys, offered=lambda: None
        )
        models = await RelayedModels.open(socket.socket(fileno=self._birth.models), timeout_s=config.models_timeout_s)
        metrics, health, providers = ProxyMetrics(), WorkerHealth(admission, utc_now), HealthBoard(time.monotonic)
        parts = make_parts(
            config,
            admission=admission,
            audit=audit,
            forwarder=make_forwarder(config, in_force.provider_key),
            metrics=metrics,
            clock=utc_now,
            models=models,
            # Uploads only, from which any worker must know what another took; SQLite lets one write at a time.
            database=await asyncio.to_thread(open_database, config.data_dir / DATABASE_FILE),
            health=providers,
            redaction_key=start.redaction_key,
        )
        slots = Slots(self._birth.memory, self._birth.slots)
        slot = OwnSlot(slots, self._birth.index)
        connections = make_connections(config, parts, health, crowd=slot, share=config.workers)
        port = ProxyPort(connections, tls_files(config), handshake_timeout_s=config.header_timeout_s)
        acceptor = Acceptor(connections, self._listeners, slot, config.header_timeout_s)
        return _Parts(config, admission, in_force, health, providers, metrics, models, port, slot, acceptor)

    async def _secrets(self, parts: _Parts, message: Message) -> Message:
        await parts.in_force.change_secrets(secrets_from_json(message.get("secrets")))
        return {}

    async def _bundle(self, parts: _Parts, message: Message) -> Message:
        bundle = await asyncio.to_thread(bundle_from_json, message)
        put_in_force = await parts.in_force.follow(bundle)
        put_in_force()
        return {}

    async def _revoked(self, parts: _Parts, message: Message) -> Message:
        parts.in_force.set_revoked(message.get("revoked") is not False)  # whatever is not a clear no
        return {}

    async def _pulse(self, parts: _Parts, message: Message) -> Message:
        """Take what the parent says of itself; see ``standing`` in ``outpost.app``."""
        parts.admission.draining = bool(message.get("draining"))
        floor = message.get("clock_floor_at")
        if floor is not None:
            parts.admission.clock_floor_at = datetime.fromisoformat(str(floor))
        parts.health.told([str(problem) for problem in message.get("problems", ())], dict(message.get("report", {})))
        if self._audit is not None:
            self._audit.writer_is_healthy = message.get("audit_healthy") is True
        parts.models.told(message.get("models", {}))
        parts.providers.heard(known_from_json(message.get("providers")))
        return {"metrics": snapshot(parts.metrics.registry), **told_of(parts.providers.known(), parts.port.validity)}

    async def _serve(self, parts: _Parts, _message: Message) -> Message:
        collector.settle()
        await parts.port.open_on(parts.acceptor)
        parts.slot.accepts(True)
        self._watching = asyncio.ensure_future(parts.port.keep_tls_current(self._stop))
        parts.in_force.accelerate()
        return {}

    async def _announce(self, parts: _Parts, message: Message) -> Message:
        """Go on, but tell clients to come back on new connections; answered when all have been told."""
        await parts.port.announce(float(message["most_s"]))
        return {}

    async def _drain(self, parts: _Parts, message: Message) -> Message:
        """Finish what is under way; ``linger_s`` is how long clients may still come back on open connections."""
        parts.slot.accepts(False)
        cut = await parts.port.leave(float(message["linger_s"]), Drain(0.0, float(message["grace_s"]), self._hurry))
        await self._settle()
        self._drained.set()
        return {"cut": cut}

    async def _hasten(self, _parts: _Parts, _message: Message) -> Message:
        self._hurry.set()
        return {}

    async def _settle(self) -> None:
        """Wait for the events of clients that went away: nobody else does."""
        if self._audit is not None:
            await self._audit.settled(SETTLE_S)


async def _main(birth: Birth) -> None:
    await Worker(birth).run()


def main() -> None:
    """Run until told to end. Signals are for the parent, which tells us."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(ignored, signal.SIG_IGN)
    birth = Birth.from_json(sys.argv[1])
    for number in (birth.control, birth.audit, birth.memory, birth.models, *birth.listeners):
        os.set_inheritable(number, False)  # none of them is for what we start ourselves
    structlog.contextvars.bind_contextvars(worker=birth.index)
    configure_logs("info")
    uvloop.run(_main(birth))
    os._exit(0)  # without waiting for scans that nobody waits for


if __name__ == "__main__":
    main()
