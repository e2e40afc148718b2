"""The keys of this installation and where they lie: directories 0700, files 0600, refused when open to others.

    data_dir/ca/{root,intermediate}[-<id>].pem   data_dir/server/server.pem   data_dir/keys/{kek,receipt.key}
    data_dir/keys/orgs/<org>/{root,targets,snapshot,timestamp}.key           data_dir/control-plane.db

Only this file and ``root_key`` read or write them (through ``pki.files``). Authorities' keys are in their key store
(``authority_keys``); the root's is needed for ceremonies alone and is not loaded to serve.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from control_plane.audit import receipt_signer_name
from control_plane.authorities import (
    FIRST_INTERMEDIATE,
    FIRST_ROOT,
    AuthorityRecord,
    Kind,
    TrustState,
    first_state,
    presented_chain,
    trust_store,
)
from control_plane.authority_keys import AuthorityKeys, StoreChoice, open_authority_keys
from control_plane.errors import KeysUnsafe
from control_plane.key_files import load_ed25519, new_ed25519_pem, read_key_file
from control_plane.org_keys import OrgKeys
from control_plane.signing import ROLES, VIRTUAL_KEYS, RoleSigners
from control_plane.wrapping import KEK_BYTES, Wrapper
from outpost.audit.checkpoint import NoteSigner
from pki.authority import Authority, create_intermediate, create_root
from pki.errors import CertificateInvalid, KeyFileError, PkiError
from pki.files import make_private_dir, read_certificates, write_private, write_public
from pki.keys import certificate_sha256, generate_private_key, private_key_to_pem
from pki.pem import certificates_to_pem
from pki.profiles import BACKDATE
from pki.verify import Purpose, TrustStore, verify_chain

SERVER_RENEW_BELOW = 1 / 3  # of the lifetime left: 30 of 90 days, as ACME clients do


@dataclass(frozen=True, slots=True)
class DataDir:
    """Paths of one installation."""

    path: Path

    @property
    def ca(self) -> Path:
        """Certificates of the authorities; their keys too, unless settings name another store."""
        return self.path / "ca"

    @property
    def server(self) -> Path:
        """Certificate chain and key of this server, in one file so that they change together."""
        return self.path / "server" / "server.pem"

    @property
    def keys(self) -> Path:
        """Keys that are no certificate's."""
        return self.path / "keys"

    @property
    def database(self) -> Path:
        """The embedded database."""
        return self.path / "control-plane.db"

    @property
    def kek(self) -> Path:
        """The key under which secrets rest in the database."""
        return self.keys / "kek"

    @property
    def next_kek(self) -> Path:
        """The key that is to replace it, while secrets are wrapped anew."""
        return self.keys / "kek.next"

    def org_keys(self, org_id: str) -> Path:
        """The keys of an org's bundle repository that this control plane holds."""
        return self.keys / "orgs" / org_id


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys that serving needs, at one generation of trust."""

    files: DataDir
    authority_keys: AuthorityKeys
    state: TrustState
    trust: TrustStore
    anchor: x509.Certificate
    intermediate: Authority
    receipts: NoteSigner
    backdate: timedelta = BACKDATE
    """How long before their issue leaves begin."""

    @property
    def anchor_sha256(self) -> bytes:
        """What an enrolment token carries."""
        return certificate_sha256(self.anchor)

    @property
    def wrapper(self) -> Wrapper:
        """Encryption at rest, by the keys that lie there now: another process may be replacing them.

        Raises:
            KeysUnsafe: They cannot be used.
        """
        return load_wrapper(self.files)

    def authority(self, name: str) -> Authority:
        """An intermediate that may have stopped issuing, to sign its last revocation lists.

        Raises:
            KeysUnsafe: Its key is missing, damaged or open to others.
        """
        record = self.state.named(name)
        if record is None:
            raise KeysUnsafe(f"there is no authority called {name}")
        return _load_authority(self.authority_keys, record, self.backdate)

    def signers(self, org_id: str) -> RoleSigners:
        """The bundle keys of an org.

        Raises:
            KeysUnsafe: A key is missing, damaged or open to others.
        """
        keys = self.org_keys(org_id)
        if self.files.org_keys(org_id).is_dir():
            keys.complete([VIRTUAL_KEYS])  # an org from before this role delegates when it next publishes
        return keys.load()

    def ensure_org_keys(self, org_id: str) -> RoleSigners:
        """A new org's keys, made now if there are none. A set half made before is completed, never replaced."""
        self.org_keys(org_id).complete(ROLES)
        return self.signers(org_id)

    def org_keys(self, org_id: str) -> OrgKeys:
        """The files with the org's bundle keys."""
        return OrgKeys(self.files.org_keys(org_id))


