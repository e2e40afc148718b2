from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from outpost.admin.freshness import FreshnessWatch, freshness_fields, offline_percent
from outpost.proxy.enforcement import Admission, compile_bundle
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.outpost import PEPPER, make_bundle, make_key
from tests.outpost.proxy.setup import policy, routing

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def admission() -> Admission:
    """A policy signed at noon: stale after a day, refused after seven."""
    bundle = make_bundle(policy(), routing("http://provider.example/v1"), [make_key()[1]], signed_at=NOON)
    return Admission(compile_bundle(bundle, {"p1": PEPPER}))


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def watch(admission, clock, registry) -> FreshnessWatch:
    return FreshnessWatch(admission, clock, registry)


def logged(watch) -> list[tuple]:
    with capture_logs() as lines:
        watch.check()
    return [(line["event"], line.get("offline_percent", line.get("tier"))) for line in lines]


def sign_again(admission, at) -> None:
    old = admission.enforcement
    bundle = replace(old.bundle, signed_at=at, expires_at=at + DAY)
    admission.enforcement = replace(old, bundle=bundle)


def test_each_limit_is_told_once(watch, clock):
    told = {}
    for hours in range(0, 8 * 24, 2):
        clock.at = NOON + timedelta(hours=hours)
        for line in logged(watch):
            told[line] = hours
    assert told == {
        ("policy_tier", "stale"): 26,
        ("policy_ageing", 50): 84,
        ("policy_ageing", 75): 126,
        ("policy_ageing", 90): 152,
        ("policy_tier", "expired"): 170,
    }


def test_a_long_sleep_tells_the_last_limit_only(watch, clock):
    clock.at = NOON + 6 * DAY
    assert logged(watch) == [("policy_ageing", 75), ("policy_tier", "stale")]
    assert logged(watch) == []


def test_a_newly_signed_policy_begins_anew(watch, clock, admission):
    clock.at = NOON + 5 * DAY
    assert ("policy_ageing", 50) in logged(watch)
    sign_again(admission, clock.at)
    assert logged(watch) == [("policy_tier", "fresh")]
    clock.at += 5 * DAY
    assert ("policy_ageing", 50) in logged(watch)


def test_metrics(watch, clock, admission, registry):
    def value(name, **labels):
        return registry.get_sample_value(f"outpost_policy_{name}", labels)

    clock.at = NOON + 2 * DAY
    assert value("age_seconds") == 2 * 86_400
    assert value("refused_in_seconds") == 5 * 86_400
    assert [value("tier", tier=tier) for tier in ("fresh", "stale", "expired", "none")] == [0, 1, 0, 0]
    clock.at = NOON + 8 * DAY
    assert value("refused_in_seconds") == -86_400
    assert value("tier", tier="expired") == 1
    admission.enforcement = None
    assert (value("age_seconds"), value("refused_in_seconds"), value("tier", tier="none")) == (-1, 0, 1)
    assert logged(watch) == []


def test_fields(admission):
    bundle = admission.enforcement.bundle
    fields = freshness_fields(bundle, NOON + 3.5 * DAY)
    assert (fields["freshness"], fields["age_s"], fields["refused_in_s"]) == ("stale", 302_400, 302_400)
    assert fields["offline_percent"] == 50
    assert offline_percent(bundle, NOON - DAY) == 0, "a clock behind the signature is no negative age"
