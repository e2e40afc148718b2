"""The outpost's own key for sealed secrets: ML-KEM-768 and X25519 side by side, kept as their raw seeds.

``cryptography`` has no serialisation for the hybrid key, so ours is the two private keys' raw forms one after
the other (FIPS 203 §3.3 seed of 64 bytes, RFC 7748 scalar of 32), as the wire form does with the public ones.
"""

from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from outpost.errors import IdentityInvalid
from outpost.protocol.sealing import hpke_public_key_bytes

_MLKEM_SEED_BYTES: Final = 64  # FIPS 203 algorithm 19: d and z, 32 bytes each
_X25519_BYTES: Final = 32  # RFC 7748 §5
PRIVATE_BYTES: Final = _MLKEM_SEED_BYTES + _X25519_BYTES


class HpkeKey:
    """A private key to which secrets are sealed. Its ``repr`` shows nothing of it."""

    __slots__ = ("_mlkem", "_x25519")

    def __init__(self, mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> None:
        self._mlkem = mlkem
        self._x25519 = x25519

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's randomness."""
        return cls(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what ``to_bytes`` wrote.

        Raises:
            IdentityInvalid: It has another length.
        """
        if len(data) != PRIVATE_BYTES:
            raise IdentityInvalid(f"an HPKE private key here has {PRIVATE_BYTES} bytes")
        return cls(
            MLKEM768PrivateKey.from_seed_bytes(data[:_MLKEM_SEED_BYTES]),
            X25519PrivateKey.from_private_bytes(data[_MLKEM_SEED_BYTES:]),
        )

    def to_bytes(self) -> bytes:
        """The private key, 96 bytes; for the identity directory only."""
        return self._mlkem.private_bytes_raw() + self._x25519.private_bytes_raw()

    @property
    def public_bytes(self) -> bytes:
        """The wire form of the public key, 1216 bytes."""
        return hpke_public_key_bytes(self._mlkem.public_key(), self._x25519.public_key())

    @property
    def private_key(self) -> MLKEM768X25519PrivateKey:
        """The form the HPKE suite takes."""
        return MLKEM768X25519PrivateKey(self._mlkem, self._x25519)
