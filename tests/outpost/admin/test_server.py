import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from outpost.admin.server import make_admin_app
from outpost.proxy.metrics import ProxyMetrics


class Probes:
    def __init__(self) -> None:
        self.problems: list[str] = []

    def ready_problems(self):
        return self.problems

    def report(self):
        return {"version": "0.1.0"}


@pytest.fixture
def probes() -> Probes:
    return Probes()


@pytest.fixture
def metrics() -> ProxyMetrics:
    return ProxyMetrics()


@pytest.fixture
async def ask(probes, metrics):
    runner = web.AppRunner(make_admin_app(probes, metrics.registry), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:

        async def ask(path, method="GET"):
            async with session.request(method, path) as answer:
                return answer.status, answer.headers, await answer.text()

        yield ask
    await runner.cleanup()


async def test_a_process_that_answers_is_alive_whatever_its_state(ask, probes):
    probes.problems = ["no_policy: x"]
    status, _, text = await ask("/healthz")
    assert (status, text) == (200, "ok\n")


async def test_ready_and_not_ready(ask, probes):
    status, _, text = await ask("/readyz")
    assert (status, text) == (200, "ready\n")
    probes.problems = ["no_policy: x", "other: y"]
    status, _, text = await ask("/readyz")
    assert (status, text) == (503, "no_policy: x\nother: y\n")


async def test_health_is_the_report_in_json(ask, probes):
    probes.problems = ["no_policy: x"]
    status, headers, text = await ask("/health")
    assert status == 503
    assert headers["Content-Type"].startswith("application/json")
    assert text == '{"ready": false, "problems": ["no_policy: x"], "version": "0.1.0"}'


async def test_metrics_are_what_prometheus_reads(ask, metrics):
    metrics.requests.labels("openai.chat", "BLOCK", 'policy"blocked\n').inc()
    metrics.findings.labels("pci.pan", "input").inc(3)
    metrics.latency.labels("openai.chat").observe(0.002)
    status, headers, text = await ask("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    labels = (("action", "BLOCK"), ("code", 'policy"blocked\n'), ("surface", "openai.chat"))
    assert samples["outpost_requests_total", labels] == 1
    assert samples["outpost_findings_total", (("direction", "input"), ("kind", "pci.pan"))] == 3
    assert samples["outpost_request_duration_seconds_count", (("surface", "openai.chat"),)] == 1
    assert samples["outpost_requests_in_flight", ()] == 0


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/health", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_can_be_changed(ask, path, method):
    assert (await ask(path, method))[0] == 405


async def test_nothing_else_is_there(ask):
    for path in ("/", "/v1/models", "/config", "/health/", "/..%2fhealth"):
        assert (await ask(path))[0] == 404
