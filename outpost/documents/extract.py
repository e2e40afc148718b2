"""The texts of one file, and what in it is no text. Runs in the child process (``child.py``) and nowhere else.

What a file is, its first bytes say, not its name or its declared type. Of Office files every part is read, so comments,
headers, hidden sheets and properties are too; of web pages and messages both the source and what is shown. Pictures,
sounds and encrypted parts are reported as kinds ``unscannable.*``. Sources: ECMA-376 (Office), ISO 32000 (PDF),
RFC 5322 and 2045 (messages).
"""

import email
import email.policy
import io
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from xml.etree import ElementTree as ET

import pypdf
from pypdf.errors import PyPdfError

from outpost.documents.kinds import AUDIO, ENCRYPTED, FILE, IMAGE

MAX_DEPTH: Final = 3  # a document in an archive in a message
MAX_MEMBERS: Final = 2_000  # of an archive; an Office file of 200 slides has about 1,000 parts
MAX_UNPACKED_BYTES: Final = 104_857_600  # 100 MiB in all: four times the largest document taken
MAX_TEXT_CHARS: Final = 27_262_976  # 26 MiB: the largest document taken, if it is plain text, and its name

_PICTURES: Final = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_SOUNDS: Final = (b"ID3", b"\xff\xfb", b"OggS", b"fLaC")
_ZIP, _PDF, _OLE, _RIFF = b"PK\x03\x04", b"%PDF-", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"RIFF"
_PDF_HEAD: Final = 1024  # readers take a PDF whose mark stands anywhere in its first 1024 bytes
_ENCRYPTED_OFFICE: Final = "EncryptedPackage".encode("utf-16-le")
_HTML: Final = re.compile(r"<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_MESSAGE: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*:[^\n]*\n(?:[ \t][^\n]*\n)*){2,}\r?\n")
_MESSAGE_HEADERS: Final = re.compile(r"^(?:From|To|Subject|MIME-Version|Received|Content-Type):", re.MULTILINE)
# Office elements after which another text begins: paragraphs, cells, rows, shared strings.
_ENDS: Final = frozenset({"p", "c", "row", "tr", "tc", "si", "br", "tab", "h", "table-cell", "comment"})
_CONTROLS: Final = frozenset({*range(32), 127} - {*range(7, 14), 27})
_MOST_CONTROLS: Final = 0.05


class NotReadable(Exception):
    """The file is damaged, too large when unpacked, or nested too deep; nothing of it counts as read."""


@dataclass(slots=True)
class Extracted:
    """Texts in the order of the file, and the kinds of what is no text."""

    texts: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    chars: int = 0
    unpacked_bytes: int = 0

    def add(self, text: str) -> None:
        """Keep one text.

        Raises:
            NotReadable: All together are too long.
        """
        self.chars += len(text)
        if self.chars > MAX_TEXT_CHARS:
            raise NotReadable
        if text.strip():
            self.texts.append(text)


def extract(data: bytes) -> Extracted:
    """Read one file.

    Raises:
        NotReadable: See there.
    """
    into = Extracted()
    _file(data, into, 0)
    return into


