"""One release of an org's repository: new files, numbered after what is stored, added whole or not at all.

A *head* is what one audience is shown: a snapshot and the timestamp that names it. Versions of every role come from
one counter per org, so whatever an outpost is shown next is newer than what it has seen. Signing and its checks are
``control_plane/signing.py``; nothing here reads a clock, a key file or the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from tuf.api.metadata import Delegations, Metadata, Root, Targets

from control_plane.errors import NotFound
from control_plane.signing import (
    TARGETS_LIFETIME,
    VIRTUAL_KEYS,
    RoleKeys,
    RoleSigners,
    SignedFile,
    sign,
    sign_root,
    snapshot_metadata,
    targets_metadata,
    timestamp_metadata,
)
from outpost.protocol.documents import KEYS_TARGET

STABLE = "stable"
"""The audience of every outpost that is not a member of a canary."""
CANARY = "canary"


@dataclass(frozen=True, slots=True)
class Target:
    """One immutable target: its name in the bundle, its digest and its bytes."""

    name: str
    sha256: str
    content: bytes

    @classmethod
    def of(cls, name: str, content: bytes) -> "Target":
        """The target ``name`` with these bytes."""
        return cls(name, sha256(content).hexdigest(), content)


@dataclass(frozen=True, slots=True)
class HeadVersions:
    """The snapshot and the timestamp that one audience is shown."""

    snapshot: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Publication:
    """Everything one publish adds; it is stored in one transaction or not at all."""

    metadata: tuple[SignedFile, ...]
    targets: tuple[Target, ...]
    heads: Mapping[str, HeadVersions | None] = field(default_factory=dict)
    """What each audience is shown from now on (None: nothing of its own); others keep what they are shown."""

    @property
    def snapshot_version(self) -> int:
        """The version by which outposts name this publication."""
        return next(file.version for file in self.metadata if file.role == "snapshot")


class BundleStore(Protocol):
    """What the rules need of a database, inside the caller's transaction."""

    def latest_version(self, org_id: str, role: str) -> int:
        """The highest stored version of ``role``; 0 if there is none."""
        ...

    def metadata(self, org_id: str, role: str, version: int) -> bytes | None:
        """Stored metadata as signed, or None."""
        ...

    def target(self, org_id: str, name: str, digest: str) -> bytes | None:
        """A stored target's bytes, or None."""
        ...

    def head(self, org_id: str, audience: str) -> HeadVersions | None:
        """What an audience is shown, or None if it is shown nothing of its own."""
        ...

    def add(self, org_id: str, publication: Publication, at: datetime) -> None:
        """Store a publication.

        Raises:
            VersionTaken: A version of it exists already; nothing is ever overwritten.
        """
        ...


def stored_file(store: BundleStore, org_id: str, role: str, version: int) -> SignedFile:
    """A metadata file that has to be there.

    Raises:
        NotFound: The database has lost it.
    """
    content = store.metadata(org_id, role, version)
    if content is None:
        raise NotFound(f"the database has lost {version}.{role}.json of org {org_id}; restore it from a backup")
    return SignedFile(role, version, content)


def current_root(store: BundleStore, org_id: str) -> Root:
    """The newest root, which every other signature is under."""
    newest = store.latest_version(org_id, "root")
    return Metadata[Root].from_bytes(stored_file(store, org_id, "root", newest).content).signed


class Release:
    """Collects new files; ``publish`` stores them. See the module docstring."""

    def __init__(
        self, store: BundleStore, org_id: str, signers: RoleSigners, at: datetime, lifetime: timedelta
    ) -> None:
        self.store = store
        self.org_id = org_id
        self._signers = signers
        self._at = at
        self._lifetime = lifetime
        self._files: list[SignedFile] = []
        self._targets: dict[str, Target] = {}
        self._heads: dict[str, HeadVersions | None] = {}
        self.root = current_root(store, org_id)
        """The root that this release is signed under."""

    def number(self, role: str) -> int:
        """The next version of ``role`` that nobody has."""
        mine = (file.version for file in self._files if file.role == role)
        return max(self.store.latest_version(self.org_id, role), *mine, 0) + 1

    def new_root(self, roles: Mapping[str, RoleKeys]) -> None:
        """The next root; everything after it in this release is signed under it.

        Raises:
            ThresholdNotHeld: The root keys held here do not suffice.
        """
        self.adopt_root(sign_root(self.number("root"), self._signers, self._at, roles=roles, previous=self.root))

    def adopt_root(self, file: SignedFile) -> None:
        """The next root as others signed and the caller verified it."""
        self._files.append(file)
        self.root = Metadata[Root].from_bytes(file.content).signed

    def new_targets(self, documents: Mapping[str, bytes], delegations: Delegations | None) -> SignedFile:
        """The next top-level targets with these documents.

        Raises:
            ThresholdNotHeld: The targets keys held here do not suffice.
        """
        signed = targets_metadata(self.number("targets"), documents, self._at, delegations=delegations)
        return self.adopt_targets(sign("targets", signed, [self.root], self._signers), documents)

    def adopt_targets(self, file: SignedFile, documents: Mapping[str, bytes]) -> SignedFile:
        """The next targets as others signed and the caller verified them."""
        self._files.append(file)
        self._targets |= {name: Target.of(name, content) for name, content in documents.items()}
        return file

    def new_keys(self, targets: SignedFile, content: bytes) -> SignedFile:
        """The next ``keys.json`` under the delegation of ``targets``."""
        delegator = Metadata[Targets].from_bytes(targets.content).signed
        signed = targets_metadata(
            self.number(VIRTUAL_KEYS), {KEYS_TARGET: content}, self._at, lifetime=TARGETS_LIFETIME
        )
        file = sign(VIRTUAL_KEYS, signed, [delegator], self._signers)
        self._files.append(file)
        self._targets[KEYS_TARGET] = Target.of(KEYS_TARGET, content)
        return file

    def show(self, audience: str, targets: SignedFile, keys: SignedFile | None) -> int:
        """Show an audience these targets from now on; returns the snapshot version."""
        files = [targets] if keys is None else [targets, keys]
        signed = snapshot_metadata(self.number("snapshot"), files, self._at)
        snapshot = sign("snapshot", signed, [self.root], self._signers)
        self._files.append(snapshot)
        self.vouch(audience, snapshot)
        return snapshot.version

    def vouch(self, audience: str, snapshot: SignedFile) -> None:
        """A new timestamp for what an audience is shown."""
        signed = timestamp_metadata(self.number("timestamp"), snapshot, self._at, self._lifetime)
        timestamp = sign("timestamp", signed, [self.root], self._signers)
        self._files.append(timestamp)
        self._heads[audience] = HeadVersions(snapshot.version, timestamp.version)

    def vouch_apart(self, snapshot: SignedFile, lifetime: timedelta) -> SignedFile:
        """A timestamp of another lifetime that no audience is shown: for a file that is carried."""
        signed = timestamp_metadata(self.number("timestamp"), snapshot, self._at, lifetime)
        timestamp = sign("timestamp", signed, [self.root], self._signers)
        self._files.append(timestamp)
        return timestamp

    def forget(self, audience: str) -> None:
        """Show an audience nothing of its own any more."""
        self._heads[audience] = None

    def publish(self) -> None:
        """Store everything, or nothing.

        Raises:
            VersionTaken: Another process was faster.
        """
        if self._files:
            publication = Publication(tuple(self._files), tuple(self._targets.values()), dict(self._heads))
            self.store.add(self.org_id, publication, self._at)
