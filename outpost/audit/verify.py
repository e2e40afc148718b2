"""Prove a whole log offline: every event, every checkpoint, every receipt, recomputed from the event bytes.

The guarantee: a report is ``ok`` only if the events are exactly those that the newest checkpoint and every
receipt signed for. One altered, missing or moved event is named by its seq; where the evidence to tell events
apart was altered too, the range between the last good and the first bad checkpoint is named. Memory is constant:
at most ``_SEGMENT_LIMIT`` leaf hashes are kept. Works beside a running writer (one read snapshot) and on a copy.
"""

import base64
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import Final

from outpost.audit.checkpoint import Checkpoint, NoteVerifier, parse_checkpoint, verify_note
from outpost.audit.event import decode
from outpost.audit.schema import connect_read_only
from outpost.audit.tree import HASH_BYTES, Frontier, leaf_hash
from outpost.errors import AuditCorrupt

MAX_PROBLEMS: Final = 1_000  # a log of garbage must not become a report of the same size
PROGRESS_EVERY: Final = 4_096  # events
_SEGMENT_LIMIT: Final = 16_384  # leaves between two checkpoints for which single events can still be told apart

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with events ``[first_seq, last_seq]``; both None if it is not about particular events."""

    first_seq: int | None
    last_seq: int | None
    message: str


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The outcome. ``size`` and ``root_b64`` are the newest tree head that is proven."""

    ok: bool
    size: int
    root_b64: str
    checkpoints_checked: int
    receipts_checked: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Head:
    """A stored checkpoint or receipt."""

    size: int
    note: str
    leaves: bytes
    frontier: bytes | None
    is_receipt: bool

    @property
    def title(self) -> str:
        return f"{'receipt' if self.is_receipt else 'checkpoint'} of size {self.size}"


def verify_log(
    path: Path,
    verifier: NoteVerifier,
    receipt_verifier: NoteVerifier | None = None,
    *,
    origin: str | None = None,
    on_progress: Progress | None = None,
) -> VerificationReport:
    """Check the log at ``path`` against the outpost's key, and its receipts against the control plane's if given.

    ``origin`` defaults to the verifier's name (they are the same text). ``on_progress(done, total)`` counts events.
    A log that was emptied altogether is a true empty log; only the control plane's receipts elsewhere can tell.

    Raises:
        AuditCorrupt: If there is no audit log at ``path`` at all.
    """
    run = _Verification(verifier, receipt_verifier, origin or verifier.name)
    try:
        with closing(connect_read_only(path)) as connection:
            connection.execute("BEGIN")  # one snapshot for everything
            _check(connection, run, on_progress or _no_progress)
    except sqlite3.Error as err:
        run.report(None, None, f"the database cannot be read: {err}")
    return run.result()


def _check(connection: sqlite3.Connection, run: "_Verification", on_progress: Progress) -> None:
    total = connection.execute("SELECT count(*) FROM events").fetchone()[0]
    with (
        closing(connection.execute("SELECT seq, event, leaf_hash FROM events ORDER BY seq")) as rows,
        closing(_heads(connection)) as heads,
    ):
        head = next(heads, None)
        for done, (seq, event, stored) in enumerate(rows):
            while head is not None and head.size <= seq:
                run.check_head(head)
                head = next(heads, None)
            run.check_event(seq, event, stored)
            if done % PROGRESS_EVERY == 0:
                on_progress(done, total)
        while head is not None:
            run.check_head(head)
            head = next(heads, None)
    run.finish()
    on_progress(total, total)


def _heads(connection: sqlite3.Connection) -> Generator[_Head, None, None]:
    """Checkpoints and receipts by size. Two cursors, because a UNION would sort all notes in memory."""
    with (
        closing(connection.execute("SELECT size, note, leaves, frontier, 0 FROM checkpoints ORDER BY size")) as ours,
        closing(connection.execute("SELECT size, note, x'', frontier, 1 FROM receipts ORDER BY size")) as theirs,
    ):
        for size, note, leaves, frontier, is_receipt in merge(ours, theirs, key=lambda row: (row[0], row[4])):
            yield _Head(size, str(note), leaves, frontier, bool(is_receipt))


