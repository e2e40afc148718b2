"""Certificates as PEM text: a list of blocks, nothing else between or around them but white space.

Any bytes give certificates that parse completely (extensions and key too), or ``CertificateInvalid(malformed)``.
Source: RFC 7468 §5, in its strict reading; explanatory text around blocks (§2) is refused, since two readers may
disagree on what it hides.
"""

import re
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import CertificateInvalid, Reason

MAX_PEM_BYTES = 65_536  # a leaf with its intermediate is about 2 KiB
MAX_CERTIFICATES = 16  # anchors during a rotation: two roots, old and new intermediates, with room

_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

_BLOCKS = re.compile(rb"(?:\s*-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----)+\s*")


def parse_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """One or more certificates, in the order given.

    Raises:
        CertificateInvalid: reason ``malformed``.
    """
    if len(pem) > MAX_PEM_BYTES or _BLOCKS.fullmatch(pem) is None:
        raise CertificateInvalid(Reason.MALFORMED, "not a plain list of PEM certificates of a sensible size")
    try:
        certificates = tuple(x509.load_pem_x509_certificates(pem))
        for certificate in certificates:  # the library parses these only when asked; ask here, where it is expected
            certificate.public_key()
            _ = (certificate.subject, certificate.issuer, certificate.extensions)
    except _UNREADABLE as err:
        raise CertificateInvalid(Reason.MALFORMED, "a certificate cannot be read") from err
    if len(certificates) > MAX_CERTIFICATES:
        raise CertificateInvalid(Reason.MALFORMED, "too many certificates")
    return certificates


def parse_certificate(pem: bytes) -> x509.Certificate:
    """Exactly one certificate.

    Raises:
        CertificateInvalid: reason ``malformed``.
    """
    certificates = parse_certificates(pem)
    if len(certificates) != 1:
        raise CertificateInvalid(Reason.MALFORMED, "exactly one certificate is expected")
    return certificates[0]


def certificates_to_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """The certificates as PEM, in the order given: for a chain the leaf first (RFC 8446 §4.4.2)."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
