r"""Runs of base64 (RFC 4648, both alphabets, padded or not) and hexadecimal that hold ASCII text.

The first sign of four has the high bits of the first byte, and so on: what stands for ASCII text is told from random
signs by the pattern alone, in any of the four phases, so pictures, digests and long names cost and give nothing.
Line breaks (RFC 2045 6.8) may stand anywhere in a run, in hexadecimal blanks, commas, colons and ``0x`` or ``\x`` too.
"""

import binascii
import re
from collections.abc import Iterator
from string import hexdigits

from outpost.dlp.linear import of_bytes
from outpost.dlp.rewrite import Rewriter, Token

# A stream may be cut between tiles, so no run, however long, has to be held.
_TILE_GROUPS = 64
_TILE_PAIRS = 64
_TILE_BYTES = 128
# Signs by the bits they may stand for when all three bytes are ASCII: printable, tab or line end.
_FIRST, _SECOND, _THIRD, _ANY = (
    "[CDI-Za-f]",
    "[ACDE-HQS-Xgi-nwyz0-3]",
    "[ABEFIJMNQRUVYZcdghklopstwx014589]",
    "[0-9A-Za-z+/_-]",
)
_BREAK = r"(?:(?:\r?\n|\\r\\n|\\n)[ \t>]{0,8})?"
_GROUP = f"{_FIRST}{_SECOND}{_THIRD}{_ANY}"
_BASE64 = of_bytes(rf"(?:{_GROUP}){{3,}}(?:{_ANY}{{2,3}}={{0,2}})?")
_BROKEN_GROUP = rf"{_FIRST}{_BREAK}{_SECOND}{_BREAK}{_THIRD}{_BREAK}{_ANY}{_BREAK}"
_WRAPPED = of_bytes(rf"(?:{_BROKEN_GROUP}){{3,}}(?:{_ANY}{{2,3}}={{0,2}})?")
# Printable ASCII, tab or line end as two digits.
_BYTE = "(?:[2-7][0-9A-Fa-f]|0[9aAdD])"
_BETWEEN = r"(?:[ \t]{0,4}[\n,:;.-]?[ \t\n]{0,8}(?:\\?0?[xX])?)"
_HEX = of_bytes(rf"(?:\b|[G-Zg-z_])((?:\\?0?[xX])?(?:{_BYTE}{_BETWEEN}){{7,}}{_BYTE})")
_HEX_HERE = of_bytes(rf"^((?:{_BYTE}{_BETWEEN})*{_BYTE})")
_HEX_TILE = of_bytes(rf"^{_BYTE}{{{_TILE_BYTES}}}$")
_SIGNS = re.compile(r"[0-9A-Za-z+/_-]+")
_DIGITS = re.compile(r"[2-7][0-9A-Fa-f]|0[9aAdD]")
_PREFIX = re.compile(r"\\?0?[xX]")
_URL_SAFE = str.maketrans("-_", "+/")


def _ascii(data: bytes) -> str:
    """Text of the same length; what is not ASCII becomes a sign that is no letter."""
    return data.decode("ascii") if data.isascii() else data.decode("latin-1").translate(_NO_LETTERS)


_NO_LETTERS = dict.fromkeys(range(0x80, 0x100), "\x80")


def _decode(groups: str) -> str:
    """The text of base64 signs without padding; a single last sign stands for nothing."""
    usable = len(groups) - (len(groups) % 4 == 1)
    groups = groups[:usable].translate(_URL_SAFE)
    return _ascii(binascii.a2b_base64(groups + "=" * (-usable % 4)))


def _base64_tokens(text: str, start: int, end: int) -> list[Token]:
    """One token for a run on one line, else one for each line, as far as groups allow."""
    tokens: list[Token] = []
    held = ""  # signs of a group that a line break has parted
    held_at = start
    for line in _SIGNS.finditer(text, start, end):
        at, signs = line.start(), line[0]
        if text[at - 1 : at] == "\\" and signs[0] in "nr":  # an escaped line break
            at, signs = at + 1, signs[1:]
        if held:
            missing = 4 - len(held)
            if len(signs) < missing:
                held += signs
                continue
            tokens.append(Token(held_at, at + missing, _decode(held + signs[:missing])))
            at, signs = at + missing, signs[missing:]
        whole = len(signs) - len(signs) % 4
        for tile in range(0, whole, 4 * _TILE_GROUPS):
            piece = signs[tile : min(tile + 4 * _TILE_GROUPS, whole)]
            tokens.append(Token(at + tile, at + tile + len(piece), _decode(piece), 4, 3))
        held, held_at = signs[whole:], at + whole
    if len(held) > 1:
        tokens.append(Token(held_at, end, _decode(held)))
    return tokens


def find_base64(text: str, raw: bytes, begin: int, end: int) -> list[Token]:
    """Runs of base64 of ASCII text, each on one line."""
    return [token for (span, *_) in _BASE64.each(raw, begin, end) for token in _base64_tokens(text, *span)]


