"""Every way to tamper with a log, as a table: what is done, and which events the report names."""

import asyncio
import shutil
import sqlite3
from contextlib import closing

import pytest

from outpost.audit.event import encode
from outpost.audit.tree import leaf_hash
from outpost.audit.verify import verify_log
from outpost.errors import AuditCorrupt
from tests.fakes.audit import RECEIPTS, SIGNER, Receiver, change, event, open_test_log, signer


async def _build(path):
    """30 events: commits of 10, 1 x 5, 10 and 5; receipts at 12 and 25."""
    log = open_test_log(path)
    receiver = Receiver()

    async def group(first, count):
        await asyncio.gather(*(log.append(event(first + i)) for i in range(count)))

    await group(0, 10)
    for number in range(10, 15):
        await group(number, 1)
    log.acknowledge(receiver.receive(log.pending(12)), RECEIPTS.verifier)
    await group(15, 10)
    receiver.drain(log)
    await group(25, 5)
    log.close()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "audit.db"
    asyncio.run(_build(path))
    return path


@pytest.fixture
def path(original, tmp_path):
    return shutil.copy(original, tmp_path / "audit.db")


def _verify(path, **options):
    return verify_log(path, SIGNER.verifier, RECEIPTS.verifier, **options)


def _named(report):
    named = set()
    for problem in report.problems:
        if problem.first_seq is not None:
            named |= set(range(problem.first_seq, problem.last_seq + 1))
    return named


FORGED = encode(event(999))
EDIT = ("UPDATE events SET event = ? WHERE seq = ?", FORGED)
EDIT_BOTH = ("UPDATE events SET event = ?, leaf_hash = ? WHERE seq = ?", FORGED, leaf_hash(FORGED))
HASH_ONLY = ("UPDATE events SET leaf_hash = zeroblob(32) WHERE seq = ?",)
NO_COPIES = ("UPDATE checkpoints SET leaves = zeroblob(length(leaves))",)
NO_FRONTIERS = ("UPDATE checkpoints SET frontier = NULL",)
SWAP = [
    ("UPDATE events SET seq = -1 WHERE seq = 3",),
    ("UPDATE events SET seq = 3 WHERE seq = 7",),
    ("UPDATE events SET seq = 7 WHERE seq = -1",),
]
SHIFT = [
    ("DELETE FROM events WHERE seq = 4",),
    *[("UPDATE events SET seq = seq - 1 WHERE seq = ?", n) for n in range(5, 30)],
]
INSERT = [
    *[("UPDATE events SET seq = seq + 1 WHERE seq = ?", n) for n in range(29, 17, -1)],
    ("INSERT INTO events VALUES (18, ?, ?)", FORGED, leaf_hash(FORGED)),
]
NO_RECEIPTS = ("DELETE FROM receipts",)

TAMPERING = {
    # what: (statements, the events that must be named exactly)
    "one event": ([(*EDIT, 17)], {17}),
    "the first event": ([(*EDIT, 0)], {0}),
    "the last event": ([(*EDIT, 29)], {29}),
    "two events": ([(*EDIT, 3), (*EDIT, 22)], {3, 22}),
    "one stored hash": ([(*HASH_ONLY, 17)], {17}),
    "event and hash": ([(*EDIT_BOTH, 17)], {17}),
    "event and hash, two of one commit": ([(*EDIT_BOTH, 15), (*EDIT_BOTH, 24)], {15, 24}),
    "event, hash and copies: the range between checkpoints": (
        [(*EDIT_BOTH, 17), NO_COPIES, NO_RECEIPTS],
        set(range(15, 25)),
    ),
    "event, hash, copies and frontiers: all up to the next head that brings its own": (
        [(*EDIT_BOTH, 12), NO_COPIES, NO_FRONTIERS],
        set(range(12, 25)),  # the receipt of 25
    ),
    "event, hash, copies and frontiers, nothing after": (
        [(*EDIT_BOTH, 12), NO_COPIES, NO_FRONTIERS, NO_RECEIPTS],
        set(range(12, 30)),
    ),
    "a deleted row": ([("DELETE FROM events WHERE seq = 4",)], {4}),
    "deleted rows": ([("DELETE FROM events WHERE seq BETWEEN 8 AND 16",)], set(range(8, 17))),
    "the first row deleted": ([("DELETE FROM events WHERE seq = 0",)], {0}),
    "deleted and closed up": (SHIFT, set(range(4, 30))),
    "an inserted row": (INSERT, set(range(18, 31))),
    "two rows swapped": (SWAP, {3, 7}),
    "a row before the first": ([("INSERT INTO events VALUES (-5, ?, ?)", FORGED, leaf_hash(FORGED))], {-5}),
    "a row after the last": ([("INSERT INTO events VALUES (30, ?, ?)", FORGED, leaf_hash(FORGED))], {30}),
    "a row far after the last": (
        [("INSERT INTO events VALUES (1000000000000, ?, ?)", FORGED, leaf_hash(FORGED))],
        None,
    ),
    "an appended garbage row": ([("INSERT INTO events VALUES (30, x'00', x'00')",)], {30}),
    "the tail truncated": ([("DELETE FROM events WHERE seq > 26",)], {27, 28, 29}),
    "the tail truncated with its checkpoints": (
        [("DELETE FROM events WHERE seq > 20",), ("DELETE FROM checkpoints WHERE size > 20",)],
        set(range(15, 25)),  # 15 to 20 are there, but only the receipt of 25 could vouch for them
    ),
    "all events": ([("DELETE FROM events",)], set(range(30))),
    "all checkpoints": ([("DELETE FROM checkpoints",)], set(range(25, 30))),
    "all checkpoints and receipts": ([("DELETE FROM checkpoints",), NO_RECEIPTS], set(range(30))),
    "a checkpoint's note": ([("UPDATE checkpoints SET note = 'x' WHERE size = 15",)], set()),
    "a checkpoint for another size": ([("UPDATE checkpoints SET size = 20 WHERE size = 15",)], set()),
    "the newest checkpoint's note": ([("UPDATE checkpoints SET note = 'x' WHERE size = 30",)], set(range(25, 30))),
    "a checkpoint of a size that never was": (
        [("INSERT INTO checkpoints SELECT 1000000, note, leaves, frontier FROM checkpoints WHERE size = 30",)],
        set(),
    ),
    "a receipt's note": ([("UPDATE receipts SET note = 'x'",)], set()),
    "a receipt without the countersignature": (
        [("UPDATE receipts SET note = (SELECT note FROM checkpoints WHERE size = 25) WHERE size = 25",)],
        set(),
    ),
    "an event that is none, under its own hash": (
        [("UPDATE events SET event = x'7b7d', leaf_hash = ? WHERE seq = 6", leaf_hash(b"{}"))],
        {6},
    ),
}


