"""Which web pages may read the proxy's answers (https://fetch.spec.whatwg.org/#http-cors-protocol): none, unless named.

Origins are compared whole; there is no wildcard and there are no credentials: a page sends its key itself, in a header.
Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_AGE_S: Final = 600  # what a browser may remember of a preflight; a change takes effect within it
EXPOSED: Final = "X-Request-Id, X-Policy-Action, request-id, Retry-After, x-should-retry"
_HEADERS: Final = re.compile(r"[A-Za-z0-9-]{1,64}(?: ?, ?[A-Za-z0-9-]{1,64}){0,63}")


@dataclass(frozen=True, slots=True)
class Cors:
    """The origins that may read answers."""

    origins: frozenset[str] = frozenset()

    def answer_headers(self, origin: str | None) -> dict[str, str]:
        """Headers of any answer to a request with this ``Origin``; none where CORS is off."""
        if not self.origins:
            return {}
        # RFC 9110 §12.5.5: a cache in between must not give one page's answer to another.
        headers = {"Vary": "Origin"}
        if origin in self.origins:
            headers |= {"Access-Control-Allow-Origin": str(origin), "Access-Control-Expose-Headers": EXPOSED}
        return headers

    def preflight(self, method: str, received: Mapping[str, str], allowed: str) -> dict[str, str] | None:
        """Headers that answer a preflight for a path that takes the method ``allowed``; None if it is none of ours."""
        wanted = received.get("Access-Control-Request-Method")
        if method != "OPTIONS" or wanted is None or received.get("Origin") not in self.origins:
            return None
        headers = {"Access-Control-Allow-Methods": allowed, "Access-Control-Max-Age": str(MAX_AGE_S)}
        names = received.get("Access-Control-Request-Headers", "")
        if _HEADERS.fullmatch(names):
            headers["Access-Control-Allow-Headers"] = names
        return headers


NO_CORS: Final = Cors()
