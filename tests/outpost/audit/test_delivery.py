"""What a damaged log hands to the control plane: everything that is whole, and an exact gap for the rest.

Delivery of an undamaged log is in test_log.
"""

import asyncio
import shutil

import pytest

from outpost.audit.tree import leaf_hash
from outpost.audit.verify import verify_log
from outpost.errors import AuditCorrupt
from tests.fakes.audit import RECEIPTS, SIGNER, Receiver, build_log, change, event, open_test_log


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "audit.db"
    asyncio.run(build_log(path))
    return path


@pytest.fixture
def path(original, tmp_path):
    return shutil.copy(original, tmp_path / "audit.db")


@pytest.mark.parametrize("copies", ["kept", "lost"])
@pytest.mark.parametrize("seq", [0, 7, 13, 24])
def test_a_damaged_event_is_delivered_as_an_exact_gap(path, seq, copies):
    change(path, ("UPDATE events SET event = x'00' WHERE seq = ?", seq))
    if copies == "lost":
        change(path, ("UPDATE checkpoints SET leaves = zeroblob(length(leaves))",))
    log = open_test_log(path)
    receiver = Receiver()
    receiver.drain(log, 6)
    assert log.delivered == log.size
    assert receiver.lost == [seq]
    log.close()


@pytest.mark.parametrize("limit", [4, 500])
@pytest.mark.parametrize("span", [(0, 0), (3, 11), (24, 24)])
def test_missing_events_are_delivered_as_an_exact_gap(path, span, limit):
    change(path, ("DELETE FROM events WHERE seq BETWEEN ? AND ?", *span))
    log = open_test_log(path)
    receiver = Receiver()
    receiver.drain(log, limit)
    assert log.delivered == log.size
    assert receiver.lost == list(range(span[0], span[1] + 1))
    assert asyncio.run(log.append(event())) == log.size - 1
    receiver.drain(log, limit)
    log.close()


def test_a_forged_event_is_delivered_as_a_gap_never_as_itself(path):
    change(path, ("UPDATE events SET event = x'7b7d', leaf_hash = ? WHERE seq = 5", leaf_hash(b"{}")))
    log = open_test_log(path)
    receiver = Receiver()
    receiver.drain(log)
    assert receiver.lost == [5]
    assert "{}" not in receiver.events
    log.close()


def test_a_damaged_receipt_only_makes_events_be_delivered_again(path):
    log = open_test_log(path)
    Receiver().drain(log)
    log.close()
    change(path, ("UPDATE receipts SET note = 'x'",))
    again = open_test_log(path)
    assert again.delivered == 0
    receiver = Receiver()
    receiver.drain(again)
    assert again.delivered == 25
    again.close()
    third = open_test_log(path)
    assert third.delivered == 25
    third.close()
    assert verify_log(path, SIGNER.verifier, RECEIPTS.verifier).ok


def test_a_damaged_checkpoint_in_the_middle_does_not_stop_the_delivery(path):
    change(path, ("UPDATE checkpoints SET note = 'x' WHERE size IN (10, 12, 13)",))
    log = open_test_log(path)
    receiver = Receiver()
    receiver.drain(log, 3)
    assert log.delivered == log.size == len(receiver.events)
    assert receiver.lost == []
    log.close()


def test_what_cannot_be_proven_at_all_is_an_error_of_delivery_not_of_the_log(path):
    change(
        path,
        ("DELETE FROM events WHERE seq = 3",),
        ("UPDATE checkpoints SET leaves = zeroblob(length(leaves))",),
    )
    log = open_test_log(path)
    with pytest.raises(AuditCorrupt) as caught:
        log.pending()
    assert caught.value.seq == 0
    assert asyncio.run(log.append(event())) == 25
    assert log.healthy
    log.close()
