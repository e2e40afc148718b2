"""Keys and signatures of one org's TUF repository: who may sign which role, and one signed file at a time.

Guarantees: a role may have several keys and a threshold (specification 1.0 §4.3, §4.5); a file leaves this module only
if it verifies against everyone who delegates to its role, so nothing is published that an outpost must refuse. Which
keys this control plane holds never matters to the rules but here: a role whose threshold it does not reach is another
party's to sign. Nothing here reads a clock, a key file or the database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from securesystemslib.signer import Key, Signer  # type: ignore[attr-defined]  # re-exported without __all__
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from control_plane.errors import ThresholdNotHeld
from outpost.policy.bundle import SIGNED_AT_FIELD
from outpost.protocol.documents import KEYS_TARGET

ROOT_LIFETIME = timedelta(days=365)  # TUF spec §5.3 leaves it open; a year, renewed at half by `serve`
# Freeze attacks are bounded by the timestamp; these only bound a stolen timestamp key, and are renewed at half.
TARGETS_LIFETIME = timedelta(days=90)
SNAPSHOT_LIFETIME = timedelta(days=90)
TIMESTAMP_LIFETIME = timedelta(days=1)  # the TUF specification's own example for the online role (§6.1)

VIRTUAL_KEYS = "virtual-keys"
"""The role to which targets delegate ``keys.json``: keys change daily, and a key cannot loosen a policy."""
TOP_LEVEL = ("root", "targets", "snapshot", "timestamp")
ROLES = (*TOP_LEVEL, VIRTUAL_KEYS)
"""The roles that a new org gets a key for."""

S = TypeVar("S", Root, Targets, Snapshot, Timestamp)


@dataclass(frozen=True, slots=True)
class RoleSigners:
    """The keys of one org's repository that this control plane holds: one by role, and those on their way in or out."""

    root: Signer | None = None
    targets: Signer | None = None
    snapshot: Signer | None = None
    timestamp: Signer | None = None
    virtual_keys: Signer | None = None
    others: tuple[Signer, ...] = ()

    def of(self, role: str) -> Signer | None:
        """The key kept for ``role``; whether the repository names it is another question."""
        by_role: dict[str, Signer | None] = {
            "root": self.root,
            "targets": self.targets,
            "snapshot": self.snapshot,
            "timestamp": self.timestamp,
            VIRTUAL_KEYS: self.virtual_keys,
        }
        return by_role[role]

    def holding(self, keyids: Iterable[str]) -> list[Signer]:
        """Those of the keys ``keyids`` that are held here."""
        held = (self.root, self.targets, self.snapshot, self.timestamp, self.virtual_keys, *self.others)
        found = {signer.public_key.keyid: signer for signer in held if signer is not None}
        return [found[keyid] for keyid in keyids if keyid in found]

    def reach(self, role: Role) -> bool:
        """True if the keys held here meet the role's threshold."""
        return len(self.holding(role.keyids)) >= role.threshold


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """Whose signatures a role needs: any ``threshold`` of ``keys``."""

    keys: tuple[Key, ...]
    threshold: int = 1


@dataclass(frozen=True, slots=True)
class SignedFile:
    """One metadata file exactly as signed."""

    role: str
    version: int
    content: bytes


def root_metadata(version: int, roles: Mapping[str, RoleKeys], at: datetime) -> Root:
    """Root metadata that names the keys of the four top-level roles; not signed yet."""
    keys = {key.keyid: key for held in roles.values() for key in held.keys}
    named = {role: Role([key.keyid for key in held.keys], held.threshold) for role, held in roles.items()}
    return Root(version=version, expires=expiry(at, ROOT_LIFETIME), keys=keys, roles=named, consistent_snapshot=True)


def role_keys(root: Root) -> dict[str, RoleKeys]:
    """Whom ``root`` names for each role, in a form that can be changed and signed anew."""
    return {
        name: RoleKeys(tuple(root.keys[keyid] for keyid in role.keyids), role.threshold)
        for name, role in root.roles.items()
    }


