import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from outpost.audit.checkpoint import sign_checkpoint, verify_note
from outpost.audit.event import encode
from outpost.audit.receipt import check_batch, countersign, without_known
from outpost.audit.tree import Frontier, leaf_hash, tree_root
from outpost.errors import AuditCorrupt, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import AuditBatch, AuditGap
from tests.fakes.audit import ORIGIN, RECEIPTS, SIGNER, event, signer

EVENTS = [encode(event(i)).decode() for i in range(9)]
LEAVES = [leaf_hash(text.encode()) for text in EVENTS]


def _frontier(size):
    frontier = Frontier()
    frontier.extend(LEAVES[:size])
    return frontier.to_bytes()


def _note(size, root=None, by=SIGNER, origin=ORIGIN):
    return sign_checkpoint(origin, size, tree_root(LEAVES[:size]) if root is None else root, by)


def _batch(first=2, end=6, **changes):
    return AuditBatch(**{"first_seq": first, "events": EVENTS[first:end], "checkpoint": _note(end), **changes})


def _check(batch, size=2):
    return check_batch(_frontier(size), batch, SIGNER.verifier, ORIGIN)


def test_an_honest_batch_moves_the_frontier():
    assert _check(_batch()) == _frontier(6)
    assert _check(_batch(0, 9), 0) == _frontier(9)


def test_the_receipt_carries_both_signatures():
    receipt = countersign(_batch().checkpoint, RECEIPTS)
    assert receipt.size == 6
    assert verify_note(receipt.note, [SIGNER.verifier, RECEIPTS.verifier]) == (ORIGIN, RECEIPTS.name)


CORRUPT = {
    "one event altered": _batch(events=[*EVENTS[2:5], EVENTS[8]]),
    "two events swapped": _batch(events=[EVENTS[3], EVENTS[2], *EVENTS[4:6]]),
    "another history": _batch(checkpoint=_note(6, root=tree_root(LEAVES[3:9]))),
    "signed by another key": _batch(checkpoint=_note(6, by=signer(seed=4))),
    "signature over another text": _batch(checkpoint=_note(6)[:-10] + "AAAAAAAA=\n"),
    "a gap with another hash": _batch(events=["", *EVENTS[3:6]], gaps=[AuditGap(seq=2, leaf_hash=LEAVES[0].hex())]),
}


@pytest.mark.parametrize("case", CORRUPT)
def test_a_rewritten_log_is_corrupt(case):
    with pytest.raises((AuditCorrupt, Rejected)) as caught:
        _check(CORRUPT[case])
    if case != "signature over another text":  # which may also be no signature line at all
        assert isinstance(caught.value, AuditCorrupt)


def test_the_frontier_of_another_history_is_corrupt():
    frontier = Frontier()
    frontier.extend(LEAVES[5:7])
    with pytest.raises(AuditCorrupt) as caught:
        check_batch(frontier.to_bytes(), _batch(), SIGNER.verifier, ORIGIN)
    assert caught.value.seq == 2


INVALID = {
    "an event dropped": _batch(events=EVENTS[2:5]),
    "an event inserted": _batch(events=[*EVENTS[2:6], EVENTS[0]]),
    "no checkpoint": _batch(checkpoint="hello"),
    "another log": _batch(checkpoint=_note(6, origin="elsewhere/audit")),
    "an empty event that is no gap": _batch(events=["", *EVENTS[3:6]]),
    "a gap that has text": _batch(gaps=[AuditGap(seq=2, leaf_hash=LEAVES[2].hex())]),
    "a gap outside": _batch(gaps=[AuditGap(seq=6, leaf_hash=LEAVES[2].hex())]),
    "a gap twice": _batch(events=["", *EVENTS[3:6]], gaps=[AuditGap(seq=2, leaf_hash=LEAVES[2].hex())] * 2),
}


@pytest.mark.parametrize("case", INVALID)
def test_a_malformed_batch_is_rejected(case):
    with pytest.raises(Rejected) as caught:
        _check(INVALID[case])
    assert caught.value.code is ErrorCode.AUDIT_INVALID


@pytest.mark.parametrize("size", [0, 1, 3, 6, 9])
def test_a_batch_that_does_not_begin_where_the_log_ends_is_a_conflict(size):
    with pytest.raises(Rejected) as caught:
        _check(_batch(), size)
    assert caught.value.code is ErrorCode.AUDIT_CONFLICT


def test_what_is_known_already_is_cut_off():
    assert _check(without_known(_batch(), 4), 4) == _frontier(6)
    assert without_known(_batch(), 2) == _batch()
    for size in (1, 6, 7):
        with pytest.raises(Rejected) as caught:
            without_known(_batch(), size)
        assert caught.value.code is ErrorCode.AUDIT_CONFLICT


def test_a_lost_event_keeps_its_place():
    gap = AuditGap(seq=3, leaf_hash=LEAVES[3].hex())
    batch = _batch(events=[EVENTS[2], "", *EVENTS[4:6]], gaps=[gap])
    assert _check(batch) == _frontier(6)
    assert without_known(batch, 3).gaps == [gap]
    assert without_known(batch, 4).gaps == []


def test_a_lone_surrogate_is_rejected_not_raised():
    try:
        batch = _batch(events=["\ud800", *EVENTS[3:6]])
    except ValidationError:
        return  # pydantic may refuse it first
    with pytest.raises(Rejected):
        _check(batch)


@given(st.binary(max_size=80), st.text(max_size=80), st.lists(st.text(max_size=4), min_size=1, max_size=4))
def test_any_batch_gets_a_frontier_or_a_typed_error(frontier, note, events):
    batch = AuditBatch(first_seq=0, events=events, checkpoint=note)
    with pytest.raises((Rejected, AuditCorrupt)):
        check_batch(frontier, batch, SIGNER.verifier, ORIGIN)
