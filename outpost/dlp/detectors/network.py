"""IP addresses, judged by ``ipaddress``. Loopback and unspecified ones identify nobody (RFC 6890) and are refused."""

import ipaddress
from collections.abc import Iterable

from outpost.dlp.detector import Detector, touches_word

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


DETECTORS = (
    Detector(
        name="ipv4/ipaddress",
        kind="pii.ip",
        pattern=r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b",
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
        find=find_ipv6,
        base_score=0.9,
    ),
)
