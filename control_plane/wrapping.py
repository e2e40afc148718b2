"""Encryption at rest of what the database must hold but never show: peppers and provider keys.

AES-256-GCM under the key-encrypting key of this installation, which lies in a file beside the database and in no
backup of it. The context (org and name) is authenticated, so a row copied to another place does not open there.
"""

import os
from collections.abc import Callable
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from control_plane.errors import KeysUnsafe

KEK_BYTES = 32  # AES-256
_NONCE_BYTES = 12  # NIST SP 800-38D §5.2.1.1; random, so one key may wrap up to 2^32 values (§8.3)
_FORMAT = b"\x01"


class Wrapper:
    """Wraps values under one key and opens them; while that key is being replaced, under the ``following`` one."""

    def __init__(
        self, kek: bytes, random_bytes: Callable[[int], bytes] = os.urandom, *, following: bytes | None = None
    ) -> None:
        self._keys = [AESGCM(key) for key in (following, kek) if key is not None]
        self._random_bytes = random_bytes

    def wrap(self, value: bytes, context: str) -> bytes:
        """``value`` encrypted, bound to ``context``."""
        nonce = self._random_bytes(_NONCE_BYTES)
        return _FORMAT + nonce + self._keys[0].encrypt(nonce, value, context.encode())

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The value that ``wrap`` encrypted under the same context.

        Raises:
            KeysUnsafe: It was encrypted under another key, moved, or altered.
        """
        nonce, ciphertext = wrapped[1 : 1 + _NONCE_BYTES], wrapped[1 + _NONCE_BYTES :]
        if wrapped[:1] != _FORMAT or len(nonce) != _NONCE_BYTES:
            raise KeysUnsafe("a stored secret has an unknown form; restore the database from a backup")
        for key in self._keys:
            with suppress(InvalidTag):
                return key.decrypt(nonce, ciphertext, context.encode())
        raise KeysUnsafe("a stored secret does not open; keys/kek and the database are not of one backup")
