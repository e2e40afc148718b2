"""Secrets sealed to this outpost: opened in memory, checked strictly, never written in clear.

HPKE base mode proves nothing about the sender: that comes from the mutual TLS over which they arrived.
``info`` names org, outpost and version, so nothing sealed for another or as another version opens here.
"""

import base64
import binascii
import re
from typing import Final

from outpost.errors import ControlPlaneUntrusted
from outpost.protocol.ids import ID_PATTERN
from outpost.protocol.messages import SealedSecrets
from outpost.protocol.sealing import LIST_KEY_PREFIX, PEPPER_PREFIX, PROVIDER_PREFIX, SealingError, secrets_info
from outpost.protocol.sealing import open_secrets as unseal
from outpost.sync.identity import Identity

DIGEST_KEY_BYTES: Final = 32  # HMAC-SHA256's own strength (RFC 2104 §3)
_NAME: Final = re.compile(rf"(?:{PEPPER_PREFIX}|{PROVIDER_PREFIX}|{LIST_KEY_PREFIX}){ID_PATTERN}")
# A provider's key goes into an HTTP header: visible ASCII only (RFC 9110 §5.5), and no provider's is near this long.
_PROVIDER_VALUE: Final = re.compile(r"[\x21-\x7e]{1,4096}")


def open_secrets(identity: Identity, sealed: SealedSecrets) -> dict[str, str]:
    """The secrets by name: ``pepper/<id>`` and ``list/<id>`` (base64 of 32 bytes) and ``provider/<id>`` (an API key).

    Names of another kind are left out, so that a newer control plane may add one.

    Raises:
        ControlPlaneUntrusted: Not sealed to this outpost and version, or a value is not what its name says.
    """
    info = secrets_info(identity.org_id, identity.outpost_id, sealed.version)
    try:
        secrets = unseal(sealed.sealed, identity.hpke_key.private_key, info)
    except (SealingError, RecursionError) as err:
        raise ControlPlaneUntrusted("the sealed secrets do not open with this outpost's key") from err
    known = {name: value for name, value in secrets.items() if _NAME.fullmatch(name)}
    for name, value in known.items():
        if not (_PROVIDER_VALUE.fullmatch(value) if name.startswith(PROVIDER_PREFIX) else _is_digest_key(value)):
            raise ControlPlaneUntrusted(f"the secret {name} is not of the form its name promises")
    return known


def _is_digest_key(value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == DIGEST_KEY_BYTES
    except (binascii.Error, ValueError):
        return False
