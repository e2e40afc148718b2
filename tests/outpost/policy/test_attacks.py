"""What a malicious mirror, a stolen key or a damaged disk can do to an outpost: each row end to end.

Every attack goes through the real refresh, ``outpost.db`` and ``InForce`` (``tests/fakes/policy_world.py``) and says
three things: the typed error, what is enforced afterwards, and that an honest server heals it.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from outpost.cache.bundles import BundleStore, StateKey
from outpost.errors import (
    BundleRejected,
    ControlPlaneUnavailable,
    ControlPlaneUntrusted,
    OutpostError,
    Rejected,
)
from outpost.policy.bundle import load_bundle
from outpost.policy.trusted_metadata import MetadataExpired, MetadataInvalid, MetadataRollback, MetadataUnsigned
from outpost.protocol.codes import ErrorCode
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.policy_world import POLICY, PolicyOutpost, PolicyRepository, RepositoryClient
from tests.fakes.tuf_server import KEY_TYPES, TOP_LEVEL, Simulator

FLIP_EVERY_BYTES = 97  # coprime with every field's size, so that all kinds of bytes are hit
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
new_signer = KEY_TYPES["ed25519"]


class World:
    """A repository that has published twice, and an outpost that has applied the second publication."""

    def __init__(self, data_dir: Path, **options) -> None:
        self.data_dir = data_dir
        self.repository = PolicyRepository(**options)
        self.first = dict(self.repository.files)
        self.repository.next_policy()
        self.root = self.repository.files["1.root.json"]
        self.client = RepositoryClient(self.repository)
        self.clock = FakeClock()

    def outpost(self) -> PolicyOutpost:
        return PolicyOutpost(self.data_dir, self.root, self.client, self.clock)


@pytest.fixture
def in_memory():
    """A directory without fsync's cost: what is proved here is not durability."""
    place = Path("/dev/shm")
    with TemporaryDirectory(dir=place if place.is_dir() else None) as directory:
        yield Path(directory)


@pytest.fixture
def world(in_memory) -> World:
    return World(in_memory)


@dataclass(frozen=True)
class Attack:
    """``mount`` changes what is served (or who signs); ``error`` is what the round then raises."""

    mount: Callable[[World], None]
    error: type[OutpostError]
    match: str = "."


def _serve(name: str, data: bytes | None):
    def mount(world: World) -> None:
        world.repository.serve[name] = data

    return mount


def _roll_timestamp_back(world: World) -> None:
    world.repository.serve["timestamp.json"] = world.first["timestamp.json"]


def _timestamp_names_older_snapshot(world: World) -> None:
    """Whoever holds the timestamp's key: a new timestamp for the old snapshot."""
    repo = world.repository
    repo.timestamp.snapshot_meta = repo._meta(
        repo.snapshot.version - 1, repo.files[f"{repo.snapshot.version - 1}.snapshot.json"]
    )
    repo.publish_timestamp()


def _snapshot_names_older(name: str):
    """Whoever holds the snapshot's and the timestamp's keys: a new snapshot with one old role."""

    def mount(world: World) -> None:
        repo = world.repository
        version = repo.role(name).version - 1
        repo.snapshot.meta[f"{name}.json"] = repo._meta(version, repo.files[f"{version}.{name}.json"])
        repo.publish_snapshot()
        repo.publish_timestamp()

    return mount


def _snapshot_drops(name: str):
    def mount(world: World) -> None:
        repo = world.repository
        del repo.snapshot.meta[f"{name}.json"]
        repo.publish_snapshot()
        repo.publish_timestamp()

    return mount


def _mix(role: str):
    """A new publication whose one part is replaced by the one before it."""

    def mount(world: World) -> None:
        repo = world.repository
        version = repo.snapshot.version if role == "snapshot" else repo.role(role).version
        repo.next_policy()
        repo.serve[f"{version + 1}.{role}.json"] = repo.files[f"{version}.{role}.json"]

    return mount


def _by_strangers(*roles: str):
    """All of ``roles`` signed anew by keys that the root does not name."""

    def mount(world: World) -> None:
        repo = world.repository
        for role in roles:
            repo.signers[role] = [new_signer()]
        repo.next_policy(max_offline_s=3600)

    return mount


def _swap_document(name: str):
    def mount(world: World) -> None:
        repo = world.repository
        repo.next_policy()
        for path, data in repo.artifacts.items():
            if path.endswith(f".{name}") and path not in world.artifacts_before:
                repo.serve[path] = data[:-1] + b" "

    return mount


def _another_org(world: World) -> None:
    other = PolicyRepository()
    for _ in range(5):
        other.next_policy()
    world.client.repository = other


