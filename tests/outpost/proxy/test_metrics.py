from prometheus_client import generate_latest

from outpost.proxy.metrics import ProxyMetrics


def test_two_sets_are_apart_and_show_every_family():
    one, other = ProxyMetrics(), ProxyMetrics()
    one.requests.labels("s", "ALLOW", "").inc()
    one.findings.labels("pci.pan", "input").inc()
    one.latency.labels("s").observe(0.002)
    one.in_flight.set(3)

    shown = generate_latest(one.registry).decode()
    for line in (
        'outpost_requests_total{action="ALLOW",code="",surface="s"} 1.0',
        'outpost_findings_total{direction="input",kind="pci.pan"} 1.0',
        'outpost_request_duration_seconds_bucket{le="0.0025",surface="s"} 1.0',
        "outpost_requests_in_flight 3.0",
    ):
        assert line in shown
    assert "pci.pan" not in generate_latest(other.registry).decode()
