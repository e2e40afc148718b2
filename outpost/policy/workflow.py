"""The client workflow of the TUF specification 1.0, section 5, as steps: it asks, checks and says what to keep.

A flow is a generator. It yields what it wants (``Want``, ``Recall``) and is sent the bytes, or None if there are none;
it yields what must be kept or dropped now (``Persist``, ``Discard``) and is sent nothing. It reads no clock, opens
nothing and knows no store, so one workflow serves the outpost's database (``outpost/sync/refresh.py``) and a
directory (``conformance.py``). A driver that cannot fetch or keep simply stops: everything persisted until then was
verified, and the next run goes on from there. Numbers in comments are steps of the specification.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import quote

from tuf.api.metadata import MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from outpost.errors import BundleRejected
from outpost.policy.trusted_metadata import (
    STRONG_HASHES,
    TARGETS,
    MetadataInvalid,
    TrustedMetadata,
    check_target,
    online_keys_rotated,
    require_unexpired,
)

HEX_DIGEST: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be asked of a server. Sizes in bytes.

    Attributes:
        root_bytes: One root file.
        timestamp_bytes: The timestamp file.
        snapshot_bytes: The snapshot file, unless its length is stated.
        targets_bytes: One targets file, unless its length is stated.
        stated_bytes: The longest length that is believed when a parent states it: online keys sign lengths, too.
        root_rotations: Roots of one refresh (5.3.3); the next refresh goes on.
        delegations: Delegated roles of one search (5.6.7.1).
    """

    root_bytes: int
    timestamp_bytes: int
    snapshot_bytes: int
    targets_bytes: int
    stated_bytes: int
    root_rotations: int
    delegations: int = 32


@dataclass(frozen=True, slots=True)
class Want:
    """Fetch metadata: send its bytes, at most ``max_bytes`` of them, or None if the server has no such file.

    ``filename`` is relative to the metadata's URL and may go into one as it is: a role's name is quoted.
    """

    filename: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class WantTarget:
    """Fetch a target: send its bytes, at most ``max_bytes`` of them, or None if the server has no such file.

    ``path`` is relative to the targets' URL, slashes and all, and is whatever the signer wrote: quote it.
    """

    path: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Recall:
    """Send what is kept under ``role``, or None."""

    role: str


@dataclass(frozen=True, slots=True)
class Persist:
    """Keep verified metadata, durably and before the next step. Later versions of a role replace earlier ones.

    ``discards`` go in the same moment as the new file comes: kept without it they would be trusted wrongly, dropped
    before it they would leave no floor (5.3.11).
    """

    role: str
    version: int
    data: bytes
    discards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Discard:
    """What is kept under ``role`` is not what its keys sign today, or damaged: drop it. ``reason`` is for people."""

    role: str
    reason: str


Step = Want | WantTarget | Recall | Persist | Discard
Result = TypeVar("Result")
Flow = Generator[Step, bytes | None, Result]


def refresh(trusted: TrustedMetadata, at: datetime, limits: Limits) -> Flow[bool]:
    """Update all top-level roles; false if nothing was published yet: the server has no timestamp.

    Args:
        trusted: Fresh: it knows roots only.
        at: When the update started, aware UTC (5.1); it stays that for the whole workflow.
        limits: What is asked at most.

    Raises:
        BundleRejected: What is served does not check out; what was persisted until then stays.
    """
    yield from _update_root(trusted, at, limits)
    if not (yield from _update_timestamp(trusted, at, limits)):
        return False
    yield from _update_snapshot(trusted, at, limits)
    yield from _update_targets(trusted, at, limits)
    return True


def adopt_roots(trusted: TrustedMetadata, roots: Iterable[bytes]) -> Flow[int]:
    """Go on from roots that are at hand already, as far as they verify; return how many did."""
    adopted = 0
    for data in roots:
        try:
            yield from _take_root(trusted, data)
        except BundleRejected:
            break
        adopted += 1
    return adopted


