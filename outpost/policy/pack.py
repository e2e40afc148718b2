"""The model pack that a bundle demands, as its signed targets state it. Pure: what is on disk is for others to compare.

``models.json`` names the card by digest, the card names the files by digest, and the targets must list exactly those:
whatever does not agree refuses the bundle, because nobody could say by which thresholds it would be enforced.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from tuf.api.metadata import Root, TargetFile

from outpost.policy.trusted_metadata import MetadataInvalid
from outpost.policy.workflow import target_filename
from outpost.protocol.documents import DocumentError, parse_document
from outpost.protocol.model_card import CARD_FILE, ModelCard
from outpost.protocol.models import (
    CARD_TARGET,
    MAX_CARD_BYTES,
    MAX_PACK_BYTES,
    MAX_PACK_FILES,
    ModelsDocument,
    file_of_pack,
    pack_target,
)


@dataclass(frozen=True, slots=True)
class PackFile:
    """One file of a pack: by which name it is fetched, and what it must be."""

    filename: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BundlePack:
    """A pack that a verified bundle demands.

    Attributes:
        digest: SHA-256 of the card, which names the pack.
        card: What it says of itself.
        files: By name in the pack's folder, the card among them.
    """

    digest: str
    card: ModelCard
    files: Mapping[str, PackFile] = field(repr=False)

    @property
    def label(self) -> str:
        """For people: name, version and the beginning of the digest."""
        return f"{self.card.name} {self.card.version} ({self.digest[:12]})"

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files.values())


def read_pack(
    models: ModelsDocument, targets: Mapping[str, TargetFile], card: bytes | None, root: Root
) -> BundlePack | None:
    """What ``models`` demand; None if they demand nothing.

    Args:
        models: The bundle's ``models.json``.
        targets: Everything that its top-level targets list.
        card: Content of the card's target, verified.
        root: Says how files are named when they are fetched.

    Raises:
        MetadataInvalid: The card or a file is missing or another, or it is too much.
    """
    if models.pack is None:
        return None
    if card is None or CARD_TARGET not in targets:
        raise MetadataInvalid(f"models.json names a pack, and the bundle has no {CARD_TARGET}")
    digest = sha256(card).hexdigest()
    read = _read_card(card)
    if (digest, read.name) != (models.pack.card_sha256, models.pack.name):
        raise MetadataInvalid(f"models.json names another pack than {CARD_TARGET}")
    if len(read.files) >= MAX_PACK_FILES:
        raise MetadataInvalid(f"the model pack has more than {MAX_PACK_FILES} files")
    files = {CARD_FILE: PackFile(target_filename(root, targets[CARD_TARGET]), digest, len(card))}
    for name, expected in read.files.items():
        files[name] = _file(name, expected, targets, root)
    pack = BundlePack(digest, read, files)
    if pack.size_bytes > MAX_PACK_BYTES:
        raise MetadataInvalid(f"the model pack has more than {MAX_PACK_BYTES} bytes")
    return pack


def require_whole(models: ModelsDocument, contents: Mapping[str, bytes]) -> frozenset[str]:
    """The targets of the pack that ``models`` name, if ``contents`` hold it whole; for whoever publishes it.

    Raises:
        MetadataInvalid: As ``read_pack``.
    """
    if models.pack is None:
        return frozenset()
    targets = {
        name: TargetFile.from_data(name, content, ["sha256"])
        for name, content in contents.items()
        if file_of_pack(name) is not None
    }
    root = Root(consistent_snapshot=True)
    pack = read_pack(models, targets, contents.get(CARD_TARGET), root)
    return frozenset() if pack is None else frozenset(pack_target(name) for name in pack.files)


def _read_card(content: bytes) -> ModelCard:
    if len(content) > MAX_CARD_BYTES:
        raise MetadataInvalid(f"{CARD_TARGET} has more than {MAX_CARD_BYTES} bytes")
    try:
        return parse_document(ModelCard, CARD_TARGET, content)
    except DocumentError as err:
        raise MetadataInvalid(str(err)) from err


def _file(name: str, expected: str, targets: Mapping[str, TargetFile], root: Root) -> PackFile:
    try:
        target = targets[pack_target(name)]
    except (KeyError, ValueError) as err:
        raise MetadataInvalid(f"the bundle lacks {name} of its model pack") from err
    if target.hashes.get("sha256") != expected:
        raise MetadataInvalid(f"the bundle has another {name} than its model pack's card")
    return PackFile(target_filename(root, target), expected, target.length)
