"""Policies that officers sign: this control plane writes proposals down, and publishes what enough of them signed.

Once officers are appointed, ``root`` and ``targets`` name their keys alone: whoever names keys (root) could otherwise
appoint others and sign as them (docs/adr/0008). Here stay the keys that can delay and repeat but not loosen: snapshot,
timestamp, virtual-keys. Nothing here reads a clock, a key file or the database.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.signer import Key, SSlibKey  # type: ignore[attr-defined]  # re-exported without __all__
from tuf.api.metadata import Metadata, Root, Targets

from control_plane.bundles import Head, check_document, listed, load_head, require_no_canary, with_what_they_name
from control_plane.errors import InvalidRequest, NotFound
from control_plane.release import CANARY, STABLE, BundleStore, Release, current_root, stored_file
from control_plane.signing import (
    RoleKeys,
    RoleSigners,
    delegation_to,
    role_keys,
    root_metadata,
    targets_metadata,
    verified,
)
from outpost.errors import BundleRejected
from outpost.policy.proposal import ORG_FIELD, merge, readable, review
from outpost.policy.trusted_metadata import check_target
from outpost.protocol.document_set import is_readable
from outpost.protocol.documents import KEYS_TARGET
from outpost.protocol.models import file_of_pack
from outpost.protocol.proposal import Proposal

OFFICERS_LIFETIME = timedelta(
    days=365
)  # people sign when policy changes, not each quarter; the timestamp bounds freezing
MAX_OFFICERS = 32


def officers_roles(pems: Sequence[bytes], threshold: int, root_threshold: int) -> dict[str, RoleKeys]:
    """Root and targets as these officers' roles.

    Raises:
        InvalidRequest: A key cannot be used, stands twice, or a threshold cannot be met.
    """
    keys = tuple(_public_key(pem) for pem in pems)
    if len({key.keyid for key in keys}) != len(keys) or len(keys) > MAX_OFFICERS:
        raise InvalidRequest(f"each officer needs a key of its own; at most {MAX_OFFICERS}")
    if not all(1 <= number <= len(keys) for number in (threshold, root_threshold)):
        raise InvalidRequest(f"a threshold must be between 1 and the {len(keys)} keys that are given")
    return {"root": RoleKeys(keys, root_threshold), "targets": RoleKeys(keys, threshold)}


def propose(
    store: BundleStore,
    org_id: str,
    at: datetime,
    *,
    changes: Mapping[str, bytes],
    roles: Mapping[str, RoleKeys] | None = None,
    delegate_to: Key | None = None,
) -> Proposal:
    """The next targets with ``changes`` laid over what everybody is shown, for officers to sign.

    During a canary it is told as a change of what the canary's members are shown: that is the newest that officers
    signed, and they sign nothing that builds on less.

    Args:
        store: The repository.
        org_id: Whose.
        at: Now.
        changes: Documents by name; virtual keys are not among them.
        roles: Top-level roles with other keys; empty for the next root with the same keys; None for no new root.
        delegate_to: The key of ``virtual-keys``, if it is new.

    Raises:
        DocumentRejected: A document is malformed.
        InvalidRequest: It is one that officers do not sign.
        NotFound: The org has published nothing.
    """
    if KEYS_TARGET in changes:
        raise InvalidRequest(f"{KEYS_TARGET} is not the officers' to sign")
    for name, content in changes.items():
        check_document(name, content)
    head, root = _head(store, org_id), current_root(store, org_id)
    newest = _newest_head(store, org_id)
    delegations = head.delegations if delegate_to is None else delegation_to(delegate_to)
    documents = listed(with_what_they_name({**head.documents, **changes}), delegations)
    number = store.latest_version(org_id, "targets") + 1
    targets = targets_metadata(number, documents, at, delegations=delegations, lifetime=OFFICERS_LIFETIME)
    targets.unrecognized_fields[ORG_FIELD] = org_id
    new_root = None if roles is None else root_metadata(root.version + 1, role_keys(root) | dict(roles), at)
    if new_root is not None:
        new_root.unrecognized_fields[ORG_FIELD] = org_id
    return Proposal.model_construct(  # of bytes; the fields of the model take base64
        org_id=org_id,
        root=None if new_root is None else Metadata(new_root).to_bytes(),
        targets=Metadata(targets).to_bytes(),
        documents=readable(documents),
        current_root=stored_file(store, org_id, "root", root.version).content,
        current_targets=newest.targets.content,
        current_documents=readable(listed(newest.documents, newest.delegations)),
    )


def accept(
    release: Release,
    copies: Sequence[Proposal],
    signers: RoleSigners,
    *,
    audience: str = STABLE,
    ends_canary: bool = False,
    lists: Mapping[str, bytes] = MappingProxyType({}),
) -> int:
    """Publish a proposal once its signatures suffice; returns the snapshot version. Keys held here sign along.

    Args:
        release: Collects it.
        copies: The proposal, as officers gave it back.
        signers: The keys held here.
        audience: Who is shown it.
        ends_canary: It takes the place of a canary that is under way.
        lists: Contents of new lists and of a new pack's files by target name; a proposal carries digests of them only.

    Raises:
        CanaryUnderWay: It would have to.
        InvalidRequest: It is not for this org, not whole, or something else was published since.
        ThresholdNotHeld: Signatures are missing.
        VersionTaken: Another process published meanwhile.
    """
    try:
        proposal = merge(copies)
        review(proposal)
    except BundleRejected as err:
        raise InvalidRequest(f"the proposal cannot be published: {err}") from err
    if not ends_canary:
        require_no_canary(release.store, release.org_id)
    head = _head(release.store, release.org_id)
    _require_fresh(release, proposal, _newest_head(release.store, release.org_id))
    if proposal.root is not None:
        root = Metadata[Root].from_bytes(proposal.root)
        _sign_along("root", root, [release.root, root.signed], signers)
        release.adopt_root(verified("root", root, [release.root, root.signed]))
    targets = Metadata[Targets].from_bytes(proposal.targets)
    _sign_along("targets", targets, [release.root], signers)
    documents = {**proposal.documents, **_unread(targets.signed, {**head.documents, **lists})}
    file = release.adopt_targets(verified("targets", targets, [release.root]), documents)
    same = head.keys is not None and head.delegations == targets.signed.delegations
    keys = head.keys if same else release.new_keys(file, head.documents[KEYS_TARGET])
    version = release.show(audience, file, keys)
    if ends_canary:
        release.forget(CANARY)
    release.publish()
    return version


def _unread(targets: Targets, contents: Mapping[str, bytes]) -> dict[str, bytes]:
    found = {}
    for name, target in targets.targets.items():
        if is_readable(name):
            continue
        try:
            check_target(target, contents[name])
        except (KeyError, BundleRejected) as err:
            message = (
                f"the officers signed another {name} than is here; give the signed one with "
                f"{f'--document {name}=FILE' if file_of_pack(name) is None else '--models-pack FOLDER'}"
            )
            raise InvalidRequest(message) from err
        found[name] = contents[name]
    return found


def _require_fresh(release: Release, proposal: Proposal, newest: Head) -> None:
    proposed = Metadata[Targets].from_bytes(proposal.targets)
    root = stored_file(release.store, release.org_id, "root", release.root.version)
    if proposal.org_id != release.org_id:
        raise InvalidRequest(f"the proposal is for org {proposal.org_id}")
    if Metadata[Targets].from_bytes(newest.targets.content).signed_bytes == proposed.signed_bytes:
        raise InvalidRequest("this proposal is published already")
    same_base = proposal.current_root == root.content and proposal.current_targets == newest.targets.content
    if not same_base or proposed.signed.version != release.number("targets"):
        raise InvalidRequest("something else was published since the proposal was made; propose and sign again")


def _sign_along(
    role: str, metadata: Metadata[Root] | Metadata[Targets], delegators: Sequence[Root], signers: RoleSigners
) -> None:
    named = {keyid for delegator in delegators for keyid in delegator.roles[role].keyids}
    for signer in signers.holding(sorted(named)):
        metadata.sign(signer, append=True)


def _head(store: BundleStore, org_id: str) -> Head:
    head = load_head(store, org_id, STABLE)
    if head is None:
        raise NotFound(f"org {org_id} has published nothing")
    return head


def _newest_head(store: BundleStore, org_id: str) -> Head:
    """A canary's, if one is under way: what was signed last."""
    return load_head(store, org_id, CANARY) or _head(store, org_id)


def _public_key(pem: bytes) -> Key:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as err:
        raise InvalidRequest("an officer's key file is not a public key in PEM; see `outpost policy keygen`") from err
    p256 = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if not p256 and not isinstance(key, ed25519.Ed25519PublicKey):
        raise InvalidRequest("an officer's key is ECDSA P-256 or Ed25519")
    found: Key = SSlibKey.from_crypto(key)
    return found
