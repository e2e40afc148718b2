"""What a proposal would change, whose signatures it has, and adding one: pure, for officers and the control plane.

``review`` refuses a proposal that an honest control plane does not make: another org's, a version that does not go up,
documents that are not the listed ones or that no outpost could read, one key counted twice under two ids. An officer
signs exactly the canonical bytes that will be published (TUF specification 1.0 §4.2), nothing else.

What is in force is told by the proposal itself. Whoever made it up could tell of an older policy, so that the change
looks smaller than it is: a signer passes ``seen``, the versions that it knows of, and nothing older is believed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

from pydantic import ValidationError
from securesystemslib.signer import Signer  # type: ignore[attr-defined]  # re-exported without __all__
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Role, Root, TargetFile, Targets
from tuf.api.serialization import DeserializationError, SerializationError

from outpost.errors import BundleRejected
from outpost.policy.diff import Change, Effect, diff_documents
from outpost.policy.pack import read_pack
from outpost.policy.trusted_metadata import MetadataInvalid, check_target
from outpost.protocol.document_set import MODELS, is_readable, parse_set, require_lists, require_routes
from outpost.protocol.documents import KEYS_TARGET, Document, DocumentError, parse_document
from outpost.protocol.messages import MAX_INTEGER
from outpost.protocol.models import CARD_TARGET
from outpost.protocol.proposal import Proposal

MAX_PROPOSAL_BYTES = 64 * 1024 * 1024  # twice the largest policy that outposts take (16 MB), old and new, in base64
ORG_FIELD = "x-outpost-org"
"""Extra signed field of proposed metadata: whose it is. TUF allows fields of one's own (§4.3)."""
_NO_KEYS = b'{"schema_version":"1","keys":[]}'

S = TypeVar("S", Root, Targets)


class ProposalInvalid(BundleRejected):
    """A proposal that must not be signed or published; the message says why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a signer signed last; zeros and nothing if it never did."""

    root: int = 0
    targets: int = 0
    digest: str = ""
    """Of what it signed, so that the same again is no news."""


@dataclass(frozen=True, slots=True)
class Signatures:
    """How far one role of a proposal is from being valid under one root."""

    role: str
    by: str
    """``current keys`` or ``new keys``."""
    signed: tuple[str, ...]
    threshold: int
    keyids: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """True at the threshold."""
        return len(self.signed) >= self.threshold


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """One document that differs, appears or disappears (then ``after`` is None)."""

    name: str
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True, slots=True)
class ListChange:
    """One list or network that differs, appears or disappears, as its targets state it: nobody can read it here."""

    name: str
    before: tuple[int, str] | None
    """Bytes, and SHA-256 in hex."""
    after: tuple[int, str] | None


@dataclass(frozen=True, slots=True)
class Review:
    """What signing would mean. Lines are for people, complete: what is not listed does not change."""

    org_id: str
    targets_versions: tuple[int, int]
    root_versions: tuple[int, int]
    """In force and proposed; equal if the root stays."""
    expires_at: datetime
    """Of the proposed targets."""
    documents: tuple[DocumentChange, ...]
    changes: tuple[Change, ...]
    """The same rule by rule, and what lets more pass: as ``outpost policy diff`` tells it."""
    lists: tuple[ListChange, ...]
    keys: tuple[str, ...]
    """Changes of keys, thresholds and delegations."""
    signatures: tuple[Signatures, ...]

    @property
    def complete(self) -> bool:
        """True if nobody needs to sign any more."""
        return all(one.enough for one in self.signatures)


def parse_proposal(content: bytes) -> Proposal:
    """A proposal file as read.

    Raises:
        ProposalInvalid: It is none.
    """
    if len(content) > MAX_PROPOSAL_BYTES:
        raise ProposalInvalid(f"the proposal is larger than {MAX_PROPOSAL_BYTES} bytes")
    try:
        return Proposal.model_validate_json(content)
    except (ValidationError, RecursionError) as err:
        raise ProposalInvalid("the file is not a proposal of this version") from err


def review(proposal: Proposal, seen: Seen = Seen()) -> Review:
    """Check a proposal and say what it changes.

    Raises:
        ProposalInvalid: It must not be signed.
    """
    current_root = _read(proposal.current_root, Root)
    _require_signed("root", current_root.signed, current_root, "the root that it says is in force")
    current = _read(proposal.current_targets, Targets)
    _require_signed("targets", current_root.signed, current, "the targets that it says are in force")
    new_root = current_root if proposal.root is None else _read(proposal.root, Root)
    new = _read(proposal.targets, Targets)
    _check_versions(proposal, current_root.signed, new_root.signed, current.signed, new.signed, seen)
    _check_org(proposal, [new.signed, *([] if proposal.root is None else [new_root.signed])])
    _check_org(proposal, [one for one in (current.signed,) if ORG_FIELD in one.unrecognized_fields])
    _check_documents(current.signed, proposal.current_documents)
    _check_documents(new.signed, proposal.documents)
    _check_readable(proposal.documents, new.signed, new_root.signed)
    _check_keys(new_root.signed)
    return Review(
        org_id=proposal.org_id,
        targets_versions=(current.signed.version, new.signed.version),
        root_versions=(current_root.signed.version, new_root.signed.version),
        expires_at=new.signed.expires,
        documents=tuple(_document_changes(proposal)),
        changes=tuple(_changes(proposal)),
        lists=tuple(_list_changes(current.signed, new.signed)),
        keys=tuple(_key_changes(current_root.signed, new_root.signed, current.signed, new.signed)),
        signatures=tuple(_signatures(proposal, current_root.signed, new_root, new)),
    )


