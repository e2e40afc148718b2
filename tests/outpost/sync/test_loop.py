import asyncio
import base64
import os
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx
import pytest
import structlog

from control_plane.defaults import default_routing
from outpost.audit.checkpoint import add_signature, sign_checkpoint
from outpost.audit.event import AuditEvent
from outpost.audit.log import open_log
from outpost.audit.tree import Frontier, leaf_hash
from outpost.cache.bundles import StateKey, StoredBundle
from outpost.cache.trusted import KeptMetadata
from outpost.errors import AuditCorrupt, BundleRejected, CacheUnavailable, ControlPlaneUnavailable, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import AuditBatch, AuditReceipt
from outpost.sync.client import ControlPlaneClient
from outpost.sync.loop import MAX_BATCHES_PER_PASS, Applied, Effects, SyncLoop
from outpost.sync.refresh import snapshot_version
from outpost.sync.schedule import Task


class Queue:
    """An audit log in memory: real tree, real checkpoints, no disk."""

    def __init__(self, identity) -> None:
        self.identity = identity
        self.events: list[str] = []
        self.delivered = 0

    @property
    def size(self) -> int:
        return len(self.events)

    def pending(self) -> AuditBatch | None:
        new = self.events[self.delivered : self.delivered + 2]
        if not new:
            return None
        tree = Frontier()
        tree.extend(leaf_hash(event.encode()) for event in self.events[: self.delivered + len(new)])
        signer = self.identity.audit_signer()
        note = sign_checkpoint(self.identity.log_origin, tree.size, tree.root(), signer)
        return AuditBatch(first_seq=self.delivered, events=new, checkpoint=note)

    def acknowledge(self, receipt, verifier) -> None:
        from outpost.audit.checkpoint import verify_note  # noqa: PLC0415

        if verifier.name not in verify_note(receipt.note, [verifier]):
            raise AuditCorrupt("not signed")
        self.delivered = max(self.delivered, receipt.size)


@dataclass
class World:
    """The outpost around the loop: what was applied and heard, and a stepwise clock."""

    queue: Queue
    bundles: list[StoredBundle] = field(default_factory=list)
    secrets: list[dict[str, str]] = field(default_factory=list)
    standing: object = None

    @property
    def revoked(self) -> list[bool]:
        return self.standing.revoked

    refuse: bool = False
    now_s: float = 0.0
    stored_when_applied: list[bool] = field(default_factory=list)
    stores: object = None

    async def prepare(self, bundle: StoredBundle):
        if self.refuse:
            raise BundleRejected("does not compile")

        async def put_in_force() -> None:
            self.stored_when_applied.append(self.stores.bundles.load() == bundle)
            self.bundles.append(bundle)

        return put_in_force

    async def apply_secrets(self, secrets: dict[str, str]) -> None:
        self.secrets.append(secrets)

    async def has_applied(self, count: int) -> None:
        while len(self.bundles) < count:  # noqa: ASYNC110 - the bundle list is the world's state, not an event
            await asyncio.sleep(0.01)

    def effects(self, clock) -> Effects:
        return Effects(
            prepare=self.prepare,
            apply_secrets=self.apply_secrets,
            applied=lambda: Applied(snapshot_version(self.bundles[-1]), clock()) if self.bundles else None,
        )


@pytest.fixture
def world(identity, stores) -> World:
    return World(Queue(identity), stores=stores)


@pytest.fixture
def make_loop(client, identity, stores, world, clock, standing):
    def make_loop(client=client, stores=stores, queue=world.queue, monotonic=lambda: world.now_s) -> SyncLoop:
        world.standing = standing(identity, client, stores)
        return SyncLoop(
            client,
            world.standing.keeper,
            world.standing.revocations,
            stores,
            queue,
            world.effects(clock),
            clock=clock,
            random=lambda: 0.5,
            monotonic=monotonic,
        )

    return make_loop


@pytest.fixture
def loop(make_loop) -> SyncLoop:
    return make_loop()


