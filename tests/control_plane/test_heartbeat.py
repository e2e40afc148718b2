from datetime import timedelta

from outpost.protocol.messages import BundleReport, Heartbeat

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