def add_signature(proposal: Proposal, signer: Signer, seen: Seen = Seen()) -> Proposal:
    """The proposal with ``signer``'s signature on whatever it is asked to sign.

    Raises:
        ProposalInvalid: It must not be signed, or it asks nothing of this key.
    """
    keyid = signer.public_key.keyid
    asked = {one.role for one in review(proposal, seen).signatures if keyid in one.keyids}
    if not asked:
        raise ProposalInvalid("this key is none of those that the proposal asks for")
    changes = {
        name: _sign(content, signer)
        for name, content in (("root", proposal.root), ("targets", proposal.targets))
        if name in asked and content is not None
    }
    return proposal.model_copy(update=changes)


def merge(proposals: Sequence[Proposal]) -> Proposal:
    """One proposal with the signatures of all, which must be of the same one.

    Raises:
        ProposalInvalid: They are of different ones.
    """
    first = proposals[0]
    for other in proposals[1:]:
        blank = {"root": None, "targets": b""}
        if first.model_copy(update=blank) != other.model_copy(update=blank) or (first.root is None) != (
            other.root is None
        ):
            raise ProposalInvalid("the files are copies of different proposals")
        changes = {"targets": _merged(first.targets, other.targets, Targets)}
        if first.root is not None and other.root is not None:
            changes["root"] = _merged(first.root, other.root, Root)
        first = first.model_copy(update=changes)
    return first


def seen_by(proposal: Proposal) -> Seen:
    """What a signer of this proposal has to remember."""
    root = _read(proposal.current_root if proposal.root is None else proposal.root, Root)
    targets = _read(proposal.targets, Targets)
    return Seen(root.signed.version, targets.signed.version, digest(root.signed_bytes + targets.signed_bytes))


