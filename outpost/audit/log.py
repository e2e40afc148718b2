"""The outpost's audit log: append is durable before it returns, delivery is at least once and gap-proof.

One writer thread owns the write connection (``writer``); reads use a second connection under a lock. A second
process that opens the same log is refused by flock(2) on ``audit.lock`` beside it: the operating system
releases it when the holder dies, so a stale lock file never needs deleting.

``submit`` and ``append`` belong to an event loop. ``pending``, ``acknowledge`` and ``close`` block on the disk;
they may be called from any thread, so from a loop use ``asyncio.to_thread``.
"""

import asyncio
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from outpost.audit.checkpoint import NoteSigner, NoteVerifier, parse_checkpoint, verify_note
from outpost.audit.commit import LogIdentity, add_checkpoint
from outpost.audit.delivery import Delivery, frontier_at, newest_receipt, next_delivery
from outpost.audit.event import AuditEvent, encode, require_encoded
from outpost.audit.recovery import Damage, recover_head
from outpost.audit.reserve import Reserve
from outpost.audit.schema import connect, connect_read_only
from outpost.audit.tree import Frontier
from outpost.audit.writer import PRIMARY_CODE, Append, Job, Notice, Opened, Receipt, Writer
from outpost.errors import AuditCorrupt, AuditUnavailable
from outpost.protocol.messages import AuditBatch, AuditReceipt

DEFAULT_BATCH: Final = 500
_UNREADABLE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def utc_now() -> datetime:
    """The default clock."""
    return datetime.now(UTC)


