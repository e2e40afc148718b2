import json
from datetime import timedelta
from types import SimpleNamespace

import pytest

from outpost.admin.health import OutpostHealth, Standing
from outpost.protocol.documents import PolicyDocument
from outpost.protocol.routing import RoutingDocument
from outpost.proxy.client_tls import Validity
from outpost.proxy.enforcement import Admission, compile_bundle
from outpost.proxy.health import Health, Known
from outpost.sync.clock import ClockWatch
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.control_plane import FakeControlPlane
from tests.fakes.enrolled import enrol
from tests.fakes.outpost import PEPPER, make_bundle, make_key
from tests.outpost.protocol.samples import DOCUMENTS

INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    clock = FakeClock()
    return enrol(FakeControlPlane(clock), tmp_path_factory.mktemp("admin") / "data", clock)


def enforcement(max_offline_s: int = 7 * 86_400, peppers=None):
    policy = PolicyDocument(schema_version="1", max_offline_s=max_offline_s, packs=DOCUMENTS["policy"].packs)
    routing: RoutingDocument = DOCUMENTS["routing"]
    bundle = make_bundle(policy, routing, [make_key()[1]], signed_at=NOON)
    return compile_bundle(bundle, {"p1": PEPPER} if peppers is None else peppers)


@pytest.fixture
def parts(identity):
    audit = SimpleNamespace(healthy=True, size=12, delivered=9)
    admission = Admission(enforcement=enforcement(), audit_is_healthy=lambda: audit.healthy)
    clock = FakeClock()
    standing = Standing(
        SimpleNamespace(identity=identity, problem=None),
        SimpleNamespace(revoked=False, rumoured=False, is_list_current=True),
        ClockWatch(clock, lambda: 0.0),
    )
    health = OutpostHealth(standing, admission, audit, clock, lambda: {"last_asked_at": NOON, "failing": {}})
    return SimpleNamespace(
        standing=standing, health=health, admission=admission, audit=audit, clock=clock, identity=identity
    )


def test_ready(parts):
    assert parts.health.ready_problems() == []
    assert parts.health.warnings() == []


def _draining(parts):
    parts.admission.draining = True


def _revoked(parts):
    parts.admission.revoked = True


def _no_policy(parts):
    parts.admission.enforcement = None


def _clock_back(parts):
    parts.admission.clock_floor_at = NOON + timedelta(hours=1)


def _expired(parts):
    parts.clock.at = NOON + 7 * DAY + INSTANT


def _audit(parts):
    parts.audit.healthy = False


def _no_pepper(parts):
    parts.admission.enforcement = enforcement(peppers={})


def test_models_that_do_not_answer_are_red_and_a_pack_that_does_not_load_is_a_warning(parts):
    models = SimpleNamespace(problem="the models are starting", warning=None, report=lambda: {"pack": "tiny"})
    health = OutpostHealth(parts.standing, parts.admission, parts.audit, parts.clock, dict, models=models)
    assert health.ready_problems() == ["inspection_unavailable: the models are starting"]
    assert health.state() == "red"
    models.problem, models.warning = None, "the pack on disk is not the one in use"
    assert (health.ready_problems(), health.warnings()) == ([], ["the pack on disk is not the one in use"])
    assert health.report()["models"] == {"pack": "tiny", "bundle_pack": None}
    assert parts.health.report()["models"] is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_draining, "draining: "),
        (_revoked, "outpost_revoked: "),
        (_no_policy, "no_policy: "),
        (_clock_back, "clock_untrusted: "),
        (_expired, "policy_expired: "),
        (_audit, "audit_unavailable: "),
        (_no_pepper, "no_policy: secrets for 1 pepper(s) have not arrived"),
    ],
)
def test_every_reason_not_to_be_ready_is_said(parts, change, reason):
    change(parts)
    (problem,) = parts.health.ready_problems()
    assert problem.startswith(reason)


def test_a_stale_policy_is_a_warning_and_no_reason_to_refuse(parts):
    parts.clock.at = NOON + DAY
    assert parts.health.warnings() == []
    parts.clock.at = NOON + DAY + INSTANT
    assert parts.health.warnings() == ["the policy is stale since 2026-06-02T12:00:00Z"]
    assert parts.health.ready_problems() == []


@pytest.mark.parametrize(("max_offline_s", "notice_s"), [(7 * 86_400, 7 * 43_200), (7_200, 3_600)])
def test_notice_is_given_before_everything_is_refused(parts, max_offline_s, notice_s):
    parts.admission.enforcement = enforcement(max_offline_s)
    until = NOON + timedelta(seconds=max_offline_s)

    def warned() -> bool:
        return any(
            text.startswith(f"everything is refused from {until:%Y-%m-%dT%H:%M:%SZ} on: ")
            for text in parts.health.warnings()
        )

    parts.clock.at = until - timedelta(seconds=notice_s)
    assert not warned()
    parts.clock.at += INSTANT
    assert warned()
    parts.clock.at = until + DAY
    assert warned()


def test_an_expired_certificate_is_a_warning(parts):
    parts.clock.at = parts.identity.certificate.not_valid_after_utc + INSTANT
    assert parts.health.warnings()[0].startswith("the client certificate is out of its validity")


def test_the_report_names_providers_and_the_certificate_and_warns_of_both(parts):
    ids = {provider.id for provider in parts.admission.enforcement.bundle.routing.providers}
    assert {(line["provider"], line["state"]) for line in parts.health.report()["providers"]} == {
        (name, "healthy") for name in ids
    }
    assert parts.health.report()["tls"] is None
    failing = min(ids)
    parts.health.providers = lambda: [Known((failing, None), Health(0, 1, 1e8), "timeout", 0.0)]
    parts.health.listener = lambda: Validity(NOON - 2 * DAY, NOON - DAY)

    report = parts.health.report()
    assert [line["state"] for line in report["providers"] if line["provider"] == failing] == ["ejected"]
    assert report["tls"]["state"] == "expired"
    assert report["state"] == "yellow"
    assert len(report["warnings"]) == 2


def test_the_report_says_versions_freshness_and_dates_and_no_secret(parts):
    report = parts.health.report()
    assert report["outpost_id"] == "edge-1"
    assert report["org_id"] == "acme"
    assert report["bundle"] == {
        "snapshot_version": 1,
        "freshness": "fresh",
        "signed_at": "2026-06-01T12:00:00+00:00",
        "expires_at": "2026-06-02T12:00:00+00:00",
        "enforceable_until": "2026-06-08T12:00:00+00:00",
        "age_s": 0,
        "refused_in_s": 604_800,
        "offline_percent": 0.0,
    }
    assert report["audit"] == {"healthy": True, "size": 12, "delivered": 9, "waiting": 3}
    assert report["sync"]["last_asked_at"] == NOON
    text = json.dumps(report, default=str)
    assert PEPPER.hex() not in text
    assert repr(PEPPER) not in text


def test_without_a_bundle_there_is_still_a_report(parts):
    parts.admission.enforcement = None
    assert parts.health.report()["bundle"] is None
    assert parts.health.warnings() == []