def create_keys(
    files: DataDir,
    keys: AuthorityKeys,
    trust_domain: str,
    at: datetime,
    random_bytes: Callable[[int], bytes],
    *,
    root_leaves: bool,
) -> None:
    """Make every key of a new installation; ``root_leaves``: the root's will be exported, so it is made as a file.

    Raises:
        KeyStoreFailed: The store makes none.
    """
    for folder in (files.path, files.ca, files.keys, files.keys / "orgs", files.server.parent):
        make_private_dir(folder)
    root = create_root(
        keys.create(FIRST_ROOT, exportable=root_leaves),
        trust_domain=trust_domain,
        common_name=f"{trust_domain} root",
        at=at,
        random_bytes=random_bytes,
    )
    intermediate = create_intermediate(
        root,
        keys.create(FIRST_INTERMEDIATE),
        trust_domain=trust_domain,
        common_name=f"{trust_domain} intermediate",
        at=at,
        random_bytes=random_bytes,
    )
    for name, authority in ((FIRST_ROOT, root), (FIRST_INTERMEDIATE, intermediate)):
        write_public(files.ca / f"{name}.pem", certificates_to_pem([authority.certificate]))
    write_private(files.keys / "receipt.key", new_ed25519_pem())
    write_private(files.keys / "kek", random_bytes(KEK_BYTES))


def load_keyring(  # noqa: PLR0913 - what one opening depends on
    files: DataDir,
    trust_domain: str,
    at: datetime,
    state: TrustState | None = None,
    *,
    keys: AuthorityKeys | None = None,
    to_issue: bool = True,
    backdate: timedelta = BACKDATE,
) -> Keyring:
    """Load and check the keys that serving needs. Without ``state``: as ``init`` made them; without ``keys``: in files.

    ``to_issue=False`` lets an authority pass that has ended, so that it can be rotated.

    Raises:
        KeysUnsafe: A file is missing, damaged or open to others, or the authority's chain does not hold at ``at``.
        KeyStoreFailed: The authorities' key store does not answer or does not let us in.
    """
    state = state or _first_state(files)
    load_wrapper(files)
    receipt_key = load_ed25519(files.keys / "receipt.key")
    receipts = NoteSigner(receipt_signer_name(trust_domain), receipt_key)
    keys = keys or open_authority_keys(files.ca, StoreChoice())
    keyring = Keyring(files, keys, state, *_issuing(keys, state, backdate), receipts, backdate)
    _require_valid_authority(keyring, at if to_issue else keyring.intermediate.certificate.not_valid_before_utc)
    return keyring


def load_wrapper(files: DataDir) -> Wrapper:
    """The key for encryption at rest, and the one that is to replace it if a replacement is under way.

    Raises:
        KeysUnsafe: One is missing, damaged or open to others.
    """
    following = _read_kek(files.next_kek) if files.next_kek.exists() else None
    return Wrapper(_read_kek(files.kek), following=following)


