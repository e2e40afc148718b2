"""Names in certificates: the SPIFFE ID of an outpost, and the DNS names and addresses of a server.

A value that exists is valid: construction and parsing refuse everything else with ``CertificateInvalid(name)``.
There is one spelling for each name (lower case, nothing escaped), so names compare as text.

Source: SPIFFE-ID §2 (https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md), RFC 5280 §4.2.1.6.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from pki.errors import CertificateInvalid, Reason

# A DNS label in lower case (RFC 1035 §2.3.1 as relaxed by RFC 1123 §2.1). SPIFFE-ID §2.1 allows more; what is allowed
# here needs no escaping in a URI, a file name or an audit log's origin.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ID = re.compile(_LABEL)
_DNS_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_SPIFFE_URI = re.compile(
    rf"spiffe://(?P<trust_domain>{_LABEL}(?:\.{_LABEL})*)/org/(?P<org_id>{_LABEL})/outpost/(?P<outpost_id>{_LABEL})",
)

_MAX_TRUST_DOMAIN_CHARS = 255  # SPIFFE-ID §2.3
_MAX_URI_CHARS = 2048  # SPIFFE-ID §2.3
_MAX_DNS_NAME_CHARS = 253  # RFC 1035 §2.3.4: 255 octets on the wire


@dataclass(frozen=True, slots=True)
class SpiffeId:
    """Who an outpost is: which one, of which organisation, in which trust domain."""

    trust_domain: str
    org_id: str
    outpost_id: str

    def __post_init__(self) -> None:
        require_trust_domain(self.trust_domain)
        if not (_ID.fullmatch(self.org_id) and _ID.fullmatch(self.outpost_id)):
            raise CertificateInvalid(Reason.NAME, "organisation and outpost ids are 1-63 characters of a-z, 0-9 and -")

    @property
    def uri(self) -> str:
        """The one spelling of this identity, as it stands in a certificate."""
        return f"spiffe://{self.trust_domain}/org/{self.org_id}/outpost/{self.outpost_id}"


def parse_spiffe_id(uri: str) -> SpiffeId:
    """Read an outpost's SPIFFE ID.

    Raises:
        CertificateInvalid: reason ``name``; no query, fragment, port, user, escape or other path is accepted.
    """
    match = _SPIFFE_URI.fullmatch(uri) if len(uri) <= _MAX_URI_CHARS else None
    if match is None:
        raise CertificateInvalid(Reason.NAME, "the URI is not an outpost's SPIFFE ID")
    return SpiffeId(**match.groupdict())


def require_trust_domain(trust_domain: str) -> str:
    """Return ``trust_domain`` if it is a lower-case DNS-like name.

    Raises:
        CertificateInvalid: reason ``name``.
    """
    if len(trust_domain) > _MAX_TRUST_DOMAIN_CHARS or _DNS_NAME.fullmatch(trust_domain) is None:
        raise CertificateInvalid(Reason.NAME, "the trust domain is not a lower-case DNS name")
    return trust_domain


def parse_server_name(name: str) -> str | IPv4Address | IPv6Address:
    """Read one name of a server: an address, or a lower-case DNS name without wildcard or trailing dot.

    Raises:
        CertificateInvalid: reason ``name``.
    """
    try:
        address = ip_address(name)
    except ValueError:
        pass
    else:
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            raise CertificateInvalid(Reason.NAME, "an address in a certificate has no zone")
        return address
    # A name whose last label is all digits reads as an address somewhere (RFC 1123 §2.1).
    if len(name) > _MAX_DNS_NAME_CHARS or _DNS_NAME.fullmatch(name) is None or name.rsplit(".", 1)[-1].isdigit():
        raise CertificateInvalid(Reason.NAME, "a server's name is a lower-case DNS name or an IP address")
    return name
