"""Opening a damaged log: it starts, says exactly what is lost, forks nothing and deletes nothing."""

import asyncio
import shutil
import sqlite3
from contextlib import closing

import pytest

from outpost.audit.read import read_events
from outpost.audit.verify import verify_log
from outpost.errors import AuditCorrupt
from tests.fakes.audit import SIGNER, Receiver, build_log, change, event, open_test_log


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "audit.db"
    asyncio.run(build_log(path))
    return path


@pytest.fixture
def path(original, tmp_path):
    return shutil.copy(original, tmp_path / "audit.db")


def _rows(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def _notices(path):
    return [(e.code, e.detail) for _, e in _readable(path) if e.kind == "system"]


def _readable(path):
    after = -1
    while True:
        try:
            yield from read_events(path, after)
        except AuditCorrupt as err:
            after = err.seq
        else:
            return


def _reopen(path):
    log = open_test_log(path)
    seq = asyncio.run(log.append(event(1000)))
    log.close()
    return seq


def test_an_undamaged_log_gets_no_notice(path):
    assert _reopen(path) == 25
    assert _notices(path) == []
    assert _rows(path, "SELECT * FROM quarantine") == []


def test_a_damaged_event_of_the_last_commit_is_named_once(path):
    change(path, ("UPDATE events SET event = x'00' WHERE seq = 22",))
    assert _reopen(path) == 26  # 25 is the notice
    assert _notices(path) == [("audit_quarantined", "events 22 to 22: the row is not what was hashed")]
    assert _reopen(path) == 27
    assert len(_notices(path)) == 1
    report = verify_log(path, SIGNER.verifier)
    assert [(p.first_seq, p.last_seq) for p in report.problems] == [(22, 22)]
    assert report.size == 28  # the tree goes on over the signed hash


@pytest.mark.parametrize("span", [(17, 17), (15, 24), (23, 24), (24, 24)])
def test_missing_rows_of_the_last_commit_are_an_exact_gap(path, span):
    change(path, ("DELETE FROM events WHERE seq BETWEEN ? AND ?", *span))
    assert _reopen(path) == 26
    assert _notices(path) == [("audit_quarantined", f"events {span[0]} to {span[1]}: rows are missing")]
    report = verify_log(path, SIGNER.verifier)
    assert [(p.first_seq, p.last_seq) for p in report.problems] == [span]


def test_a_log_without_its_tail_never_signs_a_second_history(path):
    change(path, ("DELETE FROM events WHERE seq >= 12",))
    assert _reopen(path) == 26
    assert _notices(path) == [("audit_quarantined", "events 12 to 24: rows are missing")]


NEWEST = "WHERE size = (SELECT max(size) FROM checkpoints)"
BAD_HEADS = {
    "frontier": f"UPDATE checkpoints SET frontier = x'00' {NEWEST}",
    "no frontier": f"UPDATE checkpoints SET frontier = NULL {NEWEST}",
    "all frontiers": "UPDATE checkpoints SET frontier = x'00'",
}


@pytest.mark.parametrize("case", BAD_HEADS)
def test_a_lost_frontier_is_computed_again_from_what_was_signed(path, case):
    change(path, (BAD_HEADS[case],))
    assert _reopen(path) == 25
    assert _notices(path) == []
    assert verify_log(path, SIGNER.verifier).ok


def test_a_lost_frontier_and_a_lost_row(path):
    change(path, (BAD_HEADS["frontier"],), ("DELETE FROM events WHERE seq = 20",))
    assert _reopen(path) == 26
    assert _notices(path) == [("audit_quarantined", "events 20 to 20: rows are missing")]


def test_an_unreadable_newest_checkpoint_is_kept_aside_and_its_events_signed_again(path):
    (note,) = _rows(path, f"SELECT note FROM checkpoints {NEWEST}")[0]
    change(path, (f"UPDATE checkpoints SET note = 'damaged' {NEWEST}",))
    assert _reopen(path) == 26
    assert _notices(path) == [
        ("audit_quarantined", "events 15 to 24: the checkpoint of size 25 is not proven by its events")
    ]
    assert (b"damaged",) in _rows(path, "SELECT payload FROM quarantine")
    report = verify_log(path, SIGNER.verifier)
    assert report.ok
    assert note  # the events' tree is the one that was signed before: the delivered log is no fork
    log = open_test_log(path)
    assert Receiver().drain(log) >= 1
    log.close()


def test_rows_that_follow_no_checkpoint_and_are_not_whole_are_moved_not_deleted(path):
    change(
        path,
        (f"UPDATE checkpoints SET note = 'damaged' {NEWEST}",),
        ("UPDATE events SET event = x'6261' WHERE seq = 20",),
        ("UPDATE checkpoints SET leaves = zeroblob(length(leaves))",),
    )
    assert _reopen(path) == 22
    assert [detail for _, detail in _notices(path)] == [
        "events 15 to 24: the checkpoint of size 25 is not proven by its events",
        "events 20 to 24: rows follow the newest proven checkpoint and are not whole",
    ]
    kept = {payload for (payload,) in _rows(path, "SELECT payload FROM quarantine WHERE payload IS NOT NULL")}
    assert len(kept) == 6
    assert b"ba" in kept


def test_a_file_that_is_no_database_any_more_is_kept_and_a_new_log_begins(path):
    garbage = b"\xff" * path.stat().st_size
    path.write_bytes(garbage)
    assert _reopen(path) == 1
    ((code, detail),) = _notices(path)
    assert code == "audit_unreadable"
    (kept,) = path.parent.glob("audit.db.unreadable-*")
    assert kept.name in detail
    assert kept.read_bytes() == garbage