def find_target(trusted: TrustedMetadata, path: str, at: datetime | None, limits: Limits) -> Flow[TargetFile | None]:
    """Search ``path`` in the tree of delegations, pre-order and depth first (5.6.7); None if no role lists it.

    Args:
        trusted: It knows the top-level targets.
        path: The target's path.
        at: As for ``refresh``; None does not ask for expiry: what is expired is still enforced (docs/adr/0003).
        limits: What is asked at most.

    Raises:
        MetadataInvalid: More roles than ``limits.delegations`` would have to be asked.
        BundleRejected: A role on the way does not check out, so the search ends.
    """
    if trusted.targets is None:
        raise RuntimeError("top-level targets come before a search")
    trusted.forget_delegated()
    to_visit: list[tuple[str, str]] = [("", TARGETS)]
    visited: set[str] = set()
    while to_visit:
        delegator, role = to_visit.pop()
        if role in visited:  # 5.6.7.1: cycles
            continue
        if len(visited) > limits.delegations:  # the first one is the top level
            raise MetadataInvalid(f"more than {limits.delegations} delegated roles would have to be searched")
        targets = trusted.targets
        if role != TARGETS:
            targets = yield from _update_delegated(trusted, role, delegator, at, limits)
        if path in targets.targets:
            return targets.targets[path]
        visited.add(role)
        children: list[tuple[str, str]] = []
        for name, terminating in targets.delegations.get_roles_for_target(path) if targets.delegations else ():
            children.append((role, name))
            if terminating:  # 5.6.7.2.1: nobody else is asked, neither its later siblings nor its parents'
                to_visit.clear()
                break
        to_visit.extend(reversed(children))
    return None


def fetch_target(trusted: TrustedMetadata, target: TargetFile, max_bytes: int) -> Flow[bytes]:
    """Fetch a target and verify it (5.7.3).

    Raises:
        MetadataInvalid: It is longer than ``max_bytes``, is not served, or is not what the targets metadata says.
    """
    if target.length > max_bytes:
        raise MetadataInvalid(f"target {target.path} has {target.length} bytes, the limit is {max_bytes}")
    data = yield WantTarget(target_filename(trusted.root, target), target.length)
    if data is None:
        raise MetadataInvalid(f"the target {target.path} that was announced is not served")
    check_target(target, data)
    return data


def target_filename(root: Root, target: TargetFile) -> str:
    """The path by which a target is fetched: with one of its hashes before its name under consistent snapshots.

    Raises:
        MetadataInvalid: It states no strong hash, or one that is no hash.
    """
    if not root.consistent_snapshot:
        return target.path
    algorithm = min(STRONG_HASHES & target.hashes.keys(), default=None)  # sha256 before the longer ones
    digest = target.hashes[algorithm] if algorithm else ""
    if not digest or not HEX_DIGEST.issuperset(digest):  # it becomes part of a URL
        raise MetadataInvalid(f"target {target.path} has no strong hash, by which it is fetched")
    directory, slash, name = target.path.rpartition("/")
    return f"{directory}{slash}{digest}.{name}"


def stored_filename(role: str) -> str:
    """The unversioned name of a role's metadata, safe as one file name and in a URL."""
    return f"{quote(role, safe='')}.json"


def _update_root(trusted: TrustedMetadata, at: datetime, limits: Limits) -> Flow[None]:
    for _ in range(limits.root_rotations):  # 5.3.3
        data = yield Want(f"{trusted.root.version + 1}.root.json", limits.root_bytes)
        if data is None:
            break
        yield from _take_root(trusted, data)
    require_unexpired(Root.type, trusted.root, at)  # 5.3.10


def _take_root(trusted: TrustedMetadata, data: bytes) -> Flow[None]:
    old = trusted.root
    new = trusted.update_root(data)  # 5.3.4 to 5.3.7
    # 5.3.11 for each step of the chain rather than for its ends: a run that is cut off here leaves it done.
    discards = (Timestamp.type, Snapshot.type) if online_keys_rotated(old, new) else ()
    yield Persist(Root.type, new.version, data, discards)  # 5.3.8


