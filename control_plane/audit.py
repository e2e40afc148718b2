"""Audit intake: keeps each outpost's log as a growing Merkle tree and countersigns its heads (design §8).

``take_batch`` runs inside one write transaction: events, tree head and receipt are stored together or not at all.
What is already stored may be sent again (a lost answer); it gets a receipt again, never a second copy. An event that
differs from the stored one, or a signed head that does not follow from the events, is a rewritten or forked log and
changes nothing. Checking and countersigning are ``outpost.audit.receipt``, the same code the outpost's tests use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from control_plane.errors import AuditConflict, AuditForeign, AuditInvalid, AuditOutOfOrder
from control_plane.outposts import OutpostRecord
from outpost.audit.checkpoint import Checkpoint, NoteSigner, NoteVerifier, parse_checkpoint, verify_note
from outpost.audit.receipt import check_batch, countersign, without_known
from outpost.audit.tree import Frontier, leaf_hash
from outpost.errors import AuditCorrupt
from outpost.errors import Rejected as BatchRejected
from outpost.protocol.messages import AuditBatch, AuditReceipt


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event at its place. ``event`` is None if the outpost lost its bytes and only proved the place."""

    seq: int
    event: bytes | None
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A countersigned tree head: its size, the tree's frontier there, and the receipt note."""

    size: int
    frontier: bytes
    note: str


EMPTY_HEAD = StoredHead(0, Frontier().to_bytes(), "")


class AuditStore(Protocol):
    """What the rules need of a database, inside the caller's write transaction."""

    def newest_head(self, outpost_id: str, at_most: int | None = None) -> StoredHead | None:
        """The stored head of the greatest size (not above ``at_most``), or None."""
        ...

    def leaf_hashes(self, outpost_id: str, first: int, end: int) -> list[bytes]:
        """The stored leaf hashes of events ``first`` to ``end`` (exclusive), in order."""
        ...

    def append(self, outpost_id: str, events: Sequence[StoredEvent], head: StoredHead, at: datetime) -> None:
        """Store new events and the head that ends with the last of them."""
        ...


def audit_origin(trust_domain: str, org_id: str, outpost_id: str) -> str:
    """The origin line of an outpost's audit log, which is also the name of its note key."""
    return f"{trust_domain}/org/{org_id}/outpost/{outpost_id}/audit"


def receipt_signer_name(trust_domain: str) -> str:
    """The name of the key that signs receipts."""
    return f"{trust_domain}/receipts"


def take_batch(
    store: AuditStore,
    outpost: OutpostRecord,
    batch: AuditBatch,
    *,
    trust_domain: str,
    signer: NoteSigner,
    at: datetime,
) -> AuditReceipt:
    """Store what is new in ``batch`` and return a receipt for its head.

    Raises:
        AuditInvalid: Malformed, or not signed by this outpost.
        AuditForeign: It is of another outpost's log.
        AuditOutOfOrder: It begins beyond the stored end.
        AuditConflict: It contradicts what is stored, or its signed head does not follow from its events.
    """
    origin = audit_origin(trust_domain, outpost.org_id, outpost.id)
    verifier = NoteVerifier(origin, outpost.audit_public_key or b"")
    checkpoint = _checked_checkpoint(batch, verifier, origin)
    events = _stored_events(batch)
    head = store.newest_head(outpost.id) or EMPTY_HEAD
    if batch.first_seq > head.size:
        raise AuditOutOfOrder(f"the next event is {head.size}", head.size)
    _require_same(store, outpost.id, events, head.size)
    if checkpoint.size <= head.size:
        return _receipt_again(store, outpost.id, batch, checkpoint, signer)
    try:
        frontier = check_batch(head.frontier, without_known(batch, head.size), verifier, origin)
    except BatchRejected as err:
        raise AuditInvalid(err.message) from err
    except AuditCorrupt as err:
        raise AuditConflict("the signed head does not follow from the events", batch.first_seq) from err
    receipt = countersign(batch.checkpoint, signer)
    new_head = StoredHead(receipt.size, frontier, receipt.note)
    store.append(outpost.id, events[head.size - batch.first_seq :], new_head, at)
    return receipt


def _checked_checkpoint(batch: AuditBatch, verifier: NoteVerifier, origin: str) -> Checkpoint:
    try:
        checkpoint = parse_checkpoint(batch.checkpoint)
        if checkpoint.origin != origin:
            raise AuditForeign("the checkpoint is of another log than this outpost's")
        verify_note(batch.checkpoint, [verifier])
    except AuditCorrupt as err:
        raise AuditInvalid(f"the checkpoint is refused: {err}") from err
    if checkpoint.size != batch.first_seq + len(batch.events):
        raise AuditInvalid("the checkpoint is not of the batch's last event")
    return checkpoint


def _stored_events(batch: AuditBatch) -> list[StoredEvent]:
    lost = {gap.seq: bytes.fromhex(gap.leaf_hash) for gap in batch.gaps}
    events: list[StoredEvent] = []
    for seq, text in enumerate(batch.events, start=batch.first_seq):
        if (seq in lost) == bool(text):
            raise AuditInvalid(f"event {seq} must be either text or a gap")
        content = text.encode("utf-8", "surrogatepass")  # check_batch refuses what is not UTF-8
        events.append(
            StoredEvent(seq, None, lost[seq]) if seq in lost else StoredEvent(seq, content, leaf_hash(content))
        )
    return events


def _require_same(store: AuditStore, outpost_id: str, events: Sequence[StoredEvent], size: int) -> None:
    known = [event for event in events if event.seq < size]
    if not known:
        return
    stored = store.leaf_hashes(outpost_id, known[0].seq, known[-1].seq + 1)
    for event, expected in zip(known, stored, strict=True):
        if event.leaf_hash != expected:
            raise AuditConflict(f"event {event.seq} differs from the one that was delivered before", event.seq)


def _receipt_again(
    store: AuditStore, outpost_id: str, batch: AuditBatch, checkpoint: Checkpoint, signer: NoteSigner
) -> AuditReceipt:
    head = store.newest_head(outpost_id, checkpoint.size) or EMPTY_HEAD
    tree = Frontier.from_bytes(head.frontier)
    tree.extend(store.leaf_hashes(outpost_id, head.size, checkpoint.size))
    if tree.root() != checkpoint.root:
        raise AuditConflict("the signed head contradicts the stored log", batch.first_seq)
    if head.size == checkpoint.size:
        return AuditReceipt(size=head.size, note=head.note)
    return countersign(batch.checkpoint, signer)
