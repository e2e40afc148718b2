"""What an authority needs of its private key: the public half, and a signature.

``Signer`` is the one interface behind which keys live: a file today, PKCS #11 or a remote key store when needed.
``as_private_key`` lends a signer the shape ``cryptography``'s builders accept; everything but signing is refused, so
no code path can depend on the key being here.
"""

from typing import NoReturn, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

SIGNATURE_HASH = hashes.SHA256  # ecdsa-with-SHA256 (RFC 5758 §3.2): the strength of P-256


class Signer(Protocol):
    """Holds, or reaches, an ECDSA P-256 private key."""

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half."""
        ...

    def sign(self, data: bytes) -> bytes:
        """DER ECDSA signature over the SHA-256 of ``data``; what a key store raises passes through."""
        ...


class LocalSigner:
    """A key in this process's memory."""

    __slots__ = ("_key",)

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half."""
        return self._key.public_key()

    def sign(self, data: bytes) -> bytes:
        """DER ECDSA signature over the SHA-256 of ``data``."""
        return self._key.sign(data, ec.ECDSA(SIGNATURE_HASH()))


def as_private_key(signer: Signer) -> ec.EllipticCurvePrivateKey:
    """``signer`` as something the certificate and CRL builders accept."""
    return _SignerKey(signer)


class _SignerKey(ec.EllipticCurvePrivateKey):
    """The builders ask for a private key but only ever call ``sign`` (and ``public_key``)."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def sign(self, data: bytes, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:  # type: ignore[override]
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed) or not isinstance(algorithm, SIGNATURE_HASH):
            raise TypeError("a signer signs over SHA-256 only")
        return self._signer.sign(bytes(data))

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._signer.public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._signer.public_key.curve

    @property
    def key_size(self) -> int:
        return self._signer.public_key.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:  # noqa: ARG002 - the interface's
        raise TypeError("a signer only signs")

    def private_numbers(self) -> NoReturn:
        raise TypeError("a signer's key cannot be exported")

    def private_bytes(self, encoding: object, format: object, encryption_algorithm: object) -> NoReturn:  # noqa: A002, ARG002 - the interface's
        raise TypeError("a signer's key cannot be exported")

    def __copy__(self) -> "_SignerKey":
        return self

    def __deepcopy__(self, memo: object) -> "_SignerKey":
        return self
