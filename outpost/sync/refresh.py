"""One round of the TUF client workflow (specification 1.0, section 5): what is new, verified whole, or nothing.

The state machine of ``outpost/policy/trusted_metadata.py`` decides; here is only the order of fetching and the
length limit of each download. Nothing is stored: the result is either a complete bundle whose every byte is
covered by a verified signature and which this version can read, or an exception, so a caller never holds half of
one. What lies in the cache is used for rollback checks only as far as it verifies itself from the enrolment root.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

import structlog
from tuf.api.metadata import Root, Snapshot, TargetFile, Targets, Timestamp

from outpost.cache.bundles import StoredBundle
from outpost.errors import BundleRejected
from outpost.policy.bundle import DOCUMENT_TARGETS, read_documents
from outpost.policy.trusted_metadata import MetadataExpired, MetadataInvalid, TrustedMetadata, check_target
from outpost.protocol.messages import MAX_INTEGER
from outpost.sync.limits import (
    DOCUMENT_BYTES,
    MAX_ROOT_ROTATIONS,
    ROOT_BYTES,
    SNAPSHOT_BYTES,
    TARGETS_BYTES,
    TIMESTAMP_BYTES,
)

_log = structlog.get_logger(__name__)
_SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")
_TIMESTAMP_FILE: Final = "timestamp.json"


class Fetch(Protocol):
    """Where files come from; ``ControlPlaneClient`` in production. It enforces ``max_bytes``."""

    async def fetch_metadata(self, filename: str, max_bytes: int) -> bytes | None:
        """A metadata file, or None if there is none of this name."""
        ...

    async def fetch_target(self, filename: str, max_bytes: int) -> bytes:
        """A target by its content-addressed name."""
        ...


async def refresh(
    fetch: Fetch, enrolment_root: bytes, current: StoredBundle | None, at: datetime
) -> StoredBundle | None:
    """Ask for news; return the new bundle, or None if there is none (or nothing was published yet).

    Args:
        fetch: Where files come from.
        enrolment_root: Root metadata trusted at enrolment.
        current: The bundle that is stored now, as received.
        at: Now, aware UTC; metadata that is expired at this moment is not news but a freeze attack.

    Raises:
        BundleRejected: What is served does not verify, is older than what is trusted, or cannot be read here.
        OutpostError: Whatever ``fetch`` raises.
    """
    trusted, known_roots = _trust_stored_roots(enrolment_root, current)
    roots = known_roots + await _fetch_new_roots(fetch, trusted)  # 5.3
    _require_unexpired(trusted.root, at)  # 5.3.10
    _trust_stored_metadata(trusted, current)

    timestamp = await _fetch_timestamp(fetch, trusted, current, at)  # 5.4
    if timestamp is None:
        return None
    if _is_current(trusted, current, timestamp, roots):
        return None
    snapshot = await _fetch_snapshot(fetch, trusted, current, at)  # 5.5
    targets = await _fetch_targets(fetch, trusted, current, at)  # 5.6
    documents = await _fetch_documents(fetch, trusted, current)  # 5.7
    read_documents(trusted, documents)
    return StoredBundle(roots, timestamp, snapshot, targets, documents)


def snapshot_version(bundle: StoredBundle) -> int:
    """The version by which a verified bundle is named; 0 for bytes that no verified bundle holds."""
    try:
        version = json.loads(bundle.snapshot)["signed"]["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0
    # What was altered on disk comes here too, and the version goes into a message.
    return version if type(version) is int and 0 <= version <= MAX_INTEGER else 0


def _trust_stored_roots(
    enrolment_root: bytes, current: StoredBundle | None
) -> tuple[TrustedMetadata, tuple[bytes, ...]]:
    """Walk the stored chain as far as it verifies; the rest is asked for anew."""
    trusted = TrustedMetadata(enrolment_root)
    good: list[bytes] = []
    for data in current.roots if current else ():
        try:
            trusted.update_root(data)
        except BundleRejected as err:
            _log.warning("stored_root_refused", position=len(good), reason=str(err))
            break
        good.append(data)
    return trusted, tuple(good)


async def _fetch_new_roots(fetch: Fetch, trusted: TrustedMetadata) -> tuple[bytes, ...]:
    new: list[bytes] = []
    while len(new) < MAX_ROOT_ROTATIONS:
        data = await fetch.fetch_metadata(f"{trusted.root.version + 1}.root.json", ROOT_BYTES)
        if data is None:
            break
        trusted.update_root(data)
        new.append(data)
    return tuple(new)


def _trust_stored_metadata(trusted: TrustedMetadata, current: StoredBundle | None) -> None:
    """Load what is stored, so that nothing older is accepted.

    What a new root no longer vouches for is dropped (5.3.11: that is how a repository recovers from a stolen
    online key that signed far too high a version), and so is what was altered on disk.
    """
    if current is None:
        return
    try:
        trusted.update_timestamp(current.timestamp)
        trusted.update_snapshot(current.snapshot)
        trusted.update_targets(current.targets)
    except BundleRejected as err:
        _log.warning("stored_metadata_refused", reason=str(err))


async def _fetch_timestamp(
    fetch: Fetch, trusted: TrustedMetadata, current: StoredBundle | None, at: datetime
) -> bytes | None:
    data = await fetch.fetch_metadata(_TIMESTAMP_FILE, TIMESTAMP_BYTES)
    if data is None:
        _log.warning("nothing_published")
        return None
    before = trusted.timestamp
    after = trusted.update_timestamp(data)
    _require_unexpired(after, at)  # 5.4.4
    # 5.4.3.1: an equal version is no news, whatever else it says; what is stored stays the one that is trusted.
    return current.timestamp if current and after is before else data


def _is_current(
    trusted: TrustedMetadata, current: StoredBundle | None, timestamp: bytes, roots: tuple[bytes, ...]
) -> bool:
    """True if what is stored is whole, verifies and says the same as what is served."""
    if current is None or not trusted.complete or roots != current.roots or timestamp != current.timestamp:
        return False
    listed = trusted.targets.targets if trusted.targets else {}
    return all(
        name in listed and name in current.documents and _matches(listed[name], current.documents[name])
        for name in DOCUMENT_TARGETS
    )


async def _fetch_snapshot(fetch: Fetch, trusted: TrustedMetadata, current: StoredBundle | None, at: datetime) -> bytes:
    if trusted.timestamp is None:
        raise RuntimeError("the timestamp comes before the snapshot")
    meta = trusted.timestamp.snapshot_meta
    stored = current.snapshot if current and trusted.snapshot and trusted.snapshot.version == meta.version else None
    data = await _stored_or_fetched(fetch, stored, meta.version, "snapshot", SNAPSHOT_BYTES)
    _require_unexpired(trusted.update_snapshot(data), at)  # 5.5.6
    return data


async def _fetch_targets(fetch: Fetch, trusted: TrustedMetadata, current: StoredBundle | None, at: datetime) -> bytes:
    meta = trusted.snapshot.meta.get("targets.json") if trusted.snapshot else None
    if meta is None:
        raise MetadataInvalid("snapshot does not list targets.json")
    stored = current.targets if current and trusted.targets and trusted.targets.version == meta.version else None
    data = await _stored_or_fetched(fetch, stored, meta.version, "targets", TARGETS_BYTES)
    _require_unexpired(trusted.update_targets(data), at)  # 5.6.5
    return data


async def _stored_or_fetched(fetch: Fetch, stored: bytes | None, version: int, role: str, max_bytes: int) -> bytes:
    if stored is not None:
        return stored
    data = await fetch.fetch_metadata(f"{version}.{role}.json", max_bytes)
    if data is None:
        raise MetadataInvalid(f"the {role} metadata version {version} that was announced is not served")
    return data


async def _fetch_documents(fetch: Fetch, trusted: TrustedMetadata, current: StoredBundle | None) -> Mapping[str, bytes]:
    if trusted.targets is None:
        raise RuntimeError("the targets come before the documents")
    documents: dict[str, bytes] = {}
    for name in DOCUMENT_TARGETS:
        target = trusted.targets.targets.get(name)
        if target is None:
            raise MetadataInvalid(f"the bundle has no {name}")
        documents[name] = await _fetch_document(fetch, target, current.documents.get(name) if current else None)
    return MappingProxyType(documents)


async def _fetch_document(fetch: Fetch, target: TargetFile, stored: bytes | None) -> bytes:
    if stored is not None and _matches(target, stored):
        return stored
    if target.length > DOCUMENT_BYTES:
        raise MetadataInvalid(f"target {target.path} has {target.length} bytes, the limit is {DOCUMENT_BYTES}")
    digest = target.hashes.get("sha256", "")
    if _SHA256_HEX.fullmatch(digest) is None:  # it becomes part of a URL
        raise MetadataInvalid(f"target {target.path} has no SHA-256, by which it is fetched")
    data = await fetch.fetch_target(f"{digest}.{target.path}", target.length)
    check_target(target, data)
    return data


def _matches(target: TargetFile, data: bytes) -> bool:
    try:
        check_target(target, data)
    except BundleRejected:
        return False
    return True


def _require_unexpired(signed: Root | Timestamp | Snapshot | Targets, at: datetime) -> None:
    if signed.is_expired(at):
        raise MetadataExpired(signed.type, signed.expires)
