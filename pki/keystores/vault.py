"""Keys in the transit engine of HashiCorp Vault or OpenBao: made there, not exportable, signing there.

Only a digest is sent. A signer keeps to the first version a key still has: a later version is another key, and an
authority's certificate names one. Through ``hvac``, with TLS always verified and no redirect followed (a redirect
would carry the token away).

Checked against a stand-in that verifies each request and really signs; no Vault or OpenBao ran in the project's tests.
"""

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import hvac
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hvac.exceptions import Forbidden, InvalidPath, Unauthorized, VaultDown, VaultError

from pki.errors import KeyExists, KeyNotFound, KeyStoreUnavailable
from pki.keystore import Settings, require_label

TIMEOUT_S: Final = 10  # a signature takes milliseconds; a start must not hang on a store that does not answer
_KEY_TYPE: Final = "ecdsa-p256"
_NOT_ITS_ANSWER: Final = (KeyError, TypeError, ValueError, AttributeError, Base64Error)


def open_store(settings: Settings, secret: bytes | None) -> "VaultKeyStore":
    """``vault+https://host[:port]/MOUNT?namespace=NAME&ca=FILE``."""
    settings.require_only("namespace", "ca")
    url = settings.https_url()
    if not secret:
        raise KeyStoreUnavailable(f"Vault {url}", "there is no token", "give it as a file or variable")
    return VaultKeyStore(
        url,
        secret.decode(),
        mount=settings.path().strip("/") or "transit",
        namespace=settings.query.get("namespace"),
        ca_file=settings.query.get("ca"),
    )


class VaultKeyStore:
    """See the module."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        mount: str = "transit",
        namespace: str | None = None,
        ca_file: str | None = None,
    ) -> None:
        self.name = f"Vault {url} ({mount})"
        self._mount = mount
        self._client = hvac.Client(
            url=url,
            token=token,
            verify=ca_file if ca_file is not None else True,
            timeout=TIMEOUT_S,
            allow_redirects=False,
            namespace=namespace,
        )

    def check(self) -> None:
        """It answers, is unsealed, and knows our token."""
        with self._errors("is not what answers here"):
            _ = self._client.auth.token.lookup_self()["data"]["policies"]

    def signer(self, label: str) -> "VaultSigner":
        """The key ``label`` of the mount."""
        require_label(self.name, label)
        with self._errors(f"key {label} is not {_KEY_TYPE}"):
            data = self._client.secrets.transit.read_key(label, mount_point=self._mount)["data"]
            version, public_key = _first_version(data)
        return VaultSigner(self, label, version, public_key)

    def create(self, label: str) -> "VaultSigner":
        """A key made in the mount; it can be neither exported nor backed up in clear."""
        require_label(self.name, label)
        try:
            self.signer(label)
        except KeyNotFound:
            pass
        else:
            # Vault answers a second creation with success and leaves the old key: that must not pass for a new one.
            raise KeyExists(self.name, f"there is a key {label} already", "choose another label")
        with self._errors("did not create the key"):
            self._client.secrets.transit.create_key(
                label,
                exportable=False,
                allow_plaintext_backup=False,
                key_type=_KEY_TYPE,
                mount_point=self._mount,
            )
        return self.signer(label)

    def sign(self, label: str, version: int, data: bytes) -> bytes:
        """DER ECDSA signature over the SHA-256 of ``data`` by version ``version`` of the key ``label``."""
        digest = b64encode(hashlib.sha256(data).digest()).decode()
        with self._errors("gave no signature"):
            answer = self._client.secrets.transit.sign_data(
                label,
                hash_input=digest,
                key_version=version,
                hash_algorithm="sha2-256",
                prehashed=True,
                marshaling_algorithm="asn1",
                mount_point=self._mount,
            )
            kind, signed_by, signature = answer["data"]["signature"].split(":")
            if (kind, signed_by) != ("vault", f"v{version}"):
                raise ValueError("signed by another version")
            return b64decode(signature, validate=True)

    @contextmanager
    def _errors(self, odd_answer: str) -> Iterator[None]:
        """Each failure as one of ours, without the library's text: it may quote what was sent."""
        try:
            yield
        except InvalidPath as err:
            raise KeyNotFound(
                self.name, "it has no such key or mount", "create the key, or check the mount in the URI"
            ) from err
        except (Forbidden, Unauthorized) as err:
            raise KeyStoreUnavailable(
                self.name,
                "it refuses the token",
                "give one whose policy allows read, create and update on the mount's keys and sign paths",
            ) from err
        except VaultDown as err:
            raise KeyStoreUnavailable(self.name, "it is sealed or in standby", "unseal it") from err
        except VaultError as err:
            raise KeyStoreUnavailable(
                self.name, f"it fails ({type(err).__name__})", "see its log; the request may lack a permission"
            ) from err
        except OSError as err:  # what requests raises; hvac does not wrap it
            raise KeyStoreUnavailable(
                self.name,
                f"it cannot be reached ({type(err).__name__})",
                "check the address, the network, and that its certificate is signed by the ca given",
            ) from err
        except _NOT_ITS_ANSWER as err:
            raise KeyStoreUnavailable(self.name, odd_answer, "check the address and the key") from err


def _first_version(data: Any) -> tuple[int, ec.EllipticCurvePublicKey]:
    if data["type"] != _KEY_TYPE:
        raise ValueError("another type")
    version = min(int(number) for number in data["keys"])
    try:
        key = load_pem_public_key(data["keys"][str(version)]["public_key"].encode())
    except UnsupportedAlgorithm as err:
        raise ValueError("another type") from err
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise TypeError("another type")
    return version, key


class VaultSigner:
    """One version of one key."""

    __slots__ = ("_label", "_store", "_version", "public_key")

    def __init__(self, store: VaultKeyStore, label: str, version: int, public_key: ec.EllipticCurvePublicKey) -> None:
        self._store = store
        self._label = label
        self._version = version
        self.public_key = public_key

    def sign(self, data: bytes) -> bytes:
        """DER ECDSA signature over the SHA-256 of ``data``."""
        return self._store.sign(self._label, self._version, data)
