"""Path building and RFC 5280 §6.1 validation, for any profile.

OpenSSL validates one path at the time given (strict mode). It gives up where its first choice of issuers fails, so
when there is a choice the others are tried too: another certificate of the same authority, or a cross certificate
(RFC 4158 §2.4). The search is bounded (``MAX_SIGNATURE_CHECKS``); a forest too thick for it is a refusal. What else a
path must be is the caller's ``accept``; its refusal too leads on to the next path.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from OpenSSL import crypto

from pki.errors import CertificateInvalid, Reason

Path = tuple[x509.Certificate, ...]
"""Leaf first, anchor last."""

# Ours has three certificates and one more for each root rotation a verifier slept through.
MAX_PATH_CERTIFICATES: Final = 10
# Bounds what a stranger's bundle of look-alikes can cost: about 0.1 ms each. A rotation needs fewer than ten.
MAX_SIGNATURE_CHECKS: Final = 100

# What cryptography raises, lazily, for a certificate whose inside does not parse.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)

# X509_V_ERR_* of OpenSSL's <openssl/x509_vfy.h>, whose numbers never change. All others are a broken chain.
_REASONS: Final = {
    9: (Reason.NOT_YET_VALID, "is not valid yet"),
    10: (Reason.EXPIRED, "has expired"),
    13: (Reason.MALFORMED, "has an unreadable start of validity"),
    14: (Reason.MALFORMED, "has an unreadable end of validity"),
    41: (Reason.MALFORMED, "has an invalid extension"),
    47: (Reason.NAME, "has a name its authority may not certify"),
    48: (Reason.NAME, "has a name its authority may not certify"),
}


@dataclass(frozen=True, slots=True)
class TrustStore:
    """What we trust, and what helps to get there.

    Args:
        anchors: roots; the only certificates a path may end in.
        intermediates: authorities and cross certificates whose owners need not send them; trusted no further than
            their path.
        crls: when any is given, a leaf must be cleared by a current list of its issuer (see ``require_not_revoked``).

    Raises:
        CertificateInvalid: there is no anchor, or OpenSSL cannot read one.
    """

    anchors: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    _anchors: tuple[crypto.X509, ...] = field(init=False, repr=False, compare=False)
    _intermediates: tuple[crypto.X509, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.anchors:
            raise CertificateInvalid(Reason.CHAIN, "there is no trust anchor, so nothing can be trusted")
        object.__setattr__(self, "_anchors", tuple(_to_openssl(anchor) for anchor in self.anchors))
        object.__setattr__(self, "_intermediates", tuple(_to_openssl(other) for other in self.intermediates))

    def parsed(self) -> "tuple[list[_Read], list[_Read]]":
        """Anchors and intermediates, each with its parsed form."""
        return (
            [_Read(*pair) for pair in zip(self.anchors, self._anchors, strict=True)],
            [_Read(*pair) for pair in zip(self.intermediates, self._intermediates, strict=True)],
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """One certificate as both libraries hold it."""

    certificate: x509.Certificate
    openssl: crypto.X509


@dataclass(slots=True)
class _Budget:
    """Signature checks left."""

    left: int = MAX_SIGNATURE_CHECKS

    def spend(self) -> None:
        if not self.left:
            raise CertificateInvalid(Reason.CHAIN, "too many ways to an anchor; they were not all tried")
        self.left -= 1


def find_path(
    leaf: x509.Certificate,
    trust: TrustStore,
    at: datetime,
    accept: Callable[[Path], None],
    *,
    extra_intermediates: Sequence[x509.Certificate] = (),
    any_anchor: bool = False,
) -> Path:
    """The first path from ``leaf`` to an anchor that is valid at ``at`` (aware UTC) and that ``accept`` lets pass.

    ``any_anchor``: an anchor need not be self-signed (RFC 5280 §6.1.1 d asks for a name and a key only).

    Raises:
        CertificateInvalid: the refusal of the first path tried, if there are several and none stands.
        Any of ``UNREADABLE``: a certificate does not parse.
    """
    anchors, untrusted = trust.parsed()
    untrusted += [_Read(other, _to_openssl(other)) for other in extra_intermediates]
    target = _Read(leaf, _to_openssl(leaf))
    try:
        path = _validate(target, anchors, untrusted, at, any_anchor=any_anchor)
        accept(path)
    except CertificateInvalid as err:
        if len(anchors) + len(untrusted) <= 2:  # noqa: PLR2004 - an intermediate and an anchor: there was no choice
            raise
        first = err
    else:
        return path
    for anchor, authorities in _candidates(target, anchors, untrusted, any_anchor=any_anchor):
        try:
            path = _validate(target, [anchor], authorities, at, any_anchor=any_anchor)
            accept(path)
        except CertificateInvalid:
            continue
        return path
    raise first


def require_depth(path: Path, max_depth: int) -> None:
    """At most ``max_depth`` intermediates that are not self-issued (as RFC 5280 §6.1.4 l counts them).

    Raises:
        CertificateInvalid: reason ``chain``.
    """
    counted = sum(certificate.subject != certificate.issuer for certificate in path[1:-1])
    if counted > max_depth:
        raise CertificateInvalid(Reason.CHAIN, "the path is longer than allowed")


def _validate(
    leaf: _Read,
    anchors: Sequence[_Read],
    untrusted: Sequence[_Read],
    at: datetime,
    *,
    any_anchor: bool,
) -> Path:
    """OpenSSL's judgement on the path it chooses among these."""
    # A store per call: its time is part of it, and calls come from several threads.
    store = crypto.X509Store()
    for anchor in anchors:
        store.add_cert(anchor.openssl)
    store.set_flags(crypto.X509StoreFlags.X509_STRICT | (crypto.X509StoreFlags.PARTIAL_CHAIN if any_anchor else 0))
    store.set_time(at)
    context = crypto.X509StoreContext(store, leaf.openssl, [other.openssl for other in untrusted])
    try:
        path = context.get_verified_chain()
    except crypto.X509StoreContextError as err:
        code, depth = err.errors[0], err.errors[1]
        reason, what = _REASONS.get(code, (Reason.CHAIN, f"does not lead to a trust anchor (OpenSSL error {code})"))
        raise CertificateInvalid(reason, f"certificate {depth} of the path {what}") from err
    return (leaf.certificate, *(certificate.to_cryptography() for certificate in path[1:]))


