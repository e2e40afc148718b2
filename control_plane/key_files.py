"""Files with keys that are no certificate's: plain, mode 0600, refused when open to others."""

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from control_plane.errors import KeysUnsafe

_MAX_KEY_FILE_BYTES = 4096  # an Ed25519 key in PEM has 119
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def new_ed25519_pem() -> bytes:
    """A new key, PKCS #8 in PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def load_ed25519(path: Path) -> Ed25519PrivateKey:
    """The key in ``path``.

    Raises:
        KeysUnsafe: It is missing, damaged or open to others.
    """
    content = read_key_file(path)
    try:
        key = load_pem_private_key(content, None)
    except (ValueError, TypeError) as err:
        raise KeysUnsafe(f"{path}: not a private key; restore it from a backup") from err
    if not isinstance(key, Ed25519PrivateKey):
        raise KeysUnsafe(f"{path}: not an Ed25519 key; restore it from a backup")
    return key


def read_key_file(path: Path) -> bytes:
    """What a file holds that only its owner may read.

    Raises:
        KeysUnsafe: It is missing or open to others.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a planted pipe must not hang us
    except OSError as err:
        raise KeysUnsafe(f"{path}: {err.strerror}; restore it from a backup") from err
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_mode & _OTHERS:
            raise KeysUnsafe(f"{path}: a key file must be readable by its owner only; run `chmod 600 {path}`")
        return file.read(
            _MAX_KEY_FILE_BYTES * 4
        )  # the server's chain is in one file with its key; two crosses more fit
