"""An officer's key: an encrypted file or a key in a key store (a PKCS #11 token), ECDSA P-256 in either case.

It lends a ``pki`` signer the shape that TUF metadata is signed with: key type ``ecdsa``, scheme
``ecdsa-sha2-nistp256``, the signature in DER, hexadecimal (securesystemslib's form of RFC 5656 §3.1.2 keys).
"""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import (  # type: ignore[attr-defined]  # re-exported without __all__
    Key,
    SecretsHandler,
    Signature,
    Signer,
    SSlibKey,
)

from outpost.errors import InputUnusable
from pki import signer as pki_signer
from pki.errors import KeyFileError, KeyStoreError
from pki.files import read_private_key, write_private, write_public
from pki.keys import generate_private_key, private_key_to_pem
from pki.keystore import open_key_store
from pki.signer import LocalSigner

PUBLIC_SUFFIX = ".pub"


class OfficerSigner(Signer):
    """See the module."""

    def __init__(self, signer: pki_signer.Signer) -> None:
        self._signer = signer
        self._public_key: SSlibKey = SSlibKey.from_crypto(signer.public_key)

    @property
    def public_key(self) -> SSlibKey:
        """As it stands in metadata."""
        return self._public_key

    def sign(self, payload: bytes) -> Signature:
        """Over the canonical bytes of metadata; what a key store raises passes through."""
        return Signature(self._public_key.keyid, self._signer.sign(payload).hex())

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        """Not offered: keys are opened by ``from_file`` and ``from_store``."""
        raise NotImplementedError


def create_file(path: Path, passphrase: bytes) -> OfficerSigner:
    """A new key in ``path`` (mode 0600, under the passphrase), its public half beside it.

    Raises:
        InputUnusable: The file exists, or the passphrase is empty.
        OSError: It cannot be written.
    """
    if not passphrase:
        raise InputUnusable("an empty passphrase protects nothing")
    if path.exists():
        raise InputUnusable(f"{path} exists; a key is never replaced")
    key = generate_private_key()
    write_private(path, private_key_to_pem(key, passphrase))
    write_public(path.with_suffix(PUBLIC_SUFFIX), _public_pem(key.public_key()))
    return OfficerSigner(LocalSigner(key))


def create_in_store(uri: str, label: str, pin: bytes | None, public_file: Path) -> OfficerSigner:
    """A new key in a key store (``pki/keystore.py``); it never leaves it. Its public half goes to ``public_file``.

    Raises:
        InputUnusable: The store does not make it.
        OSError: The file cannot be written.
    """
    try:
        signer = open_key_store(uri, secret=pin).create(label)
    except KeyStoreError as err:
        raise InputUnusable(str(err)) from err
    write_public(public_file, _public_pem(signer.public_key))
    return OfficerSigner(signer)


def from_file(path: Path, passphrase: bytes) -> OfficerSigner:
    """The key in ``path``.

    Raises:
        InputUnusable: It cannot be opened.
    """
    try:
        return OfficerSigner(LocalSigner(read_private_key(path, passphrase)))
    except KeyFileError as err:
        raise InputUnusable(f"{path}: {err}") from err


def from_store(uri: str, label: str, pin: bytes | None) -> OfficerSigner:
    """The key ``label`` of a key store.

    Raises:
        InputUnusable: The store does not answer, or has no such key.
    """
    try:
        return OfficerSigner(open_key_store(uri, secret=pin).signer(label))
    except KeyStoreError as err:
        raise InputUnusable(str(err)) from err


def _public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
