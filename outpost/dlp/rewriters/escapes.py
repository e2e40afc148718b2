r"""Escaped characters: ``%34``, ``\x34``, ``\u0034``, ``\064``, ``&#52;``, ``&commat;``, ``=34`` and the like.

URL encoding (RFC 3986 2.1), HTML character references (WHATWG HTML 13.5), escapes of JSON, C, Python and JavaScript,
and quoted-printable with its soft line breaks (RFC 2045 6.7). Quoted-printable text escapes few characters and ``a=34``
is an assignment, so a lone ``=34`` counts only where a mail program would write it. A ``\n`` before a quote ends a
string in source code, and nothing is read differently for it.
"""

import re
from html.entities import html5

from outpost.dlp.linear import of_bytes
from outpost.dlp.normalise import normalise
from outpost.dlp.rewrite import Rewriter, Token
from outpost.dlp.rewriters.locate import matches

_HEX = "[0-9A-Fa-f]"
# Every alternative begins with a sign of its own, so that the search for the first is fast.
_ESCAPE = re.compile(
    r"[%\\&=](?:"
    rf"(?<=%)(?P<percent>{_HEX}{{2}}(?:%{_HEX}{{2}}){{0,1023}})"
    rf"|(?<=\\)(?:(?P<x>x{_HEX}{{2}}(?:\\x{_HEX}{{2}}){{0,1023}})"
    rf"|(?P<u>u{{{_HEX}{{1,6}}}}|u{_HEX}{{4}}(?:\\u{_HEX}{{4}}){{0,1023}}|U{_HEX}{{8}})"
    r"|(?P<octal>[0-3][0-7]{2}(?:\\[0-3][0-7]{2}){0,1023})|(?P<blank>[nrt](?:\\[nrt]){0,63}))"
    # The end of base64 before a PEM footer is no soft break.
    rf"|(?<=&)(?P<entity>(?:#[0-9]{{1,7}}|#[xX]{_HEX}{{1,6}}|[A-Za-z][0-9A-Za-z]{{1,24}};);?)"
    r"|(?<==)(?:(?P<soft>(?<!==)[ \t]{0,8}\r?\n(?!-----))"
    r"|(?P<quoted>[0-9A-F]{2}(?:=[0-9A-F]{2}){1,1023}|3D|40|2E|2D|5F|20(?=\r?\n))))"
)
_TRIGGER = (
    r"%[0-9A-Fa-f]{2}|\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f{]|U0|[0-3][0-7]{2}|[nrt](?:[^\"']|\z))"
    r"|&(?:#|[A-Za-z][0-9A-Za-z]{1,24};)|=(?:[0-9A-F]{2}=[0-9A-F]{2}|3D|40|2E|2D|5F|20\r?\n|[ \t]{0,8}\r?\n)"
)
# What follows a token may lie behind the end that is searched, so that is asked of the text (``find``).
_LOCATOR = of_bytes(_TRIGGER.replace(r"[nrt](?:[^\"']|\z)", "[nrt]"))
_BYTES = {
    "percent": (3, 1),
    "x": (4, 2),
    "octal": (4, 1),
    "quoted": (3, 1),
}  # signs per byte, of them before the digits
_BLANKS = str.maketrans("nrt", "\n\n ")
_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def _of_bytes(start: int, end: int, data: bytes, width: int) -> list[Token]:
    """Tokens of escaped UTF-8; a byte that is none stands for itself, as Latin-1 outside its letters."""
    if data.isascii():
        return [Token(start, end, data.decode("ascii"), width)]
    tokens = []
    at = start
    for character in data.decode("utf-8", "surrogateescape"):
        size = width * len(character.encode("utf-8", "surrogateescape"))
        text = "\x80" if ord(character) in _SURROGATES else normalise(character).text
        tokens.append(Token(at, at + size, text))
        at += size
    return tokens


def _character(code: int) -> str:
    return "\x80" if code > _LAST_CODE_POINT or code in _SURROGATES else normalise(chr(code)).text


def _of_units(start: int, written: str) -> list[Token]:
    r"""Tokens of ``\uXXXX...``: UTF-16 units (RFC 8259 7)."""
    units = [int(written[at + 2 : at + 6], 16) for at in range(0, len(written), 6)]
    text = b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be", "replace")
    if text.isascii():
        return [Token(start, start + len(written), text, 6)]
    tokens = []
    at = start
    for character in text:
        size = 12 if ord(character) > 0xFFFF else 6  # noqa: PLR2004 - two units
        tokens.append(Token(at, at + size, normalise(character).text))
        at += size
    return tokens


def _entity(written: str) -> str | None:
    if written[1] != "#":
        text = html5.get(written[1:])
        return None if text is None else normalise(text).text
    digits = written[2:].rstrip(";")
    return _character(int(digits[1:], 16) if digits[0] in "xX" else int(digits))


def _read(match: re.Match[str]) -> list[Token]:
    (start, end), written, way = match.span(), match[0], match.lastgroup
    if way in _BYTES:
        width, skip = _BYTES[way]
        digits = "".join(written[at + skip : at + width] for at in range(0, len(written), width))
        data = (
            bytes.fromhex(digits)
            if way != "octal"
            else bytes(int(digits[i : i + 3], 8) for i in range(0, len(digits), 3))
        )
        return _of_bytes(start, end, data, width)
    if way == "soft":
        return [Token(start, end, "")]
    if way == "blank":
        return [Token(start, end, written[1::2].translate(_BLANKS))]
    if way == "entity":
        text = _entity(written)
        return [] if text is None else [Token(start, end, text)]
    if written[1] == "U" or "{" in written:
        return [Token(start, end, _character(int(written[2:].strip("{}"), 16)))]
    return _of_units(start, written)


def find(text: str, raw: bytes, begin: int, end: int) -> list[Token]:
    """Every escape."""
    found = matches(_LOCATOR, _ESCAPE, text, raw, (begin, end))
    return [token for match in found if not _ends_string(text, match) for token in _read(match)]


def _ends_string(text: str, match: re.Match[str]) -> bool:
    return match.lastgroup == "blank" and text[match.end() : match.end() + 1] in {'"', "'"}


ESCAPES = Rewriter(
    name="escapes",
    joins=True,
    trigger=_TRIGGER,
    tokens=find,
    unfinished=(
        r"(?:%[0-9A-Fa-f]{0,2}|\\|(?:\\[nrt])+|\\[xuU][0-9A-Fa-f{}]{0,8}|\\[0-7]{1,3}|&[0-9A-Za-z#]{0,25}"
        r"|=[0-9A-F]{0,2}|=[ \t]{1,8}\r?|=[ \t]{0,8}\r)"
    ),
)
