"""What a request's head must be beyond what aiohttp's parser asks for, so that nobody before us reads it differently.

HTTP/1.0 or 1.1, one transfer coding, one of each header that decides something, a target in origin or absolute form of
plain ASCII (RFC 9112 §3.2, §6.1; RFC 9110 §7.2, §10.1.1). Whatever else is refused. Pure.
"""

import re
from collections.abc import Sequence
from typing import Final

from aiohttp import HttpVersion, HttpVersion10, HttpVersion11

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode

SPOKEN: Final = frozenset({HttpVersion10, HttpVersion11})
# Two readers might take different ones of two: each decides who asks, what the body is, or who may read the answer.
_ONCE: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"origin",
        b"transfer-encoding",
        b"anthropic-version",
    }
)
# RFC 3986 §3.2.2: a name, an IPv4 address, or an IP literal in brackets; then perhaps a port.
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?\])(?::[0-9]{0,5})?"
)
_ORIGIN_FORM: Final = re.compile(r"/[!\"$-;=?-\[\]-~]*")  # printable ASCII without "#", "<", ">" and a backslash
_ABSOLUTE_FORM: Final = re.compile(r"https?://[^/?#@\s]+(/[!\"$-;=?-\[\]-~]*)?", re.IGNORECASE)


def check_head(
    version: HttpVersion, method: str, target: str, headers: Sequence[tuple[bytes, bytes]], max_bytes: int
) -> None:
    """Look at a parsed head; ``target`` and ``headers`` as received.

    Raises:
        Rejected: ``invalid_request``; the message quotes nothing of it.
    """
    if version not in SPOKEN:
        raise _invalid("the request's version of HTTP is not spoken here")
    if len(target) + sum(len(name) + len(value) + 4 for name, value in headers) > max_bytes:
        raise _invalid("the request's headers are too large")
    _check_target(method, target)
    once: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        if b"_" in lower and lower.replace(b"_", b"-") in _ONCE:
            raise _invalid("a header of the request has an underscore that could be read as a hyphen")
        if lower in _ONCE:
            if lower in once:
                raise _invalid(f"the request has two headers '{lower.decode()}'")
            once[lower] = value
    coding = once.get(b"transfer-encoding")
    if coding is not None and (coding.lower() != b"chunked" or version == HttpVersion10):
        raise _invalid("the only transfer coding is 'chunked', in HTTP/1.1")
    if not _HOST.fullmatch(once.get(b"host", b"")):
        raise _invalid("the header 'host' is malformed")
    if once.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise _invalid("the only expectation that is met is '100-continue'")


def _check_target(method: str, target: str) -> None:
    if method == "OPTIONS" and target == "*":
        return
    if method == "CONNECT" or not (_ORIGIN_FORM.fullmatch(target) or _ABSOLUTE_FORM.fullmatch(target)):
        raise _invalid("the request's target must be a path, or an http URL")


def _invalid(message: str) -> Rejected:
    return Rejected(ErrorCode.INVALID_REQUEST, message)
