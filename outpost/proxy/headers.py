"""Headers that cross the outpost: few by name, each only if it is what it should be.

Towards the provider what the API needs, inspected like text; towards the client dates, numbers and names of the
provider, and what the outpost says of the request. Everything else stays on its side.
"""

import re
from collections.abc import Mapping
from typing import Final

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.proxy.exchange import Exchange
from outpost.proxy.segments import Scanner
from outpost.proxy.surfaces.surface import Dialect, Surface

_VALUE: Final = re.compile(r"[A-Za-z0-9._:/-]{1,128}")  # dates, numbers and names; nothing else is a header here


def answer_headers(dialect: Dialect, exchange: Exchange, received: Mapping[str, str]) -> dict[str, str]:
    """Headers of an answer to the client."""
    headers: dict[str, str] = {}
    for name in dialect.answer_headers:
        value = received.get(name)
        if value is not None and _VALUE.fullmatch(value):
            headers[name] = value
    headers["X-Request-Id"] = exchange.request_id
    if dialect.id_header:
        headers[dialect.id_header] = exchange.request_id
    headers["X-Policy-Action"] = str(exchange.action)
    answered = {"X-Provider": exchange.provider_id or "", "X-Model": exchange.upstream_model or exchange.model or ""}
    headers |= {name: said for name, said in answered.items() if _VALUE.fullmatch(said)}
    return headers


def inspected_headers(surface: Surface, received: Mapping[str, str], scanner: Scanner) -> dict[str, str]:
    """Headers of a request that go on to the provider.

    Raises:
        Rejected: ``invalid_request``: one of them is malformed, or holds what a detector finds.
    """
    headers = dict(surface.dialect.request_headers(received))
    if surface.parse_form is not None:
        headers["Content-Type"] = received["Content-Type"]  # which has been read as a form's
    for name, value in headers.items():
        if scanner.scan(value):
            raise Rejected(ErrorCode.INVALID_REQUEST, f"the header '{name}' holds something confidential")
    return headers
