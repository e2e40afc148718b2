"""Opening a log: find the newest head that is proven, and quarantine what contradicts it.

The guarantee: opening costs the last commit, not the whole log (``verify`` recomputes all); a head is trusted
only if its checkpoint carries our signature and its stored frontier has exactly the signed root; a signed
head is never rewound, so opening can never fork the log; whatever cannot be proven is copied to
``quarantine`` and reported as an exact range, and never stops the start.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from outpost.audit.checkpoint import parse_note
from outpost.audit.commit import LogIdentity
from outpost.audit.tree import HASH_BYTES, Frontier, leaf_hash
from outpost.errors import AuditCorrupt

_FOREIGN_AFTER: Final = 8  # so many newest checkpoints without our key are another identity's log, not damage


@dataclass(frozen=True, slots=True)
class Damage:
    """Events ``[first_seq, last_seq]`` that are not what was signed, and why."""

    first_seq: int
    last_seq: int
    reason: str


def recover_head(
    connection: sqlite3.Connection, identity: LogIdentity, at: datetime
) -> tuple[Frontier, tuple[Damage, ...]]:
    """The head to append to, and what was newly found damaged (already in ``quarantine``).

    Raises:
        AuditCorrupt: If the log is signed by another identity: continuing it would be forging it.
        sqlite3.Error: If the file cannot be read or written.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        head, damage = _recover(connection, identity)
        found = tuple(item for item in damage if _quarantine(connection, item, at))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return head, found


def _recover(connection: sqlite3.Connection, identity: LogIdentity) -> tuple[Frontier, list[Damage]]:
    _require_own_log(connection, identity)
    head, commit_size = _newest_proven(connection, identity)
    last = connection.execute("SELECT coalesce(max(seq), -1) FROM events").fetchone()[0]
    damage = list(_check_rows(connection, max(0, min(head.size - commit_size, last + 1)), head.size))
    for row in connection.execute(
        "SELECT size, note, leaves FROM checkpoints WHERE size > ? ORDER BY size", (head.size,)
    ).fetchall():
        head = _replay(connection, identity, head, row, damage)
    return _adopt_tail(connection, head, damage), damage


def _require_own_log(connection: sqlite3.Connection, identity: LogIdentity) -> None:
    newest = connection.execute("SELECT note FROM checkpoints ORDER BY size DESC LIMIT ?", (_FOREIGN_AFTER,)).fetchall()
    if newest and not any(_is_ours(note, identity) for (note,) in newest):
        raise AuditCorrupt("the audit log was signed by another identity")


def _is_ours(note: str, identity: LogIdentity) -> bool:
    verifier = identity.signer.verifier
    try:
        return any((s.name, s.key_id) == (verifier.name, verifier.key_id) for s in parse_note(note).signatures)
    except AuditCorrupt:
        return False


def _newest_proven(connection: sqlite3.Connection, identity: LogIdentity) -> tuple[Frontier, int]:
    """The newest head with a good signature and a frontier of that root, and how many events its commit has."""
    with closing(
        connection.execute(
            "SELECT size, note, frontier, length(leaves) FROM checkpoints WHERE frontier IS NOT NULL "
            "UNION ALL SELECT size, note, frontier, 0 FROM receipts ORDER BY size DESC"
        )
    ) as rows:
        for size, note, frontier_bytes, leaves_bytes in rows:
            try:
                frontier = Frontier.from_bytes(frontier_bytes)
                identity.require_checkpoint(note, size, frontier.root())
            except AuditCorrupt:
                continue
            if frontier.size == size:
                return frontier, min(size, leaves_bytes // HASH_BYTES)
    return Frontier(), 0


def _check_rows(connection: sqlite3.Connection, first: int, end: int) -> Iterator[Damage]:
    """Damage among the rows ``[first, end)``: missing ones, and ones whose bytes are not what was hashed."""
    expected = first
    with closing(
        connection.execute(
            "SELECT seq, event, leaf_hash FROM events WHERE seq >= ? AND seq < ? ORDER BY seq", (first, end)
        )
    ) as rows:
        for seq, event, leaf in rows:
            if seq > expected:
                yield Damage(expected, seq - 1, "rows are missing")
            if leaf_hash(event) != leaf:
                yield Damage(seq, seq, "the row is not what was hashed")
            expected = seq + 1
    if expected < end:
        yield Damage(expected, end - 1, "rows are missing")


def _replay(
    connection: sqlite3.Connection,
    identity: LogIdentity,
    head: Frontier,
    row: tuple[int, str, bytes],
    damage: list[Damage],
) -> Frontier:
    """Advance ``head`` to a newer checkpoint whose frontier is not usable, if the leaves prove it."""
    size, note, leaves = row
    stored = [
        leaf
        for (leaf,) in connection.execute(
            "SELECT leaf_hash FROM events WHERE seq >= ? AND seq < ? ORDER BY seq", (head.size, size)
        )
    ]
    repeated = [leaves[i : i + HASH_BYTES] for i in range(0, len(leaves), HASH_BYTES)]
    for candidate in (stored, repeated):
        advanced = head.copy()
        advanced.extend(candidate)
        try:
            identity.require_checkpoint(note, size, advanced.root())
        except AuditCorrupt:
            continue
        if advanced.size == size:
            damage.extend(_check_rows(connection, head.size, size))
            connection.execute("UPDATE checkpoints SET frontier = ? WHERE size = ?", (advanced.to_bytes(), size))
            return advanced
    damage.append(Damage(head.size, size - 1, f"the checkpoint of size {size} is not proven by its events"))
    _move(connection, "checkpoints", "size", size, size)
    return head


def _adopt_tail(connection: sqlite3.Connection, head: Frontier, damage: list[Damage]) -> Frontier:
    """Take up whole rows that follow the newest proven head; move the first that is not whole, and all after it.

    Such rows exist only if a checkpoint was damaged, since a row and its checkpoint are committed together.
    """
    first = head.size
    head = head.copy()
    rows = connection.execute(
        "SELECT seq, event, leaf_hash FROM events WHERE seq >= ? ORDER BY seq", (first,)
    ).fetchall()
    leaves: list[bytes] = []
    for seq, event, leaf in rows:
        if seq != head.size or leaf_hash(event) != leaf:
            last = rows[-1][0]
            damage.append(Damage(head.size, last, "rows follow the newest proven checkpoint and are not whole"))
            _move(connection, "events", "seq", seq, last)
            break
        head.append(leaf)
        leaves.append(leaf)
    return head


def _move(connection: sqlite3.Connection, table: str, key: str, first: int, last: int) -> None:
    """Move rows to the quarantine, where their content stays for whoever examines it."""
    payload = "event" if table == "events" else "CAST(note AS BLOB)"
    span = (first, last)
    connection.execute(
        "INSERT OR IGNORE INTO quarantine (found_at, first_seq, last_seq, reason, payload) "  # noqa: S608 - our own names
        f"SELECT '', {key}, {key}, '{table} row moved', {payload} FROM {table} WHERE {key} BETWEEN ? AND ?",
        span,
    )
    connection.execute(f"DELETE FROM {table} WHERE {key} BETWEEN ? AND ?", span)  # noqa: S608 - our own names


def _quarantine(connection: sqlite3.Connection, damage: Damage, at: datetime) -> bool:
    """Record damage once; False if an earlier start has recorded it already."""
    cursor = connection.execute(
        "INSERT OR IGNORE INTO quarantine (found_at, first_seq, last_seq, reason) VALUES (?, ?, ?, ?)",
        (at.isoformat(), damage.first_seq, damage.last_seq, damage.reason),
    )
    return cursor.rowcount > 0
