"""What ``outpost status`` shows: what the running outpost says of itself; without one, what lies on disk.

The disk is read, never written, and what lies there is verified like at a start. A running outpost of another data
directory, or another program on the admin port, is not taken for this one.
"""

from datetime import datetime
from typing import Any

import httpx

from outpost.admin.doctor import AUDIT_FILE, DATABASE_FILE
from outpost.admin.freshness import freshness_fields
from outpost.audit.read import queue_length
from outpost.cache.bundles import BundleStore, StateKey, StateStore
from outpost.cache.db import open_read_only
from outpost.config import Config
from outpost.errors import OutpostError
from outpost.policy.bundle import load_bundle
from outpost.protocol.routes import HEALTH
from outpost.sync.identity import Identity, load_identity
from outpost.sync.packs import PACKS, PackStore

_TIMES = (StateKey.LAST_ASKED_AT, StateKey.LAST_DOWNLOADED_AT, StateKey.LAST_APPLIED_AT)


def gather(config: Config, at: datetime) -> dict[str, Any]:
    """Everything, as JSON would show it; ``running`` says where it comes from, ``ready`` whether requests are served.

    Raises:
        IdentityInvalid: This data directory holds no usable identity.
    """
    identity = load_identity(config.data_dir, at)
    keys = {"audit_vkey": identity.audit_signer().vkey, "receipt_vkey": identity.receipt_vkey}
    report = running_report(config)
    if report is not None and report.get("outpost_id") == identity.outpost_id:
        return {"running": True, **report, **keys}
    return {"running": False, "ready": False, **_on_disk(config, identity, at), **keys}


def running_report(config: Config) -> dict[str, Any] | None:
    """What listens on the admin port says of itself; None if nobody answers like an outpost."""
    host = f"[{config.admin_host}]" if ":" in config.admin_host else config.admin_host
    try:
        # The admin port is this machine's own: no proxy of the environment belongs between.
        report = httpx.get(f"http://{host}:{config.admin_port}{HEALTH}", timeout=3, trust_env=False).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    return report if isinstance(report, dict) and "outpost_id" in report else None


def sync_report(state: StateStore) -> dict[str, Any]:
    """When the outpost last asked, downloaded and applied (ISO 8601), and what it refused last and why."""
    moments = {key.value: state.get_time(key) for key in _TIMES}
    return {name: None if moment is None else moment.isoformat() for name, moment in moments.items()} | {
        "refused_version": state.get(StateKey.REFUSED_VERSION),
        "refused_reason": state.get(StateKey.REFUSED_REASON),
    }


def _on_disk(config: Config, identity: Identity, at: datetime) -> dict[str, Any]:
    status: dict[str, Any] = {
        "org_id": identity.org_id,
        "outpost_id": identity.outpost_id,
        "certificate_expires_at": identity.certificate.not_valid_after_utc.isoformat(),
        "problems": [],
        "bundle": None,
        "sync": {},
    }
    problems: list[str] = status["problems"]
    if not (config.data_dir / DATABASE_FILE).exists():
        problems.append("it has not been started yet")
        return status
    try:
        _read_database(config, identity, at, status)
    except OutpostError as err:
        problems.append(str(err))
    try:
        if (config.data_dir / AUDIT_FILE).exists():
            size, delivered = queue_length(config.data_dir / AUDIT_FILE)
            status["audit"] = {"size": size, "delivered": delivered, "waiting": size - delivered}
    except OutpostError as err:
        problems.append(str(err))
    return status


def _read_database(config: Config, identity: Identity, at: datetime, status: dict[str, Any]) -> None:
    with open_read_only(config.data_dir / DATABASE_FILE) as database:
        state = StateStore(database)
        status["sync"] = sync_report(state)
        if state.get(StateKey.REVOKED):
            status["problems"].append("outpost_revoked: this outpost has been revoked by its control plane")
        floor_at = state.get_time(StateKey.CLOCK_FLOOR_AT)
        if floor_at is not None and at < floor_at:
            status["problems"].append(f"clock_untrusted: it was {floor_at:%Y-%m-%dT%H:%M:%SZ} before")
        stored = BundleStore(database).load()
    if stored is None:
        return
    try:
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
        status["problems"].append(f"the cached bundle is refused: {err}")
        return
    status["bundle"] = {"snapshot_version": bundle.snapshot_version, **freshness_fields(bundle, at)}
    if bundle.pack is not None:
        card, whole = bundle.pack.card, PackStore(config.data_dir / PACKS).is_whole(bundle.pack)
        pack = {"name": card.name, "version": card.version, "digest": bundle.pack.digest, "whole": whole}
        status["models"] = {"bundle_pack": pack}
