"""The control plane's side of delivery, pure: check a batch against the tree so far, countersign its head.

The receiver keeps one ``Frontier`` per log (its bytes, in the same transaction as the events). A batch is accepted
only if the frontier plus the batch's events has exactly the root that the outpost signed: a rewritten, dropped,
inserted or reordered event, or a second history, cannot pass.

Overlap is the caller's: after a lost answer an outpost sends again what is already stored. If the checkpoint's
size is at most the frontier's, compare its root with the stored checkpoint of that size and answer with the
stored receipt; if the batch begins before the frontier and ends after it, refuse with ``AUDIT_CONFLICT`` and the
frontier's size, or cut the known events off and check the rest (``without_known``).
"""

from outpost.audit.checkpoint import NoteSigner, NoteVerifier, add_signature, parse_checkpoint, verify_note
from outpost.audit.tree import Frontier, leaf_hash
from outpost.errors import AuditCorrupt, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import AuditBatch, AuditReceipt


def check_batch(frontier_before: bytes, batch: AuditBatch, outpost_verifier: NoteVerifier, origin: str) -> bytes:
    """The frontier after the batch, as bytes; what the events say is not looked at here.

    Events of ``batch.gaps`` enter the tree by their hash alone: the caller records them as lost.

    Raises:
        Rejected: ``AUDIT_INVALID`` if the batch is malformed, ``AUDIT_CONFLICT`` if it does not begin where the
            frontier ends.
        AuditCorrupt: If the outpost did not sign the checkpoint, or signed another root: the log was rewritten or
            forked, and ``seq`` is the batch's first event.
    """
    frontier = Frontier.from_bytes(frontier_before)
    try:
        checkpoint = parse_checkpoint(batch.checkpoint)
    except AuditCorrupt as err:
        raise Rejected(ErrorCode.AUDIT_INVALID, f"the checkpoint is malformed: {err}") from err
    if checkpoint.size != batch.first_seq + len(batch.events):
        raise Rejected(ErrorCode.AUDIT_INVALID, "the checkpoint is not of the batch's last event")
    if checkpoint.origin != origin:
        raise Rejected(ErrorCode.AUDIT_INVALID, "the checkpoint is of another log")
    verify_note(batch.checkpoint, [outpost_verifier])
    if batch.first_seq != frontier.size:
        raise Rejected(
            ErrorCode.AUDIT_CONFLICT, f"the batch begins at event {batch.first_seq}, {frontier.size} is the next"
        )
    frontier.extend(_leaves(batch))
    if frontier.root() != checkpoint.root:
        raise AuditCorrupt("the events do not lead to the signed root", seq=batch.first_seq)
    return frontier.to_bytes()


def without_known(batch: AuditBatch, size: int) -> AuditBatch:
    """The part of a batch from event ``size`` on, under the same checkpoint.

    Raises:
        Rejected: ``AUDIT_CONFLICT`` if nothing would remain or ``size`` lies before the batch.
    """
    known = size - batch.first_seq
    if not 0 <= known < len(batch.events):
        raise Rejected(ErrorCode.AUDIT_CONFLICT, f"the batch does not reach beyond event {size}")
    gaps = [gap for gap in batch.gaps if gap.seq >= size]
    return AuditBatch(first_seq=size, events=batch.events[known:], checkpoint=batch.checkpoint, gaps=gaps)


def countersign(checkpoint: str, signer: NoteSigner) -> AuditReceipt:
    """The receipt for a checkpoint that ``check_batch`` has accepted and whose events are stored.

    Raises:
        AuditCorrupt: If the note is not a checkpoint.
    """
    return AuditReceipt(size=parse_checkpoint(checkpoint).size, note=add_signature(checkpoint, signer))


def _leaves(batch: AuditBatch) -> list[bytes]:
    lost = {gap.seq: bytes.fromhex(gap.leaf_hash) for gap in batch.gaps}
    if len(lost) != len(batch.gaps):
        raise Rejected(ErrorCode.AUDIT_INVALID, "a gap is named twice")
    leaves: list[bytes] = []
    for seq, event in enumerate(batch.events, start=batch.first_seq):
        gap = lost.pop(seq, None)
        if (gap is None) == (event == ""):
            raise Rejected(ErrorCode.AUDIT_INVALID, f"event {seq} must be either text or a gap")
        leaves.append(gap or leaf_hash(_event_bytes(seq, event)))
    if lost:
        raise Rejected(ErrorCode.AUDIT_INVALID, "a gap lies outside the batch")
    return leaves


def _event_bytes(seq: int, event: str) -> bytes:
    try:
        return event.encode()
    except UnicodeEncodeError as err:
        raise Rejected(ErrorCode.AUDIT_INVALID, f"event {seq} is not UTF-8 text") from err
