"""A form with files (RFC 7578), taken only if every careful reader takes it apart the same way.

Each part has a ``Content-Disposition`` with a name and at most a file name, and at most a ``Content-Type``; nothing
stands before, between or after the parts. Whatever else RFC 2046 allows (preambles, nested parts, transfer codings,
folded headers, encoded parameters) is refused: it is there that two readers differ.
"""

import re
from dataclasses import dataclass
from typing import Final

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode

MAX_PARTS: Final = 32  # the largest form of the served APIs has three fields
MAX_HEAD_BYTES: Final = 2_048
_BOUNDARY: Final = r"[A-Za-z0-9_.:+=-]{1,70}"
_TYPE: Final = re.compile(rf'multipart/form-data; ?boundary=(?:"({_BOUNDARY})"|({_BOUNDARY}))', re.IGNORECASE)
_TEXT: Final = r'"([^"\\\r\n]*)"'
_NAMED: Final = rf"Content-Disposition: form-data; name={_TEXT}(?:; filename={_TEXT})?"
_DISPOSITION: Final = re.compile(_NAMED, re.IGNORECASE)
_TYPED: Final = r"Content-Type: ?([A-Za-z0-9.+/-]{3,128}(?:; ?charset=[A-Za-z0-9-]{1,32})?)"
_CONTENT_TYPE: Final = re.compile(_TYPED, re.IGNORECASE)
_UTF_8: Final = "utf-8"


@dataclass(frozen=True, slots=True)
class Part:
    """One field. ``filename`` is ``None`` where it is no file."""

    name: str
    filename: str | None
    content_type: str
    data: bytes


def parse_form(content_type: str, raw: bytes) -> list[Part]:
    """Take a body apart.

    Raises:
        Rejected: ``invalid_request``.
    """
    declared = _TYPE.fullmatch(content_type)
    if declared is None:
        raise _invalid("the Content-Type must be multipart/form-data with a plain boundary")
    line = b"--" + (declared[1] or declared[2]).encode()
    if not raw.startswith(line + b"\r\n"):
        raise _invalid("the form does not begin with its boundary")
    end = raw.rfind(b"\r\n" + line + b"--")
    if end < 0 or raw[end + len(line) + 4 :] not in {b"", b"\r\n"}:
        raise _invalid("the form does not end with its boundary")
    parts = raw[len(line) + 2 : end].split(b"\r\n" + line + b"\r\n")
    if len(parts) > MAX_PARTS:
        raise _invalid(f"the form has more than {MAX_PARTS} fields")
    if any(b"\r\n" + line in part or part.startswith(line) for part in parts):
        raise _invalid("a boundary of the form is malformed")
    return [_part(part) for part in parts]


def _part(part: bytes) -> Part:
    head, blank, data = part.partition(b"\r\n\r\n")
    if not blank or len(head) > MAX_HEAD_BYTES:
        raise _invalid("a field of the form has no head, or one that is too long")
    try:
        lines = head.decode(_UTF_8).split("\r\n")
    except UnicodeDecodeError:
        raise _invalid("the head of a field is not UTF-8") from None
    disposition, content_type = _DISPOSITION.fullmatch(lines[0]), None
    if len(lines) == 2:  # noqa: PLR2004 - one more than the disposition
        content_type = _CONTENT_TYPE.fullmatch(lines[1])
    if disposition is None or len(lines) > 2 or (len(lines) == 2 and content_type is None):  # noqa: PLR2004 - likewise
        raise _invalid("a field may have a Content-Disposition with name and file name, then a Content-Type")
    return Part(disposition[1], disposition[2], content_type[1] if content_type else "text/plain", data)


def _invalid(message: str) -> Rejected:
    return Rejected(ErrorCode.INVALID_REQUEST, message)