async def later(loop: SyncLoop, world: World, seconds: float = 10_000) -> None:
    """One pass at a time when everything is due again."""
    world.now_s += seconds
    await loop.run_once()


async def test_one_pass_brings_secrets_bundle_audit_and_heartbeat(loop, world, plane, stores):
    version = plane.publish()
    world.queue.events = [f'{{"n":{n}}}' for n in range(5)]
    await loop.run_once()
    assert set(world.secrets[0]) == {f"pepper/{plane.pepper_id}"}
    assert [snapshot_version(bundle) for bundle in world.bundles] == [version]
    assert world.queue.delivered == 5
    (heartbeat,) = plane.heartbeats
    assert heartbeat.bundle.snapshot_version == version
    assert (heartbeat.audit_size, heartbeat.audit_delivered) == (5, 5)
    assert loop.errors == {}
    assert stores.bundles.load() == world.bundles[0]
    assert stores.secrets.load().version == 1


async def test_secrets_come_before_the_bundle_and_the_heartbeat_after_what_it_reports(loop, plane):
    plane.publish()
    plane.requests.clear()
    await loop.run_once()
    paths = [path.rsplit("/", 1)[-1] for _, path in plane.requests]
    assert paths[0] == "secrets"
    assert paths[-2:] == ["heartbeat", "crl"]


async def test_a_bundle_is_stored_before_it_is_applied(loop, world, plane):
    plane.publish()
    await loop.run_once()
    plane.create_key()
    await later(loop, world)
    assert world.stored_when_applied == [True, True]


async def test_a_bundle_that_cannot_be_applied_is_not_stored_and_reported(loop, world, plane, stores):
    good = plane.publish()
    await loop.run_once()
    world.refuse = True
    plane.create_key()
    await later(loop, world)
    assert stores.bundles.load() == world.bundles[-1]
    report = plane.heartbeats[-1].bundle
    assert (report.snapshot_version, report.refused_version) == (good, good + 1)
    assert report.refused_reason == "does not compile"
    world.refuse = False
    await later(loop, world)
    report = plane.heartbeats[-1].bundle
    assert (report.snapshot_version, report.refused_version, report.refused_reason) == (good + 1, None, None)


async def test_a_first_bundle_that_cannot_be_applied_leaves_none(loop, world, plane, stores):
    world.refuse = True
    plane.publish()
    await loop.run_once()
    assert stores.bundles.load() is None
    assert plane.heartbeats[-1].bundle.snapshot_version == 0


async def test_a_stored_bundle_that_is_not_in_force_is_applied_without_new_news(make_loop, world, plane, stores):
    """A crash between storing and applying, or a start that could not apply it."""
    version = plane.publish()
    await make_loop().run_once()
    world.bundles.clear()
    world.refuse = True
    loop = make_loop()
    await loop.run_once()
    assert plane.heartbeats[-1].bundle.refused_version == version
    assert stores.bundles.load() is not None
    world.refuse = False
    await later(loop, world)
    assert [snapshot_version(bundle) for bundle in world.bundles] == [version]
    assert plane.heartbeats[-1].bundle.refused_reason is None


async def test_a_bundle_that_does_not_verify_changes_nothing_and_is_reported(loop, world, plane, stores, clock):
    plane.publish()
    await loop.run_once()
    before = stores.bundles.load()
    plane.publish(routing=default_routing("https://llm.example/v1"))
    version = plane.store.latest_version(plane.org_id, "targets")
    good = plane.store.files[("targets", version)]
    plane.store.files[("targets", version)] = good[:-1] + b" "
    await later(loop, world)
    assert stores.bundles.load() == before
    assert len(world.bundles) == 1
    assert "targets metadata does not match" in plane.heartbeats[-1].bundle.refused_reason


async def test_a_dead_control_plane_stops_nothing_and_is_asked_less_and_less(loop, world, plane):
    plane.publish()
    await loop.run_once()
    plane.down = True
    waits = []
    for _ in range(12):
        await later(loop, world, 400)
        waits.append(loop.schedule.tasks[Task.REFRESH].at_s - world.now_s)
    assert waits[:4] == pytest.approx([1, 2, 4, 8])
    assert waits[-1] == pytest.approx(150)  # half of the cap: the draw is 0.5
    assert set(loop.errors) == set(Task) - {Task.AUDIT}
    assert len(world.bundles) == 1
    plane.down = False
    await later(loop, world)
    assert loop.errors == {}


