"""What each kind of certificate looks like: every field decided here, none by who asks.

root (pathLen=1) → intermediate (pathLen=0) → outpost leaf (client only) or server leaf (server only).
Both ``issue`` and ``check`` read a profile; neither adds to it. Lifetimes are wishes: a certificate never outlives
its issuer. Source: RFC 5280 §4.2 for fields and criticality, design §4 for lifetimes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from pki.errors import IssuanceRefused
from pki.names import SpiffeId, parse_server_name, require_trust_domain

BACKDATE = timedelta(minutes=5)  # the skew RFC 4120 §8.2 recommends: a clock that far behind still works
ROOT_LIFETIME = timedelta(days=20 * 365)  # offline key; outlives the hardware it is rolled out to
INTERMEDIATE_LIFETIME = timedelta(days=2 * 365)  # one planned rotation a year leaves a year of slack
SERVER_LIFETIME = timedelta(days=90)  # renewed by the control plane itself
OUTPOST_LIFETIME = timedelta(days=7)  # design §4; renewed at half-life

_MAX_COMMON_NAME_CHARS = 64  # RFC 5280 appendix A.1, ub-common-name


class Kind(StrEnum):
    """The four kinds of certificate there are."""

    ROOT = "root"
    INTERMEDIATE = "intermediate"
    OUTPOST = "outpost"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of certificate with its names filled in.

    ``path_length`` is None for leaves. ``permitted_trust_domain`` becomes a critical name constraint on URIs (RFC 5280
    §4.2.1.10): whoever holds that authority's key still cannot make an identity of another trust domain.
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

    def __post_init__(self) -> None:
        if not 0 < len(self.common_name) <= _MAX_COMMON_NAME_CHARS or not self.common_name.isprintable():
            raise IssuanceRefused([f"a common name has 1-{_MAX_COMMON_NAME_CHARS} printable characters"])

    @property
    def is_authority(self) -> bool:
        """True for root and intermediate."""
        return self.path_length is not None


def root_profile(trust_domain: str, common_name: str) -> Profile:
    """The trust anchor. It carries no constraints: verifiers need not read an anchor's (RFC 5280 §6.1.1 d)."""
    require_trust_domain(trust_domain)
    return Profile(kind=Kind.ROOT, common_name=common_name, lifetime=ROOT_LIFETIME, path_length=1)


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
    parsed = [parse_server_name(name) for name in names]
    if not parsed or len(set(parsed)) != len(parsed):
        raise IssuanceRefused(["a server certificate needs at least one name, each once"])
    # For people only; nobody may match it (RFC 9525 §2), but old readers do, so it repeats one of the names.
    common_name = next((str(name) for name in parsed if len(str(name)) <= _MAX_COMMON_NAME_CHARS), "")
    return Profile(
        kind=Kind.SERVER,
        common_name=common_name,
        lifetime=SERVER_LIFETIME,
        extended_key_usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
        dns_names=tuple(name for name in parsed if isinstance(name, str)),
        addresses=tuple(name for name in parsed if not isinstance(name, str)),
    )
