"""A disk that is full or fails: refused while it lasts, recovered by itself, nothing acknowledged is lost.

``OUTPOST_TEST_MOUNT=1`` (as root) also fills a real, small file system.
"""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
from contextlib import closing

import pytest

from outpost.audit import writer as writer_module
from outpost.audit.read import read_events
from outpost.audit.verify import verify_log
from outpost.errors import AuditUnavailable
from tests.fakes.audit import RECEIPTS, SIGNER, Receiver, event, open_test_log
from tests.fakes.disk import file_size_limit


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.db"


@pytest.fixture
def log(path):
    log = open_test_log(path)
    yield log
    log.close()


@contextlib.contextmanager
def _page_limit(log):
    """SQLite's own SQLITE_FULL at the next page that it would have to add."""
    connection = log._writer._connection
    used = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {used}")
    yield
    connection.execute("PRAGMA max_page_count = 1000000000")


async def _append_until_refused(log, count=2000):
    acknowledged = []
    for number in range(count):
        try:
            acknowledged.append(await log.append(event(number)))
        except AuditUnavailable:
            return acknowledged
    pytest.fail("the disk never filled up")


def _codes(path):
    return [e.code for _, e in read_events(path) if e.kind == "system"]


async def test_a_full_database_refuses_and_recovers_with_the_next_append(path, log):
    with _page_limit(log):
        acknowledged = await _append_until_refused(log)
        assert not log.healthy
        with pytest.raises(AuditUnavailable):
            await log.append(event())
    seq = await log.append(event(7777))
    assert log.healthy
    assert seq > max(acknowledged)
    report = verify_log(path, SIGNER.verifier)
    assert (report.problems, report.size) == ((), log.size)
    assert set(acknowledged) <= {seq for seq, _ in read_events(path)}
    assert "audit_recovered" in _codes(path)


async def test_all_futures_of_a_failed_commit_fail(log):
    big = "x" * 512
    with _page_limit(log):
        results = await asyncio.gather(
            *(log.append(event(i, reason=big, detail=big)) for i in range(400)), return_exceptions=True
        )
        assert {type(result) for result in results} == {AuditUnavailable}
    assert await log.append(event()) >= 0


async def test_an_idle_log_becomes_healthy_without_any_request(log, monkeypatch):
    monkeypatch.setattr(writer_module, "IDLE_S", 0.02)
    with _page_limit(log):
        await _append_until_refused(log)
        assert not log.healthy
    async with asyncio.timeout(10):
        while not log.healthy:  # noqa: ASYNC110 - there is no event to wait for: polling is what /readyz does
            await asyncio.sleep(0.01)
    assert await log.append(event()) > 0


async def test_an_io_error_refuses_and_recovers(path, log):
    acknowledged = [await log.append(event(i)) for i in range(20)]
    with file_size_limit(path.with_name("audit.db-wal").stat().st_size // 2):
        acknowledged += await _append_until_refused(log)
        assert not log.healthy
    acknowledged += [await log.append(event(i)) for i in range(20)]
    assert log.healthy
    log.close()
    report = verify_log(path, SIGNER.verifier)
    assert report.problems == ()
    assert set(acknowledged) <= set(range(report.size))
    assert len(set(acknowledged)) == len(acknowledged)


async def test_delivery_fails_cleanly_while_the_disk_is_full_and_goes_on_after(path, log):
    await asyncio.gather(*(log.append(event(i)) for i in range(50)))
    receiver = Receiver()
    batch = log.pending()
    receipt = receiver.receive(batch)
    with _page_limit(log):
        await _append_until_refused(log)
        with contextlib.suppress(AuditUnavailable):
            log.acknowledge(receipt, RECEIPTS.verifier)
    log.acknowledge(receipt, RECEIPTS.verifier)
    receiver.drain(log)
    assert log.delivered == log.size
    assert verify_log(path, SIGNER.verifier, RECEIPTS.verifier).ok


def test_a_full_disk_does_not_stop_the_start(path):
    open_test_log(path).close()
    path.with_suffix(".reserve").unlink()
    with file_size_limit(1 << 20):  # below the reserve's size
        log = open_test_log(path)
        assert not log.healthy
    asyncio.run(log.append(event()))
    assert log.healthy
    log.close()


def test_a_writer_that_waits_for_an_operators_lock_fails_and_recovers(path, log):
    log._writer._connection.execute("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(path, isolation_level=None)) as operator:
        operator.execute("BEGIN IMMEDIATE")
        with pytest.raises(AuditUnavailable):
            asyncio.run(log.append(event()))
        assert not log.healthy
        operator.execute("ROLLBACK")
    assert asyncio.run(log.append(event())) >= 0
    assert log.healthy


@pytest.fixture
def small_disk(tmp_path):
    if os.environ.get("OUTPOST_TEST_MOUNT") != "1":
        pytest.skip("needs OUTPOST_TEST_MOUNT=1 and root")
    mount = tmp_path / "disk"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(mount)], check=True)
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


async def test_a_real_full_disk(small_disk):
    path = small_disk / "audit.db"
    log = open_test_log(path)
    acknowledged = [await log.append(event(i)) for i in range(100)]
    filler = small_disk / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 65536)
    acknowledged += await _append_until_refused(log, 20_000)
    assert not log.healthy
    assert path.with_suffix(".reserve").stat().st_blocks == 0
    assert _codes(path)[-1] == "audit_disk_full"  # the reserve made room for this one
    with pytest.raises(AuditUnavailable):  # and is not used up by requests
        await log.append(event())
    filler.unlink()
    acknowledged.append(await log.append(event()))
    assert log.healthy
    assert path.with_suffix(".reserve").stat().st_blocks * 512 == 4 << 20
    log.close()
    report = verify_log(path, SIGNER.verifier)
    assert report.problems == ()
    assert set(acknowledged) <= set(range(report.size))