def _read_kek(path: Path) -> bytes:
    kek = read_key_file(path)
    if len(kek) != KEK_BYTES:
        raise KeysUnsafe(f"{path}: not a key; restore it from a backup")
    return kek


def at_state(keyring: Keyring, state: TrustState) -> Keyring:
    """The same keys with the authorities of ``state``.

    Raises:
        KeysUnsafe: The key of the authority that issues now cannot be loaded.
    """
    trust, anchor, intermediate = _issuing(keyring.authority_keys, state, keyring.backdate)
    return replace(keyring, state=state, trust=trust, anchor=anchor, intermediate=intermediate)


def _issuing(
    keys: AuthorityKeys, state: TrustState, backdate: timedelta
) -> tuple[TrustStore, x509.Certificate, Authority]:
    authority = _load_authority(keys, state.active(Kind.INTERMEDIATE), backdate)
    return trust_store(state), state.active(Kind.ROOT).certificate, authority


def _first_state(files: DataDir) -> TrustState:
    try:
        (root,) = read_certificates(files.ca / f"{FIRST_ROOT}.pem")
        (intermediate,) = read_certificates(files.ca / f"{FIRST_INTERMEDIATE}.pem")
    except (PkiError, OSError, ValueError) as err:
        raise KeysUnsafe(f"{files.ca}: {_why(err)}; restore it from a backup") from err
    return first_state(root, intermediate)


def _load_authority(keys: AuthorityKeys, record: AuthorityRecord, backdate: timedelta) -> Authority:
    return Authority(record.certificate, keys.signer(record), backdate=backdate)


def ensure_server_certificate(keyring: Keyring, names: list[str], at: datetime) -> bool:
    """Give this server a new key and certificate if it has none for ``names`` that lasts; True if it did.

    Raises:
        KeysUnsafe: A name cannot stand in a certificate.
    """
    path = keyring.files.server
    if path.exists() and _still_good(path, keyring, names, at):
        return False
    key = generate_private_key()
    try:
        leaf = keyring.intermediate.issue_server(names, key.public_key(), at)
    except PkiError as err:
        raise KeysUnsafe(f"server_names {', '.join(names)}: {_why(err)}") from err
    chain = certificates_to_pem([leaf, *presented_chain(keyring.state)])
    make_private_dir(path.parent)
    write_private(path, private_key_to_pem(key, None) + chain)
    return True


def _still_good(path: Path, keyring: Keyring, names: list[str], at: datetime) -> bool:
    try:
        leaf, *chain = x509.load_pem_x509_certificates(read_key_file(path))
        verify_chain(leaf, trust=keyring.trust, at=at, purpose=Purpose.SERVER)
        leaf.verify_directly_issued_by(keyring.intermediate.certificate)
        alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (CertificateInvalid, InvalidSignature, ValueError, x509.ExtensionNotFound):
        return False
    lifetime = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    lasts = leaf.not_valid_after_utc - at > lifetime * SERVER_RENEW_BELOW
    return (
        lasts
        and chain == list(presented_chain(keyring.state))
        and {str(name.value) for name in alternative} == set(names)
    )


def _require_valid_authority(keyring: Keyring, at: datetime) -> None:
    certificate = keyring.intermediate.certificate
    try:
        certificate.verify_directly_issued_by(keyring.anchor)
    except (InvalidSignature, ValueError, TypeError) as err:
        raise KeysUnsafe(f"{keyring.files.ca}: the intermediate was not issued by the root") from err
    for name, checked in (("root", keyring.anchor), ("intermediate", certificate)):
        if not checked.not_valid_before_utc <= at < checked.not_valid_after_utc:
            raise KeysUnsafe(
                f"the certificate of the {name} is not valid now; check this machine's clock, then rotate the {name}"
            )


def _why(err: Exception) -> str:
    if isinstance(err, OSError):
        return f"{err.strerror} ({err.filename})"
    return str(err) if isinstance(err, KeyFileError | PkiError) else "not what it should be"
