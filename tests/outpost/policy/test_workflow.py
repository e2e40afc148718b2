from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outpost.errors import BundleRejected
from outpost.policy.trusted_metadata import (
    MetadataExpired,
    MetadataInvalid,
    MetadataRollback,
    MetadataUnsigned,
    TrustedMetadata,
)
from outpost.policy.workflow import (
    Discard,
    Limits,
    Persist,
    Recall,
    Want,
    WantTarget,
    adopt_roots,
    fetch_target,
    find_target,
    refresh,
    stored_filename,
)
from tests.fakes.clock import NOON
from tests.fakes.tuf_server import Simulator

LIMITS = Limits(
    root_bytes=50_000,
    timestamp_bytes=5_000,
    snapshot_bytes=20_000,
    targets_bytes=30_000,
    stated_bytes=40_000,
    root_rotations=3,
    delegations=4,
)


class Cut(Exception):
    """The driver stops here."""


@dataclass
class Driver:
    """The smallest driver: a dictionary as store, the simulator as server, every step noted."""

    sim: Simulator
    kept: dict[str, bytes] = field(default_factory=dict)
    roots: list[bytes] = field(default_factory=list)
    steps: list[object] = field(default_factory=list)
    stop_after: int | None = None

    def trusted(self) -> TrustedMetadata:
        trusted = TrustedMetadata(self.sim.files["1.root.json"])
        for root in self.roots:
            trusted.update_root(root)
        return trusted

    def run(self, flow):
        answer = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                return end.value
            self.steps.append(step)
            if self.stop_after is not None and len(self.steps) > self.stop_after:
                raise Cut
            answer = self.do(step)

    def do(self, step) -> bytes | None:
        match step:
            case Want(filename):
                return self.sim.metadata(filename)
            case WantTarget(path):
                return self.sim.artifact(path)
            case Recall(role):
                return self.kept.get(role)
            case Discard(role):
                del self.kept[role]
            case Persist("root", _, data, discards):
                self.roots.append(data)
                for role in discards:
                    self.kept.pop(role, None)
            case Persist(role, _, data):
                self.kept[role] = data
        return None

    def refresh(self, limits=LIMITS, at=NOON):
        trusted = self.trusted()
        return self.run(refresh(trusted, at, limits)), trusted

    def find(self, path, limits=LIMITS):
        done, trusted = self.refresh(limits)
        assert done
        return self.run(find_target(trusted, path, NOON, limits)), trusted


@pytest.fixture
def sim() -> Simulator:
    return Simulator(now=NOON)


@pytest.fixture
def driver(sim) -> Driver:
    return Driver(sim)


def brief(steps) -> list[str]:
    """The steps as words."""

    def words(step) -> Iterator[str]:
        yield type(step).__name__.lower()
        yield str(getattr(step, "filename", None) or getattr(step, "role", None) or step.path)

    return [" ".join(words(step)) for step in steps]


def test_the_first_refresh_step_by_step(driver):
    assert driver.refresh()[0]
    assert brief(driver.steps) == [
        "want 2.root.json",
        "recall timestamp",
        "recall snapshot",
        "want timestamp.json",
        "persist timestamp",
        "recall snapshot",
        "want 1.snapshot.json",
        "persist snapshot",
        "recall targets",
        "want 1.targets.json",
        "persist targets",
    ]


def test_each_file_is_asked_for_with_its_limit(sim, driver):
    sim.delegate("targets", "r")
    sim.add_target("f", b"artifact", "r")
    sim.publish()
    target, trusted = driver.find("f")
    assert driver.run(fetch_target(trusted, target, 100)) == b"artifact"
    limits = {step.filename: step.max_bytes for step in driver.steps if isinstance(step, Want)}
    assert limits == {
        "2.root.json": 50_000,
        "timestamp.json": 5_000,
        "2.snapshot.json": 20_000,
        "2.targets.json": 30_000,
        "1.r.json": 30_000,
    }
    assert driver.steps[-1].max_bytes == len(b"artifact")


@pytest.mark.parametrize(("stated", "asked"), [(100, 100), (35_000, 35_000), (10**9, 40_000), (0, 0)])
def test_a_stated_length_replaces_the_default_within_reason(sim, driver, stated, asked):
    sim.timestamp.snapshot_meta.length = stated
    sim.publish_timestamp()
    with pytest.raises(MetadataInvalid):
        driver.refresh()
    assert [step.max_bytes for step in driver.steps if isinstance(step, Want)][-1] == asked


def test_before_anything_is_published_there_is_nothing(sim, driver):
    sim.serve["timestamp.json"] = None
    assert driver.refresh()[0] is False
    assert not driver.kept


def test_the_bound_of_roots_holds_per_refresh(sim, driver):
    for _ in range(7):
        sim.publish_root()
    for version in (4, 7, 8):
        assert driver.refresh()[1].root.version == version


def test_a_root_takes_the_floor_with_it_in_one_step(sim, driver):
    driver.refresh()
    sim.rotate("targets")
    sim.rotate("snapshot")
    sim.publish()
    driver.steps.clear()
    driver.refresh()
    roots = [step for step in driver.steps if isinstance(step, Persist) and step.role == "root"]
    assert [step.discards for step in roots] == [(), ("timestamp", "snapshot")]


def test_what_the_store_holds_is_dropped_if_nobody_signs_it(driver):
    driver.refresh()
    driver.kept["timestamp"] = b"noise"
    driver.kept["snapshot"] = Driver(Simulator(now=NOON)).sim.files["1.snapshot.json"]
    driver.steps.clear()
    assert driver.refresh()[0]
    assert [step.role for step in driver.steps if isinstance(step, Discard)] == ["timestamp", "snapshot"]


