"""The one thread that writes ``audit.db``: group commit, recovery from a full disk, WAL housekeeping.

Whatever waits in the queue goes into one transaction with one fsync and one signature. A future is resolved
only after COMMIT returned; if a commit fails, all of its futures fail and the head on disk is read again
before the next one, because after a failed fsync it is unknown what the disk holds.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from outpost.audit.commit import LogIdentity, add_commit
from outpost.audit.event import AuditEvent, encode
from outpost.audit.reserve import Reserve
from outpost.audit.tree import Frontier
from outpost.errors import AuditUnavailable, OutpostError

MAX_GROUP: Final = 500  # events per commit: one default delivery batch
MAX_WAITING: Final = 20_000  # appends in the queue; beyond it the disk is not keeping up, so refuse
BUSY_GROUP: Final = 4  # events that were waiting together: requests come faster than single commits
# How long a commit may wait for more events: when busy, because every commit takes the interpreter from the requests
# for ~0.1 ms, so that fewer and larger ones serve all sooner; and when nobody waits for any of its events yet.
GATHER_S: Final = 0.002
IDLE_S: Final = 1.0  # how soon an unhealthy log looks for space, and an idle one checkpoints its WAL
COMMITS_PER_WAL_CHECKPOINT: Final = 2_000  # ~5 pages each: ~40 MiB of WAL if the log is never idle
SYSTEM_REQUEST_ID: Final = "system"
PRIMARY_CODE: Final = 0xFF  # sqlite.org/rescode.html: the low byte of an extended result code


class Receipt(Protocol):
    """Is told on the event loop what became of an event (``asyncio.Future``)."""

    def done(self) -> bool:
        """Nobody wants to know any more."""

    def set_result(self, seq: int, /) -> None:
        """It is durable."""

    def set_exception(self, error: Exception, /) -> None:
        """It could not be made durable."""


@dataclass(frozen=True, slots=True)
class Append:
    """One event to make durable; ``future`` belongs to ``loop`` and gets the event's seq.

    One that is not ``urgent`` may wait ``GATHER_S`` for others to share its commit.
    """

    event: bytes
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[int] | Receipt"
    urgent: bool = True


@dataclass(frozen=True, slots=True)
class Job:
    """Something else to do in one transaction on the writer's connection."""

    run: Callable[[sqlite3.Connection], None]
    future: "Future[None]"


