"""Certificates that others issued: the path core under the public web's rules instead of our own profile.

Nothing we serve is verified with these; they exist so that public test suites can exercise ``pki.path``,
``pki.conformity`` and ``pki.revocation`` with every algorithm and kind of name (``pki.conformance``). Where RFC 5280
and the CA/Browser Forum's Baseline Requirements (BR) differ, the stricter one holds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from pki.conformity import require_conforming_authority, require_conforming_leaf
from pki.errors import CertificateInvalid, Reason
from pki.names import parse_server_name
from pki.path import UNREADABLE, Path, TrustStore, find_path, require_depth
from pki.revocation import require_not_revoked

_MIN_RSA_BITS: Final = 2048  # BR §6.1.5
_RSA_BITS_MULTIPLE: Final = 8  # BR §6.1.5
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)  # BR §7.1.3.2
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)  # BR §6.1.5

IsPublicSuffix = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the leaf must be. ``names`` must all stand in it; an empty tuple asks for none."""

    usages: tuple[ObjectIdentifier, ...] = (ExtendedKeyUsageOID.SERVER_AUTH,)
    names: tuple[x509.GeneralName, ...] = ()
    signs: bool = False
    """Its key usage must allow digital signatures."""
    max_depth: int | None = None
    is_public_suffix: IsPublicSuffix | None = None
    """Says that a DNS name is one under which strangers register. Without it no wildcard matches."""


def verify_general(leaf: x509.Certificate, *, trust: TrustStore, at: datetime, wanted: Wanted) -> Path:
    """The verified path, leaf first.

    Raises:
        CertificateInvalid: with the first reason found.
    """
    try:
        path = find_path(leaf, trust, at.astimezone(UTC), lambda path: _require_path(path, wanted), any_anchor=True)
    except UNREADABLE as err:
        raise CertificateInvalid(Reason.MALFORMED, "a certificate of the path cannot be read") from err
    require_not_revoked(path, trust.crls, at)
    return path


def _require_path(path: Path, wanted: Wanted) -> None:
    leaf = path[0]
    if wanted.max_depth is not None:
        require_depth(path, wanted.max_depth)
    for certificate in path:
        _require_key(certificate.public_key())
    for certificate in path[:-1]:  # an anchor's own signature proves nothing to anybody
        if not isinstance(certificate.signature_hash_algorithm, _HASHES):
            raise CertificateInvalid(Reason.CHAIN, "a signature of the path uses a hash that is not trusted")
    for authority in path[1:]:
        require_conforming_authority(authority, is_anchor=authority is path[-1])
    for authority in path[1:-1]:
        _require_usages(authority, wanted.usages, is_leaf=False)
    _require_usages(leaf, wanted.usages, is_leaf=True)
    _require_end_entity(leaf, signs=wanted.signs)
    require_conforming_leaf(leaf)
    names = _names(leaf)
    _require_well_formed(names)
    for authority in path[1:]:
        _require_wildcards_permitted(names, authority)
    if wanted.names:
        _require_names(leaf, names, wanted)


def _require_key(key: CertificatePublicKeyTypes) -> None:
    if isinstance(key, rsa.RSAPublicKey):
        good = key.key_size >= _MIN_RSA_BITS and key.key_size % _RSA_BITS_MULTIPLE == 0
    else:
        good = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
    if not good:
        raise CertificateInvalid(Reason.CHAIN, "a key of the path is of a kind or size that is not trusted")


def _require_usages(certificate: x509.Certificate, usages: Sequence[ObjectIdentifier], *, is_leaf: bool) -> None:
    """A leaf says what it is for, and not "anything" (BR §7.1.2.7.10); an authority may be silent or say anything."""
    try:
        found = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound as err:
        if is_leaf:
            raise CertificateInvalid(Reason.PURPOSE, "the certificate does not say what it is for") from err
        return
    says_any = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in found
    if says_any if is_leaf else not (says_any or found.issuperset(usages)):
        raise CertificateInvalid(Reason.PURPOSE, "a certificate of the path is for another purpose, or for any")
    if is_leaf and not found.issuperset(usages):
        raise CertificateInvalid(Reason.PURPOSE, "the certificate is for another purpose")


