"""Ingress mode: a reverse proxy ends mutual TLS and hands the client's certificate on in a header (design §4).

The header counts only from a trusted hop, on the ingress listener; anywhere else its mere presence is a refusal. It
says who asks, never that somebody verified it: what is read here goes through the whole chain again, as after TLS.
Source: NGINX ``$ssl_client_escaped_cert``: PEM, percent-encoded (RFC 3986 §2.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote_to_bytes

from aiohttp import web
from cryptography import x509

from control_plane.errors import CertificateRejected
from pki.errors import CertificateInvalid
from pki.pem import parse_certificate

HEADER = "X-SSL-Client-Cert"
UNIX_PREFIX = "unix:"


@dataclass(frozen=True, slots=True)
class TrustedHops:
    """Who may hand certificates on. On a Unix socket that is whoever the file's mode lets connect."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False

    def has(self, address: str | None) -> bool:
        """True if a connection from ``address`` is such a hop."""
        if self.unix:
            return True
        try:
            parsed = ip_address((address or "").partition("%")[0])
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self.networks)


def parse_hops(listen: str, trusted: Sequence[str]) -> TrustedHops:
    """The hops of a listener.

    Raises:
        ValueError: An entry of ``trusted`` is no address or network.
    """
    return TrustedHops(tuple(ip_network(entry) for entry in trusted), unix=listen.startswith(UNIX_PREFIX))


def header_certificate(values: Sequence[str]) -> x509.Certificate | None:
    """The certificate in the header's values, or None if the proxy saw none.

    Raises:
        CertificateRejected: There are several, or what is there is not exactly one certificate.
    """
    if not values or list(values) == [""]:
        return None
    if len(values) > 1:
        raise CertificateRejected(f"{HEADER} stands there more than once", "malformed")
    try:
        return parse_certificate(unquote_to_bytes(values[0]))
    except (CertificateInvalid, UnicodeEncodeError) as err:
        raise CertificateRejected(f"{HEADER} is not one certificate", "malformed") from err


def refuse_header(request: web.Request) -> None:
    """Return only if nobody claims a certificate here.

    Raises:
        CertificateRejected: Somebody does.
    """
    if HEADER in request.headers:
        raise CertificateRejected(f"{HEADER} counts only from a trusted ingress", "untrusted_hop")


class IngressPeer:
    """Finds the client's certificate on the ingress listener."""

    def __init__(self, hops: TrustedHops) -> None:
        self._hops = hops

    def __call__(self, request: web.Request) -> x509.Certificate | None:
        """The certificate that a trusted hop hands on.

        Raises:
            CertificateRejected: The hop is not trusted, or the header is malformed.
        """
        if not self._hops.has(request.remote):
            raise CertificateRejected("this address is no trusted ingress", "untrusted_hop")
        return header_certificate(request.headers.getall(HEADER, []))
