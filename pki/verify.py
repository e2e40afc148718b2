"""Path validation: a certificate, the whole way to a configured anchor, for one purpose, at one time.

OpenSSL builds and validates the path (RFC 5280 §6.1, strict mode, at the time given and never the machine's). Then,
explicitly, what it does not decide for us: key algorithms, key usage and extended key usage of every certificate, the
leaf's names, revocation. Every refusal is ``CertificateInvalid`` with a stable reason. Nothing is remembered between
calls but parsed forms of the trust store's own certificates.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, SignatureAlgorithmOID

from pki.conformity import (
    require_conforming_authority,
    require_conforming_leaf,
    require_conforming_server_names,
)
from pki.errors import CertificateInvalid, Reason
from pki.names import SpiffeId, parse_server_name, parse_spiffe_id
from pki.path import UNREADABLE, Path, TrustStore, find_path
from pki.revocation import require_not_revoked

MAX_EXTRA_INTERMEDIATES = 8  # ours sends one, two in the middle of a rotation; bounds the work a stranger can ask for


__all__ = [
    "MAX_EXTRA_INTERMEDIATES",
    "Purpose",
    "TrustStore",
    "require_cross_certified",
    "verify_chain",
    "verify_outpost",
    "verify_server",
]


class Purpose(StrEnum):
    """What a leaf is presented as."""

    OUTPOST = "outpost"
    SERVER = "server"


_EXTENDED_KEY_USAGE: Final = {
    Purpose.OUTPOST: ExtendedKeyUsageOID.CLIENT_AUTH,
    Purpose.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
}
_SIGNATURE_ALGORITHMS: Final = frozenset(
    {SignatureAlgorithmOID.ECDSA_WITH_SHA256, SignatureAlgorithmOID.ECDSA_WITH_SHA384},
)


def verify_chain(
    leaf: x509.Certificate,
    *,
    trust: TrustStore,
    at: datetime,
    purpose: Purpose,
    extra_intermediates: Sequence[x509.Certificate] = (),
) -> tuple[x509.Certificate, ...]:
    """The verified path from ``leaf`` to an anchor, leaf first, if it stands at ``at`` for ``purpose``.

    ``extra_intermediates`` are what the peer sent along: help for building the path, trusted no further.

    Raises:
        CertificateInvalid: with the first reason found.
        ValueError: ``at`` has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError("the time of verification needs a time zone")
    if len(extra_intermediates) > MAX_EXTRA_INTERMEDIATES:
        raise CertificateInvalid(Reason.CHAIN, "too many intermediates were sent")
    try:
        _ = leaf.extensions  # parsed on first use: what cannot be read is malformed, whoever signed it
        path = find_path(
            leaf,
            trust,
            at.astimezone(UTC),
            lambda path: _require_profile(path, purpose),
            extra_intermediates=extra_intermediates,
        )
    except UNREADABLE as err:
        raise CertificateInvalid(Reason.MALFORMED, "a certificate of the path cannot be read") from err
    require_not_revoked(path, trust.crls, at)
    return path


def verify_outpost(leaf: x509.Certificate, *, trust: TrustStore, at: datetime, trust_domain: str) -> SpiffeId:
    """Which outpost of ``trust_domain`` holds ``leaf``, after the whole chain, purpose, name and revocation.

    Raises:
        CertificateInvalid: with the first reason found; ``name`` for an identity of another trust domain.
    """
    verify_chain(leaf, trust=trust, at=at, purpose=Purpose.OUTPOST)
    (uri,) = _alternative_names(leaf)
    spiffe_id = parse_spiffe_id(str(uri.value))
    if spiffe_id.trust_domain != trust_domain:
        raise CertificateInvalid(Reason.NAME, "the identity is of another trust domain")
    return spiffe_id


def verify_server(leaf: x509.Certificate, *, trust: TrustStore, at: datetime, name: str) -> None:
    """Return only if ``leaf`` is a server's and was issued for ``name`` (DNS name or address), exactly.

    Raises:
        CertificateInvalid: with the first reason found; ``name`` if it was issued for others.
    """
    verify_chain(leaf, trust=trust, at=at, purpose=Purpose.SERVER)
    wanted: str | IPv4Address | IPv6Address = parse_server_name(name)
    if not any(entry.value == wanted for entry in _alternative_names(leaf)):
        raise CertificateInvalid(Reason.NAME, "the certificate is not for this server")


