"""An org's list as one file: keyed digests of words, of rows or of passages, never the values themselves.

``magic | length of header | header (JSON) | sections | tag``. The header says how long each section is, so a file that
is cut or padded is none; the tag is HMAC-SHA256 (RFC 2104) under a key derived from the org's list key, so a file made
with another key, for another list or altered by whoever signs bundles is refused. Any bytes give a ``ListFile`` or
``ListFileInvalid``; nothing is copied, sections are views of the bytes.
"""

import base64
import binascii
import hmac
import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from outpost.protocol.documents import Name, SchemaVersion

SUFFIX: Final = ".list"
LIST_KEY_BYTES: Final = 32  # HMAC-SHA256's own strength (RFC 2104 §3)
MAX_LISTS: Final = 16
MAX_LIST_BYTES: Final = 64 * 1024 * 1024
MAX_LISTS_BYTES: Final = 128 * 1024 * 1024
"""Of all lists of a bundle together."""
MAX_PHRASES: Final = 1_000_000
MAX_PHRASE_WORDS: Final = 16
MAX_CELLS: Final = 2_000_000
MAX_ROWS: Final = 1_000_000
MAX_COLUMNS: Final = 16
MAX_NUMBER_CHARS: Final = 34  # an IBAN (ISO 13616)
MAX_FINGERPRINTS: Final = 2_000_000
MAX_SOURCES: Final = 100_000
DIGEST_BYTES: Final = 8
"""Digests are truncated to 64 bits: of n, one is that of a foreign phrase with probability n / 2^64, 5e-14 for 10^6."""

_MAGIC: Final = b"oplist1\n"
_LENGTH_BYTES: Final = 4
_MAX_HEADER_BYTES: Final = 8192
_ALIGNED_BYTES: Final = 8
_TAG_BYTES: Final = 32
_TARGET: Final = re.compile(r"([a-z][a-z0-9-]{0,20})\.list")
_KEY_PURPOSE: Final = b"outpost/list/v1\0"

# The name of its target is as long as a bundle file's names may be (bundle_file.py).
ListId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,20}$")]
_FilterBits = Annotated[int, Field(ge=6, le=28)]


class ListForm(StrEnum):
    """What the digests of a list are of."""

    WORDS = "words"
    RECORDS = "records"
    PASSAGES = "passages"


class ColumnType(StrEnum):
    """How the values of a column are written, and so how they are read in a text."""

    TEXT = "text"
    NUMBER = "number"


class ListFileInvalid(ValueError):
    """Not a list file, cut short, altered, or made with another key or for another list. Never quotes content."""


class ListKeyInvalid(ValueError):
    """Not a list key file of this version."""


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    schema_version: SchemaVersion = "1"
    list_id: ListId
    key_id: Name
    filter_bits: _FilterBits
    """The prefilter has 2 to this power bits."""

    @property
    def _filter_bytes(self) -> int:
        return 1 << (self.filter_bits - 3)


class WordsHeader(_Header):
    """Phrases. Sections: sorted digests, prefilter."""

    form: Literal["words"] = "words"
    entries: int = Field(ge=1, le=MAX_PHRASES)
    lengths: list[Annotated[int, Field(ge=1, le=MAX_PHRASE_WORDS)]] = Field(min_length=1, max_length=MAX_PHRASE_WORDS)
    """How many words the phrases have: each number that occurs."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each section."""
        return DIGEST_BYTES * self.entries, self._filter_bytes


class Column(BaseModel):
    """A column of a table. Its name is for people who write rules, and is not a secret."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: str = Field(min_length=1, max_length=64)
    type: ColumnType = Field(strict=False)


class RecordsHeader(_Header):
    """Rows of a table.

    Sections: sorted digests of rare values, the row of each; sorted digests of cells, the column of each; prefilter.
    """

    form: Literal["records"] = "records"
    entries: int = Field(ge=2, le=MAX_CELLS)
    """Cells."""
    anchors: int = Field(ge=1, le=MAX_CELLS)
    """Rare values, once for each row they are in."""
    rows: int = Field(ge=1, le=MAX_ROWS)
    columns: list[Column] = Field(min_length=2, max_length=MAX_COLUMNS)
    lengths: list[Annotated[int, Field(ge=1, le=MAX_PHRASE_WORDS)]] = Field(max_length=MAX_PHRASE_WORDS)
    """How many words texts have: each number that occurs."""
    number_lengths: list[Annotated[int, Field(ge=1, le=MAX_NUMBER_CHARS)]] = Field(max_length=MAX_NUMBER_CHARS)
    """How many letters and digits numbers have: each number that occurs."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each section."""
        anchors, cells = self.anchors, self.entries
        return DIGEST_BYTES * anchors, 4 * anchors, DIGEST_BYTES * cells, cells, self._filter_bytes


