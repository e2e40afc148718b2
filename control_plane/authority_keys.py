"""Where the authorities' keys live: made in the key store of the settings, used through it, known by their certificate.

A key is looked for under its authority's name, then under ``NAME-r2`` and so on, and counts only if it is the
certificate's: what an interrupted ceremony or another installation left in a store is neither used nor in the way.
Keys from before a change of store are still found as plain files in the data directory, until they are rotated.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from control_plane.authorities import AuthorityRecord
from control_plane.errors import ConfigError, KeyStoreFailed, KeysUnsafe
from pki.errors import KeyExists, KeyFileError, KeyNotFound, KeyStoreError
from pki.files import make_private_dir, read_private_key, write_private
from pki.keys import private_key_to_pem, spki_sha256
from pki.keystore import KeyStore, Settings, open_key_store, read_secret
from pki.keystores.file import FileKeyStore
from pki.signer import Signer

_ATTEMPTS: Final = 4  # three interrupted ceremonies in a row; then an operator should look
_FILE_SCHEME: Final = "file"


@dataclass(frozen=True, slots=True)
class StoreChoice:
    """What the settings say. ``uri`` None: files in the data directory; ``secret`` None: plain ones."""

    uri: str | None = None
    secret: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """One store. ``folder`` is set where keys are files, which alone can be exported."""

    store: KeyStore
    folder: Path | None
    passphrase: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """An authority's key, where it was found."""

    place: Place
    label: str
    signer: Signer

    @property
    def path(self) -> Path:
        """The key's file.

        Raises:
            KeysUnsafe: It is in a store that keys do not leave.
        """
        if self.place.folder is None:
            raise KeysUnsafe(f"{self.place.store.name}: the key {self.label} cannot leave it; nothing was done")
        return self.place.folder / f"{self.label}.key"

    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """The key itself, to be exported. Raises as ``path``."""
        try:
            return read_private_key(self.path, self.place.passphrase)
        except KeyFileError as err:
            raise KeysUnsafe(f"{self.path}: {err}") from err


class AuthorityKeys:
    """The keys of one installation's authorities. New ones are made in the first of ``places``."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        self._places = places

    @property
    def described(self) -> str:
        """Which store, for people, and what protects the keys where they are files."""
        place = self._places[0]
        if place.folder is None:
            return place.store.name
        how = "not encrypted, protected by file mode alone" if place.passphrase is None else "under the passphrase"
        return f"{place.store.name} ({how})"

    def find(self, record: AuthorityRecord) -> Found | None:
        """The key of ``record``'s certificate, or None if no place has it.

        Raises:
            KeyStoreFailed: A store does not answer, does not let us in, or has a damaged key.
        """
        wanted = spki_sha256(record.certificate.public_key())
        for place in self._places:
            for label in _labels(record.name):
                try:
                    signer = place.store.signer(label)
                except KeyNotFound:
                    continue
                except KeyStoreError as err:
                    raise _failed(err) from err
                if spki_sha256(signer.public_key) == wanted:
                    return Found(place, label, _Signer(signer))
        return None

    def signer(self, record: AuthorityRecord) -> Signer:
        """The key of ``record``, able to sign.

        Raises:
            KeysUnsafe: It is nowhere.
            KeyStoreFailed: As ``find``.
        """
        found = self.find(record)
        if found is None:
            stores = ", ".join(place.store.name for place in self._places)
            raise KeysUnsafe(f"{stores}: there is no key of {record.name}'s certificate; restore it from a backup")
        return found.signer

    def create(self, name: str, *, exportable: bool = False) -> Signer:
        """A new key for the authority ``name``; ``exportable``: as a file, whatever the store.

        Raises:
            KeyStoreFailed: The store does not make it.
        """
        place = self._files_place()[0] if exportable else self._places[0]
        taken: KeyExists | None = None
        for label in _labels(name):
            try:
                return _Signer(place.store.create(label))
            except KeyExists as err:
                taken = err
            except KeyStoreError as err:
                raise _failed(err) from err
        raise KeyStoreFailed(
            place.store.name, f"{_ATTEMPTS} keys for {name} are left over in it", "delete those that nothing uses"
        ) from taken

    def put(self, record: AuthorityRecord, key: ec.EllipticCurvePrivateKey) -> None:
        """Keep a key that was brought, as a file; nothing is replaced.

        Raises:
            KeyStoreFailed: As ``find``, or too many keys are left over.
            OSError: The disk refuses.
        """
        if self.find(record) is not None:
            return
        place, folder = self._files_place()
        make_private_dir(folder)
        for label in _labels(record.name):
            path = folder / f"{label}.key"
            if not path.exists():
                write_private(path, private_key_to_pem(key, place.passphrase))
                return
        raise KeyStoreFailed(place.store.name, f"too many keys for {record.name}", "delete those that nothing uses")

    def _files_place(self) -> tuple[Place, Path]:
        return next((place, place.folder) for place in self._places if place.folder is not None)


class _Signer:
    """A store's signer whose failures are ours."""

    __slots__ = ("_signer",)

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._signer.public_key

    def sign(self, data: bytes) -> bytes:
        try:
            return self._signer.sign(data)
        except KeyStoreError as err:
            raise _failed(err) from err


def choose(uri: str | None, secret: str | None, secret_file: Path | None) -> StoreChoice:
    """The store of the settings, its secret read.

    Raises:
        ConfigError: There are two secrets, or the secret's file cannot be used.
    """
    if secret is not None and secret_file is not None:
        raise ConfigError(["key_store_secret_file: there is CONTROL_PLANE_KEY_STORE_SECRET too; give one of them"])
    if secret_file is None:
        return StoreChoice(uri, None if secret is None else secret.encode())
    try:
        return StoreChoice(uri, read_secret(secret_file))
    except KeyFileError as err:
        raise ConfigError([f"key_store_secret_file: {secret_file}: {err}"]) from err


def open_authority_keys(folder: Path, choice: StoreChoice) -> AuthorityKeys:
    """The authorities' keys; ``folder`` is the data directory's own for them. No store is asked yet.

    Raises:
        KeyStoreFailed: The URI or the secret cannot be used, or a client library is missing.
    """
    try:
        if choice.uri is None:
            return AuthorityKeys((Place(FileKeyStore(folder, choice.secret), folder, choice.secret),))
        store, settings = open_key_store(choice.uri, secret=choice.secret), Settings(choice.uri)
    except KeyStoreError as err:
        raise _failed(err) from err
    except UnicodeDecodeError as err:
        raise KeyStoreFailed("key store", "its secret is not text", "give the PIN or token as UTF-8") from err
    own = Place(FileKeyStore(folder, None), folder)
    if settings.location.scheme != _FILE_SCHEME:
        return AuthorityKeys((Place(store, None), own))
    chosen = Place(store, Path(settings.path()), choice.secret)
    same = chosen.folder == folder.absolute()
    return AuthorityKeys((chosen,) if same else (chosen, own))


def _labels(name: str) -> Iterator[str]:
    yield name
    for attempt in range(2, _ATTEMPTS + 1):
        yield f"{name}-r{attempt}"


def _failed(err: KeyStoreError) -> KeyStoreFailed:
    return KeyStoreFailed(err.store, err.problem, err.advice)
