"""Where the authorities' keys live: made in the key store of the settings, used through it, known by their certificate.

A key is looked for under its authority's name, then under ``NAME-r2`` and so on, and counts only if it is the
certificate's: what an interrupted ceremony or another installation left in a store is neither used nor in the way.
Keys from before a change of store are still found as plain files in the data directory, until they are rotated.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast

from cryptography.hazmat.primitives.asymmetric import ec

from control_plane.authorities import AuthorityRecord
from control_plane.errors import ConfigError, KeyStoreFailed, KeysUnsafe, Sealed
from control_plane.seal import Seal, read_seal
from pki.errors import KeyExists, KeyFileError, KeyNotFound, KeyStoreError
from pki.files import make_private_dir, read_private_key, write_private
from pki.keys import private_key_to_pem, spki_sha256
from pki.keystore import KeyStore, Settings, open_key_store, read_secret
from pki.keystores.file import FileKeyStore, Passphrase
from pki.signer import Signer

_ATTEMPTS: Final = 4  # three interrupted ceremonies in a row; then an operator should look
_FILE_SCHEME: Final = "file"


AskForShares = Callable[[Seal], bytes]
"""Gets enough shares from people and returns the passphrase; may block for as long as they take."""


@dataclass(frozen=True, slots=True)
class StoreChoice:
    """What the settings say. ``uri`` None: files in the data directory; ``secret`` None: plain ones.

    ``shares`` opens the data directory's files where they are sealed (``seal``): the passphrase, or who asks for it.
    """

    uri: str | None = None
    secret: bytes | None = field(default=None, repr=False)
    shares: "bytes | AskForShares | None" = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """One store. ``folder`` is set where keys are files, which alone can be exported."""

    store: KeyStore
    folder: Path | None
    passphrase: Passphrase = field(default=None, repr=False)
    seal: Seal | None = None

    def secret(self) -> bytes | None:
        """The passphrase of its files; asked for if it is not known yet."""
        return self.passphrase() if callable(self.passphrase) else self.passphrase


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
            return read_private_key(self.path, self.place.secret())
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
        return f"{place.store.name} ({place.seal.described if place.seal else how})"

    @property
    def is_sealed(self) -> bool:
        """True as long as looking for a key in files would ask people for their shares."""
        return any(isinstance(place.passphrase, _Asking) and not place.passphrase.is_answered for place in self._places)

    def where(self, record: AuthorityRecord) -> str:
        """``here``, ``offline``, or ``sealed`` if a file of its name is there and nobody was asked to open it."""
        if not self.is_sealed:
            return "here" if self.find(record) else "offline"
        folders = [place.folder for place in self._places if place.folder is not None]
        files = [folder / f"{label}.key" for folder in folders for label in _labels(record.name)]
        return "sealed" if any(file.exists() for file in files) else "offline"

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
        """The key of ``record``, able to sign. Where it is sealed, it is looked for when it first signs.

        Raises:
            KeysUnsafe: It is nowhere.
            KeyStoreFailed: As ``find``.
        """
        if self.is_sealed:
            return _SealedSigner(record, self)
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
                write_private(path, private_key_to_pem(key, place.secret()))
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


class _SealedSigner:
    """A key that nobody has unsealed yet."""

    __slots__ = ("_keys", "_record")

    def __init__(self, record: AuthorityRecord, keys: AuthorityKeys) -> None:
        self._record = record
        self._keys = keys

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """As its certificate says."""
        return cast("ec.EllipticCurvePublicKey", self._record.certificate.public_key())

    def sign(self, data: bytes) -> bytes:
        """Ask for the shares, look for the key, sign."""
        found = self._keys.find(self._record)
        if found is None:
            raise KeysUnsafe(f"there is no key of {self._record.name}'s certificate; restore it from a backup")
        return found.signer.sign(data)


class _Asking:
    """A passphrase that people are asked for once, when it is first needed."""

    __slots__ = ("_answer", "_ask", "_seal")

    def __init__(self, seal: Seal, ask: AskForShares | None) -> None:
        self._seal = seal
        self._ask = ask
        self._answer: bytes | None = None

    @property
    def is_answered(self) -> bool:
        return self._answer is not None

    def __call__(self) -> bytes:
        if self._answer is None:
            if self._ask is None:
                raise Sealed("the authorities' keys are sealed, and there is nobody to ask for their shares")
            self._answer = self._ask(self._seal)
        return self._answer


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
        KeysUnsafe: What says that they are sealed is damaged.
    """
    seal = read_seal(folder)
    try:
        if choice.uri is None:
            return AuthorityKeys((_own_files(folder, choice, seal),))
        store, settings = open_key_store(choice.uri, secret=choice.secret), Settings(choice.uri)
    except KeyStoreError as err:
        raise _failed(err) from err
    except UnicodeDecodeError as err:
        raise KeyStoreFailed("key store", "its secret is not text", "give the PIN or token as UTF-8") from err
    own = _own_files(folder, replace(choice, secret=None), seal)
    if settings.location.scheme != _FILE_SCHEME:
        return AuthorityKeys((Place(store, None), own))
    chosen = Place(store, Path(settings.path()), choice.secret)
    same = chosen.folder == folder.absolute()
    return AuthorityKeys((chosen,) if same else (chosen, own))


def _own_files(folder: Path, choice: StoreChoice, seal: Seal | None) -> Place:
    if seal is None:
        return Place(FileKeyStore(folder, choice.secret), folder, choice.secret)
    if choice.secret is not None:
        raise KeyStoreFailed(
            f"file key store {folder}",
            "its passphrase exists in shares only, and the settings give another",
            "remove key_store_secret_file and CONTROL_PLANE_KEY_STORE_SECRET",
        )
    passphrase = choice.shares if isinstance(choice.shares, bytes) else _Asking(seal, choice.shares)
    return Place(FileKeyStore(folder, passphrase), folder, passphrase, seal)


def _labels(name: str) -> Iterator[str]:
    yield name
    for attempt in range(2, _ATTEMPTS + 1):
        yield f"{name}-r{attempt}"


def _failed(err: KeyStoreError) -> KeyStoreFailed:
    return KeyStoreFailed(err.store, err.problem, err.advice)
