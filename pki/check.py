"""The last look at a certificate before it is released: read back from its DER, compared field by field.

Written without ``issue``: expectations are worked out here a second time from the profile, so that one mistake has to
be made twice to get out. Anything missing, different or *extra* is refused, and every problem is named.
Source: RFC 5280 §4.1-§4.2.
"""

import hashlib
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID, NameOID, ObjectIdentifier, SignatureAlgorithmOID

from pki.errors import IssuanceRefused
from pki.profiles import Kind, Profile, cross_profile

MAX_SERIAL_BITS = 159  # RFC 5280 §4.1.2.2: positive and at most 20 octets, of which the first bit is the sign
MIN_SERIAL_BITS = 64  # CA/B Baseline Requirements §7.1: at least 64 bits from a generator, so never a small number

_AUTHORITIES = frozenset({Kind.ROOT, Kind.INTERMEDIATE, Kind.CROSS})
_SECOND = timedelta(seconds=1)  # certificates carry whole seconds


def check_issued(
    certificate: x509.Certificate,
    profile: Profile,
    public_key: ec.EllipticCurvePublicKey,
    issuer_certificate: x509.Certificate | None,
    at: datetime,
) -> None:
    """Return only if ``certificate`` is exactly what ``profile`` describes, for this key, by this issuer, at ``at``.

    ``issuer_certificate`` is None for a certificate that signs itself; ``at`` is aware UTC.

    Raises:
        IssuanceRefused: ``problems`` lists every field that is off.
    """
    try:
        reread = x509.load_der_x509_certificate(certificate.public_bytes(Encoding.DER))
        problems = [
            *_envelope_problems(reread, profile, public_key, issuer_certificate),
            *_validity_problems(reread, profile, issuer_certificate, at),
            *_signature_problems(reread, issuer_certificate or reread),
            *_extension_problems(reread, profile, public_key, issuer_certificate),
        ]
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.ExtensionNotFound) as err:
        raise IssuanceRefused(["the certificate cannot be read back"]) from err
    if problems:
        raise IssuanceRefused(problems)


def check_cross_signed(
    certificate: x509.Certificate,
    new_root: x509.Certificate,
    issuer_certificate: x509.Certificate,
    at: datetime,
) -> None:
    """Return only if ``certificate`` is ``new_root``'s name, key and limits, vouched for by ``issuer_certificate``.

    Raises:
        IssuanceRefused: ``problems`` lists every field that is off.
    """
    public_key = new_root.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise IssuanceRefused(["the new root's key is not ECDSA"])
    check_issued(certificate, cross_profile(new_root), public_key, issuer_certificate, at)
    problems = []
    if certificate.subject.public_bytes() != new_root.subject.public_bytes():
        problems.append("subject is not the new root's")
    own = {extension.oid: extension for extension in certificate.extensions}
    own.pop(ExtensionOID.AUTHORITY_KEY_IDENTIFIER, None)
    theirs = {extension.oid: extension for extension in new_root.extensions}
    if own != theirs:
        problems.append("extensions are not the new root's")
    if problems:
        raise IssuanceRefused(problems)


def _envelope_problems(
    certificate: x509.Certificate,
    profile: Profile,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
) -> list[str]:
    problems = []
    if certificate.version is not x509.Version.v3:
        problems.append("version is not 3")
    if (
        not MIN_SERIAL_BITS <= certificate.serial_number.bit_length() <= MAX_SERIAL_BITS
        or certificate.serial_number < 0
    ):
        problems.append("serial number is not positive, too short or too long")
    names = [(attribute.oid, attribute.value) for attribute in certificate.subject]
    if names != [(NameOID.COMMON_NAME, profile.common_name)]:
        problems.append("subject is not the profile's")
    if certificate.issuer.public_bytes() != (issuer or certificate).subject.public_bytes():
        problems.append("issuer name is not the issuer's subject")
    if _spki(certificate) != _spki_of(public_key):
        problems.append("public key is not the one asked for")
    if not isinstance(public_key.curve, ec.SECP256R1):
        problems.append("public key is not P-256")
    if issuer is not None and _spki(certificate) == _spki(issuer):
        problems.append("public key is the issuer's own")
    return problems