def _update_timestamp(trusted: TrustedMetadata, at: datetime, limits: Limits) -> Flow[bool]:
    for role, recall in ((Timestamp.type, trusted.update_timestamp), (Snapshot.type, trusted.recall_snapshot)):
        stored = yield Recall(role)
        if stored is not None:
            try:
                recall(stored)  # expired or not: an old word is still a floor
            except BundleRejected as err:
                yield Discard(role, str(err))
    data = yield Want(f"{Timestamp.type}.json", limits.timestamp_bytes)  # 5.4.1
    if data is None:
        return False
    before = trusted.timestamp
    new = trusted.update_timestamp(data)  # 5.4.2, 5.4.3
    require_unexpired(Timestamp.type, new, at)  # 5.4.4
    if new is not before:
        yield Persist(Timestamp.type, new.version, data)  # 5.4.5
    # 5.4.3.1 would end here if the version is equal. Going on costs nothing where all is there, and heals what is not.
    return True


def _update_snapshot(trusted: TrustedMetadata, at: datetime, limits: Limits) -> Flow[None]:
    if trusted.timestamp is None:
        raise RuntimeError("the timestamp comes before the snapshot")
    stored = yield Recall(Snapshot.type)
    if stored is not None and _accepted(Snapshot.type, trusted.update_snapshot, stored, at):
        return
    data = yield from _wanted(trusted, Snapshot.type, trusted.timestamp.snapshot_meta, limits.snapshot_bytes, limits)
    new = trusted.update_snapshot(data)  # 5.5.2 to 5.5.5
    require_unexpired(Snapshot.type, new, at)  # 5.5.6
    yield Persist(Snapshot.type, new.version, data)  # 5.5.7


def _update_targets(trusted: TrustedMetadata, at: datetime, limits: Limits) -> Flow[None]:
    stored = yield Recall(TARGETS)
    if stored is not None and _accepted(TARGETS, trusted.update_targets, stored, at):
        return
    data = yield from _wanted(trusted, TARGETS, _listed(trusted, TARGETS), limits.targets_bytes, limits)
    new = trusted.update_targets(data)  # 5.6.2 to 5.6.4
    require_unexpired(TARGETS, new, at)  # 5.6.5
    yield Persist(TARGETS, new.version, data)  # 5.6.6


def _update_delegated(
    trusted: TrustedMetadata, role: str, delegator: str, at: datetime | None, limits: Limits
) -> Flow[Targets]:
    def update(data: bytes) -> Targets:
        return trusted.update_delegated_targets(role, delegator, data)

    stored = yield Recall(role)
    if stored is not None and _accepted(role, update, stored, at):
        return trusted.delegated[role]
    data = yield from _wanted(trusted, role, _listed(trusted, role), limits.targets_bytes, limits)
    new = update(data)
    require_unexpired(role, new, at)
    yield Persist(role, new.version, data)
    return new


def _accepted(role: str, update: Callable[[bytes], Snapshot | Targets], stored: bytes, at: datetime | None) -> bool:
    """True if what is kept is what is current; false if it must be fetched."""
    try:
        require_unexpired(role, update(stored), at)
    except BundleRejected:
        return False
    return True


def _listed(trusted: TrustedMetadata, role: str) -> MetaFile:
    meta = trusted.snapshot.meta.get(f"{role}.json") if trusted.snapshot else None
    if meta is None:
        raise MetadataInvalid(f"snapshot does not list {role}.json")
    return meta


def _wanted(trusted: TrustedMetadata, role: str, meta: MetaFile, default_bytes: int, limits: Limits) -> Flow[bytes]:
    filename = stored_filename(role)
    if trusted.root.consistent_snapshot:  # 5.3.12
        filename = f"{meta.version}.{filename}"
    # What is longer than believed is asked for up to there, and refused as too long by whoever fetches.
    max_bytes = default_bytes if meta.length is None else min(meta.length, limits.stated_bytes)
    data = yield Want(filename, max_bytes)
    if data is None:
        raise MetadataInvalid(f"the {role} metadata version {meta.version} that was announced is not served")
    return data
