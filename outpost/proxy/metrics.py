"""Counters and histograms of the proxy, in Prometheus' names. Labels hold codes and kinds, never text of a request."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from outpost.protocol.decisions import Direction
from outpost.proxy.segments import Located

# Seconds: our own share is around a millisecond, a model's answer takes up to minutes.
_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


T = TypeVar("T")


class Remembered(Generic[T]):
    """What ``labels`` of a metric gives, which looks it up under a lock and by its texts; bounded as that is."""

    def __init__(self, labels: Callable[..., T]) -> None:
        self._labels = labels
        self._known: dict[tuple[str, ...], T] = {}

    def __call__(self, *values: str) -> T:
        """The one with these values."""
        known = self._known.get(values)
        if known is None:
            known = self._known[values] = self._labels(*values)
        return known


class ProxyMetrics:
    """One set per process, in a registry of its own so that tests can have many."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.requests = Counter(
            "outpost_requests_total",
            "Requests answered, by surface, action and error code",
            ["surface", "action", "code"],
            registry=self.registry,
        )
        self.findings = Counter(
            "outpost_findings_total", "Findings, by kind and direction", ["kind", "direction"], registry=self.registry
        )
        self.latency = Histogram(
            "outpost_request_duration_seconds",
            "From a request's arrival to the end of its answer",
            ["surface"],
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge("outpost_requests_in_flight", "Requests being served", registry=self.registry)
        self.tasks = Gauge("outpost_tasks", "Tasks of the event loops that serve requests", registry=self.registry)
        self.tasks.set_function(_tasks)

        self.attempts = Counter(
            "outpost_provider_attempts_total",
            "Requests sent to providers, by provider, key id and outcome; one request of a client may make several",
            ["provider", "key", "outcome"],
            registry=self.registry,
        )
        self.ejected = Gauge(
            "outpost_provider_ejected",
            "Processes that leave a provider (or one of its keys, by its id) in peace because it failed",
            ["provider", "key"],
            registry=self.registry,
        )

        self.request_of = Remembered(self.requests.labels)
        self.latency_of = Remembered(self.latency.labels)
        self.attempt_of = Remembered(self.attempts.labels)

    def count_findings(self, located: Iterable[Located], direction: Direction) -> None:
        """Count what was found in one body."""
        for item in located:
            self.findings.labels(item.finding.kind, direction).inc()


def _tasks() -> float:
    try:
        return float(len(asyncio.all_tasks()))
    except RuntimeError:  # nobody serves here
        return 0.0
