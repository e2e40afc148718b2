"""What the settings mean to requests and models: the parts that serve, made from them."""

import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from outpost.cache.db import Database
from outpost.cache.uploads import UploadStore
from outpost.config import Config
from outpost.documents.reader import MAX_CHILDREN, DocumentReader
from outpost.errors import PackInvalid
from outpost.models.options import Choice, WorkerSettings
from outpost.models.pack import open_pack
from outpost.models.process import Pace
from outpost.models.quota import usable_processors
from outpost.models.service import ModelOptions, ModelService
from outpost.proxy.body import BodyLimits
from outpost.proxy.enforcement import Admission
from outpost.proxy.forward import Forwarder, ForwardTimeouts
from outpost.proxy.health import HealthBoard
from outpost.proxy.inspection import Models
from outpost.proxy.metrics import ProxyMetrics
from outpost.proxy.parts import AuditSink, ProxyParts
from outpost.proxy.surfaces.openai_realtime import RealtimeLimits
from outpost.proxy.uploads import Uploads
from outpost.sync.version import outpost_version


def make_parts(  # noqa: PLR0913 - what a process that serves has
    config: Config,
    *,
    admission: Admission,
    audit: AuditSink,
    forwarder: Forwarder,
    metrics: ProxyMetrics,
    clock: Callable[[], datetime],
    models: Models,
    database: Database,
    health: HealthBoard,
    redaction_key: bytes | None = None,
) -> ProxyParts:
    """What serving a request needs; without a ``redaction_key`` one of its own. ``database`` remembers uploads."""
    documents = DocumentReader(children=max(1, MAX_CHILDREN // config.workers))
    return ProxyParts(
        admission=admission,
        audit=audit,
        forwarder=forwarder,
        limits=BodyLimits(config.max_chat_bytes, config.body_timeout_s),
        document_limits=BodyLimits(config.max_document_bytes, config.body_timeout_s),
        metrics=metrics,
        clock=clock,
        documents=documents,
        models=models,
        uploads=Uploads(UploadStore(database), forwarder, documents, outpost_version(), models),
        health=health,
        realtime=realtime_limits(config),
        redaction_key=redaction_key or secrets.token_bytes(32),
    )


def make_forwarder(config: Config, provider_key: Callable[[str], str | None]) -> Forwarder:
    """A forwarder with the configured patience."""
    timeouts = ForwardTimeouts(
        connect_s=config.provider_connect_timeout_s,
        read_s=config.provider_read_timeout_s,
        total_s=config.provider_total_timeout_s,
    )
    return Forwarder(provider_key, timeouts=timeouts, max_answer_bytes=config.max_answer_bytes)


def realtime_limits(config: Config) -> RealtimeLimits:
    """The configured bounds of a realtime connection."""
    return RealtimeLimits(
        max_event_bytes=config.realtime_max_event_bytes,
        ping_s=config.realtime_ping_s,
        idle_s=config.realtime_idle_timeout_s,
        stall_s=config.realtime_stall_timeout_s,
    )


def make_models(config: Config, choice: Choice | None, registry: CollectorRegistry) -> ModelService:
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
    return ModelService(ModelOptions(choice, worker, pace, config.models_cache_entries), registry)


def offered_kinds(pack: Path | None) -> frozenset[str] | None:
    """What the pack on disk offers: nothing without a pack; None if its card cannot be read now."""
    if pack is None:
        return frozenset()
    try:
        return open_pack(pack).card.offered
    except PackInvalid:
        return None  # every request is refused until it can be; a policy is not refused for it
