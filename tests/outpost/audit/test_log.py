import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.audit import writer as writer_module
from outpost.audit.event import encode
from outpost.audit.log import open_log
from outpost.audit.read import read_events
from outpost.audit.verify import verify_log
from outpost.errors import AuditCorrupt, AuditUnavailable
from tests.fakes.audit import AT, ORIGIN, RECEIPTS, SIGNER, Receiver, event, open_test_log, signer


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.db"


@pytest.fixture
def log(path):
    log = open_test_log(path)
    yield log
    log.close()


def _rows(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


async def test_an_acknowledged_event_is_there(path, log):
    assert [await log.append(event(i)) for i in range(3)] == [0, 1, 2]
    assert (log.size, log.delivered, log.healthy) == (3, 0, True)
    assert [(seq, e.request_id) for seq, e in read_events(path)] == [(i, f"request-{i}") for i in range(3)]


class Told:
    """Keeps what became of an event."""

    def __init__(self):
        self.became = asyncio.get_running_loop().create_future()

    def done(self):
        return False

    def set_result(self, seq):
        self.became.set_result(seq)

    def set_exception(self, error):
        self.became.set_exception(error)


async def test_an_event_that_another_process_encoded_is_made_durable_and_anything_else_refused(path, log):
    told = Told()
    log.submit_encoded(encode(event(7)), told)
    assert await told.became == 0
    with pytest.raises(AuditCorrupt):
        log.submit_encoded(b"{}", Told())
    assert [e.request_id for _, e in read_events(path)] == ["request-7"]
    log.close()
    with pytest.raises(AuditUnavailable):
        log.submit_encoded(encode(event(8)), Told())


async def test_concurrent_appends_share_commits_and_get_distinct_numbers(path, log):
    seqs = await asyncio.gather(*(log.append(event(i)) for i in range(700)))
    assert sorted(seqs) == list(range(700))
    commits = _rows(path, "SELECT count(*) FROM checkpoints")[0][0]
    assert 2 <= commits < 350  # a group is bounded, and there are groups
    assert verify_log(path, SIGNER.verifier).ok


async def test_several_loops_in_several_threads(path, log):
    def work(number):
        async def appends():
            return [await log.append(event(number * 100 + i)) for i in range(50)]

        return asyncio.run(appends())

    def all_threads():
        with ThreadPoolExecutor(4) as pool:
            return sorted(seq for seqs in pool.map(work, range(4)) for seq in seqs)

    assert await asyncio.to_thread(all_threads) == list(range(200))


async def test_reopened_it_goes_on(path):
    for round_number in range(3):
        log = open_test_log(path)
        assert await log.append(event(round_number)) == round_number
        log.close()
    report = verify_log(path, SIGNER.verifier)
    assert (report.ok, report.size, report.checkpoints_checked) == (True, 3, 3)


async def test_a_second_opener_is_refused_until_the_first_has_closed(path, log):
    with pytest.raises(AuditUnavailable, match="another process"):
        open_test_log(path)
    log.close()
    open_test_log(path).close()


async def test_a_closed_log_refuses(log):
    log.close()
    log.close()
    assert not log.healthy
    with pytest.raises(AuditUnavailable):
        await log.append(event())


async def test_closing_writes_what_is_queued(path, log):
    tasks = [asyncio.create_task(log.append(event(i))) for i in range(50)]
    await asyncio.sleep(0)
    await asyncio.to_thread(log.close)
    assert sorted(await asyncio.gather(*tasks)) == list(range(50))
    assert len(list(read_events(path))) == 50


async def test_a_cancelled_append_leaves_a_whole_log(path, log):
    for number in range(50):
        task = asyncio.create_task(log.append(event(number)))
        await asyncio.sleep(0 if number % 2 else 0.0005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    last = await log.append(event(99))
    assert last == 50  # submitted is written: cancelling only stops the waiting
    report = verify_log(path, SIGNER.verifier)
    assert (report.ok, report.size) == (True, 51)


async def test_every_event_is_delivered_once_in_order(path, log):
    receiver = Receiver()
    assert log.pending() is None
    await asyncio.gather(*(log.append(event(i)) for i in range(321)))
    assert await asyncio.to_thread(receiver.drain, log, 50) >= 7
    assert log.delivered == 321
    assert log.pending() is None
    assert receiver.events == [row[0].decode() for row in _rows(path, "SELECT event FROM events ORDER BY seq")]
    assert verify_log(path, SIGNER.verifier, RECEIPTS.verifier).ok


async def test_a_commit_larger_than_the_batch_gets_checkpoints_inside(path, log):
    await asyncio.gather(*(log.append(event(i)) for i in range(100)))
    before = _rows(path, "SELECT count(*) FROM checkpoints")[0][0]
    assert Receiver().drain(log, 7) >= 100 // 7
    assert _rows(path, "SELECT count(*) FROM checkpoints")[0][0] > before
    await log.append(event(100))
    log.close()
    again = open_test_log(path)
    assert (again.size, again.delivered) == (101, 100)
    again.close()
    report = verify_log(path, SIGNER.verifier, RECEIPTS.verifier)
    assert (report.ok, report.receipts_checked >= 14) == (True, True)


async def test_an_unacknowledged_batch_is_offered_again(path, log):
    await log.append(event())
    batch = log.pending()
    assert log.pending() == batch
    log.close()
    again = open_test_log(path)
    assert again.pending() == batch
    again.acknowledge(Receiver().receive(batch), RECEIPTS.verifier)
    assert again.pending() is None
    again.close()


async def test_a_batch_is_bounded_in_bytes(log):
    big = "\N{SNOWMAN}" * 512
    await asyncio.gather(*(log.append(event(i, reason=big, detail=big)) for i in range(499)))
    batch = log.pending()
    assert batch.first_seq == 0
    assert 0 < sum(len(text.encode()) for text in batch.events) <= 1 << 20
    assert Receiver().drain(log) >= 2


async def test_receipts_may_repeat_and_come_late(log):
    receiver = Receiver()
    receipts = []
    for number in range(3):
        await log.append(event(number))
    for limit in (1, 2):
        batch = log.pending(limit)
        receipts.append(receiver.receive(batch))
        log.acknowledge(receipts[-1], RECEIPTS.verifier)
    for receipt in (*receipts, *reversed(receipts)):
        log.acknowledge(receipt, RECEIPTS.verifier)
    assert log.delivered == 3


async def test_a_receipt_after_a_restart_is_still_checked_and_taken(path, log):
    await asyncio.gather(*(log.append(event(i)) for i in range(40)))
    for number in range(40, 60):
        await log.append(event(number))
    batch = log.pending(45)
    receipt = Receiver().receive(batch)
    log.close()
    again = open_test_log(path)
    again.acknowledge(receipt, RECEIPTS.verifier)
    assert again.delivered == receipt.size == 45
    again.close()


async def _two_logs(tmp_path, log):
    other = open_test_log(tmp_path / "other.db")
    for number in range(2):
        await log.append(event(number))
        await other.append(event(number + 5))
    other_batch = other.pending()
    other.close()
    return log.pending(), other_batch


def _receipt(batch, **changes):
    receipt = Receiver().receive(batch)
    return receipt.model_copy(update=changes)


async def test_a_lying_receipt_changes_nothing(tmp_path, log):
    batch, other_batch = await _two_logs(tmp_path, log)
    good = _receipt(batch)
    impostor = signer(RECEIPTS.name, seed=7)
    lies = {
        "of another history": _receipt(other_batch),
        "another size than the note": _receipt(batch, size=1),
        "not countersigned": _receipt(batch, note=batch.checkpoint),
        "signed by an impostor": _receipt(batch, note=batch.checkpoint + impostor.signature_line("x")),
        "our signature removed": _receipt(batch, note="\n".join(good.note.split("\n")[:4] + good.note.split("\n")[5:])),
        "root changed": _receipt(batch, note=good.note.replace(good.note.split("\n")[2], "A" * 43 + "=")),
        "not a note": _receipt(batch, note="yes"),
    }
    for lie in lies.values():
        with pytest.raises(AuditCorrupt):
            log.acknowledge(lie, RECEIPTS.verifier)
    assert log.delivered == 0
    log.acknowledge(good, RECEIPTS.verifier)
    assert log.delivered == 2


async def test_a_receipt_for_events_that_do_not_exist_yet(tmp_path, log):
    other = open_test_log(tmp_path / "other.db")
    await other.append(event())
    receipt = _receipt(other.pending())
    other.close()
    with pytest.raises(AuditCorrupt, match="do not exist"):
        log.acknowledge(receipt, RECEIPTS.verifier)


async def test_delivery_and_appends_at_the_same_time(path, log):
    receiver = Receiver()
    stop = threading.Event()

    def deliver():
        while not stop.is_set():
            receiver.drain(log, 37)

    with ThreadPoolExecutor(1) as pool:
        delivering = pool.submit(deliver)
        for start in range(0, 600, 20):
            await asyncio.gather(*(log.append(event(start + i)) for i in range(20)))
        stop.set()
        await asyncio.wrap_future(delivering)
    receiver.drain(log)
    assert len(receiver.events) == log.delivered == 600
    assert verify_log(path, SIGNER.verifier, RECEIPTS.verifier).ok


def test_the_files_are_private(path, log):
    assert path.stat().st_mode & 0o077 == 0
    assert path.with_suffix(".lock").stat().st_mode & 0o077 == 0
    assert path.with_suffix(".reserve").stat().st_size == 4 << 20


async def test_a_log_of_another_identity_is_not_continued(path, log):
    await log.append(event())
    log.close()
    with pytest.raises(AuditCorrupt, match="another identity"):
        open_log(path, signer(seed=8), ORIGIN, clock=lambda: AT)
    open_test_log(path).close()


def test_another_programs_database_is_not_touched(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(AuditCorrupt, match="not an audit log"):
        open_test_log(path)
    assert path.read_bytes() == before


def test_a_newer_versions_log_is_not_touched(path, log):
    log.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(AuditUnavailable, match="newer version"):
        open_test_log(path)


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(AuditUnavailable):
        open_test_log(tmp_path / "none" / "audit.db")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_bug_in_the_writer_leaves_nobody_waiting(path, log, monkeypatch):
    await log.append(event())
    batch = log.pending()
    receipt = Receiver().receive(batch)

    def bug(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(log._writer, "_transact", bug)
    results = await asyncio.gather(
        *(log.append(event(i)) for i in range(20)),
        asyncio.to_thread(log.acknowledge, receipt, RECEIPTS.verifier),
        return_exceptions=True,
    )
    assert {type(result) for result in results} == {AuditUnavailable}
    await asyncio.to_thread(log.close)
    assert not log.healthy
    assert verify_log(path, SIGNER.verifier).size == 1


async def test_a_queue_that_the_disk_cannot_empty_is_bounded(log, monkeypatch):
    monkeypatch.setattr(writer_module, "MAX_WAITING", 0)
    with pytest.raises(AuditUnavailable, match="waiting"):
        await log.append(event())


STEPS = st.lists(
    st.tuples(
        st.integers(0, 12), st.sampled_from(["deliver", "lose the receipt", "reopen", "nothing"]), st.integers(1, 9)
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_whatever_happens_in_between_everything_is_delivered_in_order(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("log") / "audit.db"
    receiver = Receiver()
    log = open_test_log(path)
    total = 0
    for count, then, limit in steps:
        asyncio.run(_append_all(log, total, count))
        total += count
        if then == "reopen":
            log.close()
            log = open_test_log(path)
        elif then == "lose the receipt":
            log.pending(limit)
        elif then == "deliver" and (batch := log.pending(limit)) is not None:
            log.acknowledge(receiver.receive(batch), RECEIPTS.verifier)
    receiver.drain(log, 5)
    log.close()
    report = verify_log(path, SIGNER.verifier, RECEIPTS.verifier)
    assert report.problems == ()
    assert report.size == len(receiver.events) == total
    assert receiver.events == [row[0].decode() for row in _rows(path, "SELECT event FROM events ORDER BY seq")]


async def _append_all(log, first, count):
    await asyncio.gather(*(log.append(event(first + i)) for i in range(count)))
