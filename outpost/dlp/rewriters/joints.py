"""Values in pieces: strings concatenated in source code, and keys broken over lines.

Between the pieces stand a closing quote, an operator or blanks, and an opening quote: ``"AKIA" + "..."``, ``'a' 'b'``,
``"a" . "b"`` (PHP), ``||`` (SQL), ``..`` (Lua), ``&`` (Basic); or a line break with an indentation or a quote mark.
"""

import re
from itertools import pairwise

from outpost.dlp.linear import of_bytes
from outpost.dlp.rewrite import Rewriter, Token
from outpost.dlp.rewriters.locate import matches

_PIECE = "[0-9A-Za-z+/_=-]"
_BREAK_MIN_CHARS = 8  # of a key before a line break; shorter beginnings are words
_BREAK_REACH_CHARS = 64
_BLANKS = r"\s{0,40}"
_OPERATOR = r"(?:\+=?|\.{1,2}|\|\||&|<<|~|\\|_|,(?=\s{0,40}[\"'`]\s{0,40}\)))"
_JOINT = re.compile(
    rf"[\"'`](?:{_BLANKS}{_OPERATOR}(?:{_BLANKS}[\\_](?=\s))?{_BLANKS}|\s{{1,40}})(?:[fFrRbBuUL@$]{{1,2}}(?=[\"'`]))?[\"'`]"
)
_JOINT_TRIGGER = r"[\"'`](?:\s{1,40}[\"'`fFrRbBuUL@$+.|&<~\\_]|[+.|&<~\\_][\s\"'`fFrRbBuUL@$+.|&<~\\_])"
_JOINT_LOCATOR = of_bytes(_JOINT_TRIGGER)
_BREAK = of_bytes(rf"{_PIECE}{{7}}[0-9A-Za-z](\\?\r?\n[ \t>|#*]{{0,16}}){_PIECE}")
_LAST_PIECE = re.compile(rf"{_PIECE}+\Z")
_NEXT_PIECE = re.compile(rf"{_PIECE}{{0,{_BREAK_REACH_CHARS}}}")
_MIN_SWITCHES = 3
# The next line of a log begins with its time.
_DATE = re.compile(r"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}")


def _breaks_key(text: str, at: int, past: int) -> bool:
    """Whether the words before ``at`` and from ``past`` on look like two pieces of a key, not like a language's."""
    after = _NEXT_PIECE.match(text, past)
    following = after[0] if after else ""
    if (following.isalpha() and following[1:].islower()) or _DATE.match(following):
        return False
    word = text[max(0, at - _BREAK_REACH_CHARS) : at]
    tail = _LAST_PIECE.search(word)
    piece = tail[0] if tail else ""
    if any(map(str.isdigit, piece)):
        return not piece.isdigit()
    switches = sum(a.islower() != b.islower() for a, b in pairwise(piece))
    return piece.isupper() or switches >= _MIN_SWITCHES


def find_joints(text: str, raw: bytes, begin: int, end: int) -> list[Token]:
    """Every joint between two strings, to be read as nothing."""
    found = matches(_JOINT_LOCATOR, _JOINT, text, raw, (begin, end))
    return [Token(match.start(), match.end(), "") for match in found]


def find_breaks(text: str, raw: bytes, begin: int, end: int) -> list[Token]:
    """Every line break within a key, to be read as nothing."""
    spans = (spans[1] for spans in _BREAK.each(raw, begin, end))
    return [Token(start, stop, "") for start, stop in spans if _breaks_key(text, start, stop)]


JOINTS = Rewriter(
    name="joints",
    joins=True,
    trigger=_JOINT_TRIGGER,
    tokens=find_joints,
    unfinished=r"[\"'`][\s+.|&<~\\_=]{0,125}[A-Za-z@$]{0,2}",
)
BREAKS = Rewriter(
    name="breaks",
    joins=True,
    trigger=rf"{_PIECE}{{7}}[0-9A-Za-z]\\?\r?\n[ \t>|#*]{{0,16}}{_PIECE}",
    tokens=find_breaks,
    unfinished=rf"{_PIECE}{{7}}[0-9A-Za-z](?:\\|\\?\r|\\?\r?\n[ \t>|#*]{{0,16}}{_PIECE}{{0,{_BREAK_REACH_CHARS}}})",
)
