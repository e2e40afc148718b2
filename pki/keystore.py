"""Where the keys of authorities live: one small interface, opened by a URI.

    file:/var/lib/control-plane/ca                                    PKCS #8 files; secret = passphrase
    pkcs11:token=control-plane?module-path=/usr/lib/softhsm/libsofthsm2.so        secret = PIN (RFC 7512)
    vault+https://vault.example.org:8200/transit?namespace=ops&ca=/etc/ssl/v.pem  secret = token; also OpenBao
    azure+https://NAME.vault.azure.net?tenant=ID&client=ID            secret = client secret; without: the machine's own

A key never leaves a store but for the file store's, and nothing replaces a key. Whatever a store cannot do is a
``KeyStoreError`` that names the store and says what to do. The three that need a client library are extras of the
package (``hybrid-outpost[pkcs11]``, ``[vault]``, ``[azure]``), loaded only when such a URI is opened.
"""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pki.errors import KeyStoreError, KeyStoreUnavailable
from pki.files import read_private
from pki.signer import Signer

MAX_SECRET_BYTES: Final = 4096  # a passphrase, a PIN or a token; Vault's batch tokens are a few hundred bytes
# A file name, a PKCS #11 label, a Vault and an Azure key name at once (Azure: letters, digits, hyphen, up to 127).
_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

_MODULES: Final = {
    "file": ("pki.keystores.file", None),
    "pkcs11": ("pki.keystores.pkcs11", "pkcs11"),
    "vault+https": ("pki.keystores.vault", "vault"),
    "azure+https": ("pki.keystores.azure", "azure"),
}


class KeyStore(Protocol):
    """A place that holds ECDSA P-256 keys by label. Calls may block for seconds and come from any thread."""

    @property
    def name(self) -> str:
        """What people call this store; no secret in it."""
        ...

    def check(self) -> None:
        """Return only if the store answers and lets us in.

        Raises:
            KeyStoreUnavailable: it does not.
        """
        ...

    def signer(self, label: str) -> Signer:
        """The key ``label``.

        Raises:
            KeyNotFound: there is none.
            KeyStoreUnavailable: the store does not answer, or the key is not ECDSA P-256.
        """
        ...

    def create(self, label: str) -> Signer:
        """A new key under ``label``.

        Raises:
            KeyExists: there is one; it stays as it is.
            KeyStoreUnavailable: the store does not answer or does not let us.
        """
        ...


class Settings:
    """A store's URI in parts; ``query`` has each key once."""

    __slots__ = ("location", "query")

    def __init__(self, uri: str) -> None:
        self.location: SplitResult = urlsplit(uri)
        values = parse_qs(self.location.query, keep_blank_values=True)
        twice = [key for key, found in values.items() if len(found) != 1]
        if twice:
            raise _bad_uri(f"{', '.join(twice)} stands more than once")
        self.query = {key: found[0] for key, found in values.items()}

    def require_only(self, *known: str) -> None:
        """Refuse a key that nobody would read."""
        unknown = self.query.keys() - set(known)
        if unknown:
            raise _bad_uri(f"{', '.join(sorted(unknown))} is not known; known are {', '.join(known) or 'none'}")

    def path(self) -> str:
        """The path, percent-decoded."""
        return unquote(self.location.path)

    def https_url(self) -> str:
        """``https://host[:port]``, from ``something+https://host[:port]/...``."""
        if not self.location.hostname or self.location.username or self.location.password:
            raise _bad_uri("a host is needed, and no name or password before it")
        return f"https://{self.location.netloc}"


Opener = Callable[[Settings, bytes | None], KeyStore]


def open_key_store(uri: str, *, secret: bytes | None = None) -> KeyStore:
    """The store that ``uri`` names. Nothing is asked of it yet: ``check`` does that.

    Raises:
        KeyStoreUnavailable: the URI is not one of the four kinds, or the kind's client library is not installed.
    """
    try:
        settings = Settings(uri)
    except ValueError as err:
        raise _bad_uri("not a URI") from err
    scheme = settings.location.scheme
    if scheme not in _MODULES:
        raise _bad_uri(f"kinds of store are {', '.join(_MODULES)}")
    module, extra = _MODULES[scheme]
    try:
        opener = cast("Opener", import_module(module).open_store)
    except ImportError as err:
        raise KeyStoreUnavailable(
            f"{scheme} key store",
            "its client library is not installed",
            f"install hybrid-outpost[{extra}]",
        ) from err
    return opener(settings, secret)


def read_secret(path: Path) -> bytes:
    """A passphrase, PIN or token from its file, without the line end an editor leaves.

    Raises:
        KeyFileError: the file cannot be read, is open to group or others, or is too large.
    """
    return read_private(path, MAX_SECRET_BYTES).rstrip(b"\r\n")


def require_label(store: str, label: str) -> str:
    """Return ``label`` if every kind of store takes it.

    Raises:
        KeyStoreError: it would not.
    """
    if _LABEL.fullmatch(label) is None:
        raise KeyStoreError(store, "a key's label is 1-63 characters of a-z, 0-9 and -", "choose another label")
    return label


def _bad_uri(problem: str) -> KeyStoreUnavailable:
    return KeyStoreUnavailable("key store URI", problem, "see the key stores in docs/pki.md")
