"""A real proxy in this process: server, engine, policy and durable audit log, without enrolment and synchronisation.

The bundle is given as documents; everything behind ``Admission`` is the product's own code.
"""

import hashlib
import hmac
import random
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from outpost.audit.checkpoint import NoteSigner, NoteVerifier
from outpost.audit.event import AuditEvent
from outpost.audit.log import AuditLog, open_log
from outpost.audit.read import read_events
from outpost.cache.db import open_database
from outpost.cache.uploads import UploadStore
from outpost.config import Config
from outpost.dlp.engine import Engine
from outpost.documents.reader import DocumentReader
from outpost.errors import Rejected
from outpost.policy.bundle import Bundle
from outpost.protocol.documents import KeysDocument, PolicyDocument, VirtualKeyDigest
from outpost.protocol.routing import RoutingDocument
from outpost.proxy.body import BodyLimits
from outpost.proxy.enforcement import Admission, compile_bundle
from outpost.proxy.inspection import Models
from outpost.proxy.metrics import ProxyMetrics
from outpost.proxy.parts import ProxyParts
from outpost.proxy.port import ProxyPort, make_connections, tls_files
from outpost.proxy.surfaces.openai_realtime import RealtimeLimits
from outpost.proxy.uploads import Uploads
from outpost.wiring import make_forwarder
from tests.fakes.upstream import UPSTREAM_KEY

ORIGIN = "test.internal/org/acme/outpost/op-test/audit"
PEPPER = bytes(range(32))


def make_key(**fields: Any) -> tuple[str, VirtualKeyDigest]:
    """A new virtual key and what the bundle says of it."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    text = "sk-op-test-" + "".join(secrets.choice(alphabet) for _ in range(43))
    digest = hmac.new(PEPPER, text.encode(), hashlib.sha256).hexdigest()
    values = {"id": "key-1", "group": "everyone", "pepper_id": "p1", "prefix": text[:19], "digest": digest}
    return text, VirtualKeyDigest(**(values | fields))


def make_bundle(
    policy: PolicyDocument,
    routing: RoutingDocument,
    keys: list[VirtualKeyDigest],
    signed_at: datetime | None = None,
) -> Bundle:
    """Documents as a verified bundle, signed just now unless said otherwise."""
    at = signed_at or datetime.now(UTC)
    return Bundle(
        policy=policy,
        keys=KeysDocument(schema_version="1", keys=keys),
        routing=routing,
        root_version=1,
        timestamp_version=1,
        snapshot_version=1,
        signed_at=at,
        expires_at=at + timedelta(days=1),
    )


class Probes:
    """Health as ``ProxyServer`` asks for it, driven by the admission alone."""

    def __init__(self, admission: Admission, clock: Callable[[], datetime]) -> None:
        self.admission, self.clock = admission, clock

    def ready_problems(self) -> list[str]:
        try:
            self.admission.admit(self.clock())
        except Rejected as err:
            return [str(err)]
        return []

    def report(self) -> dict[str, Any]:
        return {}


@dataclass
class RunningOutpost:
    """``base_url`` is without ``/v1``; tests turn knobs on ``admission`` and ``parts``."""

    base_url: str
    api_key: str
    admission: Admission
    audit: AuditLog
    audit_path: Path
    metrics: ProxyMetrics
    verifier: NoteVerifier
    port: ProxyPort
    uploads: Uploads

    def events(self) -> list[AuditEvent]:
        """Every audit event so far."""
        return [event for _, event in read_events(self.audit_path)]


@asynccontextmanager
async def running_outpost(
    *,
    policy: PolicyDocument,
    routing: RoutingDocument,
    keys: list[tuple[str, VirtualKeyDigest]] | None = None,
    provider_key: str | Callable[[str], str | None] | None = UPSTREAM_KEY,
    settings: dict[str, Any] | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    engine: Engine | None = None,
    models: Models | None = None,
    offered: Collection[str] | None = (),
    realtime: RealtimeLimits | None = None,
    clock_s: Callable[[], float] = time.monotonic,
    draw: Callable[[], float] = random.random,
    host: str = "127.0.0.1",
) -> AsyncIterator[RunningOutpost]:
    """Start a proxy on a free loopback port, with one key unless ``keys`` are given."""
    keys = keys or [make_key()]
    config = Config(**(settings or {}))
    bundle = make_bundle(policy, routing, [digest for _, digest in keys], signed_at=clock())
    signer = NoteSigner(ORIGIN, Ed25519PrivateKey.generate())
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "audit.db"
        audit = open_log(path, signer, ORIGIN)
        admission = Admission(audit_is_healthy=lambda: audit.healthy)
        enforcement = compile_bundle(bundle, {"p1": PEPPER}, offered=offered)
        admission.enforcement = enforcement if engine is None else replace(enforcement, engine=engine)
        metrics = ProxyMetrics()
        held = provider_key if callable(provider_key) else lambda _key_id: provider_key
        forwarder = make_forwarder(config, held)
        database = open_database(Path(directory) / "outpost.db")
        documents = DocumentReader()
        uploads = Uploads(UploadStore(database), forwarder, documents, "test", models)
        parts = ProxyParts(
            admission=admission,
            audit=audit,
            forwarder=forwarder,
            documents=documents,
            uploads=uploads,
            limits=BodyLimits(config.max_chat_bytes, config.body_timeout_s),
            document_limits=BodyLimits(config.max_document_bytes, config.body_timeout_s),
            metrics=metrics,
            clock=clock,
            models=models,
            realtime=realtime or RealtimeLimits(),
            clock_s=clock_s,
            draw=draw,
        )
        server = make_connections(config, parts, Probes(admission, clock))
        port = ProxyPort(server, tls_files(config), handshake_timeout_s=config.header_timeout_s)
        try:
            await port.open(host, 0)
            url = f"{port.scheme}://127.0.0.1:{port.addresses[0][1]}"
            yield RunningOutpost(url, keys[0][0], admission, audit, path, metrics, signer.verifier, port, uploads)
        finally:
            await port.close()
            await forwarder.aclose()
            audit.close()
            database.close()
