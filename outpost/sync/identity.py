"""Who this outpost is: keys, certificate, anchors and first trusted root, in ``<data_dir>/identity/`` (0700).

Guarantees: an identity is there whole or not at all (made as ``identity.new``, then renamed); one that loads has
a key that matches its certificate, files nobody else can read, and a certificate that leads to its anchors and
names it. An expired certificate still loads, because it can be recovered; ``is_current`` says so. Nothing here
deletes an identity. The file ``current`` names the folder with the key, certificate and authorities in use; without
it they are those of the enrolment, beside it (``credentials.py`` replaces them). Source: design §4.
"""

import os
import re
import stat
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, ValidationError

from outpost.audit.checkpoint import NoteSigner, NoteVerifier
from outpost.errors import BundleRejected, IdentityInvalid, OutpostError
from outpost.policy.trusted_metadata import TrustedMetadata
from outpost.protocol.messages import Count, Id, Message, Pem
from outpost.sync.hpke_key import HpkeKey
from outpost.sync.trust import Trust
from pki.errors import CertificateInvalid, KeyFileError, PkiError, Reason
from pki.files import make_private_dir, write_private
from pki.keys import private_key_from_pem, private_key_to_pem, spki_sha256
from pki.names import SpiffeId
from pki.pem import certificates_to_pem, parse_certificate, parse_certificates
from pki.verify import TrustStore, verify_outpost

DIRECTORY: Final = "identity"
NEW_DIRECTORY: Final = "identity.new"
KEY_FILE: Final = "key.pem"
HPKE_KEY_FILE: Final = "hpke.key"
AUDIT_KEY_FILE: Final = "audit.key"
CERTIFICATE_FILE: Final = "certificate.pem"
ANCHORS_FILE: Final = "anchors.pem"
TUF_ROOT_FILE: Final = "tuf-root.json"
FACTS_FILE: Final = "identity.json"
"""Written last: an ``identity.new`` that has it is complete."""
CURRENT_FILE: Final = "current"
"""Names the folder of the credentials in use; its atomic replacement is the moment of a swap."""
TRUST_FILE: Final = "trust.json"
"""The authorities of a later generation than the enrolment's."""

_CREDENTIALS: Final = re.compile(rb"credentials-([1-9][0-9]{0,8})\n")

_MAX_FILE_BYTES: Final = 1 << 20
_OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_TIME_REASONS: Final = frozenset({Reason.EXPIRED, Reason.NOT_YET_VALID})


class Facts(Message):
    """``identity.json``: what is neither key nor certificate."""

    org_id: Id
    outpost_id: Id
    trust_domain: Annotated[str, Field(max_length=255)]
    sync_url: Annotated[str, Field(max_length=512)]
    receipt_vkey: Annotated[str, Field(max_length=512)]
    enrol_url: Annotated[str | None, Field(max_length=512)] = None
    """Where it enrolled, and recovers."""


class StoredTrust(Message):
    """``trust.json``: authorities, replaced whole."""

    generation: Count
    anchors_pem: list[Pem] = Field(min_length=1, max_length=8)
    intermediates_pem: list[Pem] = Field(max_length=8)


@dataclass(frozen=True, slots=True)
class Keys:
    """The three private keys an outpost makes for itself."""

    tls: ec.EllipticCurvePrivateKey = field(repr=False)
    hpke: HpkeKey = field(repr=False)
    audit: Ed25519PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """A complete identity. ``directory`` is where its files lie; TLS reads the key and chain from there."""

    directory: Path
    org_id: str
    outpost_id: str
    trust_domain: str
    sync_url: str
    receipt_vkey: str
    keys: Keys
    certificate: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    anchors: tuple[x509.Certificate, ...]
    tuf_root: bytes = field(repr=False)
    enrol_url: str | None = None
    credentials: int = 0
    """Which credentials these are: 0 the enrolment's, one more with each swap."""
    trust_generation: int = 0
    trust_intermediates: tuple[x509.Certificate, ...] = ()
    """Authorities of the control plane's other certificates; help for a path, trusted no further."""

    @property
    def credentials_directory(self) -> Path:
        """Where key, certificate and authorities lie."""
        return credentials_directory(self.directory, self.credentials)

    @property
    def trust(self) -> Trust:
        """The authorities it believes."""
        return Trust(self.trust_generation, self.anchors, self.trust_intermediates)

    @property
    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """The key of the certificate."""
        return self.keys.tls

    @property
    def hpke_key(self) -> HpkeKey:
        """The key to which secrets are sealed."""
        return self.keys.hpke

    @property
    def spiffe_id(self) -> SpiffeId:
        """The name in the certificate."""
        return SpiffeId(self.trust_domain, self.org_id, self.outpost_id)

    @property
    def log_origin(self) -> str:
        """The audit log's origin and the name of the key that signs its checkpoints."""
        return f"{self.trust_domain}/org/{self.org_id}/outpost/{self.outpost_id}/audit"

    @property
    def key_file(self) -> Path:
        """PEM of the private key."""
        return self.credentials_directory / KEY_FILE

    @property
    def chain_file(self) -> Path:
        """PEM of the certificate, then its intermediates."""
        return self.credentials_directory / CERTIFICATE_FILE

    def audit_signer(self) -> NoteSigner:
        """Signs checkpoints of this outpost's audit log."""
        return NoteSigner(self.log_origin, self.keys.audit)

    def receipt_verifier(self) -> NoteVerifier:
        """Checks the control plane's receipts."""
        return NoteVerifier.from_vkey(self.receipt_vkey)

    def is_current(self, at: datetime) -> bool:
        """True if ``at`` is within the certificate's validity."""
        return self.certificate.not_valid_before_utc <= at <= self.certificate.not_valid_after_utc