def _file(data: bytes, into: Extracted, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotReadable
    if _PDF in data[:_PDF_HEAD]:
        _pdf(data, into)
    elif data.startswith(_ZIP):
        _zip(data, into, depth)
    elif data.startswith(_OLE):
        into.unread.append(ENCRYPTED if _ENCRYPTED_OFFICE in data else FILE)
    else:
        mark = _mark(data)
        text = None if mark is None else _decoded(data)
        if mark is not None and (text is None or text.encode() != data):
            into.unread.append(mark)
        if mark is None or text is not None:  # "BMW" begins like a bitmap, and is read
            _text(data, into, depth)


def _mark(data: bytes) -> str | None:
    """The kind of what begins like ``data``, if that is no text."""
    if data.startswith(_PICTURES) or (data.startswith(_RIFF) and data[8:12] == b"WEBP"):
        return IMAGE
    return AUDIO if data.startswith((*_SOUNDS, _RIFF)) else None


def _pdf(data: bytes, into: Extracted) -> None:
    try:
        reader = pypdf.PdfReader(io.BytesIO(data), strict=True)  # a repaired file may say other things to other readers
        if reader.is_encrypted and not reader.decrypt(""):
            into.unread.append(ENCRYPTED)
            return
        for value in (reader.metadata or {}).values():
            into.add(str(value))
        for page in reader.pages:
            into.add(page.extract_text())
            if any(True for _ in page.images.keys()):  # noqa: SIM118 - a list of names, made without decoding one
                into.unread.append(IMAGE)
            for note in page.annotations or ():
                into.add(str(note.get_object().get("/Contents", "")))
        for name, value in (reader.get_form_text_fields() or {}).items():
            into.add(f"{name}: {value}")
        for attached in reader.attachments:
            for content in reader.attachments[attached]:
                _file(content, into, MAX_DEPTH)
    except (PyPdfError, ValueError, TypeError, KeyError, AttributeError, IndexError, OSError, RecursionError) as err:
        raise NotReadable from err


def _zip(data: bytes, into: Extracted, depth: int) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAX_MEMBERS:
                raise NotReadable
            is_office = any(member.filename in {"[Content_Types].xml", "content.xml"} for member in members)
            for member in members:
                into.add(member.filename)
                if member.flag_bits & 1:
                    into.unread.append(ENCRYPTED)
                    continue
                content = _unpacked(archive, member, into)
                if is_office and member.filename.endswith((".xml", ".rels", ".vml")):
                    _xml(content, into)
                else:
                    _file(content, into, depth + 1)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError, RuntimeError, zlib.error) as err:
        raise NotReadable from err


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Extracted) -> bytes:
    room = MAX_UNPACKED_BYTES - into.unpacked_bytes
    with archive.open(member) as stream:
        content = stream.read(room + 1)  # what the directory says of sizes may be a lie
    into.unpacked_bytes += len(content)
    if len(content) > room:
        raise NotReadable
    return content


def _xml(data: bytes, into: Extracted) -> None:
    """All character data and attributes; runs of one paragraph joined, so that no value is parted by its formatting."""
    words = _Words()
    # No external entities in expat; the child's memory and time bound the internal ones.
    parser = ET.XMLParser(target=words)  # noqa: S314
    try:
        parser.feed(data)
        parser.close()
    except (ET.ParseError, ValueError, LookupError) as err:
        raise NotReadable from err
    into.add("".join(words.pieces))
    into.add("\n".join(words.values))


class _Words:
    """Character data and attributes of an XML document."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.values: list[str] = []

    def start(self, _tag: str, attributes: dict[str, str]) -> None:
        self.values += attributes.values()

    def end(self, tag: str) -> None:
        if tag.rpartition("}")[2] in _ENDS:
            self.pieces.append("\n")

    def data(self, text: str) -> None:
        self.pieces.append(text)

    def close(self) -> None:
        """Nothing is left to do."""


def _text(data: bytes, into: Extracted, depth: int) -> None:
    text = _decoded(data)
    if text is None:
        into.unread.append(FILE)
        return
    into.add(text)
    if _HTML.search(text, 0, _PDF_HEAD):
        page = _Page()
        page.feed(text)
        page.close()
        into.add("".join(page.pieces))
    elif _MESSAGE.match(text) and _MESSAGE_HEADERS.search(text):
        _message(data, into, depth)


def _decoded(data: bytes) -> str | None:
    """Text, or ``None`` for what is binary."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    controls = sum(data.count(bytes([control])) for control in _CONTROLS)
    return None if controls > _MOST_CONTROLS * len(data) or b"\0" in data else text


def _message(data: bytes, into: Extracted, depth: int) -> None:
    try:
        message = email.message_from_bytes(data, policy=email.policy.default)
        for name, value in message.items():
            into.add(f"{name}: {value}")
        for part in message.walk():
            if not part.is_multipart():
                into.add(part.get_filename() or "")
                content = part.get_payload(decode=True)
                if isinstance(content, bytes) and (part is not message or part.get("Content-Transfer-Encoding")):
                    _file(content, into, depth + 1)
    except (ValueError, LookupError, TypeError, AttributeError, IndexError, KeyError) as err:
        raise NotReadable from err


class _Page(HTMLParser):
    """What a page shows and says in attributes, with inline elements joined."""

    _INLINE: Final = frozenset(
        {"a", "b", "i", "em", "strong", "span", "u", "font", "code", "sup", "sub", "small", "mark"}
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self._INLINE:
            self.pieces.append("\n")
        self.pieces += (f"\n{value}\n" for name, value in attrs if value and name in {"alt", "title", "value", "href"})

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._INLINE:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)