def find_wrapped(text: str, raw: bytes, begin: int, end: int) -> list[Token]:
    """Runs of base64 of ASCII text that are broken over lines."""
    return [
        token
        for (span, *_) in _WRAPPED.each(raw, begin, end)
        if any(text.find(sign, *span) >= 0 for sign in "\n\\")
        for token in _with_breaks(text, _base64_tokens(text, *span))
    ]


def _with_breaks(text: str, tokens: list[Token]) -> list[Token]:
    """``tokens`` and, between them, the line breaks of the run, read as nothing."""
    joined: list[Token] = []
    for token in tokens:
        if joined and joined[-1].end < token.start and text[joined[-1].end] != "=":
            joined.append(Token(joined[-1].end, token.start, "", goes_on=True))
        joined.append(token)
    return joined


def _even(pairs: list[tuple[int, str]], step: int, *, goes_on: bool) -> list[Token]:
    """Pairs of digits at equal distances, as few tokens; whether the first one goes on with the one before."""
    said = "".join(chr(int(digits, 16)) for _, digits in pairs)
    tokens = []
    for first in range(0, len(pairs), _TILE_PAIRS):
        last = min(first + _TILE_PAIRS, len(pairs))
        end = pairs[last][0] if last < len(pairs) else pairs[-1][0] + 2
        tokens.append(Token(pairs[first][0], end, said[first:last], step, goes_on=goes_on and first == 0))
    return tokens


def _hex_runs(raw: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Runs of digits; one may go on at ``begin``, where a stream was cut, though no run could begin there."""
    at = begin
    if begin > 0:
        beside = _HEX.first(raw, begin - 1, end)  # behind a letter, such as the x of 0x
        if beside is not None and beside[1][0] <= begin and chr(raw[begin - 1]) not in hexdigits:
            at = beside[0][1]
            yield begin, at
        elif _HEX_TILE.occurs(raw[max(0, begin - 2 * _TILE_BYTES) : begin]):
            here = _HEX_HERE.first(raw[begin:end])
            if here is not None:
                at = begin + here[0][1]
                yield begin, at
    for _, span in _HEX.each(raw, at, end):
        yield span


def find_hex(text: str, raw: bytes, begin: int, end: int) -> list[Token]:
    """Runs of hexadecimal digits of ASCII text."""
    tokens: list[Token] = []
    for first, stop in _hex_runs(raw, begin, end):
        prefix = _PREFIX.match(text, first, stop)
        start = prefix.end() if prefix else first
        if prefix:
            tokens.append(Token(first, start, " "))
        run = text[start:stop]
        if run.isalnum() and len(run) % 2 == 0 and "x" not in run and "X" not in run:
            for tile in range(0, len(run), 2 * _TILE_BYTES):
                piece = run[tile : tile + 2 * _TILE_BYTES]
                said = _ascii(bytes.fromhex(piece))
                goes_on = prefix is not None and tile == 0
                tokens.append(Token(start + tile, start + tile + len(piece), said, 2, goes_on=goes_on))
            continue
        pairs = [(digits.start() + start, digits[0]) for digits in _DIGITS.finditer(run)]
        step = pairs[1][0] - pairs[0][0] if len(pairs) > 1 else 2
        if all(at == start + index * step for index, (at, _) in enumerate(pairs)):
            tokens += _even(pairs, step, goes_on=prefix is not None)
            continue
        for index, (at, digits) in enumerate(pairs):
            until = pairs[index + 1][0] if index + 1 < len(pairs) else at + 2
            goes_on = index % _TILE_PAIRS > 0 or (prefix is not None and index == 0)
            tokens.append(Token(at, until, chr(int(digits, 16)), goes_on=goes_on))
    return tokens


BASE64 = Rewriter(
    name="base64",
    trigger=rf"(?:{_FIRST}{_SECOND}{_THIRD}{_ANY}){{2}}{_FIRST}",
    tokens=find_base64,
    unfinished=rf"(?:{_GROUP})*{_ANY}{{0,3}}={{0,2}}",
)
WRAPPED_BASE64 = Rewriter(
    name="wrapped-base64",
    trigger=r"[0-9A-Za-z+/_-](?:\r?\n|\\r\\n|\\n)[ \t>]{0,8}[0-9A-Za-z+/_-]",
    tokens=find_wrapped,
    unfinished=(
        rf"(?:{_BROKEN_GROUP})*(?:{_FIRST}{_BREAK}(?:{_SECOND}{_BREAK}(?:{_THIRD}{_BREAK})?)?)?(?:\r|\\|\\r\\?)?"
        rf"|(?:{_BROKEN_GROUP}){{3,}}{_ANY}{{0,3}}={{0,2}}"
    ),
)
HEXADECIMAL = Rewriter(
    name="hexadecimal",
    # As far as a token's beginning: digests, which are common, hold no eight such bytes in a row.
    trigger=rf"(?:{_BYTE}{_BETWEEN}){{7}}{_BYTE}",
    tokens=find_hex,
    unfinished=rf"(?:\b|[G-Zg-z_])(?:\\?0?[xX])?(?:{_BYTE}{_BETWEEN})+\\?[0-9A-Fa-f]?",
)
