"""Bundles: one TUF repository per org (TUF specification 1.0, consistent snapshots), as pure rules over a store.

Guarantees: a publication is one root-verifiable set of targets, snapshot and timestamp whose versions only go
up; targets are content-addressed and immutable; what the store holds is byte for byte what was signed. The
timestamp's signed part carries ``x-outpost-signed-at``, from which an outpost counts the age of its policy.
Where the org has a key for it, ``keys.json`` is delegated to the role ``virtual-keys``: a new virtual key then signs
that role, snapshot and timestamp, and needs no targets key. Nothing here reads a clock, a key file or the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tuf.api.metadata import Delegations, Metadata, Snapshot, Targets, Timestamp

from control_plane.documents import StoredDocuments
from control_plane.errors import CanaryUnderWay, DocumentRejected, NotFound
from control_plane.release import (
    CANARY,
    STABLE,
    BundleStore,
    HeadVersions,
    Publication,
    Release,
    Target,
    current_root,
    stored_file,
)
from control_plane.signing import (
    ROOT_LIFETIME,
    SNAPSHOT_LIFETIME,
    TARGETS_LIFETIME,
    TIMESTAMP_LIFETIME,
    VIRTUAL_KEYS,
    RoleSigners,
    SignedFile,
    delegation_to,
    role_keys,
    sign_root,
)
from outpost.errors import BundleRejected
from outpost.policy.bundle import SIGNED_AT_FIELD
from outpost.policy.compile import require_usable
from outpost.policy.pack import require_whole
from outpost.protocol.bundle_file import TARGETS, TUF
from outpost.protocol.detectors import DetectorsDocument
from outpost.protocol.document_set import (
    MODELS,
    NO_DETECTORS,
    NO_MODELS,
    require_lists,
    require_routes,
    unnamed_lists,
)
from outpost.protocol.documents import (
    DETECTORS_TARGET,
    KEYS_TARGET,
    MODELS_TARGET,
    POLICY_TARGET,
    REQUIRED_DOCUMENTS,
    ROUTING_TARGET,
    DocumentError,
    PolicyDocument,
    parse_document,
)
from outpost.protocol.list_file import (
    MAX_LISTS_BYTES,
    ListFileInvalid,
    list_of_target,
    list_target,
    read_list_file,
)
from outpost.protocol.models import ModelsDocument, file_of_pack
from outpost.protocol.routing import RoutingDocument

_MAX_DIGITS = 18  # they fit a 64-bit column; longer numbers cannot exist and must not reach the database


@dataclass(frozen=True, slots=True)
class Head:
    """What one audience is shown, read back from the store."""

    audience: str
    versions: HeadVersions
    snapshot: SignedFile
    targets: SignedFile
    keys: SignedFile | None
    """``virtual-keys`` metadata, once there is a delegation."""
    delegations: Delegations | None
    documents: Mapping[str, bytes]


def check_document(name: str, content: bytes) -> None:
    """Refuse a document, or a list, that an outpost would refuse. A pack's files are judged with their card, whole.

    Raises:
        DocumentRejected: It is malformed, does not compile, or is nothing that a bundle may hold; lists every problem
            with its path.
    """
    list_id = list_of_target(name)
    if list_id is not None:
        _check_list(list_id, content)
        return
    if file_of_pack(name) is not None:
        return
    if name not in MODELS:
        known = f"{', '.join(MODELS)}, lists of its detectors and files of a model pack"
        raise DocumentRejected(f"a bundle has no {name}; it may have {known}", [(name, "unknown")])
    try:
        require_usable(parse_document(MODELS[name], name, content))
    except DocumentError as err:
        raise DocumentRejected(str(err), err.problems) from err
    except BundleRejected as err:
        raise DocumentRejected(str(err), [("", str(err))]) from err


def _check_list(list_id: str, content: bytes) -> None:
    try:
        found = read_list_file(content).header.list_id
    except ListFileInvalid as err:
        raise DocumentRejected(f"{list_target(list_id)}: {err}", [("", str(err))]) from err
    if found != list_id:
        raise DocumentRejected(f"{list_target(list_id)} is of list {found}", [("", f"it is of list {found}")])


def with_what_they_name(documents: Mapping[str, bytes]) -> dict[str, bytes]:
    """``documents`` without lists and files of a model pack that they do not name.

    Raises:
        DocumentRejected: One that they name is missing or another, or together they are more than an outpost takes; or
            the policy routes to what the routing does not know.
    """
    if POLICY_TARGET in documents and ROUTING_TARGET in documents:
        policy = parse_document(PolicyDocument, POLICY_TARGET, documents[POLICY_TARGET])
        try:
            require_routes(policy, parse_document(RoutingDocument, ROUTING_TARGET, documents[ROUTING_TARGET]))
        except DocumentError as err:
            raise DocumentRejected(str(err), err.problems) from err
    return _with_its_pack(_with_its_lists(documents))


def _with_its_pack(documents: Mapping[str, bytes]) -> dict[str, bytes]:
    content = documents.get(MODELS_TARGET)
    models = NO_MODELS if content is None else parse_document(ModelsDocument, MODELS_TARGET, content)
    try:
        named = require_whole(models, documents)
    except BundleRejected as err:
        raise DocumentRejected(str(err), [(MODELS_TARGET, str(err))]) from err
    return {name: content for name, content in documents.items() if file_of_pack(name) is None or name in named}


def _with_its_lists(documents: Mapping[str, bytes]) -> dict[str, bytes]:
    content = documents.get(DETECTORS_TARGET)
    detectors = NO_DETECTORS if content is None else parse_document(DetectorsDocument, DETECTORS_TARGET, content)
    try:
        require_lists(detectors, documents)
    except DocumentError as err:
        raise DocumentRejected(str(err), err.problems) from err
    unnamed = unnamed_lists(detectors, documents)
    kept = {name: content for name, content in documents.items() if name not in unnamed}
    if sum(len(content) for name, content in kept.items() if list_of_target(name) is not None) > MAX_LISTS_BYTES:
        raise DocumentRejected(f"the lists have more than {MAX_LISTS_BYTES} bytes together", [("lists", "too large")])
    return kept


def create_repository(store: BundleStore, org_id: str, signers: RoleSigners, at: datetime) -> None:
    """Give an org its first root. Its first bundle follows with ``publish``."""
    store.add(org_id, Publication((sign_root(1, signers, at),), ()), at)


def publish(  # noqa: PLR0913 - who, what, when and for whom
    store: BundleStore,
    org_id: str,
    changes: Mapping[str, bytes],
    signers: RoleSigners,
    at: datetime,
    lifetime: timedelta = TIMESTAMP_LIFETIME,
    *,
    audience: str = STABLE,
) -> int:
    """Publish what everybody is shown with ``changes`` laid over it; returns the new snapshot version.

    With ``audience`` as the canary's, that audience alone is shown it. Changed virtual keys alone go to every audience.

    Raises:
        DocumentRejected: A changed document is malformed, or the result lacks one of the three documents.
        CanaryUnderWay: Others than virtual keys have to wait for its end.
        ThresholdNotHeld: It needs signatures of keys that are not held here.
        VersionTaken: Another process published meanwhile.
    """
    for name, content in changes.items():
        check_document(name, content)
    heads = load_heads(store, org_id)
    everybody = audience == STABLE and set(changes) == {KEYS_TARGET}
    if not everybody:
        require_no_canary(store, org_id)
    release = Release(store, org_id, signers, at, lifetime)
    versions = [_lay_over(release, head, changes, signers, head.audience) for head in heads] if everybody else []
    versions = versions or [_lay_over(release, heads[0] if heads else None, changes, signers, audience)]
    release.publish()
    return versions[0]


def require_no_canary(store: BundleStore, org_id: str) -> None:
    """Return only if everybody is shown the same.

    Raises:
        CanaryUnderWay: A canary's members are not.
    """
    if store.head(org_id, CANARY) is not None:
        raise CanaryUnderWay(
            f"a canary is under way for org {org_id}: `control-plane policy promote` or `policy roll-forward` it first"
        )


def load_heads(store: BundleStore, org_id: str) -> list[Head]:
    """What each audience is shown, everybody's first."""
    found = (load_head(store, org_id, audience) for audience in (STABLE, CANARY))
    return [head for head in found if head is not None]