def _candidates(
    leaf: _Read,
    anchors: Sequence[_Read],
    untrusted: Sequence[_Read],
    *,
    any_anchor: bool,
) -> Iterator[tuple[_Read, list[_Read]]]:
    """Every chain of signatures from ``leaf`` to an anchor, the shortest way from each authority first.

    No authority (name and key) comes twice in a path: a loop adds nothing (RFC 4158 §5.2).
    """
    ends = [anchor for anchor in anchors if any_anchor or anchor.certificate.subject == anchor.certificate.issuer]
    budget = _Budget()

    def extend(path: list[_Read]) -> Iterator[tuple[_Read, list[_Read]]]:
        for anchor in ends:
            if _issued(path[-1], anchor, budget):
                yield anchor, path[1:]
        if len(path) + 1 >= MAX_PATH_CERTIFICATES:
            return
        for other in untrusted:
            if not any(_same_authority(other, seen) for seen in path) and _issued(path[-1], other, budget):
                yield from extend([*path, other])

    yield from extend([leaf])


def _issued(subject: _Read, issuer: _Read, budget: _Budget) -> bool:
    if subject.certificate.issuer != issuer.certificate.subject:
        return False
    budget.spend()
    try:
        subject.certificate.verify_directly_issued_by(issuer.certificate)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _same_authority(one: _Read, other: _Read) -> bool:
    return (
        one.certificate.subject == other.certificate.subject
        and one.certificate.public_key() == other.certificate.public_key()
    )


def _to_openssl(certificate: x509.Certificate) -> crypto.X509:
    try:
        return crypto.X509.from_cryptography(certificate)
    except crypto.Error as err:
        raise CertificateInvalid(Reason.MALFORMED, "OpenSSL cannot read a certificate") from err