def _require_end_entity(leaf: x509.Certificate, *, signs: bool) -> None:
    """BR §7.1.2.7.8 and §7.1.2.7.11: no authority in the place of a leaf. Key usage itself is optional there."""
    kinds = {type(extension.value): extension.value for extension in leaf.extensions}
    constraints, key_usage = kinds.get(x509.BasicConstraints), kinds.get(x509.KeyUsage)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        raise CertificateInvalid(Reason.PURPOSE, "the certificate is an authority's")
    if isinstance(key_usage, x509.KeyUsage):
        if key_usage.key_cert_sign or (signs and not key_usage.digital_signature):
            raise CertificateInvalid(Reason.PURPOSE, "the certificate's key usage is not a leaf's")
    elif signs:
        raise CertificateInvalid(Reason.PURPOSE, "the certificate does not say what its key does")


def _names(leaf: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound as err:
        raise CertificateInvalid(Reason.NAME, "the certificate names nobody") from err


def _require_well_formed(names: Sequence[x509.GeneralName]) -> None:
    """DNS names are host names; a wildcard is the whole first label of one (RFC 9525 §6.3)."""
    for name in names:
        if isinstance(name, x509.DNSName) and not isinstance(parse_server_name(_base(name)), str):
            raise CertificateInvalid(Reason.NAME, "an address stands where a DNS name should")
        if isinstance(name, x509.RFC822Name):
            _require_mailbox(name.value)


def _require_mailbox(value: str) -> None:
    """RFC 5280 §4.2.1.6: a ``Mailbox`` without quoting: one ``@``, something before it and a host after it."""
    local, _, host = value.partition("@")
    if not local or not isinstance(parse_server_name(host.lower()), str):
        raise CertificateInvalid(Reason.NAME, "an e-mail address is malformed")


def _base(name: x509.DNSName) -> str:
    return name.value.lower().removeprefix("*.")


def _require_wildcards_permitted(names: Sequence[x509.GeneralName], authority: x509.Certificate) -> None:
    """A wildcard stands for every name it covers: all must be permitted, none excluded (RFC 5280 §4.2.1.10).

    OpenSSL compares the asterisk as a character: the gap of CVE-2025-61727.
    """
    try:
        constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return
    permitted = [tree.value.lower() for tree in constraints.permitted_subtrees or () if isinstance(tree, x509.DNSName)]
    excluded = [tree.value.lower() for tree in constraints.excluded_subtrees or () if isinstance(tree, x509.DNSName)]
    for name in names:
        if not isinstance(name, x509.DNSName) or not name.value.startswith("*."):
            continue
        base = _base(name)
        if permitted and not any(_within(base, tree) for tree in permitted):
            raise CertificateInvalid(Reason.NAME, "a wildcard covers names its authority may not certify")
        if any(_within(base, tree) or _within(tree, base) for tree in excluded):
            raise CertificateInvalid(Reason.NAME, "a wildcard covers names its authority may not certify")


def _within(name: str, tree: str) -> bool:
    return not tree or name == tree or name.endswith(f".{tree}")


def _require_names(leaf: x509.Certificate, names: Sequence[x509.GeneralName], wanted: Wanted) -> None:
    for name in wanted.names:
        if not any(_matches(found, name, wanted.is_public_suffix) for found in names):
            raise CertificateInvalid(Reason.NAME, "the certificate is not for this name")
    if not any(isinstance(name, x509.DNSName | x509.IPAddress) for name in wanted.names):
        return
    spelled = {str(name.value) for name in names}  # BR §7.1.4.3
    if any(attribute.value not in spelled for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)):
        raise CertificateInvalid(Reason.NAME, "the common name is not one of the certificate's names")


def _matches(found: x509.GeneralName, name: x509.GeneralName, is_public_suffix: IsPublicSuffix | None) -> bool:
    """RFC 9525 §6: DNS names without regard to case, everything else exactly."""
    if not isinstance(name, x509.DNSName):
        return found == name
    if not isinstance(found, x509.DNSName):
        return False
    wanted = name.value.lower()
    if not found.value.startswith("*."):
        return found.value.lower() == wanted
    base = _base(found)
    if is_public_suffix is None or is_public_suffix(base):  # BR §3.2.2.6
        return False
    return wanted.partition(".")[2] == base


def dns_or_address(value: str) -> x509.GeneralName:
    """``value`` as the kind of name it is.

    Raises:
        CertificateInvalid: reason ``name``; it is neither.
    """
    parsed: str | IPv4Address | IPv6Address = parse_server_name(value.lower())
    return x509.DNSName(parsed) if isinstance(parsed, str) else x509.IPAddress(parsed)