@pytest.mark.parametrize(
    ("role", "kept"),
    [("root", ["root"]), ("timestamp", []), ("snapshot", ["timestamp"]), ("targets", ["snapshot", "timestamp"])],
)
def test_an_expired_file_is_persisted_only_if_it_is_a_root(sim, driver, role, kept):
    getattr(sim, role).expires = NOON
    if role == "root":
        sim.publish_root()
    sim.publish()
    with pytest.raises(MetadataExpired) as caught:
        driver.refresh()
    assert caught.value.role == role
    assert sorted({step.role for step in driver.steps if isinstance(step, Persist)}) == kept


def test_what_is_kept_and_expired_is_asked_for_again(sim, driver):
    sim.targets.expires = NOON + timedelta(hours=1)
    sim.publish()
    driver.refresh()
    driver.steps.clear()
    with pytest.raises(MetadataExpired):
        driver.refresh(at=NOON + timedelta(hours=2))
    assert brief(driver.steps)[-1] == "want 2.targets.json"


def test_roots_at_hand_are_taken_as_far_as_they_verify(sim, driver):
    sim.publish_root()
    sim.rotate("timestamp")
    stranger = Simulator(now=NOON).publish_root()
    trusted = driver.trusted()
    adopted = driver.run(adopt_roots(trusted, [sim.files["2.root.json"], sim.files["3.root.json"], stranger]))
    assert (adopted, trusted.root.version) == (2, 3)
    assert [step.discards for step in driver.steps] == [(), ("timestamp", "snapshot")]


def test_a_search_before_the_targets_is_a_bug(driver):
    with pytest.raises(RuntimeError):
        driver.run(find_target(driver.trusted(), "f", NOON, LIMITS))


def test_a_search_ends_at_its_bound(sim, driver):
    for number in range(6):
        sim.delegate("targets", f"r{number}")
    sim.publish()
    with pytest.raises(MetadataInvalid, match="more than 4 delegated roles"):
        driver.find("f")
    assert sum(isinstance(step, Want) and ".r" in step.filename for step in driver.steps) == 4 + 1  # and 2.root.json


def test_each_search_verifies_its_roles_for_itself(sim, driver):
    sim.delegate("targets", "a", paths=["f"])
    sim.delegate("targets", "b", paths=["g"])
    sim.delegate("a", "c", paths=["f"])
    sim.delegate("b", "c", paths=["g"], signers=[Simulator(now=NOON).signers["root"][0]])
    sim.add_target("f", b"f", "c")
    sim.add_target("g", b"g", "c")
    sim.publish()
    found, trusted = driver.find("f")
    assert found.path == "f"
    assert sorted(trusted.delegated) == ["a", "c"]
    with pytest.raises(MetadataUnsigned):
        driver.run(find_target(trusted, "g", NOON, LIMITS))
    assert sorted(trusted.delegated) == ["b"]


def test_a_target_is_looked_at_before_it_is_asked_for(sim, driver):
    sim.add_target("f", b"artifact")
    sim.publish()
    target, trusted = driver.find("f")
    with pytest.raises(MetadataInvalid, match="the limit is 7"):
        driver.run(fetch_target(trusted, target, 7))
    assert not any(isinstance(step, WantTarget) for step in driver.steps)
    sim.serve[next(iter(sim.artifacts))] = None
    with pytest.raises(MetadataInvalid, match="not served"):
        driver.run(fetch_target(trusted, target, 8))


def test_a_roles_name_is_one_file_name():
    assert stored_filename("../../etc/passwd") == "..%2F..%2Fetc%2Fpasswd.json"
    assert stored_filename("..") == "...json"


@settings(max_examples=40, deadline=None)
@given(stop=st.integers(0, 20), before=st.integers(0, 1))
def test_a_run_cut_off_anywhere_can_be_repeated(stop, before):
    """Whatever step is the last one done, the next run ends where an undisturbed one ends."""
    sim = Simulator(now=NOON)
    driver = Driver(sim)
    if before:
        driver.refresh()
    sim.rotate("timestamp", "targets")
    sim.publish()
    cut = replace(driver, steps=[], stop_after=stop)
    try:
        cut.refresh()
    except Cut:
        cut = replace(cut, stop_after=None)
        assert cut.refresh()[0]
    undisturbed = Driver(sim)
    undisturbed.refresh()
    assert cut.kept == undisturbed.kept
    assert cut.roots == undisturbed.roots


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=st.lists(st.integers(0, 5), min_size=1, max_size=8), rotate_at=st.integers(1, 9))
def test_whatever_old_state_is_served_no_version_goes_down(states, rotate_at):
    """The server replays publications it once had; a key rotation in between is the only way down, and is not used."""
    sim = Simulator(now=NOON)
    snapshots = []
    for number in range(6):
        if number == rotate_at:
            sim.rotate("targets")
        sim.publish()
        snapshots.append(dict(sim.files))
    driver = Driver(sim)
    versions = (0, 0, 0)
    for state in states:
        sim.files = snapshots[state]
        try:
            _, trusted = driver.refresh()
        except MetadataRollback:
            continue
        except BundleRejected:
            assert rotate_at <= 5  # an older state may be signed by a key that is no longer one
            continue
        now = (trusted.timestamp.version, trusted.snapshot.version, trusted.targets.version)
        assert all(new >= old for new, old in zip(now, versions, strict=True))
        versions = now
