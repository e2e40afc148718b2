from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from control_plane.errors import AuditConflict, AuditForeign, AuditInvalid, AuditOutOfOrder
from control_plane.store.outposts import SqlRegistryStore
from control_plane.store.tables import audit_events, audit_receipts
from outpost.audit.checkpoint import NoteVerifier, parse_checkpoint, verify_note
from outpost.audit.tree import leaf_hash
from outpost.protocol.messages import AuditBatch
from outpost.protocol.messages import AuditGap as GapMessage
from tests.fakes.installation import OutpostKeys

LOG = ['{"seq":0}', '{"seq":1}', '{"seq":2}', '{"seq":3}']


@pytest.fixture
def keys():
    return OutpostKeys()


@pytest.fixture
def outpost(operations, keys):
    _, token = operations.create_outpost("acme", "edge", timedelta(minutes=15))
    enrolment, _ = operations.enroll(keys.message(token.text))
    with operations.database.read() as connection:
        return SqlRegistryStore(connection).outpost(enrolment.outpost.id)


def _stored(operations):
    with operations.database.read() as connection:
        events = connection.execute(select(audit_events.c.event).order_by(audit_events.c.seq)).scalars().all()
        sizes = connection.execute(select(audit_receipts.c.size)).scalars().all()
    return [event and event.decode() for event in events], sorted(sizes)


def test_a_log_grows_and_every_head_is_countersigned(operations, keys, outpost):
    for size in (1, 3, 4):
        first = len(_stored(operations)[0])
        receipt = operations.take_batch(outpost, keys.batch(outpost.id, LOG[:size], first))
        vkey = operations.keyring.receipts.vkey
        assert verify_note(receipt.note, [NoteVerifier.from_vkey(vkey)]) == ("outpost.test/receipts",)
        assert (receipt.size, parse_checkpoint(receipt.note).size) == (size, size)
    assert _stored(operations) == (LOG, [1, 3, 4])


@pytest.mark.parametrize(("first", "size"), [(0, 3), (0, 2), (1, 2), (2, 3)])
def test_what_is_stored_may_be_sent_again_and_changes_nothing(operations, keys, outpost, first, size):
    operations.take_batch(outpost, keys.batch(outpost.id, LOG[:3]))
    receipt = operations.take_batch(outpost, keys.batch(outpost.id, LOG[:size], first))
    assert receipt.size == size
    assert _stored(operations) == (LOG[:3], [3])


def test_the_same_batch_gets_the_same_receipt(operations, keys, outpost):
    batch = keys.batch(outpost.id, LOG[:3])
    assert operations.take_batch(outpost, batch) == operations.take_batch(outpost, batch)


def test_an_overlap_stores_only_what_is_new(operations, keys, outpost):
    operations.take_batch(outpost, keys.batch(outpost.id, LOG[:2]))
    assert operations.take_batch(outpost, keys.batch(outpost.id, LOG, 1)).size == 4
    assert _stored(operations) == (LOG, [2, 4])


def test_a_gap_in_the_sequence_is_refused_with_the_expected_seq(operations, keys, outpost):
    operations.take_batch(outpost, keys.batch(outpost.id, LOG[:1]))
    with pytest.raises(AuditOutOfOrder) as caught:
        operations.take_batch(outpost, keys.batch(outpost.id, LOG, 3))
    assert caught.value.expected_seq == 1
    assert _stored(operations) == (LOG[:1], [1])


def _rewritten_event(keys, outpost):
    return keys.batch(outpost.id, [LOG[0], "{}", *LOG[2:]])


def _rewritten_past(keys, outpost):
    return keys.batch(outpost.id, ["{}", *LOG[1:]], first=2)


def _rewritten_past_of_a_known_size(keys, outpost):
    return keys.batch(outpost.id, ["{}", LOG[1]], first=1)


def _dropped(keys, outpost):
    return keys.batch(outpost.id, LOG).model_copy(update={"events": [*LOG[:2], LOG[3], LOG[3]]})


@pytest.mark.parametrize(
    "forge", [_rewritten_event, _rewritten_past, _rewritten_past_of_a_known_size, _dropped], ids=lambda f: f.__name__
)
def test_a_rewritten_or_forked_log_is_a_conflict_and_changes_nothing(operations, keys, outpost, forge):
    operations.take_batch(outpost, keys.batch(outpost.id, LOG[:2]))
    with pytest.raises(AuditConflict):
        operations.take_batch(outpost, forge(keys, outpost))
    assert _stored(operations) == (LOG[:2], [2])


def test_another_outposts_log_or_key_is_refused(operations, keys, outpost):
    with pytest.raises(AuditForeign):
        operations.take_batch(outpost, keys.batch("other", LOG))
    with pytest.raises(AuditInvalid):
        operations.take_batch(outpost, OutpostKeys().batch(outpost.id, LOG))
    with pytest.raises(AuditInvalid):
        operations.take_batch(replace(outpost, audit_public_key=bytes(32)), keys.batch(outpost.id, LOG))
    assert _stored(operations) == ([], [])


@pytest.mark.parametrize("note", ["", "x", "a\n1\nAAAA\n\n", "\N{EM DASH} x y\n"])
def test_a_malformed_checkpoint_is_invalid(operations, outpost, note):
    with pytest.raises(AuditInvalid):
        operations.take_batch(outpost, AuditBatch(first_seq=0, events=["{}"], checkpoint=note))


def test_a_lost_event_keeps_its_place_by_its_hash(operations, keys, outpost):
    whole = keys.batch(outpost.id, LOG)
    gap = GapMessage(seq=1, leaf_hash=leaf_hash(LOG[1].encode()).hex())
    lossy = whole.model_copy(update={"events": [LOG[0], "", *LOG[2:]], "gaps": [gap]})
    assert operations.take_batch(outpost, lossy).size == 4
    assert _stored(operations)[0] == [LOG[0], None, *LOG[2:]]
    with pytest.raises(AuditInvalid):
        operations.take_batch(outpost, lossy.model_copy(update={"gaps": []}))
