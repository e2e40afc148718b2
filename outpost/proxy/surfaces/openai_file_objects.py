"""OpenAI files, once uploaded: lists of them, single ones, what they say, and their deletion.

A list holds no file but the caller's own: the provider's account is shared, and ids of others are nobody's business.
Source: OpenAI API reference, /v1/files (list, retrieve, content, delete).
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from outpost.proxy.json_document import parse_json
from outpost.proxy.surfaces.reading import Layout, is_count, read_object, segments
from outpost.proxy.surfaces.surface import Answer, invalid

NAME: Final = "openai.files"
PATH: Final = "/v1/files"
PAGE: Final = 10_000
"""The most that OpenAI lists at once, and what it lists unless told otherwise."""
FILE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PURPOSE: Final = re.compile(r"[a-z_]{1,32}")
_COUNTS: Final = frozenset({"bytes", "created_at", "expires_at"})
_LAYOUT: Final = Layout(items=frozenset({"data"}))


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list a client wants."""

    purpose: str | None = None
    limit: int = PAGE
    descending: bool = True
    after: str | None = None


def read_page(query: Sequence[tuple[str, str]]) -> Page:
    """Read the query of a list.

    Raises:
        Rejected: ``invalid_request``.
    """
    asked = dict(query)
    purpose, limit, order, after = (asked.pop(name, None) for name in ("purpose", "limit", "order", "after"))
    if asked or len(query) > len(dict(query)):
        raise invalid("a list of files takes 'purpose', 'limit', 'order' and 'after', each once")
    if limit is not None and not (limit.isascii() and limit.isdigit() and 0 < int(limit[:6]) <= PAGE):
        raise invalid(f"'limit' must be a number from 1 to {PAGE}")
    if order not in {None, "asc", "desc"}:
        raise invalid("'order' must be 'asc' or 'desc'")
    if (purpose and not _PURPOSE.fullmatch(purpose)) or (after and not FILE_ID.fullmatch(after)):
        raise invalid("'purpose' must be a word and 'after' the id of a file")
    return Page(purpose or None, int(limit or PAGE), order != "asc", after or None)


def own_files(raw: bytes, own: Collection[str]) -> list[object]:
    """The files of a provider's list that are among ``own``, as they stand there.

    Raises:
        Rejected: ``invalid_request``: it is not a list of files.
    """
    parse_json(raw)
    value = json.loads(raw)
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, list):
        raise invalid("the answer is not a list of files")
    return [one for one in data if isinstance(one, dict) and isinstance(one.get("id"), str) and one["id"] in own]


def listed(files: Sequence[object], page: Page) -> bytes:
    """The list object of ``page``."""
    of_purpose = [one for one in files if isinstance(one, dict) and page.purpose in {None, one.get("purpose")}]
    ordered = sorted(of_purpose, key=lambda one: (_made_at(one), str(one["id"])), reverse=page.descending)
    ids = [one["id"] for one in ordered]
    begin = ids.index(page.after) + 1 if page.after in ids else 0
    shown = ordered[begin : begin + page.limit]
    value = {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": begin + page.limit < len(ordered),
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def parse_list(raw: bytes) -> Answer:
    """Read a list, as ``listed`` makes it.

    Raises:
        Rejected: It is not a list.
    """
    document = read_object(raw)
    if not isinstance(document.value.get("data"), list):
        raise invalid("the answer is not a list of files")
    parts = segments(document, _LAYOUT, lambda leaf: leaf.is_number and leaf.path[-1] in _COUNTS)
    return Answer(document, parts, ())


def parse_object(raw: bytes) -> Answer:
    """Read a file object, or what says that one is deleted.

    Raises:
        Rejected: It is neither.
    """
    document = read_object(raw)
    if document.value.get("object") != "file":
        raise invalid("the answer is not a file object")
    return Answer(document, segments(document, _LAYOUT, lambda leaf: is_count(leaf, _COUNTS)), ())


def _made_at(one: dict[str, object]) -> int:
    at = one.get("created_at")
    return at if isinstance(at, int) else 0
