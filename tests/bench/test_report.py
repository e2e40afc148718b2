"""The benchmark's own arithmetic: percentiles by nearest rank, aims that can be missed, whole responses only."""

import pytest

from bench.load import Requests, Target, check, is_complete
from bench.report import aims, percentile
from bench.standin import PLAIN, STREAM


@pytest.mark.parametrize(
    ("samples", "percent", "expected"),
    [
        ([7.0], 50, 7.0),
        ([1.0, 2.0], 50, 1.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([float(one) for one in range(1, 101)], 99, 99.0),
        ([float(one) for one in range(1, 101)], 100, 100.0),
        ([float(one) for one in range(1, 11)], 99, 10.0),
    ],
)
def test_percentiles_are_nearest_rank(samples: list[float], percent: float, expected: float) -> None:
    assert percentile(samples, percent) == expected


def figures(added_p50_ms: float, added_p99_ms: float, requests_per_s: float) -> dict[str, float | None]:
    return {"added_p50_ms": added_p50_ms, "added_p99_ms": added_p99_ms, "requests_per_s": requests_per_s}


@pytest.mark.parametrize(
    ("outpost", "met"),
    [
        (figures(1.6, 1.99, 600), [True, True, True]),
        (figures(1.61, 2.0, 599), [False, False, False]),
    ],
    ids=["just met", "just missed"],
)
def test_an_aim_is_met_or_missed_at_its_edge(outpost: dict[str, float | None], met: list[bool]) -> None:
    floor = figures(1.0, 1.0, 1000)

    assert [aim["met"] for aim in aims({"floor": floor, "outpost": outpost})] == met


@pytest.mark.parametrize(("first_byte_ms", "met"), [(2.5, True), (2.51, False)])
def test_a_streams_first_byte_is_judged_by_what_it_is_later(first_byte_ms: float, *, met: bool) -> None:
    streams = {"direct": 1.0, "floor": 2.0, "outpost": first_byte_ms}
    every = {name: figures(1, 1, 1) | {"stream_first_byte_p50_ms": value} for name, value in streams.items()}

    assert aims(every)[-1]["met"] is met


def test_without_an_outpost_no_aim_is_claimed() -> None:
    assert aims({"floor": figures(1, 1, 1)}) == []


def test_a_response_is_complete_only_with_its_last_byte() -> None:
    stream = b"".join(STREAM)

    assert [is_complete(PLAIN[:end]) for end in (10, len(PLAIN) - 1, len(PLAIN))] == [False, False, True]
    assert [is_complete(stream[:end]) for end in (10, len(stream) - 1, len(stream))] == [False, False, True]


@pytest.mark.parametrize(
    "answer", [PLAIN.replace(b"200 OK", b"503 No", 1), PLAIN.replace(b"gateway", b"nothing")], ids=["status", "text"]
)
def test_a_wrong_answer_is_never_counted(answer: bytes) -> None:
    with pytest.raises(RuntimeError, match="bad answer"):
        check(answer)


def test_every_request_differs_and_keeps_its_length() -> None:
    requests = Requests(Target("direct", "http://127.0.0.1:1", "key"), 1024, stream=False)

    made = [requests.next() for _ in range(1000)]

    assert len(set(made)) == 1000
    assert len({len(one) for one in made}) == 1