def _another_orgs_root(world: World) -> None:
    other = PolicyRepository()
    other.publish_root()
    world.repository.serve["2.root.json"] = other.files["2.root.json"]


def _unknown_language(world: World) -> None:
    world.repository.next_policy(schema_version="2")


def _wide_delegation(world: World) -> None:
    """The virtual keys' role signs a policy, and a careless delegation would let it."""
    repo = world.repository
    repo.delegate("targets", "virtual-keys", paths=["*"], terminating=True)
    del repo.targets.targets["policy.json"]
    repo.add_target("policy.json", json.dumps(POLICY | {"max_offline_s": 3600}).encode(), "virtual-keys")
    repo.publish()


def _failing_smoke(world: World) -> None:
    case = {
        "id": "must-block",
        "text": "harmless",
        "direction": "input",
        "expect": {"action": "BLOCK"},
    }
    world.repository.set_document("smoke.json", {"schema_version": "1", "cases": [case]})
    world.repository.next_policy()


def _endless(name: str, size: int):
    def mount(world: World) -> None:
        world.repository.next_policy()
        world.repository.serve[name] = b" " * size

    return mount


def _endless_document(world: World) -> None:
    repo = world.repository
    repo.next_policy()
    for path in repo.artifacts:
        if path not in world.artifacts_before:
            repo.serve[path] = b" " * 20_000_000


def _document_of_a_size_nobody_holds(world: World) -> None:
    repo = world.repository
    repo.next_policy()
    repo.targets.targets["policy.json"].length = 17 * 2**20
    repo.publish()


def _slow(world: World) -> None:
    """The real client's deadline turns silence into this; here only what follows from it (sync/test_client.py)."""
    world.client.down = True


def _expired(role: str):
    def mount(world: World) -> None:
        getattr(world.repository, role).expires = NOON
        if role == "root":
            world.repository.publish_root()
        world.repository.next_policy()

    return mount