def load_head(store: BundleStore, org_id: str, audience: str) -> Head | None:
    """What ``audience`` is shown; None if nothing.

    Its documents are read when they are asked for, within this transaction.

    Raises:
        NotFound: The database has lost a part of it.
    """
    versions = store.head(org_id, audience)
    if versions is None:
        return None
    snapshot = stored_file(store, org_id, "snapshot", versions.snapshot)
    meta = Metadata[Snapshot].from_bytes(snapshot.content).signed.meta
    targets = stored_file(store, org_id, "targets", meta["targets.json"].version)
    signed = Metadata[Targets].from_bytes(targets.content).signed
    delegated = meta.get(f"{VIRTUAL_KEYS}.json")
    keys = None if delegated is None else stored_file(store, org_id, VIRTUAL_KEYS, delegated.version)
    digests = _digests_of(signed)
    if keys is not None:
        digests |= _digests_of(Metadata[Targets].from_bytes(keys.content).signed)
    documents = StoredDocuments(store, org_id, digests)
    return Head(audience, versions, snapshot, targets, keys, signed.delegations, documents)


def current_documents(store: BundleStore, org_id: str) -> dict[str, bytes]:
    """The documents that every outpost is shown, by name; empty before the first publication."""
    head = load_head(store, org_id, STABLE)
    return {} if head is None else dict(head.documents)