def sign_root(
    version: int,
    signers: RoleSigners,
    at: datetime,
    *,
    roles: Mapping[str, RoleKeys] | None = None,
    previous: Root | None = None,
) -> SignedFile:
    """Root metadata signed by its own root keys and, after the first, by those of ``previous`` (§5.3.4).

    Without ``roles``: one key for each role, those of ``signers``.

    Raises:
        ThresholdNotHeld: The keys held here do not suffice.
    """
    root = root_metadata(version, roles or _one_each(signers), at)
    return sign("root", root, [root] if previous is None else [previous, root], signers)


def delegation_to(key: Key) -> Delegations:
    """The delegation of ``keys.json``, and of nothing else, to ``key``."""
    role = DelegatedRole(VIRTUAL_KEYS, [key.keyid], 1, terminating=True, paths=[KEYS_TARGET])
    return Delegations({key.keyid: key}, {VIRTUAL_KEYS: role})


def targets_metadata(
    version: int,
    files: Mapping[str, bytes],
    at: datetime,
    *,
    delegations: Delegations | None = None,
    lifetime: timedelta = TARGETS_LIFETIME,
) -> Targets:
    """Targets metadata, top-level or delegated, that lists ``files``; not signed yet."""
    listed = {name: TargetFile.from_data(name, content, ["sha256"]) for name, content in sorted(files.items())}
    return Targets(version=version, expires=expiry(at, lifetime), targets=listed, delegations=delegations)


def snapshot_metadata(version: int, files: Sequence[SignedFile], at: datetime) -> Snapshot:
    """Snapshot metadata of exactly these targets files; not signed yet."""
    meta = {f"{file.role}.json": MetaFile.from_data(file.version, file.content, ["sha256"]) for file in files}
    return Snapshot(version=version, expires=expiry(at, SNAPSHOT_LIFETIME), meta=meta)


def timestamp_metadata(version: int, snapshot: SignedFile, at: datetime, lifetime: timedelta) -> Timestamp:
    """Timestamp metadata for ``snapshot``, stating when it is signed (whole seconds, UTC); not signed yet."""
    signed_at = at.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Timestamp(
        version=version,
        expires=expiry(at, lifetime),
        snapshot_meta=MetaFile.from_data(snapshot.version, snapshot.content, ["sha256"]),
        unrecognized_fields={SIGNED_AT_FIELD: signed_at},
    )


def sign(role: str, signed: S, delegators: Sequence[Root | Targets], signers: RoleSigners) -> SignedFile:
    """``signed`` with the signature of every key held here that one of ``delegators`` names for ``role``.

    Raises:
        ThresholdNotHeld: That does not satisfy each of the delegators.
    """
    metadata = Metadata(signed)
    named = {keyid for delegator in delegators for keyid in delegator.get_delegated_role(role).keyids}
    for signer in signers.holding(sorted(named)):
        metadata.sign(signer, append=True)
    return verified(role, metadata, delegators)


def verified(role: str, metadata: Metadata[S], delegators: Sequence[Root | Targets]) -> SignedFile:
    """The file, if each of ``delegators`` accepts its signatures.

    Raises:
        ThresholdNotHeld: One does not.
    """
    for delegator in delegators:
        try:
            delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        except UnsignedMetadataError as err:
            raise ThresholdNotHeld(_too_few(role, metadata, delegator), role) from err
    return SignedFile(role, metadata.signed.version, metadata.to_bytes())


def _too_few(role: str, metadata: Metadata[S], delegator: Root | Targets) -> str:
    needed = delegator.get_delegated_role(role)
    there = len(delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures).signed)
    found = f"{role} metadata has {there} of {needed.threshold} signatures that it needs (of {len(needed.keyids)} keys)"
    if role not in {"root", "targets"}:
        return f"{found}; restore keys/orgs, or rotate the role's key"
    if there:
        return f"{found}; officers sign with `outpost policy sign`"
    return f"{found}, and this control plane does not hold these keys; let the officers sign a proposal"


def expiry(at: datetime, lifetime: timedelta) -> datetime:
    """The end of ``lifetime``, in whole seconds (TUF §4.2.1 has no fractions)."""
    return at.astimezone(UTC).replace(microsecond=0) + lifetime


def _one_each(signers: RoleSigners) -> dict[str, RoleKeys]:
    held = {role: signers.of(role) for role in TOP_LEVEL}
    return {role: RoleKeys((signer.public_key,)) for role, signer in held.items() if signer is not None}