class _Verification:
    """Walks events and signed heads in order. ``_base`` is the newest proven head, ``_tree`` what follows it."""

    def __init__(self, verifier: NoteVerifier, receipt_verifier: NoteVerifier | None, origin: str) -> None:
        self._verifier = verifier
        self._receipt_verifier = receipt_verifier
        self._origin = origin
        self._position = 0  # the next expected seq
        self._base = Frontier()
        self._tree: Frontier | None = Frontier()  # by the stored hashes; None once a row is missing
        self._computed: list[bytes | None] | None = []  # leaves since _base by event bytes; None: too many
        self._copies = b""  # leaves since _base as the checkpoints repeat them
        self._named: set[int] = set()  # seqs since _base that are already reported
        self._lost_since: int | None = None  # from here on nothing is proven until a head brings its frontier
        self._problems: list[Problem] = []
        self._suppressed = 0
        self._checked = {False: 0, True: 0}

    def report(self, first: int | None, last: int | None, message: str) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(first, last, message))
        else:
            self._suppressed += 1

    def result(self) -> VerificationReport:
        problems = tuple(self._problems)
        if self._suppressed:
            problems += (Problem(None, None, f"and {self._suppressed} more problems"),)
        root = base64.b64encode(self._base.root()).decode()
        return VerificationReport(
            not problems, self._base.size, root, self._checked[False], self._checked[True], problems
        )

    def check_event(self, seq: int, event: object, stored: object) -> None:
        if seq < self._position:
            self.report(seq, seq, "a row has a number that no event can have")
            return
        self._skip_to(seq)
        computed = leaf_hash(event) if isinstance(event, bytes) else None
        if computed is None or computed != stored:
            self._name(seq, "the event is not what was hashed when it was written")
        elif isinstance(event, bytes):
            try:
                decode(event)
            except AuditCorrupt as err:
                self._name(seq, str(err))
        self._push(computed, stored if isinstance(stored, bytes) else b"")

    def check_head(self, head: _Head) -> None:
        self._checked[head.is_receipt] += 1
        try:
            checkpoint = self._verified(head)
        except AuditCorrupt as err:
            self.report(None, None, f"{head.title}: {err}")
            return
        if head.size < self._position:
            self.report(None, None, f"{head.title}: there is no tree of that size")
            return
        self._skip_to(head.size)
        self._copies = (self._copies + head.leaves)[-_SEGMENT_LIMIT * HASH_BYTES :]
        if not self._prove(head, checkpoint.root) and self._lost_since is None:
            self.report(self._base.size, head.size - 1, f"these events do not lead to the root of the {head.title}")
            self._lost_since = head.size

    def finish(self) -> None:
        """Whatever follows the newest proven head is not signed for."""
        unproven = self._lost_since if self._lost_since is not None else self._base.size
        if self._position > unproven:
            self.report(unproven, self._position - 1, "no good checkpoint covers these events")

    def _verified(self, head: _Head) -> Checkpoint:
        checkpoint = parse_checkpoint(head.note)
        verify_note(head.note, [self._verifier])
        if head.is_receipt and self._receipt_verifier is not None:
            verify_note(head.note, [self._receipt_verifier])
        if checkpoint.origin != self._origin or checkpoint.size != head.size:
            raise AuditCorrupt("it is of another log or size")
        return checkpoint

    def _prove(self, head: _Head, root: bytes) -> bool:
        """Find leaves that lead to the signed root, name the events that differ from them, and go on from there."""
        if self._tree is not None and self._tree.root() == root:
            self._settle(self._tree, None)
            return True
        count = head.size - self._base.size
        for leaves in self._candidates(count):
            tree = self._base.copy()
            tree.extend(leaves)
            if tree.root() == root:
                self._settle(tree, leaves)
                return True
        tree_of_head = _frontier(head, root)
        if tree_of_head is None:
            return False
        if self._lost_since is None:
            self.report(self._base.size, head.size - 1, f"these events do not lead to the root of the {head.title}")
        elif self._lost_since < head.size:
            self.report(self._lost_since, head.size - 1, "not provable because of the events before")
        self._settle(tree_of_head, None)
        return True

    def _candidates(self, count: int) -> Iterator[list[bytes]]:
        if self._computed is not None:
            computed = [leaf for leaf in self._computed if leaf is not None]
            if len(computed) == count:
                yield computed
        copies = self._copies[-count * HASH_BYTES :] if count else b""
        if len(copies) == count * HASH_BYTES:
            yield [copies[i : i + HASH_BYTES] for i in range(0, len(copies), HASH_BYTES)]

    def _settle(self, tree: Frontier, leaves: list[bytes] | None) -> None:
        if leaves is not None and self._computed is not None:
            for seq, (proven, computed) in enumerate(zip(leaves, self._computed, strict=True), start=self._base.size):
                if computed is not None and computed != proven:
                    self._name(seq, "the event is not the one that was signed")
        self._base, self._tree = tree, tree.copy()
        self._computed, self._copies, self._lost_since = [], b"", None
        self._named.clear()

    def _push(self, computed: bytes | None, stored: bytes) -> None:
        self._position += 1
        if self._tree is not None:
            self._tree.append(stored)
        if self._computed is not None:
            self._computed.append(computed)
            if len(self._computed) > _SEGMENT_LIMIT:
                self._computed = None

    def _skip_to(self, seq: int) -> None:
        """Rows up to ``seq`` are missing; neighbouring gaps are one problem."""
        if seq <= self._position:
            return
        message = "events are missing"
        first, last = self._position, seq - 1
        if self._problems and self._problems[-1].last_seq == first - 1 and self._problems[-1].message == message:
            first = self._problems.pop().first_seq or 0
        self.report(first, last, message)
        self._tree = None
        if self._computed is not None:
            missing = seq - self._position
            room = _SEGMENT_LIMIT - len(self._computed)
            self._computed = [*self._computed, *[None] * missing] if missing <= room else None
        self._position = seq

    def _name(self, seq: int, message: str) -> None:
        if seq not in self._named:
            self._named.add(seq)
            self.report(seq, seq, message)


def _frontier(head: _Head, root: bytes) -> Frontier | None:
    """The head's own frontier, if its root is the signed one."""
    if head.frontier is None:
        return None
    try:
        frontier = Frontier.from_bytes(head.frontier)
    except AuditCorrupt:
        return None
    return frontier if frontier.size == head.size and frontier.root() == root else None


def _no_progress(done: int, total: int) -> None:
    del done, total
