"""Identifiers that mix up easily get a type of their own; their shapes are checked where bytes come in."""

import re
from typing import NewType

OrgId = NewType("OrgId", str)
OutpostId = NewType("OutpostId", str)
RequestId = NewType("RequestId", str)

# One DNS-label-like segment: it becomes a path segment of a SPIFFE ID and of an audit log's origin, so
# nothing that needs escaping in either is allowed (SPIFFE-ID §2.2 allows a superset of this).
ID_PATTERN = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ID = re.compile(ID_PATTERN)


def is_id(text: str) -> bool:
    """True if ``text`` may serve as an org or outpost id (1-63 characters of a-z, 0-9 and inner hyphens)."""
    return _ID.fullmatch(text) is not None
