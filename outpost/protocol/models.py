"""``models.json``: which model pack a bundle demands; and by which names the pack's files are targets of the bundle.

The document names the pack by its name and the digest of its card, the card holds the digests of its files, and every
file is a target of its own (``model.onnx.pack``), so what signs the targets signs the pack to the last byte. Files that
no ``models.json`` names mean nothing. What an outpost does with them: ``docs/models.md``.
"""

import re
from typing import Final

from outpost.protocol.documents import Document, SchemaVersion
from outpost.protocol.model_card import CARD_FILE, PackName, Sha256

PACK_SUFFIX: Final = ".pack"
MAX_PACK_FILES: Final = 16
MAX_PACK_BYTES: Final = 256 * 1024 * 1024
"""Of all files of a pack together: a DeBERTa of base size in int8 has 190 MB. Larger ones stay with the outposts."""
MAX_CARD_BYTES: Final = 1 << 20  # a card with five thousand measurements has half a megabyte

# With the digest before it, a target's name has to fit a member of a bundle file (bundle_file.py).
_TARGET: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,20})\.pack")


class PackReference(Document):
    """A pack, to the last byte."""

    name: PackName
    """As its card says."""
    card_sha256: Sha256
    """SHA-256 of its ``card.json``, which holds those of its files: `outpost models list` shows it as digest."""


class ModelsDocument(Document):
    """``models.json``. Without it, or without a pack in it, an outpost uses its own setting ``models_pack``."""

    schema_version: SchemaVersion
    pack: PackReference | None = None
    """The pack that every outpost uses for this bundle, and no other."""


def pack_target(file: str) -> str:
    """The target of a pack's file.

    Raises:
        ValueError: No target can have such a name.
    """
    name = f"{file}{PACK_SUFFIX}"
    if _TARGET.fullmatch(name) is None:
        raise ValueError(f"a bundle cannot carry a file of this name: {file}")
    return name


def file_of_pack(target: str) -> str | None:
    """The pack's file that ``target`` holds; None if it holds none."""
    found = _TARGET.fullmatch(target)
    return None if found is None else found[1]


CARD_TARGET: Final = pack_target(CARD_FILE)