class PassagesHeader(_Header):
    """Fingerprints of documents. Sections: sorted digests, the document of each, prefilter."""

    form: Literal["passages"] = "passages"
    entries: int = Field(ge=1, le=MAX_FINGERPRINTS)
    sources: int = Field(ge=1, le=MAX_SOURCES)
    shingle_words: int = Field(ge=4, le=12)
    window_words: int = Field(ge=1, le=12)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each section."""
        return DIGEST_BYTES * self.entries, 4 * self.entries, self._filter_bytes


ListHeader = WordsHeader | RecordsHeader | PassagesHeader
_HEADERS: Final[TypeAdapter[ListHeader]] = TypeAdapter(Annotated[ListHeader, Field(discriminator="form")])


@dataclass(frozen=True, slots=True)
class ListKey:
    """An org's secret under which lists are made and read."""

    id: str
    value: bytes = field(repr=False)

    def derive(self, purpose: str, list_id: str) -> bytes:
        """A key for one purpose of one list: equal values in two lists have nothing in common."""
        return hmac.digest(self.value, _KEY_PURPOSE + f"{purpose}\0{list_id}".encode(), "sha256")


@dataclass(frozen=True, slots=True)
class ListFile:
    """A list file that is whole; whether it was made with the right key is ``require_made_with``."""

    header: ListHeader
    sections: tuple[memoryview, ...]
    content: bytes = field(repr=False)

    def require_made_with(self, key: ListKey) -> None:
        """Return only if it was made with ``key``, whole, and for the list that its header names.

        Raises:
            ListFileInvalid: It was not.
        """
        view = memoryview(self.content)
        if not hmac.compare_digest(_tag(key, self.header.list_id, view[:-_TAG_BYTES]), view[-_TAG_BYTES:]):
            raise ListFileInvalid(f"the file of list {self.header.list_id} was altered, or made with another key")


def list_target(list_id: str) -> str:
    """The name of a list's target in a bundle."""
    return list_id + SUFFIX


def list_of_target(name: str) -> str | None:
    """The list whose target has this name; None if it is no list's."""
    match = _TARGET.fullmatch(name)
    return match[1] if match else None


def write_list_file(header: ListHeader, sections: tuple[bytes, ...], key: ListKey) -> bytes:
    """The file; ``read_list_file`` reads it back.

    Raises:
        ListFileInvalid: The sections are not those of the header, or it is too large.
    """
    text = header.model_dump_json().encode()
    text += b" " * (-(len(_MAGIC) + _LENGTH_BYTES + len(text)) % _ALIGNED_BYTES)
    content = b"".join((_MAGIC, len(text).to_bytes(_LENGTH_BYTES, "little"), text, *sections))
    whole = content + _tag(key, header.list_id, memoryview(content))
    read_list_file(whole)
    return whole


def read_list_file(content: bytes) -> ListFile:
    """Take a file apart.

    Raises:
        ListFileInvalid: It is no list file of this version, or not whole.
    """
    if len(content) > MAX_LIST_BYTES:
        raise ListFileInvalid(f"the list is larger than {MAX_LIST_BYTES} bytes")
    start = len(_MAGIC) + _LENGTH_BYTES
    length = int.from_bytes(content[len(_MAGIC) : start], "little")
    if not content.startswith(_MAGIC) or length > _MAX_HEADER_BYTES:
        raise ListFileInvalid("this is not a list file")
    try:
        text = content[start : start + length]
        json.loads(text)  # pydantic's parser alone would take less than JSON is, such as NaN
        header = _HEADERS.validate_json(text)
    except (ValidationError, ValueError, RecursionError) as err:
        raise ListFileInvalid("this is not a list file of this version") from err
    at = start + length
    if at + sum(header.sizes) + _TAG_BYTES != len(content):
        raise ListFileInvalid(f"the file of list {header.list_id} is cut short, or something follows its end")
    view, sections = memoryview(content), []
    for size in header.sizes:
        sections.append(view[at : at + size])
        at += size
    return ListFile(header, tuple(sections), content)


def _tag(key: ListKey, list_id: str, content: memoryview) -> bytes:
    # The digest first: it takes most of the time, and releases the interpreter.
    return hmac.digest(key.derive("tag", list_id), sha256(content).digest(), "sha256")


class _KeyFile(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    format: Literal["outpost-list-key/1"] = "outpost-list-key/1"
    id: Name
    key: str = Field(max_length=64)


def encode_list_key(key: ListKey) -> bytes:
    """The key as its file holds it: keep it like a password."""
    return _KeyFile(id=key.id, key=base64.b64encode(key.value).decode()).model_dump_json(indent=1).encode()


def parse_list_key(content: bytes) -> ListKey:
    """The key of a key file.

    Raises:
        ListKeyInvalid: It is none.
    """
    try:
        file = _KeyFile.model_validate_json(content)
        value = base64.b64decode(file.key, validate=True)
    except (ValidationError, binascii.Error, ValueError, RecursionError) as err:
        raise ListKeyInvalid("this is not a list key file") from err
    if len(value) != LIST_KEY_BYTES:
        raise ListKeyInvalid("this is not a list key file")
    return ListKey(file.id, value)
