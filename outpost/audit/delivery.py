"""Which events to hand to the control plane next, proven against our own signed checkpoints first.

A batch ends at a signed checkpoint. Its leaf hashes come from the event bytes; if those do not lead to the
signed root, from the stored hashes or from the checkpoints' own copy of them. An event whose bytes are then not
what was signed goes out as an exact gap (empty text plus the signed leaf hash), so damage to one row neither
stops the delivery of the others nor goes unseen.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from outpost.audit.commit import LogIdentity
from outpost.audit.tree import HASH_BYTES, Frontier, leaf_hash
from outpost.errors import AuditCorrupt
from outpost.protocol.messages import AuditBatch, AuditGap

MAX_BATCH_BYTES: Final = 1 << 20  # of events; a batch stays one modest request on a slow uplink


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch, the tree head after it, and whether that head's checkpoint still has to be stored."""

    batch: AuditBatch
    head: Frontier
    is_unsigned: bool


@dataclass(frozen=True, slots=True)
class _Row:
    event: bytes | None
    leaf: bytes | None


def next_delivery(connection: sqlite3.Connection, identity: LogIdentity, base: Frontier, limit: int) -> Delivery | None:
    """The next batch after the tree at ``base``; None if nothing waits.

    Raises:
        AuditCorrupt: If nothing that is stored leads from ``base`` to the signed root.
    """
    with _snapshot(connection):
        first = base.size
        wanted = min(limit, _count_within_bytes(connection, first, limit))
        end = _newest_signed(connection, identity, first, first + wanted)
        cover = end or _next_signed(connection, identity, first + wanted)
        if cover is None:
            return None
        leaves, note = _proven_leaves(connection, identity, base, cover)
        count = (end or first + wanted) - first
        head = base.copy()
        head.extend(leaves[:count])
        rows = _rows(connection, first, first + count)
        return Delivery(
            _batch(first, rows, leaves[:count], note if end else identity.checkpoint(head)), head, end is None
        )


def frontier_at(connection: sqlite3.Connection, identity: LogIdentity, size: int) -> Frontier:
    """The tree head at the signed checkpoint of ``size``.

    Raises:
        AuditCorrupt: If there is no such checkpoint, or it is not proven.
    """
    with _snapshot(connection):
        base = _nearest_proven(
            connection,
            identity,
            "SELECT size, note, frontier FROM checkpoints WHERE size <= ? AND frontier IS NOT NULL ORDER BY size DESC",
            (size,),
        )
        if base.size == size:
            return base
        leaves, _ = _proven_leaves(connection, identity, base, size)
        base.extend(leaves)
        return base


def newest_receipt(connection: sqlite3.Connection, identity: LogIdentity) -> Frontier:
    """The tree head up to which delivery is confirmed; a damaged receipt only makes events be delivered again."""
    return _nearest_proven(connection, identity, "SELECT size, note, frontier FROM receipts ORDER BY size DESC", ())


def _nearest_proven(
    connection: sqlite3.Connection, identity: LogIdentity, query: str, parameters: tuple[int, ...]
) -> Frontier:
    with closing(connection.execute(query, parameters)) as rows:
        for size, note, frontier_bytes in rows:
            try:
                frontier = Frontier.from_bytes(frontier_bytes)
                identity.require_checkpoint(note, size, frontier.root())
            except AuditCorrupt:
                continue
            if frontier.size == size:
                return frontier
    return Frontier()


def _count_within_bytes(connection: sqlite3.Connection, first: int, limit: int) -> int:
    total = count = 0
    with closing(
        connection.execute(
            "SELECT length(event) FROM events WHERE seq >= ? AND seq < ? ORDER BY seq", (first, first + limit)
        )
    ) as rows:
        for (length,) in rows:
            total += length
            if count and total > MAX_BATCH_BYTES:
                return count
            count += 1
    return limit


def _newest_signed(connection: sqlite3.Connection, identity: LogIdentity, above: int, to: int) -> int | None:
    query = "SELECT size, note FROM checkpoints WHERE size > ? AND size <= ? ORDER BY size DESC"
    return _first_signed(connection, identity, query, (above, to))


def _next_signed(connection: sqlite3.Connection, identity: LogIdentity, above: int) -> int | None:
    return _first_signed(
        connection, identity, "SELECT size, note FROM checkpoints WHERE size > ? ORDER BY size", (above,)
    )


def _first_signed(
    connection: sqlite3.Connection, identity: LogIdentity, query: str, parameters: tuple[int, ...]
) -> int | None:
    """The first size of the query whose checkpoint is ours: a damaged one must not stop the delivery."""
    with closing(connection.execute(query, parameters)) as rows:
        for size, note in rows:
            try:
                identity.require_checkpoint(note, size)
            except AuditCorrupt:
                continue
            found: int = size
            return found
    return None


def _proven_leaves(
    connection: sqlite3.Connection, identity: LogIdentity, base: Frontier, size: int
) -> tuple[list[bytes], str]:
    """The leaf hashes from ``base`` to the checkpoint of ``size``, and that checkpoint's note."""
    found = connection.execute("SELECT note FROM checkpoints WHERE size = ?", (size,)).fetchone()
    if found is None:
        raise AuditCorrupt("this log never signed a checkpoint of that size")
    note: str = found[0]
    root = identity.require_checkpoint(note, size)
    for candidate in _candidates(connection, base.size, size):
        if len(candidate) != size - base.size:
            continue
        head = base.copy()
        head.extend(candidate)
        if head.root() == root:
            return candidate, note
    raise AuditCorrupt("the stored events do not lead to the signed root", seq=base.size)


def _candidates(connection: sqlite3.Connection, first: int, end: int) -> Iterator[list[bytes]]:
    rows = _rows(connection, first, end)
    yield [leaf_hash(row.event) for row in rows if row.event is not None]
    yield [row.leaf for row in rows if row.leaf is not None]
    copies = b"".join(
        leaves
        for (leaves,) in connection.execute(
            "SELECT leaves FROM checkpoints WHERE size > ? AND size <= ? ORDER BY size", (first, end)
        )
    )
    # The first commit after ``first`` may have begun before it (an extra checkpoint inside a commit): count
    # from the end, which is always the end of a commit or of the range.
    copies = copies[-(end - first) * HASH_BYTES :]
    yield [copies[i : i + HASH_BYTES] for i in range(0, len(copies), HASH_BYTES)]


def _rows(connection: sqlite3.Connection, first: int, end: int) -> list[_Row]:
    rows = [_Row(None, None)] * (end - first)
    for seq, event, leaf in connection.execute(
        "SELECT seq, event, leaf_hash FROM events WHERE seq >= ? AND seq < ?", (first, end)
    ):
        rows[seq - first] = _Row(event, leaf)
    return rows


def _batch(first: int, rows: Sequence[_Row], leaves: Sequence[bytes], note: str) -> AuditBatch:
    events: list[str] = []
    gaps: list[AuditGap] = []
    for offset, (row, leaf) in enumerate(zip(rows, leaves, strict=True)):
        if row.event is not None and leaf_hash(row.event) == leaf:
            events.append(row.event.decode())
        else:
            events.append("")
            gaps.append(AuditGap(seq=first + offset, leaf_hash=leaf.hex()))
    return AuditBatch(first_seq=first, events=events, checkpoint=note, gaps=gaps)


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