async def test_an_expired_timestamp_is_refused_and_the_bundle_stays(loop, world, plane, stores, clock):
    plane.publish()
    await loop.run_once()
    clock.advance(timedelta(days=2))
    await later(loop, world)
    assert "timestamp metadata expired" in loop.errors[Task.REFRESH]
    assert stores.bundles.load() == world.bundles[0]
    plane.renew()
    await later(loop, world)
    assert Task.REFRESH not in loop.errors
    assert plane.heartbeats[-1].bundle.refused_reason is None


async def test_a_clock_turned_back_does_not_freshen_expired_metadata(loop, world, plane, stores, clock):
    plane.publish()
    stores.state.raise_time(StateKey.CLOCK_FLOOR_AT, clock() + timedelta(days=2))
    await loop.run_once()
    assert "timestamp metadata expired" in loop.errors[Task.REFRESH]
    assert world.bundles == []


async def test_a_signed_revocation_is_stored_handed_on_and_taken_back(make_loop, world, plane, stores):
    loop = make_loop()
    plane.publish()
    await loop.run_once()
    assert world.revoked == []
    plane.revoke_signed("edge-1")
    await later(loop, world)  # the refusal and the list that confirms it: one pass
    assert world.revoked == [True]
    assert stores.state.get(StateKey.REVOKED) is True
    restarted = make_loop()
    assert world.revoked == [True]  # a restart is no pardon
    await later(restarted, world)
    assert world.revoked == [True]
    plane.pardon("edge-1")
    await later(restarted, world)
    assert world.revoked == [True, False]
    assert stores.state.get(StateKey.REVOKED) is False


async def test_a_bare_refusal_is_reported_and_never_stored(make_loop, world, plane, stores):
    loop = make_loop()
    plane.publish()
    await loop.run_once()
    plane.revoke("edge-1")
    for _ in range(3):
        await later(loop, world)
    assert world.revoked == []
    assert world.standing.revocations.rumoured
    assert stores.state.get(StateKey.REVOKED) is None
    assert set(loop.errors) == {Task.IDENTITY, Task.SECRETS, Task.REFRESH, Task.HEARTBEAT}
    plane.pardon("edge-1")
    await later(loop, world)
    assert not world.standing.revocations.rumoured


async def test_another_refusal_is_no_revocation(make_loop, client, world):
    class Refusing(ControlPlaneClient):
        async def heartbeat(self, message):
            raise Rejected(ErrorCode.CERTIFICATE_INVALID, "no")

    client.__class__ = Refusing
    await make_loop().run_once()
    assert world.revoked == []


async def test_secrets_are_applied_once_per_version_and_never_older(loop, world, plane, stores):
    await loop.run_once()
    await later(loop, world)
    assert len(world.secrets) == 1
    plane.set_secret("provider/openai", "sk-upstream")
    await later(loop, world)
    assert world.secrets[1]["provider/openai"] == "sk-upstream"
    plane.secrets_version = 1
    plane.secrets["pepper/evil"] = base64.b64encode(os.urandom(32)).decode()
    await later(loop, world)
    assert len(world.secrets) == 2
    assert stores.secrets.load().version == 2
    assert "older than the stored" in loop.errors[Task.SECRETS]


async def test_a_long_queue_is_delivered_over_several_passes_in_order(loop, world, plane):
    world.queue.events = [f'{{"n":{n}}}' for n in range(2 * MAX_BATCHES_PER_PASS + 5)]
    await loop.run_once()
    assert world.queue.delivered == 2 * MAX_BATCHES_PER_PASS
    assert plane.heartbeats[-1].audit_delivered == 2 * MAX_BATCHES_PER_PASS
    await later(loop, world, 0.1)
    assert world.queue.delivered == len(world.queue.events)
    assert plane.audit_events["edge-1"] == [event.encode() for event in world.queue.events]


