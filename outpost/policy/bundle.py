"""A verified bundle: the signed documents an outpost enforces, and how fresh they are.

``load_bundle`` verifies everything from the root that was trusted at enrolment, so what lies in the cache is
trusted no more than what comes from the network. It refuses a bundle whole: no document that is signed may be
missing, none may be unreadable. Freshness has three tiers (design §5): *fresh*; *stale*, past the metadata's own
expiry, still enforced; *expired*, older than the policy's ``max_offline_s``, nothing passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tuf.api.metadata import TargetFile, Timestamp

from outpost.errors import BundleRejected
from outpost.policy.pack import BundlePack, read_pack
from outpost.policy.trusted_metadata import MetadataInvalid, TrustedMetadata, check_target
from outpost.policy.workflow import Flow, Limits, Recall, find_target
from outpost.protocol.budgets import BudgetsDocument
from outpost.protocol.detectors import DetectorsDocument
from outpost.protocol.document_set import (
    NO_BUDGETS,
    NO_DETECTORS,
    NO_MODELS,
    NO_SMOKE,
    DocumentSet,
    Parsed,
    parse_set,
    require_lists,
    require_routes,
)
from outpost.protocol.documents import (
    KEYS_TARGET,
    OPTIONAL_DOCUMENTS,
    REQUIRED_DOCUMENTS,
    DocumentError,
    KeysDocument,
    PolicyDocument,
)
from outpost.protocol.list_file import MAX_LISTS, MAX_LISTS_BYTES, list_of_target, list_target
from outpost.protocol.models import CARD_TARGET, ModelsDocument
from outpost.protocol.routing import RoutingDocument
from outpost.protocol.smoke import SmokeDocument

SIGNED_AT_FIELD = "x-outpost-signed-at"
"""Extra signed field of the timestamp role: when it was made. TUF allows fields of one's own (§4.3)."""

# Nothing was signed before this program was; and adding max_offline must not leave the calendar, whoever signed.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)

DOCUMENT_TARGETS = REQUIRED_DOCUMENTS

_NOTHING_IS_FETCHED: Final = Limits(
    root_bytes=0, timestamp_bytes=0, snapshot_bytes=0, targets_bytes=0, stated_bytes=0, root_rotations=0
)


class Freshness(StrEnum):
    """How old the signed word is that the outpost enforces."""

    FRESH = "fresh"
    STALE = "stale"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Verified documents with the dates that decide for how long they hold."""

    policy: PolicyDocument
    keys: KeysDocument
    routing: RoutingDocument
    root_version: int
    timestamp_version: int
    snapshot_version: int
    signed_at: datetime
    """When the repository last vouched for this content; the age of the policy counts from here."""
    expires_at: datetime
    """The earliest expiry of the metadata; past it the bundle is stale."""
    detectors: DetectorsDocument = NO_DETECTORS
    budgets: BudgetsDocument = NO_BUDGETS
    smoke: SmokeDocument = NO_SMOKE
    lists: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """The org's lists by id, as files."""
    models: ModelsDocument = NO_MODELS
    pack: BundlePack | None = None
    """The model pack that it demands."""

    @property
    def enforceable_until(self) -> datetime:
        """The moment after which nothing may pass."""
        return self.signed_at + timedelta(seconds=self.policy.max_offline_s)

    @property
    def documents(self) -> DocumentSet:
        """All of them."""
        return DocumentSet(self.policy, self.keys, self.routing, self.detectors, self.budgets, self.smoke, self.models)

    def freshness(self, at: datetime) -> Freshness:
        """The tier at ``at``; exactly at a limit is still within it."""
        if at > self.enforceable_until:
            return Freshness.EXPIRED
        return Freshness.FRESH if at <= self.expires_at else Freshness.STALE


def load_bundle(  # noqa: PLR0913 - the parts of a bundle
    enrolment_root: bytes,
    *,
    roots: Sequence[bytes],
    timestamp: bytes,
    snapshot: bytes,
    targets: bytes,
    documents: Mapping[str, bytes],
    delegated: Mapping[str, bytes] = MappingProxyType({}),
    before: Parsed | None = None,
) -> Bundle:
    """Verify a stored bundle from the enrolment root up and read its documents.

    Args:
        enrolment_root: Root metadata trusted at enrolment.
        roots: Every later root in order, up to the current one.
        timestamp: Timestamp metadata as received.
        snapshot: Snapshot metadata as received.
        targets: Top-level targets metadata as received.
        documents: Content of each required target, and of each optional one, list and card of a model pack that the
            targets list, by name.
        delegated: Metadata as received of each delegated role on the way to a document, by the role's name.
        before: Documents that were read before; the same bytes are not read again, but checked again.

    Raises:
        BundleRejected: Any part does not verify or cannot be read. Expiry is not asked here.
    """
    trusted = TrustedMetadata(enrolment_root)
    for root in roots:
        trusted.update_root(root)
    trusted.update_timestamp(timestamp)
    trusted.update_snapshot(snapshot)
    trusted.update_targets(targets)
    flow = find_documents(trusted, None, _NOTHING_IS_FETCHED)
    answer: bytes | None = None
    while True:
        try:
            step = flow.send(answer)
        except StopIteration as end:
            return read_documents(trusted, end.value, documents, before)
        answer = delegated.get(step.role) if isinstance(step, Recall) else None


