"""Profile, key, issuer, time and serial in; signed certificate out. Decides nothing and checks nothing.

Whether the result may leave is ``check``'s judgement, made from the DER and without this module.
Source: RFC 5280 §4.1 (fields), §4.2 (extensions).
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pki.profiles import Profile
from pki.signer import SIGNATURE_HASH, Signer, as_private_key

_LEAF_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_AUTHORITY_KEY_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs. ``certificate`` is None only when the key signs its own certificate (a root)."""

    certificate: x509.Certificate | None
    signer: Signer


def issue(
    profile: Profile,
    public_key: ec.EllipticCurvePublicKey,
    issuer: Issuer,
    at: datetime,
    serial: int,
) -> x509.Certificate:
    """Sign a certificate as ``profile`` says, valid from five minutes before ``at`` (aware UTC).

    Both ends of the validity are cut to the issuer's own and the profile's ``within``, so a path never has a hole that
    a leaf does not show.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, profile.common_name)])
    issuer_name = subject if issuer.certificate is None else issuer.certificate.subject
    not_before, not_after = _validity(profile, issuer.certificate, at)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    for extension, critical in _extensions(profile, public_key, issuer.certificate):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(as_private_key(issuer.signer), SIGNATURE_HASH())


def _validity(profile: Profile, issuer: x509.Certificate | None, at: datetime) -> tuple[datetime, datetime]:
    not_before = at.replace(microsecond=0) - profile.backdate
    not_after = at.replace(microsecond=0) + profile.lifetime
    limits = [] if issuer is None else [(issuer.not_valid_before_utc, issuer.not_valid_after_utc)]
    if profile.within is not None:
        limits.append(profile.within)
    starts, ends = [start for start, _ in limits], [end for _, end in limits]
    return max([not_before, *starts]), min([not_after, *ends])


def _extensions(
    profile: Profile,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
) -> list[tuple[x509.ExtensionType, bool]]:
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=profile.is_authority, path_length=profile.path_length), True),
        (_AUTHORITY_KEY_USAGE if profile.is_authority else _LEAF_KEY_USAGE, True),
        (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
    ]
    if issuer is not None:
        issuer_ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        aki = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_ski)
        extensions.append((aki, False))
    if profile.extended_key_usages:
        extensions.append((x509.ExtendedKeyUsage(profile.extended_key_usages), False))
    names: list[x509.GeneralName] = [
        *(x509.UniformResourceIdentifier(uri) for uri in profile.uris),
        *(x509.DNSName(name) for name in profile.dns_names),
        *(x509.IPAddress(address) for address in profile.addresses),
    ]
    if names:
        extensions.append((x509.SubjectAlternativeName(names), False))
    if profile.permitted_trust_domain is not None:
        permitted = [x509.UniformResourceIdentifier(profile.permitted_trust_domain)]
        extensions.append((x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None), True))
    return extensions
