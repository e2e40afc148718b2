from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from outpost.admin.outside import (
    certificate_report,
    certificate_warning,
    provider_report,
    provider_warnings,
    watch_certificate,
)
from outpost.proxy.client_tls import Validity
from outpost.proxy.health import RULES, HealthBoard
from tests.fakes.clock import NOON, Ticks

DAY = timedelta(days=1)


def test_every_provider_is_listed_with_what_is_known_of_it_and_its_keys():
    ticks = Ticks()
    board = HealthBoard(ticks)
    board.failed(("flaky", None), "timeout")
    for _ in range(RULES.failures):
        board.failed(("down", None), "unreachable")
    board.dismissed(("keys", "old"), "key_refused")
    board.held(("keys", "busy"), 20, "rate_limited")
    board.held(("removed from the bundle", None), 20, "overloaded")
    ticks.now_s += 10

    report = provider_report(["keys", "down", "flaky", "well"], board.known(), NOON, ticks.now_s)

    began, fine = "2026-06-01T11:59:50+00:00", {"since": None, "until": None, "reason": None, "failures": 0}
    assert report == [
        {"provider": "down", "key": None, "state": "ejected", "since": began, "until": "2026-06-01T12:00:20+00:00",
         "reason": "unreachable", "failures": 0},
        {"provider": "flaky", "key": None, "state": "failing", "since": began, "until": None, "reason": "timeout",
         "failures": 1},
        {"provider": "keys", "key": None, "state": "healthy", **fine},
        {"provider": "keys", "key": "busy", "state": "ejected", "since": began, "until": "2026-06-01T12:00:10+00:00",
         "reason": "rate_limited", "failures": 0},
        {"provider": "keys", "key": "old", "state": "ejected", "since": began, "until": "2026-06-01T12:04:50+00:00",
         "reason": "key_refused", "failures": 0},
        {"provider": "well", "key": None, "state": "healthy", **fine},
    ]  # fmt: skip
    assert provider_warnings(report) == [
        f"provider down fails (unreachable) since {began}",
        f"provider keys refuses its key old since {began}",
    ]
    ticks.now_s += 20
    (line,) = [one for one in provider_report(["down"], board.known(), NOON, ticks.now_s) if one["provider"] == "down"]
    assert line["state"] == "probe"


STATES = {
    "not yet": (-DAY, 90 * DAY, "not_yet_valid", "is valid only from 2026-06-02T12:00:00Z on"),
    "new": (DAY, 90 * DAY, "ok", None),
    "two weeks left": (76 * DAY + timedelta(seconds=1), 90 * DAY, "expiring", "ends at 2026-06-15T11:59:59Z"),
    "an hour's, new": (timedelta(minutes=30), timedelta(hours=1), "ok", None),
    "an hour's, late": (timedelta(minutes=50), timedelta(hours=1), "expiring", "ends at 2026-06-01T12:10:00Z"),
    "over": (91 * DAY, 90 * DAY, "expired", "ended at 2026-05-31T12:00:00Z"),
}


@pytest.mark.parametrize(("age", "lifetime", "state", "warning"), STATES.values(), ids=STATES)
def test_a_certificate_is_warned_of_when_it_should_have_been_renewed(age, lifetime, state, warning):
    validity = Validity(NOON - age, NOON - age + lifetime)
    assert certificate_report(validity, NOON)["state"] == state
    said = certificate_warning(validity, NOON)
    assert said is None if warning is None else warning in said


def test_without_tls_there_is_nothing_to_say():
    assert certificate_report(None, NOON) is None
    assert certificate_warning(None, NOON) is None


def test_the_metric_follows_the_certificate():
    registry, shown = CollectorRegistry(), []
    watch_certificate(lambda: shown[-1] if shown else None, registry)
    name = "outpost_listener_certificate_not_after_seconds"
    assert registry.get_sample_value(name) == 0
    shown.append(Validity(NOON - DAY, NOON))
    assert registry.get_sample_value(name) == NOON.timestamp()
