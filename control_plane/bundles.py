"""Bundles: one TUF repository per org (TUF specification 1.0, consistent snapshots), as pure rules over a store.

Guarantees: a publication is one root-verifiable set of targets, snapshot and timestamp whose versions only go
up; targets are content-addressed and immutable; what the store holds is byte for byte what was signed. The
timestamp's signed part carries ``x-outpost-signed-at``, from which an outpost counts the age of its policy.
Nothing here reads a clock, a key file or the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Protocol, TypeVar

from securesystemslib.signer import Signer  # type: ignore[attr-defined]  # re-exported without __all__
from tuf.api.metadata import Metadata, MetaFile, Role, Root, Snapshot, TargetFile, Targets, Timestamp

from control_plane.errors import DocumentRejected, NotFound
from outpost.policy.bundle import SIGNED_AT_FIELD
from outpost.protocol.documents import (
    KEYS_TARGET,
    POLICY_TARGET,
    ROUTING_TARGET,
    Document,
    DocumentError,
    KeysDocument,
    PolicyDocument,
    RoutingDocument,
    parse_document,
)

ROOT_LIFETIME = timedelta(days=365)  # TUF spec §5.3 leaves it open; a year, renewed at half by `serve`
# Freeze attacks are bounded by the timestamp; these two only bound a stolen timestamp key, and are renewed at half.
TARGETS_LIFETIME = timedelta(days=90)
SNAPSHOT_LIFETIME = timedelta(days=90)
TIMESTAMP_LIFETIME = timedelta(days=1)  # the TUF specification's own example for the online role (§6.1)

ROLES = ("root", "targets", "snapshot", "timestamp")
_DOCUMENTS: Mapping[str, type[Document]] = {
    POLICY_TARGET: PolicyDocument,
    KEYS_TARGET: KeysDocument,
    ROUTING_TARGET: RoutingDocument,
}
S = TypeVar("S", Root, Targets, Snapshot, Timestamp)


@dataclass(frozen=True, slots=True)
class RoleSigners:
    """The four keys of one org's repository."""

    root: Signer
    targets: Signer
    snapshot: Signer
    timestamp: Signer

    def of(self, role: str) -> Signer:
        """The signer of ``role``, one of ``ROLES``."""
        return {"root": self.root, "targets": self.targets, "snapshot": self.snapshot, "timestamp": self.timestamp}[
            role
        ]


@dataclass(frozen=True, slots=True)
class SignedFile:
    """One metadata file exactly as signed."""

    role: str
    version: int
    content: bytes


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
class Publication:
    """Everything one publish adds; it is stored in one transaction or not at all."""

    metadata: tuple[SignedFile, ...]
    targets: tuple[Target, ...]

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

    def add(self, org_id: str, publication: Publication, at: datetime) -> None:
        """Store a publication. A version that exists already is an error, never overwritten."""
        ...


def check_document(name: str, content: bytes) -> None:
    """Refuse a document that an outpost would refuse.

    Raises:
        DocumentRejected: It is malformed; lists every problem with its path.
    """
    try:
        parse_document(_DOCUMENTS[name], name, content)
    except DocumentError as err:
        raise DocumentRejected(str(err), err.problems) from err


def sign_root(version: int, signers: RoleSigners, at: datetime) -> SignedFile:
    """Root metadata naming the four keys, threshold 1 each, signed by the root key."""
    keys = {signer.public_key.keyid: signer.public_key for signer in map(signers.of, ROLES)}
    roles = {role: Role([signers.of(role).public_key.keyid], 1) for role in ROLES}
    root = Root(version=version, expires=_expiry(at, ROOT_LIFETIME), keys=keys, roles=roles, consistent_snapshot=True)
    return _signed("root", root, signers)


def sign_timestamp(
    version: int, snapshot: SignedFile, signers: RoleSigners, at: datetime, lifetime: timedelta = TIMESTAMP_LIFETIME
) -> SignedFile:
    """Timestamp metadata for ``snapshot``, stating when it was signed (whole seconds, UTC)."""
    signed_at = at.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")
    timestamp = Timestamp(
        version=version,
        expires=_expiry(at, lifetime),
        snapshot_meta=MetaFile.from_data(snapshot.version, snapshot.content, ["sha256"]),
        unrecognized_fields={SIGNED_AT_FIELD: signed_at},
    )
    return _signed("timestamp", timestamp, signers)


def build_publication(
    documents: Mapping[str, bytes],
    versions: Mapping[str, int],
    signers: RoleSigners,
    at: datetime,
    lifetime: timedelta = TIMESTAMP_LIFETIME,
) -> Publication:
    """Targets, snapshot and timestamp for ``documents``, at the given version of each role."""
    blobs = tuple(Target.of(name, content) for name, content in sorted(documents.items()))
    targets = _signed(
        "targets",
        Targets(
            version=versions["targets"],
            expires=_expiry(at, TARGETS_LIFETIME),
            targets={blob.name: TargetFile.from_data(blob.name, blob.content, ["sha256"]) for blob in blobs},
        ),
        signers,
    )
    snapshot = _signed(
        "snapshot",
        Snapshot(
            version=versions["snapshot"],
            expires=_expiry(at, SNAPSHOT_LIFETIME),
            meta={"targets.json": MetaFile.from_data(targets.version, targets.content, ["sha256"])},
        ),
        signers,
    )
    timestamp = sign_timestamp(versions["timestamp"], snapshot, signers, at, lifetime)
    return Publication((targets, snapshot, timestamp), blobs)


