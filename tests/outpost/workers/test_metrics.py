import json

from prometheus_client import CollectorRegistry, Counter, generate_latest

from outpost.proxy.metrics import ProxyMetrics
from outpost.workers.metrics import Gathered, snapshot


def worked(requests: int, in_flight: int):
    metrics = ProxyMetrics()
    metrics.requests.labels("chat", "ALLOW", "").inc(requests)
    metrics.latency.labels("chat").observe(0.02)
    metrics.in_flight.set(in_flight)
    return json.loads(json.dumps(snapshot(metrics.registry)))  # as it comes over the wire


def shown(gathered) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(gathered)
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


REQUESTS = 'outpost_requests_total{action="ALLOW",code="",surface="chat"}'
BUCKET = 'outpost_request_duration_seconds_bucket{le="0.025",surface="chat"}'


def test_workers_add_up():
    gathered = Gathered()
    gathered.update("a", worked(3, 1))
    gathered.update("b", worked(4, 2))
    values = shown(gathered)
    assert values[REQUESTS] == 7
    assert values[BUCKET] == 2
    assert values["outpost_requests_in_flight"] == 3


def test_what_a_worker_counted_outlives_it_and_what_it_held_does_not():
    gathered = Gathered()
    gathered.update("a", worked(3, 1))
    gathered.update("b", worked(4, 2))
    gathered.ended("a")
    gathered.ended("never seen")
    gathered.update("b", worked(5, 0))
    values = shown(gathered)
    assert values[REQUESTS] == 8
    assert values["outpost_requests_in_flight"] == 0


def test_counting_began_with_the_first():
    registries = [CollectorRegistry() for _ in range(2)]
    gathered = Gathered()
    for name, registry in enumerate(registries):
        Counter("things", "Things", registry=registry).inc()
        gathered.update(name, snapshot(registry))
    began = [family["samples"][1][2] for registry in registries for family in snapshot(registry)]
    assert shown(gathered)["things_created"] == min(began)
