"""A model pack on disk: read once, whole, and nothing of it is used whose digest is not the card's.

What is hashed is what is used: a file is read into memory once, so nobody can exchange it in between. The digest of the
card names the pack, because the card holds the digests of everything else. Format: ``docs/models.md``.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from outpost.errors import PackInvalid
from outpost.protocol.documents import DocumentError, parse_document
from outpost.protocol.model_card import CARD_FILE, ModelCard
from outpost.protocol.models import MAX_CARD_BYTES

DEFAULT: Final = "default"
"""Says the pack that ships with this program; a folder of that name is given with its whole path."""
_SHIPPED: Final = Path(__file__).parent / "packs" / "default"

MAX_FILE_BYTES: Final = (1 << 31) - 1  # ONNX is protobuf, which ends at 2 GiB


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack whose card has been read. ``digest`` is the card's SHA-256 and names the pack."""

    folder: Path
    card: ModelCard
    digest: str

    @property
    def label(self) -> str:
        """For people: name, version and the beginning of the digest."""
        return f"{self.card.name} {self.card.version} ({self.digest[:12]})"

    def read(self, name: str) -> bytes:
        """The content of a file that the card lists.

        Raises:
            PackInvalid: It is missing, not a plain file, too large, or not what the card says.
        """
        expected = self.card.files.get(name)
        if expected is None:
            raise PackInvalid(f"{self.folder}: the card does not list {name}")
        content = _read(self.folder / name, MAX_FILE_BYTES)
        if hashlib.sha256(content).hexdigest() != expected:
            raise PackInvalid(f"{self.folder / name}: the content is not what the card says")
        return content


def pack_folder(given: Path) -> Path:
    """``given``, or for the word ``default`` where the pack that ships lies."""
    return _SHIPPED if given == Path(DEFAULT) else given


def open_pack(folder: Path) -> Pack:
    """Read the card of the pack in ``folder`` (or ``default``); the files are verified as they are read.

    Raises:
        PackInvalid: There is no card, or it is malformed.
    """
    folder = pack_folder(folder)
    content = _read(folder / CARD_FILE, MAX_CARD_BYTES)
    try:
        card = parse_document(ModelCard, CARD_FILE, content)
    except DocumentError as err:
        raise PackInvalid(f"{folder}: {err}") from err
    return Pack(folder, card, hashlib.sha256(content).hexdigest())


def verify_files(pack: Pack) -> None:
    """Read every file of the pack and look for others.

    Raises:
        PackInvalid: A file is missing, altered, or not in the card.
    """
    for name in pack.card.files:
        pack.read(name)
    try:
        present = {entry.name for entry in os.scandir(pack.folder)}
    except OSError as err:
        raise PackInvalid(f"{pack.folder}: {err.strerror}") from err
    surplus = sorted(present - pack.card.files.keys() - {CARD_FILE})
    if surplus:
        raise PackInvalid(f"{pack.folder}: the card does not list {surplus[0]}")


def read_files(pack: Pack) -> dict[str, bytes]:
    """Every file of the pack by name, the card among them, as they were verified.

    Raises:
        PackInvalid: As ``verify_files``; or the card has changed since it was read.
    """
    verify_files(pack)
    card = _read(pack.folder / CARD_FILE, MAX_CARD_BYTES)
    if hashlib.sha256(card).hexdigest() != pack.digest:
        raise PackInvalid(f"{pack.folder}: the card is being changed")
    return {name: pack.read(name) for name in pack.card.files} | {CARD_FILE: card}


def find_packs(folder: Path) -> list[Path]:
    """The folders in ``folder`` that hold a card, by name; ``folder`` itself if it does."""
    folder = pack_folder(folder)
    if (folder / CARD_FILE).is_file():
        return [folder]
    try:
        return sorted(entry for entry in folder.iterdir() if (entry / CARD_FILE).is_file())
    except OSError:
        return []


def _read(path: Path, most_bytes: int) -> bytes:
    try:
        with open(path, "rb", opener=_opener) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PackInvalid(f"{path}: not a plain file")
            if status.st_size > most_bytes:
                raise PackInvalid(f"{path}: larger than {most_bytes} bytes")
            return file.read()
    except OSError as err:
        raise PackInvalid(f"{path}: {err.strerror or type(err).__name__}") from err


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a pipe must not wait for its other end
