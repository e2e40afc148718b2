"""What the app gives its workers: what they are born with, and what they are told of the parent every second."""

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from outpost.admin.health import OutpostHealth
from outpost.audit.log import AuditLog
from outpost.config import Config
from outpost.in_force import InForce
from outpost.models.service import ModelService
from outpost.proxy.enforcement import Admission
from outpost.reload import Reloaded
from outpost.sync.version import outpost_version
from outpost.workers.fleet import Crew, Fleet
from outpost.workers.orders import NOT_FOR_WORKERS, Enforced, Start
from outpost.workers.orphans import Orphans

Clock = Callable[[], datetime]
_ORPHANS_EVERY_S: Final = 5.0


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
        settings=settings_for_workers(config),
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


def renewing(fleet: Fleet) -> Callable[[Reloaded], None]:
    """What replaces the workers by ones that have what was read."""

    def renew(read: Reloaded) -> None:
        config = read.config
        fleet.renew(
            {"settings": settings_for_workers(config), "local_keys": read.provider_keys},
            grace_s=config.shutdown_grace_s,
            linger_s=config.keepalive_timeout_s,
        )

    return renew


def settings_for_workers(config: Config) -> dict[str, Any]:
    """Those that a worker needs, as JSON."""
    return config.model_dump(mode="json", exclude=set(NOT_FOR_WORKERS))


async def bury_orphans(ended: asyncio.Event) -> None:
    """As the first process of a container: bury what our own processes left behind when they were killed."""
    orphans = Orphans()
    while os.getpid() == 1 and not ended.is_set():
        orphans.bury()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ORPHANS_EVERY_S):
                await ended.wait()


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