def readable(documents: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a proposal carries of a bundle's targets: documents and a model pack's card, no lists and no networks.

    Those are megabytes that nobody can read. What officers sign is the digest of the file, which whoever made it knows.
    """
    return {name: content for name, content in documents.items() if is_readable(name)}


def digest(content: bytes) -> str:
    """SHA-256 in hex, by which people compare over the telephone."""
    return sha256(content).hexdigest()


def _read(content: bytes, kind: type[S]) -> Metadata[S]:
    try:
        metadata = Metadata[S].from_bytes(content)
        _ = metadata.signed_bytes  # what has no canonical form cannot be signed
    except (DeserializationError, SerializationError, RecursionError) as err:
        raise ProposalInvalid(f"its {kind.type} is not metadata") from err
    version = metadata.signed.version
    if not isinstance(metadata.signed, kind) or isinstance(version, bool) or version > MAX_INTEGER:
        raise ProposalInvalid(f"its {kind.type} is other metadata")
    return metadata


def _require_signed(role: str, delegator: Root, metadata: Metadata[S], what: str) -> None:
    if len(_signed_by(role, delegator, metadata)) < delegator.get_delegated_role(role).threshold:
        raise ProposalInvalid(f"{what} are not signed by the threshold of their keys")


def _signed_by(role: str, delegator: Root, metadata: Metadata[S]) -> tuple[str, ...]:
    try:
        result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    except (ValueError, UnsignedMetadataError) as err:
        raise ProposalInvalid(f"its root names nobody for {role}") from err
    # The library counts key ids; one key under two of them is still one (specification 4.2, "unique").
    return tuple({_material(key): keyid for keyid, key in sorted(result.signed.items())}.values())


def _material(key: object) -> str:
    return "".join(str(getattr(key, "keyval", {}).get("public", "")).split()).lower()


def _check_versions(
    proposal: Proposal, current_root: Root, new_root: Root, current: Targets, new: Targets, seen: Seen
) -> None:
    if proposal.root is not None and new_root.version != current_root.version + 1:
        raise ProposalInvalid(f"its root {new_root.version} does not follow the {current_root.version} in force")
    if new.version <= current.version:
        raise ProposalInvalid(f"its targets {new.version} are not above the {current.version} in force")
    if (current_root.version < seen.root or current.version < seen.targets) and seen_by(proposal) != seen:
        raise ProposalInvalid(
            f"it builds on root {current_root.version} and targets {current.version}, but root {seen.root} "
            f"and targets {seen.targets} were signed with this key: somebody may be hiding what was published "
            "(`--withdrawn` if you know that it never was)"
        )


def _check_org(proposal: Proposal, parts: Iterable[Root | Targets]) -> None:
    if any(part.unrecognized_fields.get(ORG_FIELD) != proposal.org_id for part in parts):
        raise ProposalInvalid(f"its metadata is not for org {proposal.org_id}")


def _check_documents(targets: Targets, documents: Mapping[str, bytes]) -> None:
    if {name for name in targets.targets if is_readable(name)} != set(documents):
        raise ProposalInvalid("its documents are not those that its targets list")
    for name, content in documents.items():
        try:
            check_target(targets.targets[name], content)
        except BundleRejected as err:
            raise ProposalInvalid(f"{name} is not the document that its targets list") from err


def _check_readable(documents: Mapping[str, bytes], targets: Targets, root: Root) -> None:
    try:
        parsed = parse_set({KEYS_TARGET: _NO_KEYS} | dict(documents))
        require_lists(parsed.detectors, targets.targets)
        require_routes(parsed.policy, parsed.routing)
        read_pack(parsed.models, targets.targets, documents.get(CARD_TARGET), root)
    except (DocumentError, MetadataInvalid) as err:
        raise ProposalInvalid(f"an outpost would refuse it: {err}") from err


def _check_keys(root: Root) -> None:
    for name, role in root.roles.items():
        if len({_material(root.keys[keyid]) for keyid in role.keyids}) != len(role.keyids):
            raise ProposalInvalid(f"its root counts one key twice for {name}")


def _document_changes(proposal: Proposal) -> Iterable[DocumentChange]:
    for name in sorted({*proposal.current_documents, *proposal.documents}):
        before, after = proposal.current_documents.get(name), proposal.documents.get(name)
        if before != after:
            yield DocumentChange(name, before, after)


def _list_changes(current: Targets, new: Targets) -> Iterable[ListChange]:
    for name in sorted(name for name in {*current.targets, *new.targets} if not is_readable(name)):
        before, after = (_stated(one.targets.get(name)) for one in (current, new))
        if before != after:
            yield ListChange(name, before, after)


def _stated(target: TargetFile | None) -> tuple[int, str] | None:
    return None if target is None else (target.length, target.hashes.get("sha256", ""))


def _changes(proposal: Proposal) -> Iterable[Change]:
    old: dict[str, Document] = {}
    new = {name: parse_document(MODELS[name], name, proposal.documents[name]) for name in _known(proposal.documents)}
    for name in _known(proposal.current_documents):
        try:
            old[name] = parse_document(MODELS[name], name, proposal.current_documents[name])
        except DocumentError:  # what is in force may be of a version that this one no longer reads
            new.pop(name, None)
            yield Change(name, name, "what is in force cannot be read here: compare the text", Effect.CHANGES)
    yield from diff_documents(old, new)


def _known(documents: Mapping[str, bytes]) -> list[str]:
    return sorted(set(documents) & set(MODELS))


def _key_changes(before: Root, after: Root, current: Targets, new: Targets) -> Iterable[str]:
    for name in sorted(after.roles):
        old, role = _described(before.roles[name]), _described(after.roles[name])
        if old != role:
            yield f"{name}: was signed by {old}, will be signed by {role}"
    was, will = _delegated(current), _delegated(new)
    if was != will:
        yield f"delegations: were {was}, will be {will}"


def _described(role: Role) -> str:
    return f"{role.threshold} of " + ", ".join(keyid[:16] for keyid in sorted(role.keyids))


def _delegated(targets: Targets) -> str:
    roles = (targets.delegations.roles if targets.delegations else None) or {}
    if targets.delegations is not None and targets.delegations.succinct_roles is not None:
        raise ProposalInvalid("it delegates to hash bins, which no bundle of ours has")
    found = [
        f"{', '.join(role.paths or ['paths by hash'])} to {name} ({_described(role)})" for name, role in roles.items()
    ]
    return "; ".join(sorted(found)) or "none"


def _signatures(
    proposal: Proposal, current_root: Root, root: Metadata[Root], targets: Metadata[Targets]
) -> Iterable[Signatures]:
    if proposal.root is not None:
        yield _of("root", "current keys", current_root, root)
        yield _of("root", "new keys", root.signed, root)
    yield _of("targets", "current keys" if proposal.root is None else "new keys", root.signed, targets)


def _of(role: str, by: str, delegator: Root, metadata: Metadata[S]) -> Signatures:
    named = delegator.get_delegated_role(role)
    return Signatures(role, by, _signed_by(role, delegator, metadata), named.threshold, tuple(named.keyids))


def _sign(content: bytes, signer: Signer) -> bytes:
    metadata = Metadata.from_bytes(content)
    metadata.sign(signer, append=True)
    return metadata.to_bytes()


def _merged(first: bytes, other: bytes, kind: type[S]) -> bytes:
    one, two = _read(first, kind), _read(other, kind)
    if one.signed_bytes != two.signed_bytes:
        raise ProposalInvalid("the files are copies of different proposals")
    one.signatures.update(two.signatures)
    return one.to_bytes()