def _validity_problems(
    certificate: x509.Certificate,
    profile: Profile,
    issuer: x509.Certificate | None,
    at: datetime,
) -> list[str]:
    problems = []
    not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not not_before <= at < not_after:
        problems.append("not valid at the time of issue")
    if not_before < at - profile.backdate - _SECOND:
        problems.append("backdated too far")
    if not_after > at + profile.lifetime:
        problems.append("lives longer than the profile allows")
    full_not_before, full_not_after = at - profile.backdate, at + profile.lifetime
    if issuer is not None:
        if not_before < issuer.not_valid_before_utc or not_after > issuer.not_valid_after_utc:
            problems.append("outlives its issuer")
        full_not_before = max(full_not_before, issuer.not_valid_before_utc)
        full_not_after = min(full_not_after, issuer.not_valid_after_utc)
    if profile.within is not None:
        if not_before < profile.within[0] or not_after > profile.within[1]:
            problems.append("leaves the validity it must stay in")
        full_not_before, full_not_after = (
            max(full_not_before, profile.within[0]),
            min(full_not_after, profile.within[1]),
        )
    if abs(not_before - full_not_before) >= _SECOND or abs(not_after - full_not_after) >= _SECOND:
        problems.append("validity is not what profile and issuer give")
    return problems


def _signature_problems(certificate: x509.Certificate, issuer: x509.Certificate) -> list[str]:
    if certificate.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        return ["signature algorithm is not ecdsa-with-SHA256"]
    issuer_key = issuer.public_key()
    if not isinstance(issuer_key, ec.EllipticCurvePublicKey):
        return ["issuer's key is not ECDSA"]
    try:
        issuer_key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return ["signature is not the issuer's"]
    return []


def _extension_problems(
    certificate: x509.Certificate,
    profile: Profile,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
) -> list[str]:
    expected = _expected_extensions(profile, public_key, issuer)
    found = {extension.oid: (extension.critical, extension.value) for extension in certificate.extensions}
    problems = [f"extension {oid.dotted_string} is missing" for oid in expected.keys() - found.keys()]
    problems += [f"extension {oid.dotted_string} is extra" for oid in found.keys() - expected.keys()]
    for oid in expected.keys() & found.keys():
        critical, value = expected[oid]
        if found[oid][0] is not critical:
            problems.append(f"extension {oid.dotted_string} has the wrong criticality")
        if found[oid][1].public_bytes() != value.public_bytes():
            problems.append(f"extension {oid.dotted_string} has another value")
    return sorted(problems)


def _expected_extensions(
    profile: Profile,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
) -> dict[ObjectIdentifier, tuple[bool, x509.ExtensionType]]:
    """OID → (critical, value). RFC 5280: §4.2.1.9 and §4.2.1.3 critical, §4.2.1.10 critical, the rest not."""
    authority = profile.kind in _AUTHORITIES
    expected: dict[ObjectIdentifier, tuple[bool, x509.ExtensionType]] = {
        ExtensionOID.BASIC_CONSTRAINTS: (True, x509.BasicConstraints(authority, profile.path_length)),
        ExtensionOID.KEY_USAGE: (True, _key_usage(authority=authority)),
        ExtensionOID.SUBJECT_KEY_IDENTIFIER: (False, x509.SubjectKeyIdentifier(_key_identifier(public_key))),
    }
    if issuer is not None:
        issuer_key = issuer.public_key()
        if not isinstance(issuer_key, ec.EllipticCurvePublicKey):
            raise TypeError("the issuer's key is not ECDSA")
        identifier = _key_identifier(issuer_key)
        expected[ExtensionOID.AUTHORITY_KEY_IDENTIFIER] = (False, x509.AuthorityKeyIdentifier(identifier, None, None))
    if profile.extended_key_usages:
        expected[ExtensionOID.EXTENDED_KEY_USAGE] = (False, x509.ExtendedKeyUsage(profile.extended_key_usages))
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in profile.uris]
    names += [x509.DNSName(name) for name in profile.dns_names]
    names += [x509.IPAddress(address) for address in profile.addresses]
    if names:
        expected[ExtensionOID.SUBJECT_ALTERNATIVE_NAME] = (False, x509.SubjectAlternativeName(names))
    if profile.permitted_trust_domain is not None:
        permitted = x509.UniformResourceIdentifier(profile.permitted_trust_domain)
        expected[ExtensionOID.NAME_CONSTRAINTS] = (True, x509.NameConstraints([permitted], None))
    return expected


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_identifier(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """RFC 5280 §4.2.1.2 method 1: SHA-1 of the subjectPublicKey bits, an identifier and not a protection."""
    point = public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return hashlib.sha1(point, usedforsecurity=False).digest()


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _spki_of(public_key: ec.EllipticCurvePublicKey) -> bytes:
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
