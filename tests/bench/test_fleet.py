"""A hundred outposts on real connections through a publish, a full house and a restart of the control plane."""

from itertools import pairwise

import pytest

from bench.fleet import histogram, measure, requests_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
FLEET, WATCHERS = 100, 85


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fleet")
    settings = {"CONTROL_PLANE_MAX_WATCHERS": str(WATCHERS), "CONTROL_PLANE_WATCH_TIMEOUT_S": "5"}
    rounds, facts = measure(directory, FLEET, 1, ramp_s=1.0, idle_s=8.0, settings=settings)
    return rounds, facts, list(requests_in(directory / "control-plane.log"))


def test_a_publish_is_everywhere_within_a_minute_also_through_a_restart(measured):
    rounds, facts, _ = measured
    for one in rounds:
        assert len(one.applied_s) == FLEET
        assert one.applied_s[-1] < 60
    assert facts["idle"]["rss_mib"] > 0


def test_whoever_finds_the_house_full_comes_back_when_told_and_not_before(measured):
    _, _, requests = measured
    watches = {}
    for entry in requests:
        if entry["route"] == "/outpost/v1/watch":
            watches.setdefault(entry["outpost"], []).append(entry)
    refused = 0
    for entries in watches.values():
        for before, after in pairwise(sorted(entries, key=lambda entry: entry["arrived_s"])):
            if before["status"] == 503:
                refused += 1
                assert after["arrived_s"] - before["ended_s"] >= int(before["retry_after"])
    assert refused


def test_after_a_restart_they_do_not_come_back_as_a_herd(measured):
    back_s = measured[0][1].back_s
    assert len(back_s) == FLEET
    fullest = max(sum(start <= one < start + 0.5 for one in back_s) for start in back_s)
    assert fullest <= FLEET / 2


def test_bars_show_every_moment():
    text = histogram([0.0, 0.0, 0.05, 3.0], "arrivals", rows=3)
    assert [line.split()[2] for line in text.splitlines()[1:]] == ["3", "0", "0", "1"]