def credentials_directory(directory: Path, number: int) -> Path:
    """The folder of the ``number``-th credentials of the identity in ``directory``."""
    return directory / f"credentials-{number}" if number else directory


def is_enrolled(data_dir: Path) -> bool:
    """True if there is an identity, in whatever state."""
    return (data_dir / DIRECTORY).exists()


def generate_keys() -> Keys:
    """Three new keys."""
    return Keys(ec.generate_private_key(ec.SECP256R1()), HpkeKey.generate(), Ed25519PrivateKey.generate())


def save_keys(directory: Path, keys: Keys) -> None:
    """Write the private keys into ``directory`` (made 0700), each whole and durable.

    Raises:
        OSError: Not all could be written.
    """
    make_private_dir(directory)
    write_private(directory / KEY_FILE, private_key_to_pem(keys.tls, None))
    write_private(directory / HPKE_KEY_FILE, keys.hpke.to_bytes())
    write_private(directory / AUDIT_KEY_FILE, keys.audit.private_bytes_raw())


def load_keys(directory: Path, credentials: int = 0) -> Keys:
    """Read the private keys.

    Raises:
        IdentityInvalid: One is missing, damaged or readable by others.
    """
    try:
        return Keys(
            tls=private_key_from_pem(_read(credentials_directory(directory, credentials), KEY_FILE), None),
            hpke=HpkeKey.from_bytes(_read(directory, HPKE_KEY_FILE)),
            audit=Ed25519PrivateKey.from_private_bytes(_read(directory, AUDIT_KEY_FILE)),
        )
    except (KeyFileError, ValueError) as err:
        raise IdentityInvalid(f"a private key in {directory} cannot be read; restore it from a backup") from err


def save_public_parts(identity: Identity) -> None:
    """Write everything but the keys into the identity's directory; the file of facts comes last.

    Raises:
        OSError: Not all could be written.
    """
    directory = identity.directory
    write_private(directory / CERTIFICATE_FILE, certificates_to_pem([identity.certificate, *identity.intermediates]))
    write_private(directory / ANCHORS_FILE, certificates_to_pem(identity.anchors))
    write_private(directory / TUF_ROOT_FILE, identity.tuf_root)
    facts = Facts(
        org_id=identity.org_id,
        outpost_id=identity.outpost_id,
        trust_domain=identity.trust_domain,
        sync_url=identity.sync_url,
        receipt_vkey=identity.receipt_vkey,
        enrol_url=identity.enrol_url,
    )
    write_private(directory / FACTS_FILE, facts.model_dump_json(indent=2).encode())


def load_identity(data_dir: Path, at: datetime) -> Identity:
    """The identity in ``data_dir``, verified.

    Raises:
        IdentityInvalid: There is none, or it is damaged, open to others, or does not verify for a reason other than
            its time. Nothing is changed on disk.
    """
    directory = data_dir / DIRECTORY
    if not directory.exists():
        raise IdentityInvalid(f"there is no identity in {data_dir}: enrol first with `outpost register`")
    return load_from(directory, at)


def load_from(directory: Path, at: datetime) -> Identity:
    """``load_identity`` for a directory of any name."""
    _require_private_directory(directory)
    return load_credentials(directory, current_credentials(directory), at)


def current_credentials(directory: Path) -> int:
    """The number of the credentials in use.

    Raises:
        IdentityInvalid: The file that names them is damaged or open to others.
    """
    if not (directory / CURRENT_FILE).is_symlink() and not (directory / CURRENT_FILE).exists():
        return 0
    match = _CREDENTIALS.fullmatch(_read(directory, CURRENT_FILE))
    if match is None:
        raise IdentityInvalid(f"{directory / CURRENT_FILE} is damaged; restore the identity from a backup")
    return int(match[1])