async def test_a_lost_receipt_is_asked_for_again(loop, world, plane, client):
    world.queue.events = ['{"n":0}']
    lost = []

    class LosesTheAnswer(ControlPlaneClient):
        async def push_audit(self, batch):
            receipt = await super().push_audit(batch)
            if not lost:
                lost.append(receipt)
                raise ControlPlaneUnavailable("cut off")
            return receipt

    client.__class__ = LosesTheAnswer
    await loop.run_once()
    assert (world.queue.delivered, plane.audit_events["edge-1"]) == (0, [b'{"n":0}'])
    await later(loop, world)
    assert (world.queue.delivered, plane.audit_events["edge-1"]) == (1, [b'{"n":0}'])


async def test_a_true_but_old_receipt_is_not_progress(loop, world, plane, client, identity):
    class Old(ControlPlaneClient):
        async def push_audit(self, batch):
            old = sign_checkpoint(identity.log_origin, 1, Frontier().root(), identity.audit_signer())
            return AuditReceipt(size=1, note=add_signature(old, plane.receipt_signer))

    world.queue.events = ["{}"] * 4
    world.queue.delivered = 2
    client.__class__ = Old
    await loop.run_once()
    assert world.queue.delivered == 2
    assert "does not cover" in loop.errors[Task.AUDIT]


async def test_a_forged_receipt_moves_nothing(loop, world, client, identity):
    class Forged(ControlPlaneClient):
        async def push_audit(self, batch):
            return AuditReceipt(size=1, note=batch.checkpoint)

    world.queue.events = ["{}"]
    client.__class__ = Forged
    await loop.run_once()
    assert world.queue.delivered == 0
    assert Task.AUDIT in loop.errors


async def test_the_real_audit_log_is_delivered_and_countersigned(make_loop, identity, world, plane, clock):
    log = open_log(identity.directory.parent / "audit.db", identity.audit_signer(), identity.log_origin, clock=clock)
    try:
        for n in range(3):
            await log.append(AuditEvent(kind="system", at=clock(), request_id=f"r-{n}", action="start", reason="test"))
        loop = make_loop(queue=log)
        await loop.run_once()
        assert loop.errors == {}
        assert (log.size, log.delivered) == (3, 3)
        await log.append(AuditEvent(kind="system", at=clock(), request_id="r-3", action="stop", reason="test"))
        await later(loop, world)
        assert log.delivered == 4
        assert len(plane.audit_events["edge-1"]) == 4
    finally:
        log.close()


class Crash(BaseException):
    """The program stops here, as by a kill."""


async def test_a_crash_between_any_two_steps_leaves_a_state_that_the_next_start_carries_on_from(
    make_loop, world, plane, stores, client
):
    """Every store write and effect, counted; the program dies before the n-th, starts again and completes."""
    plane.publish()
    world.queue.events = ["{}"]
    left = [0]

    def counted(function):
        def call(*args, **kwargs):
            if left[0] == 0:
                raise Crash
            left[0] -= 1
            return function(*args, **kwargs)

        return call

    class Crashing:
        def __init__(self, real) -> None:
            self.real = real

        def __getattr__(self, name):
            value = getattr(self.real, name)
            if name == "trusted":
                return Crashing(value)
            return value if name in {"load", "get", "get_time"} else counted(value)

    for steps in range(30):
        plane.create_key()
        previous = stores.bundles.load()
        left[0] = steps
        crashing = replace(
            stores, bundles=Crashing(stores.bundles), secrets=Crashing(stores.secrets), state=Crashing(stores.state)
        )
        dying = make_loop(stores=crashing)
        dying._effects = replace(dying._effects, prepare=counted(world.prepare))
        try:
            await dying.run_once()
        except Crash:
            found = stores.bundles.load()
            assert found == previous or snapshot_version(found) > (snapshot_version(previous) if previous else 0)
        else:
            break
        after = make_loop()
        await after.run_once()
        assert after.errors == {}
        assert snapshot_version(stores.bundles.load()) == plane.store.latest_version(plane.org_id, "snapshot")
    assert steps > 4


