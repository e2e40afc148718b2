"""IP addresses, judged by ``ipaddress``, hardware addresses (IEEE 802) and IMEI (3GPP TS 23.003, Luhn).

Loopback, unspecified, multicast and broadcast addresses and netmasks identify nobody (RFC 6890) and are refused; so are
broadcast and null MACs. Four low numbers are a version unless a word says otherwise.
"""

# ruff: noqa: E501 - tables, one row a line

import ipaddress
from collections.abc import Iterable

import re2
from stdnum import luhn

from outpost.dlp.before import before
from outpost.dlp.detector import Detector, touches_word
from outpost.dlp.identifiers import Identifier, Shape, detectors_of, split

_IPV6_MAX_CHARS = 45  # INET6_ADDRSTRLEN without its terminator
_VERSION_WORDS = (
    "upgrade to",
    "upgraded to",
    "update to",
    "updated to",
    "upgrading to",
    "bump to",
    "bumped to",
    "version",
    "ver",
    "v",
    "release",
    "build",
    "firmware",
    "revision",
    "section",
    "chapter",
)


def _names_a_host(written: str) -> bool:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    masks = address.version == 4 and address.packed[0] >= 224  # noqa: PLR2004 - multicast (RFC 5771), reserved, netmasks
    return not (masks or address.is_loopback or address.is_unspecified)


# Before a version: ``==1.2.3.4``, ``Version>1.2.3.4``, ``"version": "1.2.3.4"``, ``tool@1.2.3.4``.
_VERSION_BEFORE = re2.compile(
    r"(?i)(?:[=<>~!]=|~>|\^|[0-9A-Za-z_.]/|(?:version|release|build|revision|(?:^|[^a-z])(?:rev|ver|tag))[\"'\])]{0,2}\s{0,2}(?:[:=>(,]|=>)\s{0,2}[\"'(v]{0,2})\s?$"
)


# Public resolvers, the low addresses that texts name.
_RESOLVERS = frozenset({"1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "4.2.2.1", "4.2.2.2"})


def _is_versionlike(written: str) -> bool:
    """Four small numbers: addresses so low belong to few, versions are like that."""
    if written in _RESOLVERS:
        return False
    numbers = list(map(int, written.split(".")))
    low = numbers[0] < 10 and max(numbers) < 100  # noqa: PLR2004 - of one and of two digits
    return low or (numbers[0] != 10 and max(numbers) < 48)  # noqa: PLR2004 - 10.0.0.0/8 is private (RFC 1918)


def find_ipv4(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The match, unless it is a version of a product (``Chrome/120.0.0.0``) or as low as one."""
    if not _is_versionlike(text[start:end]):
        yield from find_any_ipv4(text, start, end)


def find_any_ipv4(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The match, unless a version stands there."""
    if _VERSION_BEFORE.search(before(text, start)) is None and _names_a_host(text[start:end]):
        yield start, end


def find_ipv6(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The address in a run of hexadecimal digits, colons and dots, with sentence punctuation taken off its end."""
    if touches_word(text[end : end + 1]):
        return
    sign = text[max(0, start - 1) : start]
    if sign == ".":
        return
    if touches_word(sign) or (text[start] == ":" and text[start + 1 : start + 2] != ":"):
        # "address:2a02:…": what the pattern took before the first colon ends a word.
        start = text.index(":", start, end) + 1
    if end - start > _IPV6_MAX_CHARS + 2:  # two signs of punctuation
        return
    written = text[start:end].rstrip(".")
    if written.endswith(":") and not written.endswith("::"):
        written = written[:-1]
    # "1::2" is a slice and "Ab::Cd" a name in most programming languages; an address has a long group or three groups.
    groups = [group for group in written.split(":") if group]
    if not any(map(str.isdigit, written)) or (len(groups) < 3 and max(map(len, groups)) < 3):  # noqa: PLR2004
        return
    if _names_a_host(written):
        yield start, start + len(written)


def find_mac(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The match, unless it is a piece of a longer row (a fingerprint) or has hardly any different digits."""
    after = text[end : end + 1]
    if _PIECE_BEFORE.search(text[max(0, start - 5) : start]) is not None or (
        after in (":", "-", ".") and touches_word(text[end + 1 : end + 2])
    ):
        return
    signs = set(text[start:end].lower()) - set(":-.")
    if "." in text[start:end] and not any(map(str.isalpha, signs)):  # a number written with dots
        return
    if len(signs) > 2:  # noqa: PLR2004 - ff:ff:…, 00:00:…, 00:11:00:11:…
        yield start, end


_PAIR = "[0-9A-Fa-f]{2}"
_PIECE_BEFORE = re2.compile(r"(?:(?:^|[^0-9A-Za-z])[0-9A-Fa-f]{2}[:-]|[0-9A-Fa-f]{4}\.|[.-])$")
IDENTIFIERS = (
    Identifier("imei", "pii.device_id", ("999999999999999", "99-999999-999999-9"), 9, split("imei|device id|handset"), "490154203237518",
               validate=luhn.is_valid, check="luhn", bare=Shape.COMMON),
)  # fmt: skip

DETECTORS = (
    *detectors_of(IDENTIFIERS),
    Detector(
        name="mac/ieee802",
        kind="pii.mac",
        pattern=rf"\b(?:{_PAIR}(?::{_PAIR}){{5}}|{_PAIR}(?:-{_PAIR}){{5}}|[0-9A-Fa-f]{{4}}\.[0-9A-Fa-f]{{4}}\.[0-9A-Fa-f]{{4}})\b",
        trigger=r"(?:[0-9A-Fa-f]{2}[:-]){5}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.",
        find=find_mac,
        base_score=0.85,
        context_words=("mac", "hardware address", "ethernet", "physical address", "bssid"),
        context_score=0.98,
    ),
    Detector(
        name="ipv4/ipaddress",
        kind="pii.ip",
        pattern=r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b",
        trigger=r"[0-9]\.[0-9]{1,3}\.[0-9]",
        find=find_ipv4,
        base_score=0.8,
        context_words=("ip", "address", "host", "server", "client", "from"),
        context_score=0.95,
        refuse_words=_VERSION_WORDS,
        glue="-.",
    ),
    Detector(
        name="ipv4-low/ipaddress",
        kind="pii.ip",
        pattern=r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b",
        trigger=r"[0-9]\.[0-9]{1,3}\.[0-9]",
        find=find_any_ipv4,
        base_score=0.2,
        context_words=(
            "ip",
            "address",
            "host ",
            "server",
            "client",
            "dns",
            "ping",
            "resolver",
            "nameserver",
            "gateway",
            "subnet",
        ),
        context_score=0.8,
        refuse_words=_VERSION_WORDS,
        glue="-.",
    ),
    Detector(
        name="ipv6/ipaddress",
        kind="pii.ip",
        pattern=r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*",
        trigger=r":[0-9A-Fa-f]{0,4}:",
        find=find_ipv6,
        base_score=0.9,
    ),
)
