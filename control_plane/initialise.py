"""``control-plane init``: a whole installation or nothing, on an empty directory or a mounted volume.

Everything is made in ``data_dir/.init``, moved into place, and ``.init`` is removed last: that removal is the commit.
As long as ``.init`` exists no secret was ever shown, so a second ``init`` clears the unfinished pieces and starts
again. Once it is gone, ``init`` refuses and touches nothing.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from control_plane.authority_keys import StoreChoice, open_authority_keys
from control_plane.ceremonies import Ceremonies, ensure_crls
from control_plane.defaults import DEFAULT_PROVIDER_URL
from control_plane.errors import AlreadyInitialised, InvalidRequest, KeysUnsafe, NotInitialised
from control_plane.keyring import DataDir, create_keys, ensure_server_certificate, load_keyring
from control_plane.keys import KeyRequest
from control_plane.operations import Operations
from control_plane.operations_core import utc_now
from control_plane.orgs import require_org_id, require_provider_url
from control_plane.root_key import BroughtKey, new_passphrase
from control_plane.seal import make_seal, socket_path, write_seal
from control_plane.store.engine import Database
from control_plane.store.orgs import Installation, SqlInstallationStore
from pki.errors import CertificateInvalid
from pki.files import make_private_dir
from pki.names import parse_server_name, require_trust_domain

DEFAULT_TRUST_DOMAIN = "outpost.internal"
DEFAULT_SERVER_NAMES = ("localhost", "127.0.0.1")
_STAGING = ".init"
_LOCK = ".lock"
_PIECES = ("ca", "server", "keys", "control-plane.db")


@dataclass(frozen=True, slots=True)
class FirstSettings:
    """What ``init`` is asked for."""

    org_id: str
    trust_domain: str
    server_names: tuple[str, ...]
    admin_name: str = "admin"
    provider_url: str = DEFAULT_PROVIDER_URL
    root_export: Path | None = None
    """Where the root's key goes, encrypted; it then stays nowhere else."""
    split: tuple[int, int] | None = None
    """How many shares of the authorities' passphrase there are and how many open it; None: it is not in shares."""


@dataclass(frozen=True, slots=True)
class FirstSecrets:
    """What ``init`` shows once; nothing keeps the password or the key."""

    org_id: str
    trust_domain: str
    admin_name: str
    admin_password: str = field(repr=False)
    key_id: str
    virtual_key: str = field(repr=False)
    anchor_sha256: str
    root_passphrase: str | None = field(default=None, repr=False)
    """Opens the root's export, if one was asked for."""
    key_store: str = ""
    """Where the authorities' keys are and what protects them, for people."""
    shares: tuple[str, ...] = field(default=(), repr=False)
    """Of the passphrase that the authorities' keys are under, one for each person."""


