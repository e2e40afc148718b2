"""Reading a log's events without touching it, for export and tail."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from outpost.audit.event import AuditEvent, decode
from outpost.audit.schema import connect_read_only
from outpost.errors import AuditCorrupt, AuditUnavailable


def read_events(path: Path, after: int | None = None) -> Iterator[tuple[int, AuditEvent]]:
    """``(seq, event)`` of every event with ``seq > after``, in order. Proves nothing: ``verify_log`` does.

    Raises:
        AuditCorrupt: At the first event that cannot be read; its ``seq`` says which, so that a caller may go on
            after it.
        AuditUnavailable: If the database cannot be read.
    """
    try:
        with (
            closing(connect_read_only(path)) as connection,
            closing(
                connection.execute(
                    "SELECT seq, event FROM events WHERE seq > ? ORDER BY seq", (-1 if after is None else after,)
                )
            ) as rows,
        ):
            for seq, event in rows:
                yield seq, _decode(seq, event)
    except sqlite3.Error as err:
        raise AuditUnavailable("the audit log cannot be read") from err


def queue_length(path: Path) -> tuple[int, int]:
    """How many events there are, and up to how many the control plane has given a receipt. Proves nothing.

    Raises:
        AuditCorrupt: There is no audit log at ``path``.
        AuditUnavailable: If the database cannot be read.
    """
    try:
        with closing(connect_read_only(path)) as connection:
            (size,) = connection.execute("SELECT coalesce(max(seq) + 1, 0) FROM events").fetchone()
            (delivered,) = connection.execute("SELECT coalesce(max(size), 0) FROM receipts").fetchone()
    except sqlite3.Error as err:
        raise AuditUnavailable("the audit log cannot be read") from err
    return int(size), int(delivered)


def _decode(seq: int, event: bytes) -> AuditEvent:
    try:
        return decode(event)
    except AuditCorrupt as err:
        raise AuditCorrupt(f"event {seq}: {err}", seq=seq) from err
