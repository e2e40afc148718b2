"""Keys in PKCS #8 files ``LABEL.key`` of one directory, under a passphrase (``pki.sealing``).

Directory 0700, files 0600, refused when open to others. A file can be carried away and brought back (an offline root):
the store then says that it has no such key. Without a passphrase files are plain, and protected by their mode alone.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from pki.errors import KeyExists, KeyFileError, KeyNotFound, KeyStoreUnavailable
from pki.files import make_private_dir, read_private_key, write_private
from pki.keys import generate_private_key, private_key_to_pem
from pki.keystore import Settings, require_label
from pki.signer import LocalSigner

_OTHERS: Final = 0o077
Passphrase = bytes | Callable[[], bytes] | None


def open_store(settings: Settings, secret: bytes | None) -> "FileKeyStore":
    """``file:/directory``."""
    settings.require_only()
    if settings.location.netloc or not settings.path().startswith("/"):
        raise KeyStoreUnavailable("file key store", "its directory is not absolute", "write file:/path/to/directory")
    return FileKeyStore(Path(settings.path()), secret)


class FileKeyStore:
    """See the module. ``passphrase`` None: plain files; a callable is asked when a key is first read or made."""

    def __init__(self, directory: Path, passphrase: Passphrase) -> None:
        self.name = f"file key store {directory}"
        self._directory = directory
        self._passphrase = passphrase
        if isinstance(passphrase, bytes) and not passphrase:
            raise KeyStoreUnavailable(self.name, "an empty passphrase protects nothing", "give one, or none at all")

    def check(self) -> None:
        """The directory is there and private, and the passphrase opens every key in it."""
        try:
            mode = self._directory.stat().st_mode
            keys = sorted(self._directory.glob("*.key"))
        except OSError as err:
            raise KeyStoreUnavailable(
                self.name, err.strerror or "cannot be read", "restore it from a backup, or mount it"
            ) from err
        if mode & _OTHERS:
            raise KeyStoreUnavailable(
                self.name, f"is open to group or others (mode {mode & 0o777:04o})", "run chmod 700 on it"
            )
        for path in keys:
            self._read(path)

    def signer(self, label: str) -> LocalSigner:
        """The key in ``LABEL.key``."""
        path = self._path(label)
        if not path.exists():
            raise KeyNotFound(self.name, f"there is no {path.name}", "bring the file back, or create the key")
        return self._read(path)

    def create(self, label: str) -> LocalSigner:
        """A new key, on disk before it is used."""
        path = self._path(label)
        if path.exists():
            raise KeyExists(self.name, f"{path.name} is there already", "choose another label")
        key = generate_private_key()
        try:
            make_private_dir(self._directory)
            write_private(path, private_key_to_pem(key, self._secret()))
        except OSError as err:
            raise KeyStoreUnavailable(
                self.name, err.strerror or "cannot be written", "make room, or mount it writable"
            ) from err
        return LocalSigner(key)

    def _secret(self) -> bytes | None:
        return self._passphrase() if callable(self._passphrase) else self._passphrase

    def _path(self, label: str) -> Path:
        return self._directory / f"{require_label(self.name, label)}.key"

    def _read(self, path: Path) -> LocalSigner:
        try:
            return LocalSigner(read_private_key(path, self._secret()))
        except KeyFileError as err:
            raise KeyStoreUnavailable(
                self.name,
                f"{path.name}: {err}",
                "give the passphrase it was sealed with, as its file or variable, or restore it from a backup",
            ) from err
