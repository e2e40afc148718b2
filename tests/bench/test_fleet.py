"""A hundred outposts on real connections through a publish, a full house and a restart of the control plane."""

import time
from itertools import pairwise

import pytest

from bench.fleet import ORG, Plane, histogram, measure, running_fleet
from bench.fleet_enrol import enrol

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
FLEET = 100


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("fleet"), FLEET, 1, ramp_s=1.0, idle_s=1.0, settings={})


def test_a_publish_is_everywhere_within_a_minute_also_through_a_restart(measured):
    rounds, facts = measured
    for one in rounds:
        assert len(one.applied_s) == FLEET
        assert one.applied_s[-1] < 60
    assert facts["idle"]["rss_mib"] > 0


def test_whoever_finds_the_house_full_comes_back_when_told_and_not_before(tmp_path):
    plane = Plane(tmp_path, {"CONTROL_PLANE_MAX_WATCHERS": "3", "CONTROL_PLANE_WATCH_TIMEOUT_S": "2"})
    watches = {}
    try:
        enrol(plane.opened.operations, ORG, tmp_path / "fleet", 8, plane.urls)
        plane.start()
        with running_fleet(tmp_path / "fleet", 8, 1, 0.0):
            time.sleep(15)
        for entry in plane.requests():
            if entry["route"] == "/outpost/v1/watch":
                watches.setdefault(entry["outpost"], []).append(entry)
    finally:
        plane.stop()
    refused = 0
    for entries in watches.values():
        for before, after in pairwise(sorted(entries, key=lambda entry: entry["arrived_s"])):
            if before["status"] == 503:
                refused += 1
                assert after["arrived_s"] - before["ended_s"] >= int(before["retry_after"])
    assert refused
    assert any(entry["status"] == 304 for entries in watches.values() for entry in entries)


def test_after_a_restart_they_do_not_come_back_as_a_herd(measured):
    back_s = measured[0][-1].back_s
    assert len(back_s) > FLEET / 2  # whoever had the bundle before only waits, which is logged when it ends
    fullest = max(sum(start <= one < start + 0.5 for one in back_s) for start in back_s)
    assert fullest <= 0.6 * len(back_s)


def test_bars_show_every_moment():
    text = histogram([0.0, 0.0, 0.05, 3.0], "arrivals", rows=3)
    assert [line.split()[2] for line in text.splitlines()[1:]] == ["3", "0", "0", "1"]