def require_cross_certified(
    new_anchor: x509.Certificate,
    cross_certificates: Sequence[x509.Certificate],
    trusted_anchors: Sequence[x509.Certificate],
    at: datetime,
) -> None:
    """Return only if ``new_anchor`` may become an anchor because one that is trusted says so.

    One of ``cross_certificates`` has its name, its key and exactly its limits, and leads, if need be through others of
    them (a verifier may have slept through several rotations), to one of ``trusted_anchors``, all at ``at``. An
    intermediate's certificate never does: it is narrower than a root, and its key cannot be made one.

    Raises:
        CertificateInvalid: with the first reason found.
        ValueError: ``at`` has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError("the time of verification needs a time zone")
    if len(cross_certificates) > MAX_EXTRA_INTERMEDIATES:
        raise CertificateInvalid(Reason.CHAIN, "too many cross certificates were sent")
    trust = TrustStore(tuple(trusted_anchors), tuple(cross_certificates))
    refusal = CertificateInvalid(Reason.CHAIN, "no cross certificate vouches for the new anchor")
    try:
        _require_root(new_anchor, at)
        for cross in cross_certificates:
            if not _vouches(cross, new_anchor):
                continue
            try:
                find_path(cross, trust, at.astimezone(UTC), _require_unlimited)
            except CertificateInvalid as err:
                refusal = err
            else:
                return
    except UNREADABLE as err:
        raise CertificateInvalid(Reason.MALFORMED, "a cross certificate or the new anchor cannot be read") from err
    raise refusal


def _require_root(anchor: x509.Certificate, at: datetime) -> None:
    _require_known_algorithms(anchor)
    require_conforming_authority(anchor, is_anchor=True)
    if at < anchor.not_valid_before_utc:
        raise CertificateInvalid(Reason.NOT_YET_VALID, "the new anchor is not valid yet")
    if at > anchor.not_valid_after_utc:
        raise CertificateInvalid(Reason.EXPIRED, "the new anchor has expired")
    try:
        anchor.verify_directly_issued_by(anchor)
    except InvalidSignature as err:
        raise CertificateInvalid(Reason.CHAIN, "the new anchor is not signed by itself") from err


def _vouches(cross: x509.Certificate, anchor: x509.Certificate) -> bool:
    """Same name, key and extensions. A narrower certificate of the same key would widen when the key becomes a root."""
    own = {extension.oid: extension for extension in cross.extensions}
    own.pop(ExtensionOID.AUTHORITY_KEY_IDENTIFIER, None)
    theirs = {extension.oid: extension for extension in anchor.extensions}
    theirs.pop(ExtensionOID.AUTHORITY_KEY_IDENTIFIER, None)
    return cross.subject == anchor.subject and cross.public_key() == anchor.public_key() and own == theirs


_CROSS_EXTENSIONS: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    },
)


def _require_unlimited(path: Path) -> None:
    """Every certificate below the anchor is a whole root's: an authority that nothing narrows."""
    for certificate in path:
        _require_known_algorithms(certificate)
        require_conforming_authority(certificate, is_anchor=certificate is path[-1])
    for cross in path[:-1]:
        key_usage = cross.extensions.get_extension_for_class(x509.KeyUsage).value
        if not _is_authority(cross) or not key_usage.key_cert_sign:
            raise CertificateInvalid(Reason.PURPOSE, "a cross certificate is not an authority's")
        if not {extension.oid for extension in cross.extensions} <= _CROSS_EXTENSIONS:
            raise CertificateInvalid(Reason.PURPOSE, "a cross certificate limits what it vouches for")


def _require_profile(path: Path, purpose: Purpose) -> None:
    """What OpenSSL does not decide for us, of every certificate of ``path``."""
    for certificate in path:
        _require_known_algorithms(certificate)
    for authority in path[1:]:
        require_conforming_authority(authority, is_anchor=authority is path[-1])
    for authority in path[1:-1]:
        _require_authority_for(authority, purpose)
    _require_leaf_for(path[0], purpose)
    require_conforming_leaf(path[0])


def _require_known_algorithms(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
        raise CertificateInvalid(Reason.CHAIN, "a key of the path is neither P-256 nor P-384")
    if certificate.signature_algorithm_oid not in _SIGNATURE_ALGORITHMS:
        raise CertificateInvalid(Reason.CHAIN, "a signature of the path is not ECDSA with SHA-256 or SHA-384")


def _require_authority_for(authority: x509.Certificate, purpose: Purpose) -> None:
    """OpenSSL has checked that it may sign certificates; an extended key usage narrows for what."""
    try:
        usages = authority.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if _EXTENDED_KEY_USAGE[purpose] not in usages:
        raise CertificateInvalid(Reason.PURPOSE, f"an authority of the path may not certify for {purpose.value}")


def _require_leaf_for(leaf: x509.Certificate, purpose: Purpose) -> None:
    extensions = leaf.extensions
    try:
        key_usage = extensions.get_extension_for_class(x509.KeyUsage).value
        usages = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound as err:
        raise CertificateInvalid(Reason.PURPOSE, "the certificate does not say what it is for") from err
    if usages != [_EXTENDED_KEY_USAGE[purpose]]:
        raise CertificateInvalid(Reason.PURPOSE, f"the certificate is not for {purpose.value} alone")
    if not key_usage.digital_signature or key_usage.key_cert_sign or key_usage.crl_sign or _is_authority(leaf):
        raise CertificateInvalid(Reason.PURPOSE, "the certificate's key usage is not a leaf's")
    names = _alternative_names(leaf)
    if purpose is Purpose.OUTPOST and not (len(names) == 1 and isinstance(names[0], x509.UniformResourceIdentifier)):
        raise CertificateInvalid(Reason.NAME, "an outpost's certificate names exactly one URI and nothing else")
    if not names or (
        purpose is Purpose.SERVER and not all(isinstance(name, x509.DNSName | x509.IPAddress) for name in names)
    ):
        raise CertificateInvalid(Reason.NAME, "a server's certificate names DNS names and addresses only")
    if purpose is Purpose.SERVER:
        require_conforming_server_names(leaf, names)


def _is_authority(leaf: x509.Certificate) -> bool:
    try:
        return leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _alternative_names(leaf: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []
