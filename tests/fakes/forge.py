"""Certificates that our own code would never issue: a good one rebuilt with some fields changed, really signed."""

from collections.abc import Mapping
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
)

Change = tuple[x509.ExtensionType, bool] | None


def forge(
    model: x509.Certificate,
    issuer_key: CertificateIssuerPrivateKeyTypes,
    *,
    subject: x509.Name | None = None,
    issuer: x509.Name | None = None,
    public_key: CertificatePublicKeyTypes | None = None,
    serial: int | None = None,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    extensions: Mapping[x509.ObjectIdentifier, Change] | None = None,
    signature_hash: hashes.SHA1 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None = None,
) -> x509.Certificate:
    """``model`` with what is given replaced; an extension given as None is left out, one it lacks is added."""
    wanted: dict[x509.ObjectIdentifier, Change] = {ext.oid: (ext.value, ext.critical) for ext in model.extensions}
    wanted |= extensions or {}
    builder = (
        x509.CertificateBuilder()
        .subject_name(model.subject if subject is None else subject)
        .issuer_name(model.issuer if issuer is None else issuer)
        .public_key(public_key or model.public_key())
        .serial_number(serial or model.serial_number)
        .not_valid_before(not_before or model.not_valid_before_utc)
        .not_valid_after(not_after or model.not_valid_after_utc)
    )
    for change in wanted.values():
        if change is not None:
            builder = builder.add_extension(change[0], critical=change[1])
    return builder.sign(issuer_key, signature_hash or hashes.SHA256())
