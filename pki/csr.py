"""Signing requests: proof of possession of a P-256 key, and nothing else.

A request made here has an empty subject and no attribute, so there is nothing in it to obey; one that asks for
anything is refused rather than ignored, because its sender would expect an answer it does not get.
Source: RFC 2986 §4; the signature over the request is the proof (RFC 4211 §4.1).
"""

import re

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import CsrInvalid

MAX_CSR_PEM_BYTES = 4096  # ours is about 360 bytes; room for line endings, not for contents

# Exactly one block and only white space around it: a reader that skips to the first block would let a second hide.
_ONE_BLOCK = re.compile(
    rb"\s*-----BEGIN CERTIFICATE REQUEST-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE REQUEST-----\s*",
)


def make_csr(private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """A PEM request that proves possession of ``private_key`` and asks for nothing."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(private_key, hashes.SHA256()).public_bytes(Encoding.PEM)


def parse_csr(pem: bytes) -> ec.EllipticCurvePublicKey:
    """The public key whose possession ``pem`` proves.

    Raises:
        CsrInvalid: malformed, not P-256 with SHA-256, signature wrong, or it names or asks for something.
    """
    if len(pem) > MAX_CSR_PEM_BYTES or _ONE_BLOCK.fullmatch(pem) is None:
        raise CsrInvalid("not one PEM certificate request of a sensible size")
    try:
        csr = x509.load_pem_x509_csr(pem)
        public_key = csr.public_key()
        hash_algorithm = csr.signature_hash_algorithm
        is_proven = csr.is_signature_valid
        asks = [
            what for what, present in (("subject", len(csr.subject)), ("attribute", len(csr.attributes))) if present
        ]
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as err:
        raise CsrInvalid("the request cannot be read") from err
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP256R1):
        raise CsrInvalid("the key is not ECDSA P-256")
    if not isinstance(hash_algorithm, hashes.SHA256) or not is_proven:
        raise CsrInvalid("the request does not prove possession of its key")
    if asks:
        raise CsrInvalid(f"the request asks for something: {', '.join(asks)}")
    return public_key
