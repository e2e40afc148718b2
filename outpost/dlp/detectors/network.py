"""IP addresses, judged by ``ipaddress``, hardware addresses (IEEE 802) and IMEI (3GPP TS 23.003, Luhn).

Loopback and unspecified addresses identify nobody (RFC 6890) and are refused; so are broadcast and null MACs.
"""

# ruff: noqa: E501 - tables, one row a line

import ipaddress
from collections.abc import Iterable

from stdnum import luhn

from outpost.dlp.detector import Detector, touches_word
from outpost.dlp.identifiers import Identifier, Shape, detectors_of, split

_IPV6_MAX_CHARS = 45  # INET6_ADDRSTRLEN without its terminator
_VERSION_WORDS = ("version", "ver", "v", "release", "build", "firmware", "revision", "section", "chapter")


def _names_a_host(written: str) -> bool:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def find_ipv4(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The match, unless it is a product version such as ``Chrome/120.0.0.0``."""
    if text[max(0, start - 1) : start] == "/" and touches_word(text[max(0, start - 2) : start - 1]):
        return
    if _names_a_host(text[start:end]):
        yield start, end


def find_ipv6(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The address in a run of hexadecimal digits, colons and dots, with sentence punctuation taken off its end."""
    if touches_word(text[end : end + 1]):
        return
    before = text[max(0, start - 1) : start]
    if touches_word(before) or before == ".":
        return
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
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if before in (":", "-", ".") or (after in (":", "-", ".") and touches_word(text[end + 1 : end + 2])):
        return
    signs = set(text[start:end].lower()) - set(":-.")
    if "." in text[start:end] and not any(map(str.isalpha, signs)):  # a number written with dots
        return
    if len(signs) > 2:  # noqa: PLR2004 - ff:ff:…, 00:00:…, 00:11:00:11:…
        yield start, end


_PAIR = "[0-9A-Fa-f]{2}"
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
        name="ipv6/ipaddress",
        kind="pii.ip",
        pattern=r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*",
        trigger=r":[0-9A-Fa-f]{0,4}:",
        find=find_ipv6,
        base_score=0.9,
    ),
)
