"""Several control planes over one database: real processes, no common lock but the database's own."""

import json
import multiprocessing
import threading
from datetime import timedelta

import pytest
from tuf.api.metadata import Metadata

from control_plane.errors import VersionTaken
from control_plane.keyring import DataDir, load_keyring
from control_plane.keys import KeyRequest
from control_plane.operations import Operations
from control_plane.policy_operations import publishing
from control_plane.release import STABLE
from control_plane.store.bundles import SqlBundleStore
from control_plane.store.engine import Database
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.installation import TRUST_DOMAIN

ROUNDS = 12


def _replica(path, number, start, results):
    """A control plane of its own: re-signs when an hour has passed, publishes now and then. Runs in another process."""
    clock = FakeClock()
    database = Database(f"sqlite:///{path / 'control-plane.db'}")
    operations = Operations(database, load_keyring(DataDir(path), TRUST_DOMAIN, NOON), TRUST_DOMAIN, clock=clock)
    signed, published = 0, []
    for turn in range(ROUNDS):
        start.wait()  # all at the same moment, and at the same time of day
        clock.advance(timedelta(hours=1))
        signed += len(operations.renew_bundles(timedelta(hours=1)))
        if turn % 4 == number:
            published.append(operations.create_key("acme", KeyRequest(name=f"{number}-{turn}"))[0].id)
    database.close()
    results.put((signed, published))


def test_replicas_sign_each_version_once_and_lose_no_publish(plane):
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(3), context.Queue()
    running = [context.Process(target=_replica, args=(plane.path, number, start, results)) for number in range(3)]
    for process in running:
        process.start()
    found = [results.get(timeout=90) for _ in running]
    for process in running:
        process.join(30)
        assert process.exitcode == 0
    with plane.operations.database.read() as connection:
        store = SqlBundleStore(connection)
        head, newest = store.head("acme", STABLE), store.latest_version("acme", "timestamp")
        timestamps = [store.metadata("acme", "timestamp", version) for version in range(1, newest + 1)]
        keys = json.loads(store.target("acme", "keys.json", _keys_digest(store, head)))["keys"]
    published = [key for _, ids in found for key in ids]
    signed = sum(count for count, _ in found)
    assert head.timestamp == newest
    assert None not in timestamps  # no gap, and the primary key allows no double
    assert newest == 2 + len(published) + signed  # init published twice: the bundle, and its first key
    assert signed <= ROUNDS  # whoever comes second finds nothing due
    assert {key["id"] for key in keys} >= set(published)


def _keys_digest(store, head):
    snapshot = Metadata.from_bytes(store.metadata("acme", "snapshot", head.snapshot)).signed
    for role in ("virtual-keys", "targets"):
        meta = snapshot.meta.get(f"{role}.json")
        listed = Metadata.from_bytes(store.metadata("acme", role, meta.version)).signed.targets if meta else {}
        if "keys.json" in listed:
            return listed["keys.json"].hashes["sha256"]
    raise AssertionError("no keys.json")


def test_who_loses_a_race_publishes_on_top_of_what_won(operations):
    """Where transactions do not queue (PostgreSQL), the slower one finds its version taken."""
    losses = iter([True, True, True, False])

    def work(connection):
        if next(losses):
            raise VersionTaken("another process was faster")
        return "published"

    assert publishing(operations.database, work) == "published"


def test_who_always_loses_says_so(operations):
    def work(connection):
        raise VersionTaken("another process was faster")

    with pytest.raises(VersionTaken):
        publishing(operations.database, work)


def test_the_loser_of_a_race_to_re_sign_goes_on_with_the_next_org(operations, clock):
    operations.create_org("globex", "https://llm.example/v1")
    clock.advance(timedelta(hours=2))
    real = operations._renew_org

    def renew_org(org_id, resign_after):
        if org_id == "acme":
            raise VersionTaken("another process was faster")
        return real(org_id, resign_after)

    operations._renew_org = renew_org
    assert operations.renew_bundles(timedelta(hours=1)) == {"globex": ("timestamp",)}


def test_threads_of_one_process_do_not_conflict_either(operations):
    failures = []

    def work(number):
        try:
            for _ in range(3):
                operations.create_key("acme", KeyRequest(name=f"thread {number}"))
                operations.renew_bundles(timedelta())
        except Exception as err:  # noqa: BLE001 - whatever it is, the test must see it
            failures.append(err)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(operations.keys("acme")) == 1 + 12
