"""One commit of the log: events, their leaf hashes and one signed checkpoint, in one transaction.

``add_commit`` only executes statements; its caller owns the transaction. A tree head is handed over only
after COMMIT returned, so what is in memory never runs ahead of what is on disk.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from outpost.audit.checkpoint import NoteSigner, parse_checkpoint, sign_checkpoint, verify_note
from outpost.audit.schema import ANCHOR_EVERY
from outpost.audit.tree import Frontier, leaf_hash
from outpost.errors import AuditCorrupt


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """Whose log it is: the origin of its checkpoints and the key that signs them."""

    origin: str
    signer: NoteSigner

    def checkpoint(self, frontier: Frontier) -> str:
        """A signed checkpoint of the tree at ``frontier``."""
        return sign_checkpoint(self.origin, frontier.size, frontier.root(), self.signer)

    def require_checkpoint(self, note: str, size: int, root: bytes | None = None) -> bytes:
        """Check that ``note`` is our own checkpoint of ``size`` (and ``root``); returns its root.

        Raises:
            AuditCorrupt: If it is not.
        """
        checkpoint = parse_checkpoint(note)
        verify_note(note, [self.signer.verifier])
        if checkpoint.origin != self.origin or checkpoint.size != size:
            raise AuditCorrupt("the checkpoint is of another log or size")
        if root is not None and checkpoint.root != root:
            raise AuditCorrupt("the checkpoint's root is not the tree's")
        return checkpoint.root


def add_commit(
    connection: sqlite3.Connection, identity: LogIdentity, frontier: Frontier, events: Sequence[bytes]
) -> Frontier:
    """Insert ``events`` after the tree at ``frontier`` with one checkpoint; returns the new head.

    The caller has begun a transaction and keeps ``frontier`` as the head until it has committed.
    """
    head = frontier.copy()
    leaves = [leaf_hash(event) for event in events]
    head.extend(leaves)
    first = frontier.size
    connection.executemany(
        "INSERT INTO events (seq, event, leaf_hash) VALUES (?, ?, ?)",
        [(first + i, event, leaf) for i, (event, leaf) in enumerate(zip(events, leaves, strict=True))],
    )
    add_checkpoint(connection, identity, head, b"".join(leaves))
    _drop_old_frontier(connection, first)
    return head


def add_checkpoint(connection: sqlite3.Connection, identity: LogIdentity, head: Frontier, leaves: bytes) -> None:
    """Insert a checkpoint of ``head``; one that exists already for that size stays as it is."""
    connection.execute(
        "INSERT OR IGNORE INTO checkpoints (size, note, leaves, frontier) VALUES (?, ?, ?, ?)",
        (head.size, identity.checkpoint(head), leaves, head.to_bytes()),
    )


def _drop_old_frontier(connection: sqlite3.Connection, previous_size: int) -> None:
    # Keep: the newest, the one before it, and the first at or after every multiple of ANCHOR_EVERY.
    row = connection.execute(
        "SELECT size, length(leaves) / 32 FROM checkpoints WHERE size < ? ORDER BY size DESC LIMIT 1", (previous_size,)
    ).fetchone()
    if row is not None and row[0] // ANCHOR_EVERY == (row[0] - row[1]) // ANCHOR_EVERY:
        connection.execute("UPDATE checkpoints SET frontier = NULL WHERE size = ?", (row[0],))
