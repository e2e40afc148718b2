"""The benchmark's instruments work: its provider and its floor answer both load clients, plain and streamed."""

import os
from collections.abc import Iterator

import pytest
import uvloop

from bench.load import LatencyClient, Requests, Target, saturate
from bench.processes import python_server, weigh

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def targets() -> Iterator[dict[str, Target]]:
    with (
        python_server("bench.standin") as (provider_url, provider_pid),
        python_server("bench.floor", "--upstream", provider_url) as (floor_url, floor_pid),
    ):
        yield {
            "direct": Target("direct", provider_url, "any", provider_pid),
            "floor": Target("floor", floor_url, "any", floor_pid),
        }


@pytest.mark.parametrize("name", ["direct", "floor"])
def test_plain_and_streamed_exchanges_are_timed(targets: dict[str, Target], name: str) -> None:
    plain = LatencyClient(Requests(targets[name], 1024, stream=False))
    streaming = LatencyClient(Requests(targets[name], 1024, stream=True))

    took_s, timing = plain.plain(), streaming.stream()
    plain.close()
    streaming.close()

    assert took_s > 0
    assert 0 < timing.first_byte_s <= timing.first_text_s < timing.end_s


@pytest.mark.parametrize("name", ["direct", "floor"])
def test_many_connections_are_counted(targets: dict[str, Target], name: str) -> None:
    answers, took_s = uvloop.run(saturate(Requests(targets[name], 1024, stream=False), 8, 0.2))

    assert answers >= 8
    assert took_s >= 0.2


def test_a_process_is_weighed() -> None:
    weight = weigh(os.getpid())

    assert weight.cpu_s > 0
    assert 1 < weight.rss_mib <= weight.peak_rss_mib


def test_a_server_that_does_not_start_says_so() -> None:
    with pytest.raises(RuntimeError, match=r"bench\.floor did not start"), python_server("bench.floor"):
        pass