@dataclass(frozen=True, slots=True)
class Notice:
    """What the log has to say about itself; ``at`` None means the time at which it can be written."""

    code: str
    detail: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A fresh write connection, the head that is on disk, and what opening it has found."""

    connection: sqlite3.Connection
    head: Frontier
    notices: tuple[Notice, ...] = ()


_DISK_FULL: Final = ("audit_disk_full", "no space left; requests are refused")
_WRITE_FAILED: Final = ("audit_write_failed", "the disk did not take a commit; requests are refused")
_RECOVERED: Final = Notice("audit_recovered", "the audit log can be written again")


# The disk, SQLite, or a log that turns out to be another's when it is opened again.
_UNABLE: Final = (sqlite3.Error, OSError, OutpostError)

Item = Append | Job | None


class Writer:
    """Owns the write connection. ``open_connection`` reads the head from disk; it is called again after a failure."""

    def __init__(
        self,
        opened: Opened,
        open_connection: Callable[[], Opened],
        identity: LogIdentity,
        reserve: Reserve,
        clock: Callable[[], datetime],
    ) -> None:
        self._connection: sqlite3.Connection | None = opened.connection
        self._head = opened.head
        self._notices = [*opened.notices]
        self._open_connection = open_connection
        self._identity = identity
        self._reserve = reserve
        self._clock = clock
        self._busy = False
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._gate = threading.Lock()  # between submitting and the end of the thread
        self._accepting = True
        self._commits_in_wal = 0
        self.size = opened.head.size
        self.healthy = True
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)

    def start(self) -> None:
        """Record what opening has found and start the thread; a full disk does not stop the start."""
        try:
            self._reserve.hold()
            self._commit(())
        except _UNABLE as err:
            self._failed(err)
        self._thread.start()

    def submit(self, item: Append | Job) -> None:
        """Queue an item; may be called from any thread.

        Raises:
            AuditUnavailable: If the writer has ended or too much is waiting already.
        """
        with self._gate:
            if not self._accepting:
                raise AuditUnavailable("the audit log is closed")
            if self._queue.qsize() >= MAX_WAITING:
                raise AuditUnavailable("too many audit events are waiting for the disk")
            self._queue.put(item)

    def stop(self) -> None:
        """Write what is queued, then end the thread and close the connection. Harmless if repeated."""
        with self._gate:
            accepting, self._accepting = self._accepting, False
            if accepting:
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._step():
                pass
        finally:  # also after a bug: nobody may wait for a thread that is gone
            self.healthy = False
            with self._gate:
                self._accepting = False
            self._fail_waiting()
            self._disconnect()

    def _step(self) -> bool:
        """Wait for items and deal with all that are there; False when told to stop."""
        try:
            first = self._queue.get(timeout=IDLE_S)
        except queue.Empty:
            self._tidy()
            return True
        group, jobs, stopping = self._gather(first)
        self._busy = len(group) >= BUSY_GROUP
        try:
            if group:
                self._append_group(group)
            for job in jobs:
                self._do_job(job)
        except BaseException:  # a bug, which ends the thread; nobody may wait for it
            _resolve([(item, None) for item in group])
            for job in jobs:
                if not job.future.done():
                    job.future.set_exception(AuditUnavailable("the audit log is closed"))
            raise
        if self._commits_in_wal >= COMMITS_PER_WAL_CHECKPOINT:
            self._tidy()
        return not stopping

    def _gather(self, item: Item) -> tuple[list[Append], list[Job], bool]:
        """``item`` and what else comes before the commit, up to a full group; and whether it is time to stop."""
        group: list[Append] = []
        jobs: list[Job] = []
        deadline = time.monotonic() + GATHER_S
        patient = True  # nobody waits for any of it yet
        if self._busy and self._queue.qsize() < MAX_GROUP:
            time.sleep(GATHER_S)  # in one piece: to be woken by every event takes the interpreter as often
        while True:
            if item is None:
                return group, jobs, True  # nothing is accepted after the stop mark
            if isinstance(item, Append):
                group.append(item)
                patient = patient and not item.urgent
            else:
                jobs.append(item)
                patient = False
            if len(group) >= MAX_GROUP:
                return group, jobs, False
            wait_s = max(deadline - time.monotonic(), 0) if patient else 0
            try:
                item = self._queue.get(timeout=wait_s) if wait_s else self._queue.get_nowait()
            except queue.Empty:
                return group, jobs, False

    def _append_group(self, group: Sequence[Append]) -> None:
        try:
            if not self.healthy:
                self._recover()
            first = self._commit([item.event for item in group])
        except _UNABLE as err:
            self._failed(err)
            _resolve([(item, None) for item in group])
            return
        self.healthy = True
        _resolve([(item, first + i) for i, item in enumerate(group)])

    def _commit(self, events: Sequence[bytes]) -> int:
        """Write waiting notices, then ``events``, in one transaction; returns the first event's seq."""
        notices = [self._encode(notice) for notice in self._notices]
        first = self._head.size + len(notices)
        if not notices and not events:
            return first
        head = self._head

        def run(connection: sqlite3.Connection) -> None:
            nonlocal head
            head = add_commit(connection, self._identity, self._head, [*notices, *events])

        self._transact(run)
        self._head = head
        self.size = head.size
        self._notices = []
        return first

    def _transact(self, run: Callable[[sqlite3.Connection], None]) -> None:
        connection = self._connection
        if connection is None:
            raise sqlite3.OperationalError("not connected")
        connection.execute("BEGIN IMMEDIATE")
        try:
            run(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
        self._commits_in_wal += 1

    def _do_job(self, job: Job) -> None:
        try:
            if not self.healthy:
                self._recover()
            self._transact(job.run)
        except _UNABLE as err:
            self._failed(err)
            error = AuditUnavailable("the audit log cannot be written")
            error.__cause__ = err
            job.future.set_exception(error)
        else:
            self.healthy = True
            job.future.set_result(None)

    def _failed(self, error: Exception) -> None:
        """Note the failure. A full disk gets its reserve back, and if that helps, the failure is itself recorded."""
        was_healthy, self.healthy = self.healthy, False
        # An OSError comes from the reserve: there is no room for it.
        is_full = isinstance(error, OSError) or (
            isinstance(error, sqlite3.Error)
            and getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE == sqlite3.SQLITE_FULL
        )
        if not is_full:
            self._disconnect()
        if not was_healthy:
            return
        self._notices.append(Notice(*(_DISK_FULL if is_full else _WRITE_FAILED), at=self._clock()))
        if is_full:
            self._reserve.release()
            with contextlib.suppress(sqlite3.Error):
                self._commit(())
        self._notices.append(_RECOVERED)  # written by the first commit that succeeds

    def _recover(self) -> None:
        """Get into a state in which a commit is as good as any: room on the disk, a known head, a sound WAL.

        Raises:
            OSError: If the reserve cannot be allocated: the disk is still full.
            sqlite3.Error: If the file cannot be opened, or the WAL not be moved into it durably.
        """
        self._reserve.hold()
        if self._connection is None:
            opened = self._open_connection()
            self._notices += opened.notices
            try:
                # After a failed fsync the WAL may be readable from the page cache yet not be on disk; commits
                # behind such a hole would be lost with it. Copying it all into the database ends the doubt.
                busy = opened.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                if busy:
                    raise sqlite3.OperationalError("a reader holds the write-ahead log")
            except sqlite3.Error:
                opened.connection.close()
                raise
            self._connection, self._head, self.size = opened.connection, opened.head, opened.head.size

    def _tidy(self) -> None:
        """Nobody waits: look for space again if there was none, and move the WAL into the database."""
        try:
            if not self.healthy:
                self._recover()
                self._commit(())
                self.healthy = True
            if self._commits_in_wal and self._connection is not None:
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._commits_in_wal = 0
        except _UNABLE as err:
            self._failed(err)

    def _encode(self, notice: Notice) -> bytes:
        at = notice.at or self._clock()
        return encode(
            AuditEvent(kind="system", at=at, request_id=SYSTEM_REQUEST_ID, code=notice.code, detail=notice.detail)
        )

    def _fail_waiting(self) -> None:
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if isinstance(item, Append):
                _resolve([(item, None)])
            elif isinstance(item, Job):
                item.future.set_exception(AuditUnavailable("the audit log is closed"))

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # a copy of the one file is whole
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _resolve(results: Sequence[tuple[Append, int | None]]) -> None:
    """Hand each future its seq, or ``AuditUnavailable`` for None: one wake-up per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Append, int | None]]] = {}
    for item, seq in results:
        by_loop.setdefault(item.loop, []).append((item, seq))
    for loop, batch in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(_settle, batch)


def _settle(batch: Sequence[tuple[Append, Any]]) -> None:
    for item, seq in batch:
        if item.future.done():  # its waiter was cancelled; the event is durable all the same
            continue
        if seq is None:
            item.future.set_exception(AuditUnavailable("the audit log cannot be written"))
        else:
            item.future.set_result(seq)
