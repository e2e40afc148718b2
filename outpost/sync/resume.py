"""What an answer to a request for the rest of a file gives: the rest, all of it again, or nothing usable.

Pure. A part is taken only if it is of the very representation that was begun (same strong ETag, same encoding) and
begins where that ended; anything else is ``PartUnfit``, after which the file is asked for from its beginning.
Source: RFC 9110 §14 and §15.3.7.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from outpost.protocol.compression import ENCODING as ZSTD

IDENTITY: Final = "identity"
_STRONG_TAG: Final = re.compile(r'"[\x21\x23-\x7e]{1,256}"')
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)


class PartUnfit(Exception):
    """The answer cannot be joined to what is there."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What is there of one representation: its first ``size_bytes`` bytes, encoded."""

    tag: str
    encoding: str
    size_bytes: int

    @property
    def can_resume(self) -> bool:
        """True if the rest can be asked for: what stands in a file goes into a header only if it belongs there."""
        return _STRONG_TAG.fullmatch(self.tag) is not None and self.encoding in (IDENTITY, ZSTD)


@dataclass(frozen=True, slots=True)
class Piece:
    """What the body of an answer is.

    Attributes:
        tag: The representation's strong ETag; None if it has none, and cannot be resumed.
        encoding: ``identity`` or ``zstd``.
        length_bytes: How long the body has to be, if that is said.
        resumes: True if it follows what is there, False if it is the beginning.
        is_last: True if nothing follows it.
    """

    tag: str | None
    encoding: str
    length_bytes: int | None
    resumes: bool
    is_last: bool


def wish(begun: Begun | None) -> dict[str, str]:
    """The headers that ask for what is missing; whoever has nothing to resume asks for all, compressed if it may be."""
    if begun is None:
        return {"Accept-Encoding": ZSTD}
    # The same choice of encodings again: it is part of what the tag stands for.
    return {
        "Accept-Encoding": begun.encoding,
        "Range": f"bytes={begun.size_bytes}-",
        "If-Range": begun.tag,
    }


def piece_of(status: int, headers: Mapping[str, str], begun: Begun | None) -> Piece:
    """What the body of an answer with ``status`` 200, 206 or 416 is; ``headers`` by lower-case name.

    Raises:
        PartUnfit: Nothing that can be used.
    """
    encoding = headers.get("content-encoding", IDENTITY).strip().lower()
    if encoding not in (IDENTITY, ZSTD):
        raise PartUnfit("the answer has an encoding that was not asked for")
    tag = headers.get("etag", "").strip()
    strong = tag if _STRONG_TAG.fullmatch(tag) else None
    if status == HTTPStatus.OK:
        return Piece(strong, encoding, _length(headers), resumes=False, is_last=True)
    found = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if status != HTTPStatus.PARTIAL_CONTENT or begun is None or found is None:
        raise PartUnfit("the answer is no part that was asked for")
    if (strong, encoding) != (begun.tag, begun.encoding):
        raise PartUnfit("the part is of another representation")
    first, last = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    if first != begun.size_bytes or last < first or (total is not None and last >= total):
        raise PartUnfit("the part is not the one that was asked for")
    return Piece(strong, encoding, last - first + 1, resumes=True, is_last=total is None or last == total - 1)


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None  # noqa: PLR2004 - 64 bits