def test_an_honest_log(original):
    report = _verify(original)
    assert report.problems == ()
    assert (report.ok, report.size, report.receipts_checked) == (True, 30, 2)
    assert report.checkpoints_checked >= 8


@pytest.mark.parametrize("case", TAMPERING)
def test_tampering_is_found_and_named(path, case):
    statements, expected = TAMPERING[case]
    change(path, *statements)
    report = _verify(path)
    assert not report.ok
    assert report.problems
    if expected is not None:
        assert _named(report) == expected, report.problems


def test_one_altered_event_is_exactly_one_problem(path):
    change(path, (*EDIT, 17))
    (problem,) = _verify(path).problems
    assert (problem.first_seq, problem.last_seq) == (17, 17)


def test_every_event_altered_alone_is_named_alone(path):
    for seq in range(30):
        with closing(sqlite3.connect(path)) as connection:
            original = connection.execute("SELECT event, leaf_hash FROM events WHERE seq = ?", (seq,)).fetchone()
        for edit in (EDIT, EDIT_BOTH):
            change(path, (*edit, seq))
            assert _named(_verify(path)) == {seq}
            change(path, ("UPDATE events SET event = ?, leaf_hash = ? WHERE seq = ?", *original, seq))
    assert _verify(path).ok


def test_the_wrong_key_proves_nothing(path):
    report = verify_log(path, signer(seed=5).verifier)
    assert (report.ok, report.size) == (False, 0)


def test_the_wrong_receipt_key_is_told(path):
    report = verify_log(path, SIGNER.verifier, signer(RECEIPTS.name, seed=5).verifier)
    assert not report.ok
    assert _named(report) == set()


def test_another_origin_is_told(path):
    assert not verify_log(path, SIGNER.verifier, origin="outposts.example/org/acme/outpost/paris/audit").ok


def test_beside_a_running_writer(path):
    log = open_test_log(path)
    asyncio.run(log.append(event(30)))
    report = _verify(path)
    assert (report.ok, report.size) == (True, 31)
    log.close()


def test_a_copy_in_a_folder_that_cannot_be_written(path):
    path.parent.chmod(0o500)
    try:
        assert _verify(path).ok
    finally:
        path.parent.chmod(0o700)


def test_a_damaged_file_is_a_problem_and_no_crash(path):
    data = bytearray(path.read_bytes())
    for offset in range(4096, len(data), 512):
        data[offset : offset + 64] = b"\xff" * 64
    path.write_bytes(data)
    assert not _verify(path).ok


def test_no_file_and_no_log(tmp_path):
    with pytest.raises(AuditCorrupt):
        _verify(tmp_path / "audit.db")
    (tmp_path / "other.db").write_bytes(b"")
    with pytest.raises(AuditCorrupt):
        _verify(tmp_path / "other.db")


def test_progress_ends_at_the_total(path):
    seen = []
    _verify(path, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 30)
    assert seen[-1] == (30, 30)


def test_a_log_of_garbage_gets_a_bounded_report(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany("INSERT INTO events VALUES (?, x'00', x'00')", [(seq,) for seq in range(30, 3000)])
        connection.commit()
    report = _verify(path)
    assert len(report.problems) == 1001
    assert "more problems" in report.problems[-1].message