class AuditLog:
    """An open log. Make one with ``open_log``."""

    def __init__(
        self, writer: Writer, reader: sqlite3.Connection, identity: LogIdentity, delivered: Frontier, lock: int
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._reader_lock = threading.Lock()
        self._identity = identity
        self._delivered = delivered
        self._offered: tuple[Frontier, ...] = ()
        self._lock = lock

    @property
    def healthy(self) -> bool:
        """False while events cannot be made durable; becomes true again by itself."""
        return self._writer.healthy

    @property
    def size(self) -> int:
        """Number of durable events."""
        return self._writer.size

    @property
    def delivered(self) -> int:
        """Number of events that the control plane has countersigned."""
        return self._delivered.size

    def submit(self, event: AuditEvent, *, urgent: bool = True) -> "asyncio.Future[int]":
        """Queue an event of the running loop. The future gives its seq (leaf index) only after the commit's fsync.

        It fails with ``AuditUnavailable`` if the event could not be made durable; then it may still turn up in the
        log, but was not acknowledged. Cancelling the future changes nothing: the event may or may not be in the log.
        An event that is not ``urgent`` may wait two milliseconds for the next one to share its commit.

        Raises:
            AuditUnavailable: At once, if the log is closed or too many events are waiting already.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._writer.submit(Append(encode(event), loop, future, urgent))
        return future

    def submit_encoded(self, event: bytes, receipt: Receipt, *, urgent: bool = True) -> None:
        """``submit`` for an event that another process has encoded; ``receipt`` is told on the running loop.

        Raises:
            AuditCorrupt: ``event`` is anything but the canonical encoding of an event; nothing was queued.
            AuditUnavailable: As ``submit``.
        """
        require_encoded(event)
        self._writer.submit(Append(event, asyncio.get_running_loop(), receipt, urgent))

    async def append(self, event: AuditEvent) -> int:
        """Make an event durable and return its seq. As ``submit``, for those who have nothing to do meanwhile.

        Raises:
            AuditUnavailable: It could not be made durable.
        """
        return await self.submit(event)

    def pending(self, limit: int = DEFAULT_BATCH) -> AuditBatch | None:
        """The events after ``delivered``, at most ``limit``, ending at a signed checkpoint; None if there are none.

        Raises:
            AuditCorrupt: If the stored events contradict the signed checkpoints beyond what a gap can express.
            AuditUnavailable: If the log cannot be read, or a needed checkpoint not be written.
        """
        with self._reader_lock:
            try:
                delivery = next_delivery(self._reader, self._identity, self._delivered, limit)
                if delivery is not None and delivery.is_unsigned:
                    self._sign(delivery)
            except sqlite3.Error as err:
                raise AuditUnavailable("the audit log cannot be read") from err
            if delivery is None:
                return None
            self._offered = (*self._offered[-3:], delivery.head)
            return delivery.batch

    def undelivered(self, limit: int = DEFAULT_BATCH) -> Iterator[AuditBatch]:
        """Every event after ``delivered``, in consecutive batches as ``pending`` gives the first of them.

        Raises:
            AuditCorrupt, AuditUnavailable: As ``pending``.
        """
        base = self._delivered
        while True:
            with self._reader_lock:
                try:
                    delivery = next_delivery(self._reader, self._identity, base, limit)
                    if delivery is not None and delivery.is_unsigned:
                        self._sign(delivery)
                except sqlite3.Error as err:
                    raise AuditUnavailable("the audit log cannot be read") from err
            if delivery is None:
                return
            base = delivery.head
            yield delivery.batch

    def acknowledge(self, receipt: AuditReceipt, verifier: NoteVerifier) -> None:
        """Take the control plane's receipt: ``delivered`` moves to its size, durably. An older one changes nothing.

        Raises:
            AuditCorrupt: If the receipt is not our own checkpoint of that size with the control plane's signature.
            AuditUnavailable: If it could not be stored; delivering again is harmless.
        """
        with self._reader_lock:
            head = self._checked(receipt, verifier)
            if head is None:
                return

            def store(connection: sqlite3.Connection) -> None:
                # A receipt of that size can only be there already if it was damaged: it did not count at start.
                connection.execute(
                    "INSERT OR IGNORE INTO quarantine (found_at, first_seq, last_seq, reason, payload) "
                    "SELECT '', size, size, 'receipts row moved', CAST(note AS BLOB) FROM receipts WHERE size = ?",
                    (receipt.size,),
                )
                connection.execute(
                    "INSERT OR REPLACE INTO receipts (size, note, frontier) VALUES (?, ?, ?)",
                    (receipt.size, receipt.note, head.to_bytes()),
                )

            self._in_writer(store)
            self._delivered = head
            self._offered = tuple(offer for offer in self._offered if offer.size > head.size)

    def close(self) -> None:
        """Write what is queued, then release everything. Harmless if repeated."""
        self._writer.stop()
        with self._reader_lock:
            self._reader.close()
            lock, self._lock = self._lock, -1
            if lock >= 0:
                os.close(lock)

    def _checked(self, receipt: AuditReceipt, verifier: NoteVerifier) -> Frontier | None:
        """The tree head that the receipt confirms; None if it is no news."""
        checkpoint = parse_checkpoint(receipt.note)
        if verifier.name not in verify_note(receipt.note, [verifier]):
            raise AuditCorrupt("the receipt is not signed by the control plane")
        if checkpoint.size != receipt.size or receipt.size > self.size:
            raise AuditCorrupt("the receipt is for another size than it says, or for events that do not exist")
        try:
            head = next((offer for offer in self._offered if offer.size == receipt.size), None)
            head = head or frontier_at(self._reader, self._identity, receipt.size)
        except sqlite3.Error as err:
            raise AuditUnavailable("the audit log cannot be read") from err
        self._identity.require_checkpoint(receipt.note, receipt.size, head.root())
        return head if receipt.size > self._delivered.size else None

    def _sign(self, delivery: Delivery) -> None:
        head = delivery.head
        self._in_writer(lambda connection: add_checkpoint(connection, self._identity, head, b""))

    def _in_writer(self, run: Callable[[sqlite3.Connection], None]) -> None:
        future: Future[None] = Future()
        self._writer.submit(Job(run, future))
        future.result()


def open_log(
    path: Path,
    signer: NoteSigner,
    origin: str,
    *,
    clock: Callable[[], datetime] = utc_now,
) -> AuditLog:
    """Open or create the log at ``path`` (``audit.db``) and start its writer.

    Raises:
        AuditUnavailable: If another process has it open, or the disk does not let it be opened.
        AuditCorrupt: If the file is another program's, or another identity's log.
    """
    identity = LogIdentity(origin, signer)
    lock = _lock(path.with_suffix(".lock"))
    try:
        return _open_locked(path, identity, clock, lock)
    except (sqlite3.Error, OSError) as err:
        os.close(lock)
        raise AuditUnavailable("the audit log cannot be opened") from err
    except BaseException:
        os.close(lock)
        raise


def _open_locked(path: Path, identity: LogIdentity, clock: Callable[[], datetime], lock: int) -> AuditLog:
    def open_connection() -> Opened:
        connection = connect(path)
        try:
            head, damage = recover_head(connection, identity, clock())
        except BaseException:
            connection.close()
            raise
        return Opened(connection, head, tuple(_notice_of(item) for item in damage))

    try:
        opened = open_connection()
    except sqlite3.DatabaseError as err:
        if err.sqlite_errorcode & PRIMARY_CODE not in _UNREADABLE:
            raise
        notice = _set_aside(path, clock())
        opened = open_connection()
        opened = replace(opened, notices=(notice, *opened.notices))
    try:
        reader = connect_read_only(path)
        delivered = newest_receipt(reader, identity)
    except BaseException:
        opened.connection.close()
        raise
    writer = Writer(opened, open_connection, identity, Reserve(path.with_suffix(".reserve")), clock)
    writer.start()
    return AuditLog(writer, reader, identity, delivered, lock)


def _notice_of(damage: Damage) -> Notice:
    return Notice("audit_quarantined", f"events {damage.first_seq} to {damage.last_seq}: {damage.reason}")


def _set_aside(path: Path, at: datetime) -> Notice:
    """Keep an unreadable database under another name and let a new log begin; the control plane sees the break."""
    stamp = at.strftime("%Y%m%dT%H%M%S%fZ")
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(path.with_name(f"{path.name}.unreadable-{stamp}{suffix}"))
    kept = f"{path.name}.unreadable-{stamp}"
    return Notice("audit_unreadable", f"the database could not be read; kept as {kept}; a new log begins")


def _lock(path: Path) -> int:
    """Hold the log's lock file; the operating system lets go of it when this process ends, however it ends."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise AuditUnavailable("the audit log's folder cannot be written") from err
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        os.close(descriptor)
        raise AuditUnavailable(
            "this outpost is running (another process has its audit log open): stop it first"
        ) from err
    return descriptor
