"""Over any sequence of servers and restarts, the applied version never goes down and nothing unsigned is applied."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from outpost.errors import OutpostError
from tests.fakes.clock import FakeClock
from tests.fakes.policy_world import POLICY, PolicyOutpost, PolicyRepository, RepositoryClient
from tests.fakes.tuf_server import KEY_TYPES

ROLES = ("timestamp", "snapshot", "targets", "virtual-keys")
FORGED_POLICY = 3_600  # ``max_offline_s`` of whatever is not signed by a threshold; no honest policy has it


class Servers(RuleBasedStateMachine):
    """One outpost, one honest repository, and whoever sits between them or has stolen some of its keys."""

    @initialize(delegated_keys=st.booleans())
    def begin(self, *, delegated_keys: bool) -> None:
        in_memory = Path("/dev/shm")
        self.directory = TemporaryDirectory(dir=in_memory if in_memory.is_dir() else None)
        self.repository = PolicyRepository(delegated_keys=delegated_keys)
        self.roles = [role for role in ROLES if role in self.repository.signers]
        self.root = self.repository.files["1.root.json"]
        self.client = RepositoryClient(self.repository)
        self.clock = FakeClock()
        self.states = [self._state()]
        self.honest_policies = {POLICY["max_offline_s"]}
        self.applied = 0
        self.outpost = self._start()

    def teardown(self) -> None:
        if hasattr(self, "outpost"):
            self.outpost.close()
            self.directory.cleanup()

    def _start(self) -> PolicyOutpost:
        return PolicyOutpost(Path(self.directory.name), self.root, self.client, self.clock)

    def _state(self) -> tuple[dict[str, bytes], dict[str, bytes]]:
        return dict(self.repository.files), dict(self.repository.artifacts)

    def _sync(self) -> None:
        with suppress(OutpostError):  # any of them; what it leads to is what the invariants look at
            asyncio.run(self.outpost.sync())

    @rule()
    def publish(self) -> None:
        """The owner publishes."""
        self.repository.next_policy()
        number = json.loads(self.repository.files[f"{self.repository.snapshot.version}.snapshot.json"])
        assert number["signed"]["version"] == self.repository.snapshot.version
        self.honest_policies.add(POLICY["max_offline_s"] - self.repository.snapshot.version + 1)
        self.states.append(self._state())

    @rule(role=st.sampled_from(["root", "timestamp", "snapshot", "targets"]))
    def rotate(self, role: str) -> None:
        """The owner takes a new key and publishes on."""
        self.repository.rotate(role)
        self.publish()

    @rule()
    def ask_the_honest(self) -> None:
        """Then the newest publication is in force."""
        self.client.repository = self.repository
        self.repository.serve.clear()
        self._sync()
        assert self.outpost.version == self.repository.snapshot.version

    @rule()
    def ask_the_dead(self) -> None:
        """Nothing answers."""
        self.client.down = True
        self._sync()
        self.client.down = False

    @rule(data=st.data())
    def ask_a_replayer(self, data) -> None:
        """Each file as it was at some moment, whichever."""
        names = sorted(self.repository.files)
        past = {name: data.draw(st.sampled_from(self.states))[0].get(name) for name in names}
        self.repository.serve = dict(past)
        self._sync()
        self.repository.serve = {}

    @rule(data=st.data())
    def ask_whoever_withholds(self, data) -> None:
        """Some files are not there."""
        names = sorted(self.repository.files) + sorted(self.repository.artifacts)
        self.repository.serve = dict.fromkeys(data.draw(st.sets(st.sampled_from(names), max_size=4)))
        self._sync()
        self.repository.serve = {}

    @rule(data=st.data(), noise=st.binary(min_size=1, max_size=6))
    def ask_whoever_damages(self, data, noise: bytes) -> None:
        """Some bytes are others."""
        everything = {**self.repository.files, **self.repository.artifacts}
        for name in data.draw(st.sets(st.sampled_from(sorted(everything)), max_size=3)):
            place = data.draw(st.integers(0, len(everything[name])))
            self.repository.serve[name] = everything[name][:place] + noise + everything[name][place + len(noise) :]
        self._sync()
        self.repository.serve = {}

    def _forged(self, missing: str, ahead: int) -> PolicyRepository:
        """What a thief publishes who holds every online key but ``missing``'s: a policy of his own, versions ahead."""
        owner = self.repository
        forged = PolicyRepository(delegated_keys="virtual-keys" in owner.signers)
        forged.signers = {**owner.signers, missing: [KEY_TYPES["ed25519"]()]}
        forged.files |= {name: data for name, data in owner.files.items() if name.endswith("root.json")}
        for role in self.roles:
            part, own = (
                (getattr(forged, role), getattr(owner, role))
                if role != "virtual-keys"
                else (forged.role(role), owner.role(role))
            )
            part.version = own.version + ahead
        forged.targets.delegations = owner.targets.delegations
        forged.next_policy(max_offline_s=FORGED_POLICY)
        return forged

    @rule(ahead=st.integers(1, 50))
    def ask_a_thief_without_the_timestamps_key(self, ahead: int) -> None:
        """He cannot even begin."""
        forged = self.client.repository = self._forged("timestamp", ahead)
        self._sync()
        assert forged.files["timestamp.json"] not in self.outpost.stores.bundles.trusted.load().roles.values()
        self.client.repository = self.repository

    @rule()
    def restart(self) -> None:
        """The process ends and starts again."""
        self.outpost.close()
        self.outpost = self._start()
        assert self.outpost.start_error is None
        assert self.outpost.version == self.applied

    @invariant()
    def the_version_never_goes_down(self) -> None:
        if hasattr(self, "outpost"):
            assert self.outpost.version >= self.applied
            self.applied = self.outpost.version

    @invariant()
    def only_what_the_owner_signed_is_applied(self) -> None:
        if hasattr(self, "outpost") and self.outpost.policy is not None:
            assert self.outpost.policy in self.honest_policies


class Thieves(Servers):
    """Thieves that get as far as their keys go: then the owner's way back is a rotation (TUF 5.3.11)."""

    @rule(ahead=st.integers(1, 50))
    def ask_a_thief_of_all_but_the_targets_key(self, ahead: int) -> None:
        """He can send timestamp and snapshot far ahead, and still applies nothing."""
        repo = self.repository
        self.client.repository = self._forged("targets", ahead)
        self._sync()
        self.client.repository = repo
        assert self.outpost.policy != FORGED_POLICY
        repo.rotate("timestamp", "snapshot", "targets")
        self.publish()
        self.ask_the_honest()


TestServers = Servers.TestCase
TestServers.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestThieves = Thieves.TestCase
TestThieves.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
