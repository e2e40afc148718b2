"""One round of the TUF client workflow (specification 1.0, section 5) over the network and ``outpost.db``.

``outpost/policy/workflow.py`` says what to ask for and what to keep; here it is asked and kept. Metadata is kept file
by file as it verifies, so nothing that was signed once can be taken back by withholding the rest. The result is
either a complete bundle whose every byte is covered by a verified signature and which this version can read, or an
exception, so a caller never holds half of one. What lies in the cache counts only as far as it verifies itself from
the enrolment root.
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

import structlog
from tuf.api.metadata import TargetFile

from outpost import collector
from outpost.cache.bundles import StoredBundle
from outpost.cache.trusted import TrustedStore
from outpost.errors import BundleRejected
from outpost.policy.bundle import find_documents, read_documents
from outpost.policy.trusted_metadata import TARGETS, TrustedMetadata, check_target
from outpost.policy.workflow import (
    Discard,
    Flow,
    Limits,
    Persist,
    Recall,
    Result,
    Step,
    Want,
    WantTarget,
    fetch_target,
)
from outpost.policy.workflow import refresh as refresh_metadata
from outpost.protocol.list_file import MAX_LIST_BYTES, list_of_target
from outpost.protocol.messages import MAX_INTEGER
from outpost.sync.limits import (
    DOCUMENT_BYTES,
    MAX_ROOT_ROTATIONS,
    ROOT_BYTES,
    SNAPSHOT_BYTES,
    TARGETS_BYTES,
    TIMESTAMP_BYTES,
)

LIMITS: Final = Limits(
    root_bytes=ROOT_BYTES,
    timestamp_bytes=TIMESTAMP_BYTES,
    snapshot_bytes=SNAPSHOT_BYTES,
    targets_bytes=TARGETS_BYTES,
    stated_bytes=TARGETS_BYTES,  # the timestamp's and the snapshot's keys are online and state lengths
    root_rotations=MAX_ROOT_ROTATIONS,
)
_ROOT: Final = "root"

_log = structlog.get_logger(__name__)


class Fetch(Protocol):
    """Where files come from; ``ControlPlaneClient`` in production. It enforces ``max_bytes``."""

    async def fetch_metadata(self, filename: str, max_bytes: int) -> bytes | None:
        """A metadata file, or None if there is none of this name."""
        ...

    async def fetch_target(self, filename: str, max_bytes: int) -> bytes:
        """A target by its content-addressed name."""
        ...


async def refresh(
    fetch: Fetch, enrolment_root: bytes, store: TrustedStore, current: StoredBundle | None, at: datetime
) -> StoredBundle | None:
    """Ask for news; return the new bundle, or None if there is none (or nothing was published yet).

    Args:
        fetch: Where files come from.
        enrolment_root: Root metadata trusted at enrolment.
        store: What was verified before, and where what verifies now is kept at once.
        current: The bundle that is applied now, as received.
        at: Now, aware UTC; metadata that is expired at this moment is not news but a freeze attack.

    Raises:
        BundleRejected: What is served does not verify, is older than what is trusted, or cannot be read here.
        OutpostError: Whatever ``fetch`` or ``store`` raises.
    """
    trusted = TrustedMetadata(enrolment_root)
    driver = await _Driver.start(fetch, store, trusted, current)
    if not await driver.run(refresh_metadata(trusted, at, LIMITS)):
        _log.warning("nothing_published")
        return None
    targets = await driver.run(find_documents(trusted, at, LIMITS))
    # In a thread: it hashes every document, and lists are up to 128 MiB.
    if current is not None and await asyncio.to_thread(driver.is_applied, trusted, targets, current):
        return None
    documents: dict[str, bytes] = {}
    for name, target in targets.items():  # 5.7
        stored = current.documents.get(name) if current else None
        if stored is not None and await asyncio.to_thread(_matches, target, stored):
            documents[name] = stored
        else:
            limit_bytes = DOCUMENT_BYTES if list_of_target(name) is None else MAX_LIST_BYTES
            documents[name] = await driver.run(fetch_target(trusted, target, limit_bytes))
    with collector.held(sum(map(len, documents.values()))):
        await asyncio.to_thread(read_documents, trusted, targets, documents)
    return driver.bundle(trusted, documents)


def snapshot_version(bundle: StoredBundle) -> int:
    """The version by which a verified bundle is named; 0 for bytes that no verified bundle holds."""
    try:
        version = json.loads(bundle.snapshot)["signed"]["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0
    # What was altered on disk comes here too, and the version goes into a message.
    return version if type(version) is int and 0 <= version <= MAX_INTEGER else 0


class _Driver:
    """Does what the workflow asks for, and knows the bytes of what it has verified."""

    def __init__(self, fetch: Fetch, store: TrustedStore, roots: list[bytes], roles: dict[str, bytes]) -> None:
        self._fetch = fetch
        self._store = store
        self._roots = roots
        self._roles = roles

    @classmethod
    async def start(
        cls, fetch: Fetch, store: TrustedStore, trusted: TrustedMetadata, current: StoredBundle | None
    ) -> "_Driver":
        """Walk the kept chain of roots as far as it verifies; the rest is asked for anew."""
        first = trusted.root.version + 1
        if current is not None:
            parts = {"timestamp": current.timestamp, "snapshot": current.snapshot, TARGETS: current.targets}
            await asyncio.to_thread(
                store.adopt, dict(enumerate(current.roots, first)), {**parts, **dict(current.delegated)}
            )
        kept = await asyncio.to_thread(store.load)
        roots: list[bytes] = []
        while (data := kept.roots.get(first + len(roots))) is not None:
            try:
                trusted.update_root(data)
            except BundleRejected as err:
                _log.warning("stored_root_refused", version=first + len(roots), reason=str(err))
                break
            roots.append(data)
        return cls(fetch, store, roots, dict(kept.roles))

    async def run(self, flow: Flow[Result]) -> Result:
        """Drive ``flow`` to its end."""
        answer: bytes | None = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                result: Result = end.value
                return result
            answer = await self._do(step)

    async def _do(self, step: Step) -> bytes | None:
        match step:
            case Want(filename, max_bytes):
                return await self._fetch.fetch_metadata(filename, max_bytes)
            case WantTarget(path, max_bytes):
                return await self._fetch.fetch_target(path, max_bytes)
            case Recall(role):
                return self._roles.get(role)
            case Discard(role, reason):
                _log.warning("stored_metadata_refused", role=role, reason=reason)
                await asyncio.to_thread(self._store.drop, role)
                self._roles.pop(role, None)
            case Persist(role, version, data, discards) if role == _ROOT:
                await asyncio.to_thread(self._store.keep_root, version, data, discards)
                self._roots.append(data)
                for discarded in discards:
                    self._roles.pop(discarded, None)
            case Persist(role, _, data):
                await asyncio.to_thread(self._store.keep, role, data)
                self._roles[role] = data
        return None

    def bundle(self, trusted: TrustedMetadata, documents: Mapping[str, bytes]) -> StoredBundle:
        """What was verified, as received."""
        return StoredBundle(
            roots=tuple(self._roots),
            timestamp=self._roles["timestamp"],
            snapshot=self._roles["snapshot"],
            targets=self._roles[TARGETS],
            documents=MappingProxyType(dict(documents)),
            delegated=MappingProxyType({role: self._roles[role] for role in trusted.delegated}),
        )

    def is_applied(self, trusted: TrustedMetadata, targets: Mapping[str, TargetFile], current: StoredBundle) -> bool:
        """True if the applied bundle says what is trusted now, to the byte, and its documents are whole."""
        return self.bundle(trusted, current.documents) == current and all(
            name in current.documents and _matches(target, current.documents[name]) for name, target in targets.items()
        )


def _matches(target: TargetFile, data: bytes) -> bool:
    try:
        check_target(target, data)
    except BundleRejected:
        return False
    return True
