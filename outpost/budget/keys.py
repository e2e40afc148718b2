"""Virtual keys: who is calling, proven by a keyed digest of the key they present (design §3).

The outpost knows of each key a lookup prefix and ``HMAC-SHA256(pepper, key)``; neither makes the key. Pure.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.documents import VirtualKeyDigest

PREFIX_CHARS: Final = 8  # of 43 base62 characters: 47 bits to look up by, 208 that stay secret
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_KEY: Final = re.compile(r"(sk-op-[a-z0-9]{1,16}-[0-9A-Za-z]{8})[0-9A-Za-z]{35}")


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller."""

    key_id: str
    group: str
    allowed_models: frozenset[str]

    def may_use(self, model: str) -> bool:
        """True if the key allows ``model``."""
        return "*" in self.allowed_models or model in self.allowed_models


@dataclass(frozen=True, slots=True)
class _Entry:
    digest: str = field(repr=False)
    pepper: bytes = field(repr=False)
    networks: tuple[IPv4Network | IPv6Network, ...] | None
    expires_at: datetime | None
    caller: Caller


class KeyIndex:
    """The keys of one bundle, ready to be looked up."""

    def __init__(self, keys: Iterable[VirtualKeyDigest], peppers: Mapping[str, bytes]) -> None:
        """Index ``keys``. One whose pepper is not here can never authenticate; ``missing_peppers`` names them."""
        self.missing_peppers: frozenset[str] = frozenset(key.pepper_id for key in keys if key.pepper_id not in peppers)
        self._by_prefix: dict[str, list[_Entry]] = {}
        for key in keys:
            if key.pepper_id in peppers:
                self._by_prefix.setdefault(key.prefix, []).append(_entry(key, peppers[key.pepper_id]))

    def authenticate(self, presented: str | None, *, at: datetime, address: str | None) -> Caller:
        """Recognise a presented key.

        Raises:
            Rejected: ``missing_api_key``, ``invalid_api_key``, ``expired_api_key`` or ``address_not_allowed``.
        """
        if not presented:
            message = "no API key: send 'Authorization: Bearer <virtual key>' or 'x-api-key'"
            raise Rejected(ErrorCode.MISSING_API_KEY, message)
        match = _KEY.fullmatch(presented)
        entries = self._by_prefix.get(match.group(1), []) if match else []
        for entry in entries:
            digest = hmac.digest(entry.pepper, presented.encode(), "sha256").hex()
            if hmac.compare_digest(digest, entry.digest):
                return _admit(entry, at, address)
        raise Rejected(ErrorCode.INVALID_API_KEY, "this API key is not known here; virtual keys begin with 'sk-op-'")


def _admit(entry: _Entry, at: datetime, address: str | None) -> Caller:
    if entry.expires_at is not None and at >= entry.expires_at:
        raise Rejected(ErrorCode.EXPIRED_API_KEY, f"this API key expired at {entry.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    if entry.networks is not None and not _is_within(address, entry.networks):
        raise Rejected(ErrorCode.ADDRESS_NOT_ALLOWED, "this API key may not be used from your address")
    return entry.caller


def _is_within(address: str | None, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    try:
        ip = ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)  # a dual-stack socket reports IPv4 peers as ::ffff:a.b.c.d
    return any((mapped or ip) in network for network in networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    """A network; one of IPv4-mapped addresses (RFC 4291 §2.5.5.2) is the IPv4 network that it means."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        low = network.network_address.ipv4_mapped
        return IPv4Network((str(low), network.prefixlen - _MAPPED.prefixlen))
    return network


def _entry(key: VirtualKeyDigest, pepper: bytes) -> _Entry:
    networks = None if key.allowed_networks is None else tuple(map(_network, key.allowed_networks))
    caller = Caller(key.id, key.group, frozenset(key.allowed_models))
    return _Entry(key.digest, pepper, networks, key.expires_at, caller)
