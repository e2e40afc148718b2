"""How secrets cross: HPKE base mode (RFC 9180), sealed by the control plane to a key only one outpost has.

Suite: KEM MLKEM768-X25519 (hybrid, draft-ietf-hpke-pq), HKDF-SHA256, AES-256-GCM. ``info`` binds org, outpost and
version, so a sealed message opens for nobody else and cannot be passed off as another version. The plaintext is a
JSON object ``{name: value}`` with names ``pepper/<pepper id>`` and ``list/<list key id>`` (base64), and
``provider/<provider id>`` (text).
"""

import json

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

PEPPER_PREFIX = "pepper/"
PROVIDER_PREFIX = "provider/"
LIST_KEY_PREFIX = "list/"

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_MLKEM768_PUBLIC_BYTES = 1184  # FIPS 203 table 3
_X25519_PUBLIC_BYTES = 32  # RFC 7748 §6.1
HPKE_PUBLIC_KEY_BYTES = _MLKEM768_PUBLIC_BYTES + _X25519_PUBLIC_BYTES


class SealingError(ValueError):
    """A key or a sealed message is malformed, or not meant for this recipient."""


def hpke_public_key_bytes(mlkem: MLKEM768PublicKey, x25519: X25519PublicKey) -> bytes:
    """The wire form of a recipient's public key: ML-KEM-768 encapsulation key, then the X25519 key (1216 bytes)."""
    return mlkem.public_bytes_raw() + x25519.public_bytes_raw()


def parse_hpke_public_key(data: bytes) -> MLKEM768X25519PublicKey:
    """The public key of ``hpke_public_key_bytes``.

    Raises:
        SealingError: It is not one.
    """
    if len(data) != HPKE_PUBLIC_KEY_BYTES:
        raise SealingError("an HPKE public key here has 1216 bytes")
    try:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(data[:_MLKEM768_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(data[_MLKEM768_PUBLIC_BYTES:]),
        )
    except ValueError as err:
        raise SealingError("not an HPKE public key") from err


def secrets_info(org_id: str, outpost_id: str, version: int) -> bytes:
    """The HPKE ``info`` under which version ``version`` of an org's secrets is sealed to one outpost."""
    return f"hybrid-outpost/secrets/v1\n{org_id}\n{outpost_id}\n{version}".encode()


def seal_secrets(secrets: dict[str, str], public_key: bytes, info: bytes) -> bytes:
    """Seal named secrets to a recipient (``hpke_public_key_bytes`` form).

    Raises:
        SealingError: The public key is malformed.
    """
    recipient = parse_hpke_public_key(public_key)
    try:
        return _SUITE.encrypt(json.dumps(secrets, sort_keys=True).encode(), recipient, info)
    except ValueError as err:  # an X25519 point of small order parses but shares no secret (RFC 7748 §6.1)
        raise SealingError("not an HPKE public key") from err


def open_secrets(sealed: bytes, private_key: MLKEM768X25519PrivateKey, info: bytes) -> dict[str, str]:
    """The secrets that ``seal_secrets`` sealed.

    Raises:
        SealingError: Not sealed to this key and ``info``, altered on the way, or not the expected shape inside.
    """
    try:
        document = json.loads(_SUITE.decrypt(sealed, private_key, info))
    except (InvalidTag, ValueError) as err:
        raise SealingError("the sealed secrets do not open with this outpost's key") from err
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise SealingError("the sealed secrets have an unexpected shape")
    return document
