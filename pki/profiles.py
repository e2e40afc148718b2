"""What each kind of certificate looks like: every field decided here, none by who asks.

root → intermediate (pathLen=0) → leaf: an outpost (client only), a server or an ingress (server only). In a rotation
also root → cross certificate of the next root → intermediate → leaf. Both ``issue`` and ``check`` read a profile;
neither adds to it. Lifetimes are wishes: a certificate never outlives its issuer.
Source: RFC 5280 §4.2 for fields and criticality, design §4 for lifetimes, RFC 4210 §4.4 for rotation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from pki.errors import IssuanceRefused
from pki.names import SpiffeId, parse_server_name, require_trust_domain

BACKDATE = timedelta(minutes=5)  # the skew RFC 4120 §8.2 recommends: a clock that far behind still works
ROOT_LIFETIME = timedelta(days=20 * 365)  # offline key; outlives the hardware it is rolled out to
INTERMEDIATE_LIFETIME = timedelta(days=2 * 365)  # one planned rotation a year leaves a year of slack
SERVER_LIFETIME = timedelta(days=90)  # renewed by the control plane itself
INGRESS_LIFETIME = timedelta(days=90)  # as a server's; below the 100 days CA/B allows from 2027 (BR §6.3.2)
MAX_BACKDATE = timedelta(days=1)  # a clock that is further behind is broken, and should be repaired
OUTPOST_LIFETIME = timedelta(days=7)  # design §4; renewed at half-life

_MAX_COMMON_NAME_CHARS = 64  # RFC 5280 appendix A.1, ub-common-name


class Kind(StrEnum):
    """The kinds of certificate there are."""

    ROOT = "root"
    INTERMEDIATE = "intermediate"
    CROSS = "cross"
    OUTPOST = "outpost"
    SERVER = "server"
    INGRESS = "ingress"


_AUTHORITIES = frozenset({Kind.ROOT, Kind.INTERMEDIATE, Kind.CROSS})


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of certificate with its names filled in.

    ``path_length`` is None for leaves and for authorities without limit. ``within``: a validity that the certificate's
    own must not leave, besides its issuer's. ``permitted_trust_domain`` becomes a critical name constraint on URIs
    (RFC 5280 §4.2.1.10): whoever holds that authority's key still cannot make an identity of another trust domain.
    """

    kind: Kind
    common_name: str
    lifetime: timedelta
    path_length: int | None = None
    extended_key_usages: tuple[ObjectIdentifier, ...] = ()
    uris: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    permitted_trust_domain: str | None = None
    within: tuple[datetime, datetime] | None = None
    backdate: timedelta = BACKDATE
    """How long before its issue it begins: how far behind a clock may be that still accepts it."""

    def __post_init__(self) -> None:
        if not 0 < len(self.common_name) <= _MAX_COMMON_NAME_CHARS or not self.common_name.isprintable():
            raise IssuanceRefused([f"a common name has 1-{_MAX_COMMON_NAME_CHARS} printable characters"])
        if not timedelta(0) <= self.backdate <= MAX_BACKDATE:
            raise IssuanceRefused(["a certificate begins at most a day before its issue, and never after it"])

    @property
    def is_authority(self) -> bool:
        """True for what may sign certificates."""
        return self.kind in _AUTHORITIES


def root_profile(trust_domain: str, common_name: str) -> Profile:
    """The trust anchor. It carries no constraints: verifiers need not read an anchor's (RFC 5280 §6.1.1 d).

    No path length either (CA/B §7.1.2.1.4 advises against one): in a rotation it certifies the next root, and that
    one the root after it.
    """
    require_trust_domain(trust_domain)
    return Profile(kind=Kind.ROOT, common_name=common_name, lifetime=ROOT_LIFETIME)


def cross_profile(new_root: x509.Certificate) -> Profile:
    """``new_root``'s name and key under an older root (RFC 4210 §4.4, NewWithOld), as unlimited as it is itself.

    Raises:
        IssuanceRefused: ``new_root`` is not named and limited the way our roots are.
    """
    names = [attribute.value for attribute in new_root.subject]
    try:
        constraints = new_root.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound as err:
        raise IssuanceRefused(["the new root is not an authority"]) from err
    if len(names) != 1 or not isinstance(names[0], str) or not constraints.ca:
        raise IssuanceRefused(["the new root is not an authority with one common name"])
    validity = (new_root.not_valid_before_utc, new_root.not_valid_after_utc)
    return Profile(
        kind=Kind.CROSS,
        common_name=names[0],
        lifetime=validity[1] - validity[0],
        path_length=constraints.path_length,
        within=validity,
    )


def intermediate_profile(trust_domain: str, common_name: str) -> Profile:
    """The online authority: leaves only, for TLS only, outposts of this trust domain only."""
    return Profile(
        kind=Kind.INTERMEDIATE,
        common_name=common_name,
        lifetime=INTERMEDIATE_LIFETIME,
        path_length=0,
        extended_key_usages=(ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH),
        permitted_trust_domain=require_trust_domain(trust_domain),
    )


def outpost_profile(spiffe_id: SpiffeId) -> Profile:
    """An outpost's client certificate. The common name is for people; the URI is the identity."""
    return Profile(
        kind=Kind.OUTPOST,
        common_name=spiffe_id.outpost_id,
        lifetime=OUTPOST_LIFETIME,
        extended_key_usages=(ExtendedKeyUsageOID.CLIENT_AUTH,),
        uris=(spiffe_id.uri,),
    )


def server_profile(names: Sequence[str]) -> Profile:
    """A server's certificate for DNS names and addresses, in the order given.

    Raises:
        CertificateInvalid: reason ``name``; an entry is neither a DNS name nor an address.
        IssuanceRefused: there is no name, one twice, or none short enough for the common name.
    """
    return _serving(Kind.SERVER, SERVER_LIFETIME, names)


def ingress_profile(names: Sequence[str]) -> Profile:
    """The certificate an ingress (NGINX) shows to outposts; it only ever serves. Raises as ``server_profile``."""
    return _serving(Kind.INGRESS, INGRESS_LIFETIME, names)


def _serving(kind: Kind, lifetime: timedelta, names: Sequence[str]) -> Profile:
    parsed = [parse_server_name(name) for name in names]
    if not parsed or len(set(parsed)) != len(parsed):
        raise IssuanceRefused(["a server certificate needs at least one name, each once"])
    # For people only; nobody may match it (RFC 9525 §2), but old readers do, so it repeats one of the names.
    common_name = next((str(name) for name in parsed if len(str(name)) <= _MAX_COMMON_NAME_CHARS), "")
    return Profile(
        kind=kind,
        common_name=common_name,
        lifetime=lifetime,
        extended_key_usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
        dns_names=tuple(name for name in parsed if isinstance(name, str)),
        addresses=tuple(name for name in parsed if not isinstance(name, str)),
    )
