from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from control_plane.heartbeat import Report
from outpost.protocol.messages import BundleReport, Heartbeat
from tests.fakes.installation import OutpostKeys

LIFETIME = timedelta(minutes=15)


def test_the_last_word_counts_and_our_clock_is_told(operations, clock):
    outpost, _ = operations.create_outpost("acme", "edge", LIFETIME)
    report = BundleReport(snapshot_version=4, applied_at=clock(), refused_version=5, refused_reason="does not compile")
    first = Heartbeat(outpost_version="1", sent_at=clock(), bundle=report, audit_size=9, audit_delivered=7)
    skewed = clock() - timedelta(minutes=5)
    second = Heartbeat(outpost_version="2", sent_at=skewed, bundle=None, audit_size=10, audit_delivered=10)
    operations.heartbeat(outpost, first, 30)
    ((_, status),) = operations.outposts("acme")
    assert (status.snapshot_version, status.refused_version, status.applied_at) == (4, 5, clock())
    clock.advance(timedelta(seconds=30))
    reply = operations.heartbeat(outpost, second, 30)
    assert (reply.server_time, reply.interval_s) == (clock(), 30)
    ((_, status),) = operations.outposts("acme")
    assert (status.outpost_version, status.sent_at, status.received_at) == ("2", skewed, clock())
    assert (status.snapshot_version, status.refused_reason, status.audit_delivered) == (None, None, 10)


def _beat(clock, instance_id):
    return Heartbeat(
        outpost_version="1", sent_at=clock(), bundle=None, audit_size=0, audit_delivered=0, instance_id=instance_id
    )


def _cloned_at(operations, outpost, clock, instances):
    for instance in instances:
        clock.advance(timedelta(seconds=30))
        operations.heartbeat(outpost, _beat(clock, instance), 30)
    ((_, status),) = operations.outposts("acme")
    return status.cloned_at


@pytest.mark.parametrize("instances", ["aaa", "aabbcc", "abcdefghijklmnop", ["a", None, "b"]])
def test_restarts_are_no_clones(operations, clock, instances):
    outpost, _ = operations.create_outpost("acme", "edge", LIFETIME)
    assert _cloned_at(operations, outpost, clock, instances) is None


@pytest.mark.parametrize("instances", ["aba", "abab", "abca", "aabba"])
def test_two_machines_with_one_identity_take_turns_and_are_noticed(operations, clock, instances):
    outpost, _ = operations.create_outpost("acme", "edge", LIFETIME)
    with capture_logs() as logs:
        assert _cloned_at(operations, outpost, clock, instances) == clock()
    warning = next(entry for entry in logs if entry["event"] == "cloned_identity")
    assert (warning["log_level"], warning["outpost"]) == ("warning", outpost.id)


def test_a_clone_is_reported_once_and_again_after_it_was_quiet_for_long(operations, clock):
    outpost, _ = operations.create_outpost("acme", "edge", LIFETIME)
    _cloned_at(operations, outpost, clock, "abababab")
    clock.advance(timedelta(hours=2))
    _cloned_at(operations, outpost, clock, "ababab")
    events = operations.events(10, outpost.id)
    assert [event.kind for event in events] == ["cloned", "cloned"]
    assert events[0].at - events[1].at > timedelta(hours=2)


def test_the_answer_names_the_generation_and_what_is_in_use_is_recorded(operations, clock):
    outpost, token = operations.create_outpost("acme", "edge", LIFETIME)
    enrolment, _ = operations.enroll(OutpostKeys().message(token.text))
    digest = enrolment.certificate.sha256
    reply = operations.heartbeat(outpost, _beat(clock, "a"), 30, digest)
    assert (reply.trust_generation, reply.renew) == (1, False)
    ((_, status),) = operations.outposts("acme")
    assert (status.certificate_sha256, status.authority) == (digest.hex(), "intermediate")


def test_many_are_recorded_at_once_and_each_is_answered(operations, clock):
    outposts = [operations.create_outpost("acme", f"edge-{number}", LIFETIME)[0] for number in range(3)]
    reports = [Report(outpost, _beat(clock, outpost.id), None) for outpost in (*outposts, outposts[0])]
    replies = operations.heartbeats(reports, 30)
    assert [replies[report].interval_s for report in reports] == [30] * 4
    assert {status.instance_id for _, status in operations.outposts("acme") if status} == {one.id for one in outposts}
