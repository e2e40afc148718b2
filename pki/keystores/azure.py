"""Keys in Azure Key Vault or Managed HSM: made there, signing there (ES256). Only a digest is sent.

A signer keeps to the version it found: a rotated key is another key, and an authority's certificate names one. With
tenant, client and secret in hand those are used, else the machine's own identity (managed or workload identity).

Checked against a stand-in that verifies each request and really signs; no Key Vault ran in the project's tests.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.keyvault.keys import KeyClient, KeyCurveName, KeyOperation, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pki.errors import KeyExists, KeyNotFound, KeyStoreUnavailable
from pki.keystore import Settings, require_label

CONNECT_TIMEOUT_S: Final = 5  # a start must not hang on a store that does not answer
READ_TIMEOUT_S: Final = 10
RETRIES: Final = 2
_COORDINATE_BYTES: Final = 32
_FORBIDDEN: Final = 403


def open_store(settings: Settings, secret: bytes | None) -> "AzureKeyStore":
    """``azure+https://NAME.vault.azure.net?tenant=ID&client=ID&ca=FILE``."""
    settings.require_only("tenant", "client", "ca")
    url = settings.https_url()
    tenant, client = settings.query.get("tenant"), settings.query.get("client")
    credential: TokenCredential
    if tenant and client and secret:
        credential = ClientSecretCredential(tenant, client, secret.decode())
    elif tenant or client or secret:
        raise KeyStoreUnavailable(
            f"Azure Key Vault {url}", "tenant, client and secret go together", "give all three, or none of them"
        )
    else:
        credential = DefaultAzureCredential(exclude_interactive_browser_credential=True)
    return AzureKeyStore(url, credential, ca_file=settings.query.get("ca"))


class AzureKeyStore:
    """See the module. ``options`` go to the client library's pipeline."""

    def __init__(
        self,
        url: str,
        credential: TokenCredential,
        *,
        ca_file: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.name = f"Azure Key Vault {url}"
        self._credential = credential
        self._options: dict[str, Any] = {
            "connection_timeout": CONNECT_TIMEOUT_S,
            "read_timeout": READ_TIMEOUT_S,
            "retry_total": RETRIES,
            "connection_verify": ca_file if ca_file is not None else True,
        } | (options or {})
        self._keys = KeyClient(url, credential, **self._options)

    def check(self) -> None:
        """It answers, and lets us list key names (permission ``keys/list``)."""
        with self._errors():
            next(iter(self._keys.list_properties_of_keys(max_page_size=1)), None)

    def signer(self, label: str) -> "AzureSigner":
        """The current version of the key ``label``."""
        require_label(self.name, label)
        with self._errors():
            key = self._keys.get_key(label)
        return self._signer(key)

    def create(self, label: str) -> "AzureSigner":
        """A key made in the vault, for signing only."""
        try:
            self.signer(label)
        except KeyNotFound:
            pass
        else:
            # Azure would add a version to the key that is there.
            raise KeyExists(self.name, f"there is a key {label} already", "choose another label")
        with self._errors():
            key = self._keys.create_ec_key(
                label, curve=KeyCurveName.p_256, key_operations=[KeyOperation.sign, KeyOperation.verify]
            )
        return self._signer(key)

    def sign(self, client: CryptographyClient, data: bytes) -> bytes:
        """DER ECDSA signature over the SHA-256 of ``data``."""
        with self._errors():
            raw = client.sign(SignatureAlgorithm.es256, hashlib.sha256(data).digest()).signature
        if len(raw) != 2 * _COORDINATE_BYTES:  # RFC 7518 §3.4
            raise KeyStoreUnavailable(self.name, "its signature has another size", "check the key's type")
        r, s = raw[:_COORDINATE_BYTES], raw[_COORDINATE_BYTES:]
        return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))

    def _signer(self, key: KeyVaultKey) -> "AzureSigner":
        try:
            public_key = _public_key(key)
            client = CryptographyClient(key, self._credential, **self._options)
        except (ValueError, TypeError) as err:
            raise KeyStoreUnavailable(
                self.name, f"key {key.name} is not ECDSA P-256 for signing", "choose another label"
            ) from err
        return AzureSigner(self, client, public_key)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Each failure as one of ours, without the library's text: it may quote what was sent."""
        try:
            yield
        except ResourceNotFoundError as err:
            raise KeyNotFound(self.name, "it has no such key", "create it, or check the vault in the URI") from err
        except ClientAuthenticationError as err:
            raise KeyStoreUnavailable(
                self.name, "it does not know us", "check tenant, client and secret, or the machine's identity"
            ) from err
        except (ServiceRequestError, ServiceResponseError) as err:
            raise KeyStoreUnavailable(
                self.name, f"it cannot be reached ({type(err).__name__})", "check the address, the network and the ca"
            ) from err
        except HttpResponseError as err:
            problem = "it refuses us" if err.status_code == _FORBIDDEN else f"it fails (status {err.status_code})"
            raise KeyStoreUnavailable(
                self.name, problem, "grant keys/get, keys/list, keys/create and keys/sign, and see its log"
            ) from err
        except AzureError as err:
            raise KeyStoreUnavailable(self.name, f"it fails ({type(err).__name__})", "see its log") from err


def _public_key(key: KeyVaultKey) -> ec.EllipticCurvePublicKey:
    """RFC 7518 §6.2.1."""
    found: Any = key.key  # its fields are assigned at run time
    if found.crv != KeyCurveName.p_256:
        raise ValueError("another type")
    x, y = int.from_bytes(found.x, "big"), int.from_bytes(found.y, "big")
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


class AzureSigner:
    """One version of one key."""

    __slots__ = ("_client", "_store", "public_key")

    def __init__(self, store: AzureKeyStore, client: CryptographyClient, public_key: ec.EllipticCurvePublicKey) -> None:
        self._store = store
        self._client = client
        self.public_key = public_key

    def sign(self, data: bytes) -> bytes:
        """DER ECDSA signature over the SHA-256 of ``data``."""
        return self._store.sign(self._client, data)
