"""An org's policy repository that can lie, and an outpost's real sync, cache and enforcement against it.

``PolicyRepository`` is the TUF simulator with the documents of a bundle; ``PolicyOutpost`` runs the real
``SyncLoop`` step, ``outpost.db`` and ``InForce`` over it without a socket, and can be stopped and started again.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Self

from outpost.cache.bundles import BundleStore, SecretStore, StateStore, StoredBundle
from outpost.cache.db import Database, open_database
from outpost.errors import ControlPlaneUnavailable, ControlPlaneUntrusted, Untrusted
from outpost.in_force import InForce
from outpost.policy.bundle import SIGNED_AT_FIELD
from outpost.proxy.enforcement import Admission
from outpost.sync.loop import Effects, Stores, SyncLoop
from tests.fakes.clock import NOON
from tests.fakes.tuf_server import Simulator

POLICY = {
    "schema_version": "1",
    "max_offline_s": 604_800,
    "packs": [{"id": "p", "sequence": 1, "combining": "first_applicable", "default": "ALLOW", "rules": []}],
}
KEYS = {"schema_version": "1", "keys": []}
ROUTING = {
    "schema_version": "1",
    "providers": [{"id": "m", "surface": "openai", "base_url": "https://api.example.com/v1", "models": ["*"]}],
}
VIRTUAL_KEYS = "virtual-keys"


class PolicyRepository(Simulator):
    """``delegated_keys``: ``keys.json`` is signed by the role ``virtual-keys`` rather than by the top level."""

    def __init__(self, *, delegated_keys: bool = True) -> None:
        super().__init__(now=NOON, hashes=True)
        self.keys_role = "targets"
        if delegated_keys:
            self.keys_role = VIRTUAL_KEYS
            self.delegate("targets", VIRTUAL_KEYS, paths=["keys.json"], terminating=True)
        self.set_document("policy.json", POLICY)
        self.set_document("routing.json", ROUTING)
        self.set_document("keys.json", KEYS)
        self.publish()

    def set_document(self, name: str, document: dict | bytes) -> None:
        """Put a document into the role that signs it; it counts with the next publication."""
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.add_target(name, content, self.keys_role if name == "keys.json" else "targets")

    def next_policy(self, **changes: object) -> None:
        """Publish a policy that differs from the last one; ``max_offline_s`` tells them apart."""
        number = POLICY["max_offline_s"] - self.snapshot.version
        self.set_document("policy.json", POLICY | {"max_offline_s": number} | changes)
        self.publish()

    def publish(self, *delegated: str) -> None:
        """Everything anew, the delegated role included: the snapshot says which version of it counts."""
        super().publish(*delegated, *self.delegated)

    def publish_timestamp(self) -> bytes:
        """With when it was made."""
        self.timestamp.unrecognized_fields[SIGNED_AT_FIELD] = f"{self.now:%Y-%m-%dT%H:%M:%SZ}"
        return super().publish_timestamp()


class RepositoryClient:
    """What the sync loop asks, answered by a simulator; limits are enforced as the real client enforces them."""

    def __init__(self, repository: Simulator) -> None:
        self.repository = repository
        self.down = False
        self.past_caches = False

    async def fetch_metadata(self, filename: str, max_bytes: int) -> bytes | None:
        return self._within(self.repository.metadata(filename), max_bytes)

    async def fetch_target(self, filename: str, max_bytes: int) -> bytes:
        data = self._within(self.repository.artifact(filename), max_bytes)
        if data is None:
            raise ControlPlaneUnavailable(f"no target {filename}")
        return data

    def _within(self, data: bytes | None, max_bytes: int) -> bytes | None:
        if self.down:
            raise ControlPlaneUnavailable("down")
        if data is not None and len(data) > max_bytes:
            raise ControlPlaneUntrusted(f"the answer is larger than the {max_bytes} bytes it may have")
        return data


class PolicyOutpost:
    """One outpost from its start to its end; the data directory outlives it."""

    def __init__(self, data_dir: Path, root: bytes, client: RepositoryClient, clock: Callable[[], datetime]) -> None:
        self.database: Database = open_database(data_dir / "outpost.db")
        self.admission = Admission()
        identity = SimpleNamespace(tuf_root=root, receipt_verifier=lambda: None)
        self.in_force = InForce(identity, self.admission, {}, clock)
        self.stores = Stores(BundleStore(self.database), SecretStore(self.database), StateStore(self.database))
        keeper = SimpleNamespace(identity=identity, note_accepted=lambda: None, note_refusal=lambda _err: False)
        revocations = SimpleNamespace(revoked=False, rumoured=False)

        async def prepare(bundle: StoredBundle) -> Callable[[], Awaitable[None]]:
            put = await self.in_force.prepare(bundle)

            async def put_in_force() -> None:
                put()

            return put_in_force

        effects = Effects(prepare, self.in_force.change_secrets, lambda: self.in_force.applied)
        self._loop = SyncLoop(client, keeper, revocations, self.stores, None, effects, clock=clock)
        self.start_error: Untrusted | None = None
        try:
            stored = self.stores.bundles.load()
            if stored is not None:
                self.in_force.apply(stored)
        except Untrusted as err:  # as the app does: nothing passes until a good bundle has come
            self.start_error = err

    async def sync(self) -> None:
        """The sync loop's round for the bundle. Raises what that raises."""
        await self._loop._sync_bundle()

    @property
    def version(self) -> int:
        """The snapshot version in force, 0 for none."""
        return self.in_force.applied.snapshot_version if self.in_force.applied else 0

    @property
    def policy(self) -> int | None:
        """What tells one policy of the repository from another."""
        enforcement = self.admission.enforcement
        return enforcement.bundle.policy.max_offline_s if enforcement else None

    def close(self) -> None:
        """End it."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