def load_credentials(directory: Path, number: int, at: datetime) -> Identity:
    """The identity in ``directory`` with its ``number``-th credentials, in use or not, verified.

    Raises:
        IdentityInvalid: As for ``load_identity``.
    """
    place = credentials_directory(directory, number)
    _require_private_directory(place)
    keys = load_keys(directory, number)
    try:
        facts = Facts.model_validate_json(_read(directory, FACTS_FILE))
        certificate, *intermediates = parse_certificates(_read(place, CERTIFICATE_FILE))
        trust = _read_trust(directory, place)
    except (ValidationError, CertificateInvalid) as err:
        raise IdentityInvalid(f"the identity in {directory} is damaged; restore it from a backup") from err
    identity = Identity(
        directory=directory,
        **facts.model_dump(),
        keys=keys,
        certificate=certificate,
        intermediates=tuple(intermediates),
        anchors=trust.anchors,
        tuf_root=_read(directory, TUF_ROOT_FILE),
        credentials=number,
        trust_generation=trust.generation,
        trust_intermediates=trust.intermediates,
    )
    verify_identity(identity, at)
    return identity


def _read_trust(directory: Path, place: Path) -> Trust:
    """The authorities of these credentials, else the enrolment's."""
    first = parse_certificates(_read(directory, ANCHORS_FILE))
    if place == directory and not (place / TRUST_FILE).exists():
        return Trust(0, first)
    stored = StoredTrust.model_validate_json(_read(place, TRUST_FILE))
    return Trust(
        stored.generation,
        tuple(parse_certificate(pem.encode()) for pem in stored.anchors_pem),
        tuple(parse_certificate(pem.encode()) for pem in stored.intermediates_pem),
    )


def verify_identity(identity: Identity, at: datetime) -> None:
    """Check that all parts belong together: key, certificate, chain, name, first root, receipt key.

    Raises:
        IdentityInvalid: They do not. A certificate that is only out of its time passes.
    """
    where = f"the identity in {identity.directory}"
    try:
        matches = spki_sha256(identity.certificate.public_key()) == spki_sha256(identity.private_key.public_key())
        trust = TrustStore(identity.anchors, (*identity.intermediates, *identity.trust_intermediates))
        name = _verified_name(identity, trust, at)
    except (PkiError, ValueError, UnsupportedAlgorithm) as err:
        raise IdentityInvalid(f"{where} does not verify: {err}") from err
    if not matches:
        raise IdentityInvalid(f"{where}: the private key is not the certificate's")
    if name != identity.spiffe_id:
        raise IdentityInvalid(f"{where}: the certificate is another outpost's")
    try:
        TrustedMetadata(identity.tuf_root)
        identity.receipt_verifier()
    except BundleRejected as err:
        raise IdentityInvalid(f"{where}: its first trusted root does not verify: {err}") from err
    except (OutpostError, ValueError) as err:
        raise IdentityInvalid(f"{where}: the key for receipts cannot be read") from err


def _verified_name(identity: Identity, trust: TrustStore, at: datetime) -> SpiffeId:
    leaf = identity.certificate
    try:
        return verify_outpost(leaf, trust=trust, at=at, trust_domain=identity.trust_domain)
    except CertificateInvalid as err:
        if err.reason not in _TIME_REASONS:
            raise
    # Out of its time it can still be recovered (design §4); everything else must hold as it did when it was made.
    return verify_outpost(leaf, trust=trust, at=leaf.not_valid_before_utc, trust_domain=identity.trust_domain)


def _require_private_directory(directory: Path) -> None:
    try:
        status = directory.stat(follow_symlinks=False)
    except OSError as err:
        raise IdentityInvalid(f"{directory} cannot be read: {err.strerror}") from err
    if not stat.S_ISDIR(status.st_mode) or status.st_mode & _OPEN_TO_OTHERS:
        raise IdentityInvalid(f"{directory} must be a directory open to its owner only: chmod 700 it")


def _read(directory: Path, name: str) -> bytes:
    """A file of the identity; every one must be closed to others, since replacing an anchor is as good as a key."""
    path = directory / name
    try:
        # O_NONBLOCK: a pipe put in the file's place must not hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_mode & _OPEN_TO_OTHERS:
                raise IdentityInvalid(f"{path} must be a file open to its owner only: chmod 600 it")
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as err:
        raise IdentityInvalid(f"{path} cannot be read: {err.strerror}; restore it from a backup") from err
    if len(content) > _MAX_FILE_BYTES:
        raise IdentityInvalid(f"{path} is too large")
    return content