def create_repository(store: BundleStore, org_id: str, signers: RoleSigners, at: datetime) -> None:
    """Give an org its first root. Its first bundle follows with ``publish``."""
    store.add(org_id, Publication((sign_root(1, signers, at),), ()), at)


def publish(
    store: BundleStore,
    org_id: str,
    changes: Mapping[str, bytes],
    signers: RoleSigners,
    at: datetime,
    lifetime: timedelta = TIMESTAMP_LIFETIME,
) -> int:
    """Publish the org's current documents with ``changes`` laid over them; returns the new snapshot version.

    Raises:
        DocumentRejected: A changed document is malformed, or the result lacks one of the three documents.
    """
    for name, content in changes.items():
        check_document(name, content)
    documents = {**current_documents(store, org_id), **changes}
    missing = sorted(set(_DOCUMENTS) - set(documents))
    if missing:
        raise DocumentRejected(f"the bundle lacks {', '.join(missing)}", [(name, "missing") for name in missing])
    versions = {role: store.latest_version(org_id, role) + 1 for role in ROLES}
    publication = build_publication(documents, versions, signers, at, lifetime)
    store.add(org_id, publication, at)
    return publication.snapshot_version


def current_documents(store: BundleStore, org_id: str) -> dict[str, bytes]:
    """The documents of the newest publication by name; empty before the first."""
    version = store.latest_version(org_id, "targets")
    if version == 0:
        return {}
    targets = Metadata[Targets].from_bytes(_require(store, org_id, "targets", version)).signed
    documents: dict[str, bytes] = {}
    for name, file in targets.targets.items():
        content = store.target(org_id, name, file.hashes["sha256"])
        if content is None:
            raise NotFound(f"the database has lost target {name} of org {org_id}; restore it from a backup")
        documents[name] = content
    return documents


def renew(
    store: BundleStore,
    org_id: str,
    signers: RoleSigners,
    at: datetime,
    lifetime: timedelta = TIMESTAMP_LIFETIME,
    resign_after: timedelta = timedelta(hours=1),
) -> tuple[str, ...]:
    """Re-sign what is due and return the roles that were: the schedule's whole rule.

    Root, targets and snapshot at half their lifetime, so that an org that never publishes never expires; the
    timestamp once its own signature is older than ``resign_after``. Running it twice changes nothing.
    """
    renewed: list[str] = []
    if _past_half(store, org_id, "root", ROOT_LIFETIME, at):
        root = sign_root(store.latest_version(org_id, "root") + 1, signers, at)
        store.add(org_id, Publication((root,), ()), at)
        renewed.append("root")
    if _past_half(store, org_id, "targets", TARGETS_LIFETIME, at):
        publish(store, org_id, {}, signers, at, lifetime)
        return (*renewed, "targets", "snapshot", "timestamp")
    timestamp_version = store.latest_version(org_id, "timestamp")
    if timestamp_version and _signed_at(_require(store, org_id, "timestamp", timestamp_version)) + resign_after <= at:
        version = store.latest_version(org_id, "snapshot")
        snapshot = SignedFile("snapshot", version, _require(store, org_id, "snapshot", version))
        timestamp = sign_timestamp(timestamp_version + 1, snapshot, signers, at, lifetime)
        store.add(org_id, Publication((timestamp,), ()), at)
        renewed.append("timestamp")
    return tuple(renewed)


def metadata_by_filename(store: BundleStore, org_id: str, filename: str) -> bytes:
    """The bytes of ``timestamp.json`` (newest) or ``N.<role>.json`` as TUF clients ask for them.

    Raises:
        NotFound: No such file.
    """
    if filename == "timestamp.json":
        found = store.metadata(org_id, "timestamp", store.latest_version(org_id, "timestamp"))
    else:
        number, _, rest = filename.partition(".")
        role = rest.removesuffix(".json")
        # 18 digits fit a 64-bit column; longer numbers cannot exist and must not reach the database
        plain = number.isascii() and number.isdecimal() and len(number) <= 18 and str(int(number)) == number  # noqa: PLR2004
        known = rest.endswith(".json") and role in ("root", "snapshot", "targets")
        found = store.metadata(org_id, role, int(number)) if plain and known else None
    if found is None:
        raise NotFound("no such metadata file")
    return found


def target_by_filename(store: BundleStore, org_id: str, filename: str) -> bytes:
    """The bytes of target ``<sha256>.<name>``.

    Raises:
        NotFound: No such file.
    """
    digest, _, name = filename.partition(".")
    found = store.target(org_id, name, digest)
    if found is None:
        raise NotFound("no such target")
    return found


def _signed(role: str, signed: S, signers: RoleSigners) -> SignedFile:
    metadata = Metadata(signed)
    metadata.sign(signers.of(role))
    return SignedFile(role, signed.version, metadata.to_bytes())


def _expiry(at: datetime, lifetime: timedelta) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0) + lifetime


def _past_half(store: BundleStore, org_id: str, role: str, lifetime: timedelta, at: datetime) -> bool:
    version = store.latest_version(org_id, role)
    if version == 0:
        return False
    expires: datetime = Metadata.from_bytes(_require(store, org_id, role, version)).signed.expires
    return expires - lifetime / 2 <= at


def _signed_at(timestamp: bytes) -> datetime:
    fields = Metadata[Timestamp].from_bytes(timestamp).signed.unrecognized_fields
    return datetime.fromisoformat(str(fields[SIGNED_AT_FIELD]))


def _require(store: BundleStore, org_id: str, role: str, version: int) -> bytes:
    content = store.metadata(org_id, role, version)
    if content is None:
        raise NotFound(f"the database has lost {version}.{role}.json of org {org_id}; restore it from a backup")
    return content
