"""The root's private key: in its key store, or exported to one encrypted file and brought back per operation.

A key that is brought is used in memory and never stored. Nothing is removed before its export has been read back.
The export is PKCS #8 under a passphrase that is generated here (160 random bits) and shown once; ``openssl`` opens it.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from control_plane.authorities import AuthorityRecord, Kind, TrustState
from control_plane.authority_keys import AuthorityKeys, Found
from control_plane.errors import KeysUnsafe, RootOffline
from pki.authority import Authority
from pki.errors import KeyFileError
from pki.files import read_private_key, write_private
from pki.keys import spki_sha256
from pki.sealing import seal_private_key
from pki.signer import LocalSigner

_PASSPHRASE_BYTES = 20  # 160 bits: nobody guesses that, whatever a guess costs
_GROUP_CHARS = 4


@dataclass(frozen=True, slots=True)
class BroughtKey:
    """An exported root key, brought for one operation."""

    path: Path
    passphrase: bytes = field(repr=False)


def new_passphrase(random_bytes: Callable[[int], bytes]) -> str:
    """A passphrase to write down: base32 in groups, nothing that reads as something else."""
    text = base64.b32encode(random_bytes(_PASSPHRASE_BYTES)).decode().lower()
    return "-".join(text[start : start + _GROUP_CHARS] for start in range(0, len(text), _GROUP_CHARS))


def is_online(keys: AuthorityKeys, root: AuthorityRecord) -> bool:
    """True if the root's key is in the key store or the data directory."""
    return keys.find(root) is not None


def root_key(keys: AuthorityKeys, root: AuthorityRecord, brought: BroughtKey | None) -> EllipticCurvePrivateKey:
    """The root's key itself: the one brought, else the one here.

    Raises:
        RootOffline: It is nowhere; says how to bring it.
        KeysUnsafe: What is there cannot be used, is another key, or cannot leave its store.
    """
    if brought is None:
        return _found(keys, root).private_key()
    try:
        key = read_private_key(brought.path, brought.passphrase)
    except KeyFileError as err:
        raise KeysUnsafe(f"{brought.path}: {err}") from err
    if spki_sha256(key.public_key()) != spki_sha256(root.certificate.public_key()):
        raise KeysUnsafe(f"{brought.path}: this is not the key of {root.name}")
    return key


def root_authority(keys: AuthorityKeys, root: AuthorityRecord, brought: BroughtKey | None) -> Authority:
    """The root, able to sign with the key brought, else with the one here. Raises as ``root_key``."""
    signer = _found(keys, root).signer if brought is None else LocalSigner(root_key(keys, root, brought))
    return Authority(root.certificate, signer)


def export_root(keys: AuthorityKeys, root: AuthorityRecord, target: BroughtKey) -> None:
    """Write the root's key to a new file, encrypted, and read it back.

    Raises:
        RootOffline, KeysUnsafe: There is no key here, or the file is there already or does not read back.
        OSError: The disk refuses.
    """
    write_export(root_key(keys, root, None), target)


def write_export(key: EllipticCurvePrivateKey, target: BroughtKey) -> None:
    """Write ``key`` to a new file, encrypted, and read it back. Raises as ``export_root``."""
    if target.path.exists():
        raise KeysUnsafe(f"{target.path} exists; nothing was written. Choose another name")
    write_private(target.path, seal_private_key(key, target.passphrase))
    try:
        reread = read_private_key(target.path, target.passphrase)
    except KeyFileError as err:
        raise KeysUnsafe(f"{target.path}: {err}") from err
    if spki_sha256(reread.public_key()) != spki_sha256(key.public_key()):
        raise KeysUnsafe(f"{target.path}: does not read back as what was written")


def remove_root(keys: AuthorityKeys, root: AuthorityRecord, export: BroughtKey) -> None:
    """Delete the root's key here, if ``export`` opens and holds it.

    Raises:
        KeysUnsafe: It does not, or the key is in a store that keys do not leave; nothing was removed.
        RootOffline: There is no key here.
    """
    root_key(keys, root, export)
    found = keys.find(root)
    if found is None:
        raise RootOffline(f"the key of {root.name} is not here already")
    path = found.path
    with path.open("r+b") as file:  # of use on disks that write in place; copies elsewhere are the operator's
        file.write(b"\0" * path.stat().st_size)
    path.unlink()


def import_root(keys: AuthorityKeys, root: AuthorityRecord, export: BroughtKey) -> None:
    """Keep the root's key here again, as a file: of the file store, else in the data directory.

    Raises:
        KeysUnsafe: The export does not open, or holds another key.
    """
    keys.put(root, root_key(keys, root, export))


def _found(keys: AuthorityKeys, root: AuthorityRecord) -> Found:
    found = keys.find(root)
    if found is None:
        raise RootOffline(
            f"the key of {root.name} is not here. Bring its export for this one operation: "
            "add --root-key FILE --passphrase-file FILE"
        )
    return found


def numbered(state: TrustState, kind: Kind) -> int:
    """The number of the next authority of ``kind``; the first, which has none in its name, was 1."""
    return 1 + sum(one.kind is kind for one in state.authorities)


def describe(keys: AuthorityKeys, roots: Sequence[AuthorityRecord]) -> list[dict[str, str]]:
    """Each root with its state and where its key is."""
    return [{"name": root.name, "state": root.state.value, "key": keys.where(root)} for root in roots]
