"""What the app gives its workers: what they are born with, and what they are told of the parent every second."""

import asyncio
import contextlib
import json
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from outpost.admin.health import OutpostHealth
from outpost.audit.log import AuditLog
from outpost.config import Config
from outpost.in_force import InForce
from outpost.models.service import ModelService
from outpost.proxy.enforcement import Admission
from outpost.sync.version import outpost_version
from outpost.workers.fleet import Crew, Enforced, Fleet
from outpost.workers.orders import NOT_FOR_WORKERS, Start

Clock = Callable[[], datetime]


def make_fleet(  # noqa: PLR0913, PLR0917 - what a parent has
    config: Config,
    in_force: InForce,
    admission: Admission,
    audit: AuditLog,
    models: ModelService,
    local_keys: tuple[Mapping[str, str], Mapping[str, bytes]],
    on_end: Callable[[str], None],
) -> Fleet:
    """Workers that enforce what is in force now; not started yet.

    ``local_keys`` are those of providers and those of lists; ``on_end`` is told why a worker ended unasked.
    """
    crew = Crew(
        count=config.workers,
        log=audit,
        models=models,
        on_end=on_end,
        grace_s=config.shutdown_grace_s,
        linger_s=config.keepalive_timeout_s,
    )
    start = Start(
        version=outpost_version(),
        settings=config.model_dump(mode="json", exclude=set(NOT_FOR_WORKERS)),
        local_keys=local_keys[0],
        list_keys=local_keys[1],
        tuf_root=in_force.tuf_root,
        redaction_key=secrets.token_bytes(32),
    )
    return Fleet(crew, start, Enforced(in_force.stored, in_force.secrets, admission.revoked))


def standing_of(
    admission: Admission, audit: AuditLog, models: ModelService, health: OutpostHealth
) -> Callable[[], dict[str, Any]]:
    """What the workers are told every second, as JSON."""
    return partial(_standing, admission, audit, models, health)


@contextlib.contextmanager
def on_hangup(fleet: Fleet | None) -> Iterator[None]:
    """SIGHUP replaces the workers, if there are any; without, it does what it always did."""
    loop = asyncio.get_running_loop()
    if fleet is not None:
        loop.add_signal_handler(signal.SIGHUP, fleet.renew)
    try:
        yield
    finally:
        if fleet is not None:
            loop.remove_signal_handler(signal.SIGHUP)


def _standing(admission: Admission, audit: AuditLog, models: ModelService, health: OutpostHealth) -> dict[str, Any]:
    floor_at = admission.clock_floor_at
    kinds = models.kinds
    return {
        "draining": admission.draining,
        "clock_floor_at": None if floor_at is None else floor_at.isoformat(),
        "audit_healthy": audit.healthy,
        "problems": health.ready_problems(),
        "report": json.loads(json.dumps(health.report(), default=str)),
        "models": {
            "kinds": None if kinds is None else sorted(kinds),
            "judged_whole": sorted(models.judged_whole),
            "problem": models.problem,
            "pack": models.digest,
        },
    }