async def test_a_disk_that_fails_stops_nothing(make_loop, world, plane, stores):
    class Full:
        def __getattr__(self, name):
            def fail(*_args):
                raise CacheUnavailable("disk full")

            if name == "trusted":
                return Empty()
            return fail if name != "load" else lambda: None

    class Empty(Full):
        def load(self):
            return KeptMetadata({}, {})

    plane.publish()
    await make_loop(stores=replace(stores, bundles=Full())).run_once()
    assert world.bundles == []  # what could not be stored is not applied
    assert len(plane.heartbeats) == 1


async def test_news_is_due_at_once_and_a_seen_version_is_not_watched_for_again(loop, world, plane, client):
    version = plane.publish()
    await loop.run_once()
    assert not await loop.watch_once()
    plane.create_key()
    assert await loop.watch_once()
    assert Task.REFRESH in loop.schedule.due(world.now_s)
    assert not await loop.watch_once()
    await loop.run_once()
    assert snapshot_version(world.bundles[-1]) == version + 1


async def test_run_works_until_told_to_stop_and_wakes_for_news(make_loop, world, plane):
    loop = make_loop(monotonic=time.monotonic)
    plane.publish()
    stop = asyncio.Event()

    async def scenario() -> None:
        await world.has_applied(1)
        plane.create_key()
        await world.has_applied(2)
        plane.down = True
        await asyncio.sleep(0.05)
        stop.set()

    async with asyncio.timeout(20):
        await asyncio.gather(loop.run(stop), scenario())
    assert len(world.bundles) == 2


async def test_run_stops_at_once_whatever_is_under_way(make_loop, client, world):
    class Hanging(ControlPlaneClient):
        async def fetch_secrets(self):
            await asyncio.Event().wait()

        async def watch(self, after):
            await asyncio.Event().wait()

    client.__class__ = Hanging
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stop.set)
    async with asyncio.timeout(5):
        await make_loop(monotonic=time.monotonic).run(stop)
    assert world.bundles == []


async def test_a_revocation_that_cannot_be_stored_is_in_force_all_the_same(make_loop, world, plane, stores):
    class Full:
        def get(self, _key):
            return None

        def __getattr__(self, name):
            def fail(*_args):
                raise CacheUnavailable("disk full")

            return fail

    plane.revoke_signed("edge-1")
    loop = make_loop(stores=replace(stores, state=Full()))
    await loop.run_once()
    assert world.revoked[-1] is True
    assert stores.state.get(StateKey.REVOKED) is None


async def test_no_secret_reaches_the_log(loop, world, plane):
    plane.set_secret("provider/openai", "sk-planted-secret")
    plane.publish()
    with structlog.testing.capture_logs() as logs:
        await loop.run_once()
        plane.revoke("edge-1")
        await later(loop, world)
    assert any(entry["event"] == "bundle_applied" for entry in logs)
    text = repr(logs)
    assert "sk-planted-secret" not in text
    assert plane.secrets[f"pepper/{plane.pepper_id}"] not in text


@pytest.mark.parametrize("part", ["snapshot.json", "targets.json", "policy.json"])
async def test_what_a_cache_has_spoiled_is_fetched_past_it_and_is_no_refusal(make_loop, identity, world, plane, part):
    plane.publish()
    spoiled = []

    def through_a_cache(identity):
        def answer(request):
            response = plane.transport_for(identity).handler(request)
            if request.url.path.endswith(part) and request.headers.get("Cache-Control") != "no-cache":
                spoiled.append(request.url.path)
                return httpx.Response(200, content=response.content[:-1] + b"!")
            return response

        return httpx.MockTransport(answer)

    async with ControlPlaneClient(identity, transport=through_a_cache) as client:
        loop = make_loop(client)
        await loop.run_once()
        assert (len(spoiled), len(world.bundles), loop.errors) == (1, 1, {})
        assert client.past_caches is False
        assert plane.heartbeats[-1].bundle.refused_reason is None