def published_lists(store: BundleStore, org_id: str) -> dict[str, set[str]]:
    """The lists that any audience is shown, by the id of the key they were made with."""
    found: dict[str, set[str]] = {}
    for head in load_heads(store, org_id):
        for name, content in head.documents.items():
            if list_of_target(name) is not None:
                header = read_list_file(content).header
                found.setdefault(header.key_id, set()).add(header.list_id)
    return found


def renew(
    store: BundleStore,
    org_id: str,
    signers: RoleSigners,
    at: datetime,
    lifetime: timedelta = TIMESTAMP_LIFETIME,
    resign_after: timedelta = timedelta(hours=1),
) -> tuple[str, ...]:
    """Re-sign what is due and return the roles that were: the schedule's whole rule.

    Everything but the timestamp at half its lifetime, so that an org that never publishes never expires; the
    timestamp once its own signature is older than ``resign_after``. Running it twice changes nothing. What is due
    but another party's to sign is left to them.

    Raises:
        VersionTaken: Another process did it meanwhile.
    """
    roles = due(store, org_id, signers, at, resign_after)
    if not roles:
        return ()
    release = Release(store, org_id, signers, at, lifetime)
    if "root" in roles:
        release.new_root(role_keys(release.root))
    keys: SignedFile | None = None
    for head in load_heads(store, org_id):
        targets = head.targets
        if "targets" in roles:
            targets = release.new_targets(listed(head.documents, head.delegations), head.delegations)
        if VIRTUAL_KEYS in roles:
            keys = keys or release.new_keys(targets, head.documents[KEYS_TARGET])  # the same for every audience
        if "snapshot" in roles:
            release.show(head.audience, targets, keys or head.keys)
        elif "timestamp" in roles:
            release.vouch(head.audience, head.snapshot)
    release.publish()
    return roles


def due(
    store: BundleStore, org_id: str, signers: RoleSigners, at: datetime, resign_after: timedelta
) -> tuple[str, ...]:
    """Which roles ``renew`` would sign now; asks and changes nothing."""
    root, found = current_root(store, org_id), set[str]()
    if root.expires - ROOT_LIFETIME / 2 <= at and signers.reach(root.roles["root"]):
        found.add("root")
    for head in load_heads(store, org_id):
        if _past_half(head.targets, TARGETS_LIFETIME, at) and signers.reach(root.roles["targets"]):
            found |= {"targets", "snapshot"}
        if head.keys is not None and _past_half(head.keys, TARGETS_LIFETIME, at):
            found |= {VIRTUAL_KEYS, "snapshot"}
        if _past_half(head.snapshot, SNAPSHOT_LIFETIME, at):
            found.add("snapshot")
        timestamp = stored_file(store, org_id, "timestamp", head.versions.timestamp)
        if "snapshot" in found or _signed_at(timestamp.content) + resign_after <= at:
            found.add("timestamp")
    return tuple(role for role in ("root", "targets", VIRTUAL_KEYS, "snapshot", "timestamp") if role in found)


