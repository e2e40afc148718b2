"""What serving a request needs, made once by the app and shared by the steps of the pipeline."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from outpost.audit.event import AuditEvent
from outpost.documents.reader import DocumentReader
from outpost.proxy.body import BodyLimits
from outpost.proxy.enforcement import Admission
from outpost.proxy.forward import Forwarder
from outpost.proxy.health import HealthBoard
from outpost.proxy.inspection import Models
from outpost.proxy.metrics import ProxyMetrics
from outpost.proxy.surfaces.openai_realtime import RealtimeLimits
from outpost.proxy.uploads import Uploads


class AuditSink(Protocol):
    """Where audit events become durable (``outpost.audit.log.AuditLog``)."""

    def submit(self, event: AuditEvent, *, urgent: bool = True) -> "asyncio.Future[int]":
        """Queue an event; the future is done once it is durable, or fails with ``AuditUnavailable``.

        One that is not urgent may wait a moment to share its commit with the next.
        """


# Who is asked, and when again, is no secret, and nothing rests on nobody guessing it.
_RANDOM: Final = random.Random()  # noqa: S311


@dataclass(frozen=True, slots=True)
class ProxyParts:
    """What serving a request needs; made once by the app."""

    admission: Admission
    audit: AuditSink
    forwarder: Forwarder
    limits: BodyLimits
    metrics: ProxyMetrics
    clock: Callable[[], datetime]
    document_limits: BodyLimits | None = None
    """Of surfaces that take files; without them ``limits``."""
    documents: DocumentReader = field(default_factory=DocumentReader)
    models: Models | None = None
    uploads: Uploads | None = None
    """Files that requests may name; without them none may."""
    realtime: RealtimeLimits = field(default_factory=RealtimeLimits)
    clock_s: Callable[[], float] = time.monotonic
    """For what lasts; never goes back."""
    health: HealthBoard | None = None
    """Of providers, if somebody else looks at it too."""
    draw: Callable[[], float] = _RANDOM.random
    """Numbers in [0, 1): who of several providers is asked, and when again."""
    redaction_key: bytes = field(default_factory=partial(secrets.token_bytes, 32), repr=False)
    """Of hashes while the org has no pepper; the same in all processes of an outpost."""


def retrieve(future: "asyncio.Future[int]") -> None:
    """Look at a result nobody waits for, so that a failure is not reported as never retrieved."""
    if not future.cancelled():
        future.exception()
