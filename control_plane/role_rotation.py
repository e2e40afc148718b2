"""A new key for one role of an org's repository, and who holds which.

The keys of top-level roles are named by the root: a rotation is the next root, signed by the old root keys and the
new, with everything that the replaced key had signed signed again, in one publication. The key of ``virtual-keys`` is
named by targets. An outpost follows by itself (TUF specification 1.0 §5.3); one that was away follows the whole chain.
"""

from dataclasses import dataclass
from datetime import datetime

from securesystemslib.signer import Signer  # type: ignore[attr-defined]  # re-exported without __all__
from tuf.api.metadata import Metadata, Role

from control_plane.bundles import Head, listed, load_head, load_heads, require_no_canary
from control_plane.errors import InvalidRequest, NotFound
from control_plane.release import STABLE, BundleStore, Release, current_root, stored_file
from control_plane.signing import (
    ROLES,
    TOP_LEVEL,
    VIRTUAL_KEYS,
    RoleKeys,
    RoleSigners,
    SignedFile,
    delegation_to,
    role_keys,
)
from outpost.protocol.documents import KEYS_TARGET

ROTATABLE = ROLES


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """One role as it is published now."""

    role: str
    version: int
    expires_at: datetime
    threshold: int
    keyids: tuple[str, ...]
    held: int
    """How many of the keys this control plane holds."""


def rotate(release: Release, role: str, new: Signer) -> None:
    """Make ``new`` the only key of ``role``; the release's signers hold it beside the old one.

    Raises:
        InvalidRequest: There is no such role here.
        CanaryUnderWay: What it signs differs between audiences now.
        ThresholdNotHeld: It is the officers' to do.
        VersionTaken: Another process published meanwhile.
    """
    heads = load_heads(release.store, release.org_id)
    if role not in ROTATABLE or (role == VIRTUAL_KEYS and any(head.keys is None for head in heads)):
        raise InvalidRequest(f"there is no role {role} in the repository of org {release.org_id}")
    if role in ("targets", VIRTUAL_KEYS):
        require_no_canary(release.store, release.org_id)
    if role in TOP_LEVEL:
        release.new_root(role_keys(release.root) | {role: RoleKeys((new.public_key,))})
    for head in heads:
        targets, keys = _signed_again(release, head, role, new)
        if role == "timestamp":
            release.vouch(head.audience, head.snapshot)
        elif role != "root":
            release.show(head.audience, targets, keys)
    release.publish()


def named_keyids(store: BundleStore, org_id: str) -> set[str]:
    """Every key that published metadata names."""
    named = {keyid for role in current_root(store, org_id).roles.values() for keyid in role.keyids}
    for head in load_heads(store, org_id):
        if head.delegations is not None:
            named |= set(head.delegations.keys)
    return named


def repository_status(store: BundleStore, org_id: str, signers: RoleSigners) -> list[RoleStatus]:
    """Every role as everybody is shown it.

    Raises:
        NotFound: The org has published nothing.
    """
    head, root = load_head(store, org_id, STABLE), current_root(store, org_id)
    if head is None:
        raise NotFound(f"org {org_id} has published nothing")
    files = [stored_file(store, org_id, "root", root.version), head.targets, head.snapshot]
    files += [stored_file(store, org_id, "timestamp", head.versions.timestamp)]
    found = [_status(file, root.roles[file.role], signers) for file in files]
    roles = (head.delegations.roles if head.delegations else None) or {}
    return found + ([] if head.keys is None else [_status(head.keys, roles[VIRTUAL_KEYS], signers)])


def _signed_again(release: Release, head: Head, role: str, new: Signer) -> tuple[SignedFile, SignedFile | None]:
    if role not in ("targets", VIRTUAL_KEYS):
        return head.targets, head.keys
    delegations = delegation_to(new.public_key) if role == VIRTUAL_KEYS else head.delegations
    targets = release.new_targets(listed(head.documents, delegations), delegations)
    return targets, release.new_keys(targets, head.documents[KEYS_TARGET]) if role == VIRTUAL_KEYS else head.keys


def _status(file: SignedFile, role: Role, signers: RoleSigners) -> RoleStatus:
    expires_at: datetime = Metadata.from_bytes(file.content).signed.expires
    held = len(signers.holding(role.keyids))
    return RoleStatus(file.role, file.version, expires_at, role.threshold, tuple(role.keyids), held)