def metadata_by_filename(store: BundleStore, org_id: str, filename: str, audience: str = STABLE) -> bytes:
    """The bytes of ``timestamp.json`` (as ``audience`` is shown it) or ``N.<role>.json`` as TUF clients ask for them.

    Raises:
        NotFound: No such file.
    """
    if filename == "timestamp.json":
        versions = store.head(org_id, audience)
        found = None if versions is None else store.metadata(org_id, "timestamp", versions.timestamp)
    else:
        number, _, rest = filename.partition(".")
        role = rest.removesuffix(".json")
        plain = number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS and str(int(number)) == number
        known = rest.endswith(".json") and role in ("root", "snapshot", "targets", VIRTUAL_KEYS)
        found = store.metadata(org_id, role, int(number)) if plain and known else None
    if found is None:
        raise NotFound("no such metadata file")
    return found


def whole(release: Release, audience: str, lifetime: timedelta | None) -> dict[str, bytes]:
    """All that a client needs from the first root on, by name in a bundle file (``outpost.protocol.bundle_file``).

    The timestamp is a new one that lasts ``lifetime``, by default the policy's own ``max_offline_s``: it is on the road
    for days, and longer than the policy may be enforced without news it serves nobody.

    Raises:
        NotFound: The org has published nothing.
    """
    head = load_head(release.store, release.org_id, audience)
    if head is None:
        raise NotFound(f"org {release.org_id} has published nothing")
    if lifetime is None:
        policy = parse_document(PolicyDocument, POLICY_TARGET, head.documents[POLICY_TARGET])
        lifetime = timedelta(seconds=policy.max_offline_s)
    roots = [stored_file(release.store, release.org_id, "root", number + 1) for number in range(release.root.version)]
    versioned = [*roots, head.snapshot, head.targets, *([] if head.keys is None else [head.keys])]
    files = {f"{TUF}{file.version}.{file.role}.json": file.content for file in versioned}
    files[f"{TUF}timestamp.json"] = release.vouch_apart(head.snapshot, lifetime).content
    targets = (Target.of(name, content) for name, content in head.documents.items())
    return files | {f"{TARGETS}{target.sha256}.{target.name}": target.content for target in targets}


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


def _lay_over(
    release: Release, head: Head | None, changes: Mapping[str, bytes], signers: RoleSigners, audience: str
) -> int:
    delegations = head.delegations if head else None
    if delegations is None and signers.virtual_keys is not None:
        delegations = delegation_to(signers.virtual_keys.public_key)
    documents = changes
    if head is not None and head.keys is not None and set(changes) == {KEYS_TARGET}:
        targets = head.targets
    else:
        documents = with_what_they_name({**(head.documents if head else {}), **changes})
        missing = sorted(set(REQUIRED_DOCUMENTS) - set(documents))
        if missing:
            raise DocumentRejected(f"the bundle lacks {', '.join(missing)}", [(name, "missing") for name in missing])
        targets = release.new_targets(listed(documents, delegations), delegations)
    keys = head.keys if head else None
    if delegations is not None and (keys is None or KEYS_TARGET in changes):
        keys = release.new_keys(targets, documents[KEYS_TARGET])
    return release.show(audience, targets, keys)


def listed(documents: Mapping[str, bytes], delegations: Delegations | None) -> dict[str, bytes]:
    """What the top-level targets list themselves."""
    return {name: content for name, content in documents.items() if delegations is None or name != KEYS_TARGET}


def _digests_of(targets: Targets) -> dict[str, str]:
    return {name: file.hashes["sha256"] for name, file in targets.targets.items()}


def _past_half(file: SignedFile, lifetime: timedelta, at: datetime) -> bool:
    expires: datetime = Metadata.from_bytes(file.content).signed.expires
    return expires - lifetime / 2 <= at


def _signed_at(timestamp: bytes) -> datetime:
    fields = Metadata[Timestamp].from_bytes(timestamp).signed.unrecognized_fields
    return datetime.fromisoformat(str(fields[SIGNED_AT_FIELD]))