def find_documents(trusted: TrustedMetadata, at: datetime | None, limits: Limits) -> Flow[Mapping[str, TargetFile]]:
    """Find what the trusted targets say of each document; an optional one that they do not list is left out.

    Digests of virtual keys may be delegated (they change daily and loosen nothing). Everything else must be signed by
    the top-level targets' keys, however far a delegation might reach. An org's lists are every target that is named
    like one; ``read_documents`` holds them against the document that names them. Of a model pack the card is one of the
    documents; its other files are the pack's own (``Bundle.pack``).

    Raises:
        BundleRejected: A required document is not listed, a delegated role does not check out, or the lists are too
            many or too large.
    """
    if not trusted.complete or trusted.targets is None:
        raise RuntimeError("documents come after targets")
    found: dict[str, TargetFile] = {}
    for name in (*REQUIRED_DOCUMENTS, *OPTIONAL_DOCUMENTS, CARD_TARGET):
        if name == KEYS_TARGET:
            target = yield from find_target(trusted, name, at, limits)
        else:
            target = trusted.targets.targets.get(name)
        if target is not None:
            found[name] = target
        elif name in REQUIRED_DOCUMENTS:
            raise MetadataInvalid(f"the bundle has no {name}")
    lists = {name: target for name, target in trusted.targets.targets.items() if list_of_target(name) is not None}
    if len(lists) > MAX_LISTS or sum(target.length for target in lists.values()) > MAX_LISTS_BYTES:
        raise MetadataInvalid(
            f"the bundle has more than {MAX_LISTS} lists, or more than {MAX_LISTS_BYTES} bytes of them"
        )
    return found | lists


def read_documents(
    trusted: TrustedMetadata,
    targets: Mapping[str, TargetFile],
    documents: Mapping[str, bytes],
    before: Parsed | None = None,
) -> Bundle:
    """Check the documents against what ``find_documents`` found and parse them.

    Raises:
        BundleRejected: A document is missing, differs from its signed hash, or is not readable here.
    """
    if trusted.timestamp is None or trusted.snapshot is None or trusted.targets is None:
        raise RuntimeError("documents come after targets")
    for name, target in targets.items():
        if name not in documents:
            raise MetadataInvalid(f"the bundle has no {name}")
        check_target(target, documents[name])
    try:
        parsed = parse_set({name: documents[name] for name in targets}, before)
        require_lists(parsed.detectors, targets)
        require_routes(parsed.policy, parsed.routing)
    except DocumentError as err:
        raise BundleRejected(f"the bundle cannot be read by this version: {err}") from err
    pack = read_pack(parsed.models, trusted.targets.targets, documents.get(CARD_TARGET), trusted.root)
    signed = (trusted.root, trusted.timestamp, trusted.snapshot, trusted.targets, *trusted.delegated.values())
    return Bundle(
        policy=parsed.policy,
        keys=parsed.keys,
        routing=parsed.routing,
        root_version=trusted.root.version,
        timestamp_version=trusted.timestamp.version,
        snapshot_version=trusted.snapshot.version,
        signed_at=_signed_at(trusted.timestamp),
        expires_at=min(part.expires for part in signed),
        detectors=parsed.detectors,
        budgets=parsed.budgets,
        smoke=parsed.smoke,
        lists=MappingProxyType({rule.id: documents[list_target(rule.id)] for rule in parsed.detectors.lists}),
        models=parsed.models,
        pack=pack,
    )


def _signed_at(timestamp: Timestamp) -> datetime:
    text = timestamp.unrecognized_fields.get(SIGNED_AT_FIELD)
    if not isinstance(text, str):
        raise MetadataInvalid(f"timestamp metadata has no {SIGNED_AT_FIELD}")
    try:
        signed_at = datetime.fromisoformat(text)
    except ValueError as err:
        raise MetadataInvalid(f"timestamp metadata has an unreadable {SIGNED_AT_FIELD}") from err
    if signed_at.tzinfo is None:
        raise MetadataInvalid(f"timestamp metadata has a {SIGNED_AT_FIELD} without a time zone")
    # A signer that dates its word after its own expiry would stretch max_offline; the expiry is what bounds it.
    bounded = min(signed_at, timestamp.expires)
    if not _EARLIEST <= bounded <= _LATEST:
        raise MetadataInvalid(f"timestamp metadata has an impossible {SIGNED_AT_FIELD}")
    return bounded.astimezone(UTC)