def initialise(
    data_dir: Path,
    settings: FirstSettings,
    *,
    database_url: str | None = None,
    key_store: StoreChoice = StoreChoice(),  # noqa: B008 - immutable
    clock: Callable[[], datetime] = utc_now,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> FirstSecrets:
    """Make a new installation in ``data_dir``.

    Raises:
        AlreadyInitialised: There is one, or something else lies in the way; nothing was touched.
        KeyStoreFailed: The key store does not make keys; run it again when it does.
        InvalidRequest, DocumentRejected, KeysUnsafe: A setting cannot be used; nothing was touched.
        OSError: The disk refuses; run it again.
    """
    _check_settings(settings, key_store)
    if settings.split is not None:
        socket_path(data_dir)  # else nobody could ever unseal it
    make_private_dir(data_dir)
    with _only_one(data_dir):
        _clear_unfinished(data_dir)
        _require_free(data_dir, database_url)
        staging = DataDir(data_dir / _STAGING)
        make_private_dir(staging.path)
        seal = None if settings.split is None else make_seal(*settings.split, random_bytes)
        if seal is not None:
            key_store = replace(key_store, secret=seal.passphrase)
        secrets = _build(staging, settings, database_url, key_store, clock, random_bytes)
        if seal is not None:
            write_seal(staging.ca, seal.seal)
            described = secrets.key_store.replace("under the passphrase", seal.seal.described)
            secrets = replace(secrets, shares=seal.shares, key_store=described)
        for piece in _PIECES:
            if (staging.path / piece).exists():
                (staging.path / piece).rename(data_dir / piece)
        _sync(data_dir)
        staging.path.rmdir()
        _sync(data_dir)
    return secrets


def is_initialised(data_dir: Path) -> bool:
    """True if a finished installation lies in ``data_dir``."""
    return (data_dir / "keys").is_dir() and not (data_dir / _STAGING).exists()


def require_initialised(data_dir: Path) -> None:
    """Return only if a finished installation lies in ``data_dir``.

    Raises:
        NotInitialised: Otherwise.
    """
    if not is_initialised(data_dir):
        raise NotInitialised(f"{data_dir} holds no finished installation; run `control-plane init` first")


def open_installation(data_dir: Path, database: Database, expected_trust_domain: str | None) -> Installation:
    """The installation's own record, if the data directory, the database and the settings belong together.

    Raises:
        NotInitialised: There is none, its database is another's, or its schema is not this version's.
    """
    require_initialised(data_dir)
    if not database.is_current():
        raise NotInitialised("the database's schema is not this version's; run `control-plane migrate`")
    with database.read() as connection:
        installation = SqlInstallationStore(connection).load()
    if installation is None:
        raise NotInitialised("the database holds no installation; check database_url, or restore it from a backup")
    if expected_trust_domain not in (None, installation.trust_domain):
        raise NotInitialised(
            f"the settings say trust_domain {expected_trust_domain}, but init fixed {installation.trust_domain}"
        )
    return installation


def _check_settings(settings: FirstSettings, key_store: StoreChoice) -> None:
    require_org_id(settings.org_id)
    if settings.split is not None and (key_store.uri, key_store.secret) != (None, None):
        raise InvalidRequest(
            "shares are for keys in files of the data directory: leave out --shamir, or remove the settings "
            "key_store, key_store_secret and key_store_secret_file"
        )
    require_provider_url(settings.provider_url)
    if settings.root_export is not None and settings.root_export.exists():
        raise KeysUnsafe(f"{settings.root_export} exists; nothing was touched. Choose another name for the root's key")
    try:
        require_trust_domain(settings.trust_domain)
        for name in settings.server_names:
            parse_server_name(name)
    except CertificateInvalid as err:
        raise KeysUnsafe(err.message) from err


def _build(
    staging: DataDir,
    settings: FirstSettings,
    database_url: str | None,
    key_store: StoreChoice,
    clock: Callable[[], datetime],
    random_bytes: Callable[[int], bytes],
) -> FirstSecrets:
    at = clock()
    keys, leaves = open_authority_keys(staging.ca, key_store), settings.root_export is not None
    create_keys(staging, keys, settings.trust_domain, at, random_bytes, root_leaves=leaves)
    keyring = load_keyring(staging, settings.trust_domain, at, keys=keys)
    ensure_server_certificate(keyring, list(settings.server_names), at)
    database = Database(database_url or f"sqlite:///{staging.database}")
    try:
        database.migrate()
        operations = Operations(database, keyring, settings.trust_domain, clock=clock, random_bytes=random_bytes)
        operations.create_org(settings.org_id, settings.provider_url)
        _, password = operations.create_user(settings.org_id, settings.admin_name)
        key, text, _ = operations.create_key(settings.org_id, KeyRequest(name="first key"))
        with database.write() as connection:
            SqlInstallationStore(connection).save(Installation(settings.trust_domain, settings.server_names, at))
        ensure_crls(operations)  # while the root's key is here
        passphrase = None if settings.root_export is None else _take_root_offline(operations, settings.root_export)
    finally:
        database.close()
    if staging.database.exists():
        staging.database.chmod(0o600)
    return FirstSecrets(
        org_id=settings.org_id,
        trust_domain=settings.trust_domain,
        admin_name=settings.admin_name,
        admin_password=password,
        key_id=key.id,
        virtual_key=text,
        anchor_sha256=keyring.anchor_sha256.hex(),
        root_passphrase=passphrase,
        key_store=_finally(keys.described, staging.path),
    )


def _finally(text: str, staging: Path) -> str:
    """``text`` with the place that pieces are moved to instead of the one they are made in."""
    return text.replace(str(staging), str(staging.parent))


def _take_root_offline(operations: Operations, path: Path) -> str:
    passphrase = new_passphrase(os.urandom)
    export = BroughtKey(path, passphrase.encode())
    ceremonies = Ceremonies(operations, heartbeat_interval_s=1)
    ceremonies.export(export)
    ceremonies.remove(export)
    return passphrase


def _clear_unfinished(data_dir: Path) -> None:
    if not (data_dir / _STAGING).exists():
        return
    for piece in _PIECES:
        path = data_dir / piece
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    shutil.rmtree(data_dir / _STAGING)


def _require_free(data_dir: Path, database_url: str | None) -> None:
    found = [piece for piece in _PIECES if (data_dir / piece).exists()]
    if found:
        raise AlreadyInitialised(
            f"{data_dir} holds an installation already ({', '.join(found)}); nothing was touched. "
            "Choose another --data-dir, or move that one away"
        )
    if database_url is None:
        return
    database = Database(database_url)
    try:
        database.migrate()
        with database.read() as connection:
            if SqlInstallationStore(connection).load() is not None:
                raise AlreadyInitialised("the database at database_url holds an installation already; use an empty one")
    finally:
        database.close()


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    descriptor = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise AlreadyInitialised("another `control-plane init` is running here; wait for it") from err
        yield
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