ATTACKS = {
    "rollback: an old timestamp": Attack(_roll_timestamp_back, MetadataRollback, "timestamp version"),
    "rollback: an old snapshot under a new timestamp": Attack(
        _timestamp_names_older_snapshot, MetadataRollback, "snapshot"
    ),
    "rollback: old targets under a new snapshot": Attack(
        _snapshot_names_older("targets"), MetadataRollback, "targets.json"
    ),
    "rollback: an old delegated role under a new snapshot": Attack(
        _snapshot_names_older("virtual-keys"), MetadataRollback, "virtual-keys.json"
    ),
    "rollback: a role that is gone from the snapshot": Attack(
        _snapshot_drops("virtual-keys"), MetadataInvalid, "no longer"
    ),
    "rollback: an old root as the next one": Attack(
        lambda world: _serve("2.root.json", world.root)(world), MetadataRollback, "root version"
    ),
    "freeze: an expired root": Attack(_expired("root"), MetadataExpired, "root"),
    "freeze: an expired timestamp": Attack(_expired("timestamp"), MetadataExpired, "timestamp"),
    "freeze: an expired snapshot": Attack(_expired("snapshot"), MetadataExpired, "snapshot"),
    "freeze: expired targets": Attack(_expired("targets"), MetadataExpired, "targets"),
    "mix and match: an old snapshot": Attack(_mix("snapshot"), BundleRejected),
    "mix and match: old targets": Attack(_mix("targets"), BundleRejected),
    "mix and match: an old delegated role": Attack(_mix("virtual-keys"), BundleRejected),
    "endless data: timestamp": Attack(_endless("timestamp.json", 16_385), ControlPlaneUntrusted, "larger"),
    "endless data: root": Attack(_endless("2.root.json", 512_001), ControlPlaneUntrusted, "larger"),
    "endless data: a document": Attack(_endless_document, ControlPlaneUntrusted, "larger"),
    "endless data: a document signed with an absurd length": Attack(
        _document_of_a_size_nobody_holds, MetadataInvalid, "the limit is"
    ),
    "slow retrieval": Attack(_slow, ControlPlaneUnavailable),
    "arbitrary software: signed by strangers": Attack(_by_strangers(*TOP_LEVEL), MetadataUnsigned),
    "arbitrary software: a policy that is not the signed one": Attack(_swap_document("policy.json"), MetadataInvalid),
    "arbitrary software: an unknown language": Attack(_unknown_language, BundleRejected, "cannot be read"),
    "arbitrary software: a bundle that fails its smoke cases": Attack(_failing_smoke, BundleRejected, "must-block"),
    "wrong org: another org's repository": Attack(_another_org, MetadataUnsigned),
    "wrong org: another org's next root": Attack(_another_orgs_root, MetadataUnsigned, "root"),
    "compromise: the timestamp's key alone": Attack(_by_strangers("snapshot", "targets"), MetadataUnsigned, "snapshot"),
    "compromise: all online keys but the targets'": Attack(_by_strangers("targets"), MetadataUnsigned, "targets"),
    "compromise: the virtual keys' key, beyond its paths": Attack(_wide_delegation, MetadataInvalid, "no policy.json"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_is_refused_and_what_was_in_force_stays(world, name):
    attack = ATTACKS[name]
    with world.outpost() as outpost:
        await outpost.sync()
        version, policy = outpost.version, outpost.policy
        assert policy == POLICY["max_offline_s"] - 2
        world.artifacts_before = dict(world.repository.artifacts)
        world.honest = dict(world.repository.signers)
        attack.mount(world)
        with pytest.raises(attack.error, match=attack.match):
            await outpost.sync()
        assert (outpost.version, outpost.policy) == (version, policy)
        assert outpost.admission.admit(NOON + HOUR)
    with world.outpost() as again:  # and after a restart
        assert again.start_error is None
        assert (again.version, again.policy) == (version, policy)
        _be_honest(world)
        await again.sync()
        assert again.version >= version
        assert again.policy == POLICY["max_offline_s"] - world.repository.snapshot.version + 1


def _be_honest(world: World) -> None:
    """The owner comes back: a new publication by the right keys, on top of whatever versions there were."""
    repo = world.client.repository = world.repository
    repo.serve.clear()
    world.client.down = False
    repo.signers |= world.honest
    for part in (repo.root, repo.timestamp, repo.snapshot, repo.targets):
        part.expires = NOON + 30 * DAY
    repo.targets.targets.pop("smoke.json", None)
    repo.delegated["virtual-keys"].targets.pop("policy.json", None)
    repo.delegate("targets", "virtual-keys", paths=["keys.json"], terminating=True)
    repo.publish_root()
    repo.next_policy()


@pytest.mark.parametrize("name", [name for name in ATTACKS if "rollback" not in name and "mix" not in name])
async def test_at_first_contact_an_attack_leaves_nothing_in_force(world, name):
    world.artifacts_before = {}
    ATTACKS[name].mount(world)
    with world.outpost() as outpost:
        with pytest.raises(OutpostError) as caught:
            await outpost.sync()
        assert not isinstance(caught.value, Rejected)
        assert outpost.version == 0
        with pytest.raises(Rejected) as refused:
            outpost.admission.admit(NOON)
        assert refused.value.code is ErrorCode.NO_POLICY


async def test_a_key_compromise_below_the_threshold_changes_nothing(in_memory):
    """Targets need two of three officers; one of them is the attacker's, who also holds every online key."""
    world = World(in_memory)
    repo = world.repository
    officers = [new_signer() for _ in range(3)]
    repo.entitle("targets", officers, threshold=2)
    repo.publish_root()
    repo.next_policy()
    with world.outpost() as outpost:
        await outpost.sync()
        policy = outpost.policy
        for signers in ([officers[0]], [officers[0], new_signer()], [officers[0], repo.signers["snapshot"][0]]):
            repo.signers["targets"] = signers
            repo.next_policy(max_offline_s=3600)
            with pytest.raises(MetadataUnsigned, match="targets"):
                await outpost.sync()
            assert outpost.policy == policy
        repo.signers["targets"] = officers[1:]
        repo.next_policy()
        await outpost.sync()
        assert outpost.policy == POLICY["max_offline_s"] - repo.snapshot.version + 1


async def test_an_expired_root_while_offline_refuses_updates_and_enforces_until_max_offline(world):
    world.repository.root.expires = NOON + DAY
    world.repository.publish_root()
    with world.outpost() as outpost:
        await outpost.sync()
        policy = outpost.policy
        world.clock.advance(2 * DAY)
        world.repository.next_policy()
        with pytest.raises(MetadataExpired, match="root"):
            await outpost.sync()
        assert outpost.policy == policy
        assert outpost.admission.admit(world.clock())
        until = outpost.admission.enforcement.bundle.enforceable_until
        assert outpost.admission.admit(until)
        with pytest.raises(Rejected) as refused:
            outpost.admission.admit(until + timedelta(seconds=1))
        assert refused.value.code is ErrorCode.POLICY_EXPIRED


async def test_a_freeze_ends_at_max_offline(world):
    """The server answers for ever and has no news: nothing is refused by anyone until the policy's own limit."""
    with world.outpost() as outpost:
        await outpost.sync()
        for _ in range(6):
            world.clock.advance(DAY)
            await outpost.sync()
            assert outpost.admission.admit(world.clock())
        world.clock.advance(DAY)
        await outpost.sync()
        with pytest.raises(Rejected) as refused:
            outpost.admission.admit(world.clock())
        assert refused.value.code is ErrorCode.POLICY_EXPIRED


async def test_a_clock_that_is_turned_back_does_not_make_old_metadata_fresh(world):
    with world.outpost() as outpost:
        await outpost.sync()
        world.clock.advance(40 * DAY)
        outpost.stores.state.raise_time(StateKey.CLOCK_FLOOR_AT, world.clock())
        world.clock.advance(-40 * DAY)
        with pytest.raises(MetadataExpired):
            await outpost.sync()


async def test_a_refused_bundle_is_named_with_its_version_and_reason(world):
    with world.outpost() as outpost:
        await outpost.sync()
        world.artifacts_before = {}
        _failing_smoke(world)
        with pytest.raises(BundleRejected):
            await outpost.sync()
        assert outpost.stores.state.get(StateKey.REFUSED_VERSION) == world.repository.snapshot.version
        assert "must-block" in outpost.stores.state.get(StateKey.REFUSED_REASON)
        assert (
            outpost.stores.bundles.trusted.load().roles["snapshot"]
            == world.repository.files[f"{world.repository.snapshot.version}.snapshot.json"]
        )


@pytest.mark.parametrize("delegated_keys", [True, False])
async def test_both_shapes_of_a_repository_are_enforced(in_memory, delegated_keys):
    world = World(in_memory, delegated_keys=delegated_keys)
    with world.outpost() as outpost:
        await outpost.sync()
        assert outpost.version == world.repository.snapshot.version
        assert set(outpost.stores.bundles.load().delegated) == ({"virtual-keys"} if delegated_keys else set())
    with world.outpost() as again:
        assert again.version == world.repository.snapshot.version


async def test_an_org_may_move_its_key_digests_to_a_role_of_their_own(in_memory):
    world = World(in_memory, delegated_keys=False)
    repo = world.repository
    with world.outpost() as outpost:
        await outpost.sync()
        keys = repo.artifacts[next(path for path in repo.artifacts if path.endswith(".keys.json"))]
        repo.delegate("targets", "virtual-keys", paths=["keys.json"], terminating=True)
        del repo.targets.targets["keys.json"]
        repo.keys_role = "virtual-keys"
        repo.set_document("keys.json", keys)
        repo.publish()
        await outpost.sync()
        assert outpost.version == repo.snapshot.version


# A damaged disk


def _applied_database(world: World) -> Path:
    """``outpost.db`` of an outpost that has applied, all of it in one file."""
    path = world.data_dir / "outpost.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


def _verdict(world: World) -> str:
    """Start on what is there: ``refused`` (a person decides), ``nothing`` is in force, or the ``applied`` bundle is."""
    try:
        outpost = world.outpost()
    except OutpostError:
        return "refused"
    with outpost:
        if outpost.version == 0:
            return "nothing"
        stored = BundleStore(outpost.database).load()
        bundle = load_bundle(
            world.root,
            roots=stored.roots,
            timestamp=stored.timestamp,
            snapshot=stored.snapshot,
            targets=stored.targets,
            documents=stored.documents,
            delegated=stored.delegated,
        )
        assert (bundle.snapshot_version, bundle.policy.max_offline_s) == (outpost.version, outpost.policy)
        return "applied"


async def test_no_flipped_page_makes_an_unverified_bundle(world):
    with world.outpost() as outpost:
        await outpost.sync()
        applied = (outpost.version, outpost.policy)
    path = _applied_database(world)
    good = path.read_bytes()
    page_bytes = int.from_bytes(good[16:18], "big")  # https://sqlite.org/fileformat.html#the_database_header
    verdicts = {"refused": 0, "nothing": 0, "applied": 0}
    for page in range(len(good) // page_bytes):
        for offset in range(0, page_bytes, FLIP_EVERY_BYTES):
            damaged = bytearray(good)
            damaged[page * page_bytes + offset] ^= 0xFF
            for leftover in world.data_dir.iterdir():
                leftover.unlink()
            path.write_bytes(damaged)
            verdict = _verdict(world)
            verdicts[verdict] += 1
            if verdict == "applied":
                with world.outpost() as outpost:
                    assert (outpost.version, outpost.policy) == applied
            elif verdict == "nothing":
                with world.outpost() as outpost:
                    await outpost.sync()
                    assert (outpost.version, outpost.policy) == applied
    # Half and more of a page of so small a database is free space, which nothing reads.
    assert all(verdicts.values()), verdicts


async def test_no_flipped_byte_of_the_write_ahead_log_makes_an_unverified_bundle(world, tmp_path):
    """The newest transactions are in the log only. Without them an older bundle is there, or none; never another."""
    known = {(0, None)}
    with world.outpost() as outpost:
        for _ in range(2):
            await outpost.sync()
            known.add((outpost.version, outpost.policy))
            world.repository.next_policy()
        files = {path.name: path.read_bytes() for path in world.data_dir.iterdir()}
    log = files["outpost.db-wal"]
    assert log
    found = set()
    world.data_dir = tmp_path
    for place in range(0, len(log), len(log) // 60):
        for leftover in tmp_path.iterdir():
            leftover.unlink()
        damaged = bytearray(log)
        damaged[place] ^= 0xFF
        (tmp_path / "outpost.db").write_bytes(files["outpost.db"])
        (tmp_path / "outpost.db-wal").write_bytes(damaged)
        if _verdict(world) != "refused":
            with world.outpost() as again:
                found.add((again.version, again.policy))
    assert found <= known
    assert len(found) > 1


@pytest.mark.parametrize("cut_bytes", [1, 100, 1_000, 4_000])
async def test_a_file_that_lost_its_last_bytes_makes_the_applied_bundle_or_none(world, cut_bytes):
    """The last page is not the bundle's, and SQLite counts a page that has begun as one."""
    with world.outpost() as outpost:
        await outpost.sync()
        applied = (outpost.version, outpost.policy)
    path = _applied_database(world)
    data = path.read_bytes()
    for leftover in world.data_dir.iterdir():
        leftover.unlink()
    path.write_bytes(data[:-cut_bytes])
    verdict = _verdict(world)
    assert verdict in {"applied", "refused"}
    if verdict == "applied":
        with world.outpost() as outpost:
            assert (outpost.version, outpost.policy) == applied


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.25, 0.5, 0.75, 0.9])
async def test_no_truncated_file_makes_an_unverified_bundle(world, keep):
    with world.outpost() as outpost:
        await outpost.sync()
    path = _applied_database(world)
    data = path.read_bytes()
    for leftover in world.data_dir.iterdir():
        leftover.unlink()
    path.write_bytes(data[: int(len(data) * keep)])
    assert _verdict(world) == "refused"
    path.unlink()  # what the message says: moved away by a person, fetched anew
    shutil.rmtree(world.data_dir)
    world.data_dir.mkdir()
    with world.outpost() as outpost:
        await outpost.sync()
        assert outpost.version == world.repository.snapshot.version


@pytest.mark.parametrize("table", ["bundle_role", "bundle_document", "bundle_delegated", "trusted_role"])
async def test_a_row_that_was_edited_is_not_enforced(world, table):
    """SQLite finds the file sound; the bytes are not what was signed."""
    with world.outpost() as outpost:
        await outpost.sync()
        applied = (outpost.version, outpost.policy)
    key = "name" if table == "bundle_document" else "role"
    connection = sqlite3.connect(world.data_dir / "outpost.db", isolation_level=None)
    names = [name for (name,) in connection.execute(f"SELECT {key} FROM {table}")]
    for name in names:
        (content,) = connection.execute(f"SELECT content FROM {table} WHERE {key} = ?", (name,)).fetchone()
        edited = content.replace(b"1", b"2")
        assert edited != content
        connection.execute(f"UPDATE {table} SET content = ? WHERE {key} = ?", (edited, name))
        with world.outpost() as outpost:
            if table == "trusted_role":
                assert (outpost.version, outpost.policy) == applied
            else:
                assert isinstance(outpost.start_error, BundleRejected)
                assert outpost.version == 0
            await outpost.sync()
            assert (outpost.version, outpost.policy) == applied
    connection.close()


async def test_another_outposts_database_is_not_believed(world, tmp_path):
    """A whole, sound file of another org."""
    other = World(tmp_path)
    with other.outpost() as outpost:
        await outpost.sync()
    shutil.copy(_applied_database(other), world.data_dir / "outpost.db")
    with world.outpost() as outpost:
        assert isinstance(outpost.start_error, BundleRejected)
        assert outpost.version == 0
        await outpost.sync()
        assert outpost.version == world.repository.snapshot.version


def test_the_simulator_is_not_what_makes_these_pass():
    """Two simulators share no key."""
    one, two = Simulator(), Simulator()
    assert not set(one.root.keys) & set(two.root.keys)
