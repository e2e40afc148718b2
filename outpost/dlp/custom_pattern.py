r"""The patterns an org may write: a closed subset of RE2's syntax in which every match has a longest length.

Literals, ``.``, classes, ``\d \w \s`` and their negations, ``\b``, groups, ``|``, ``?``, ``{m}`` and ``{m,n}``. What
has no end (``*``, ``+``, ``{m,}``), anchors, flags, captures and look-around are refused: a stream is held back by the
length of the longest match, and a pattern must mean the same wherever the text was cut. RE2 runs it, in linear time.
"""

import re
from dataclasses import dataclass
from functools import reduce
from typing import Final, NoReturn

import re2

MAX_MATCH_CHARS: Final = 128
"""As far as streams look ahead for anything with blanks in it (``hold.py``)."""
MAX_VARIABLE_CHARS: Final = 24
"""How far the longest match may exceed the shortest: what multiplies the automaton's states, and so time."""
_MAX_REPEAT: Final = MAX_MATCH_CHARS
_MAX_DEPTH: Final = 20
_NUMBER: Final = re.compile(r"[0-9]{1,3}")
_CLASSES: Final = {"d": "[0-9]", "w": "[0-9A-Za-z_]", "s": r"[\t\n\f\r ]"}
_NEGATED: Final = {"D": "[^0-9]", "W": "[^0-9A-Za-z_]", "S": r"[^\t\n\f\r ]"}
_CONTROL: Final = {"n": "\n", "t": "\t", "r": "\r"}
# The bytes by which the engine writes what is not Latin-1 (engine.py): as literals they would mean any such letter.
_STAND_INS: Final = "\x80\xff"
# Signs of which a stream never cuts a run (hold.WORD has more; these are enough).
_WORD: Final = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-./@")


class PatternInvalid(ValueError):
    """The pattern is not of the subset. ``position`` counts its characters from 0."""

    def __init__(self, position: int, message: str) -> None:
        self.position = position
        super().__init__(f"at character {position + 1}: {message}")


@dataclass(frozen=True, slots=True)
class CustomPattern:
    """A pattern that was understood.

    Attributes:
        re2: The same in RE2's syntax over one byte per code point, without captures.
        min_chars: The shortest match.
        max_chars: The longest match.
        is_word: Every match is one run of letters, digits and the signs ``_-./@``.
        fixed_chars: Every match holds a fixed text of so many characters.
    """

    re2: str
    min_chars: int
    max_chars: int
    is_word: bool
    fixed_chars: int = 0


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Fixed text of a part: how long it is at the start, at the end, anywhere; and whether it is all of the part."""

    head: int = 0
    tail: int = 0
    longest: int = 0
    whole: bool = False

    def then(self, other: "_Fixed") -> "_Fixed":
        return _Fixed(
            self.head + (other.head if self.whole else 0),
            other.tail + (self.tail if other.whole else 0),
            max(self.longest, other.longest, self.tail + other.head),
            self.whole and other.whole,
        )


_FREE: Final = _Fixed()
_EMPTY: Final = _Fixed(whole=True)
_ONE: Final = _Fixed(1, 1, 1, whole=True)


@dataclass(frozen=True, slots=True)
class _Part:
    text: str
    least: int
    most: int
    is_word: bool
    fixed: _Fixed = _FREE


_NOTHING = _Part("", 0, 0, is_word=True, fixed=_EMPTY)


def parse_pattern(pattern: str, *, ignore_case: bool = False) -> CustomPattern:
    """Understand a custom pattern.

    Raises:
        PatternInvalid: It is not of the subset, can match nothing at all, or is beyond one of the limits.
    """
    reader = _Reader(pattern)
    part = reader.alternatives(0)
    if reader.at < len(pattern):
        reader.refuse("no group is open here")
    if part.least == 0:
        raise PatternInvalid(0, "it would match everywhere: something of it must not be optional")
    if part.most > MAX_MATCH_CHARS:
        raise PatternInvalid(0, f"it can match {part.most} characters, the limit is {MAX_MATCH_CHARS}")
    text = f"(?i:{part.text})" if ignore_case else part.text
    if part.most - part.least > MAX_VARIABLE_CHARS:
        message = f"its matches differ by {part.most - part.least} characters, the limit is {MAX_VARIABLE_CHARS}"
        raise PatternInvalid(0, message)
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    try:
        re2.compile(text.encode("latin-1"), options)
    except re2.error as err:  # counted repetitions within each other
        raise PatternInvalid(0, "it is too large") from err
    return CustomPattern(text, part.least, part.most, part.is_word, part.fixed.longest)


class _Reader:
    """Recursive descent over the characters of one pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.at = 0

    def refuse(self, message: str, at: int | None = None) -> NoReturn:
        raise PatternInvalid(min(self.at if at is None else at, len(self._pattern)), message)

    def alternatives(self, depth: int) -> _Part:
        if depth > _MAX_DEPTH:
            self.refuse("groups are nested too deep")
        parts = [self._sequence(depth)]
        while self._take("|"):
            parts.append(self._sequence(depth))
        if len(parts) == 1:
            return parts[0]
        return _Part(
            "(?:" + "|".join(part.text for part in parts) + ")",
            min(part.least for part in parts),
            max(part.most for part in parts),
            all(part.is_word for part in parts),
            _Fixed(longest=min(part.fixed.longest for part in parts)),
        )

    def _sequence(self, depth: int) -> _Part:
        whole = _NOTHING
        while self.at < len(self._pattern) and self._pattern[self.at] not in "|)":
            part = self._repeated(self._atom(depth))
            whole = _Part(
                whole.text + part.text,
                whole.least + part.least,
                whole.most + part.most,
                whole.is_word and part.is_word,
                whole.fixed.then(part.fixed),
            )
        return whole

    def _atom(self, depth: int) -> _Part:
        start = self.at
        sign = self._pattern[start]
        self.at += 1
        if sign == "(":
            return self._group(start, depth)
        if sign == "[":
            return self._class(start)
        if sign == "\\":
            return self._escape()
        if sign == ".":
            return _Part(r"[^\n]", 1, 1, is_word=False)
        if sign in "*+?{":
            self.refuse("there is nothing to repeat", start)
        if sign in "^$":
            self.refuse(f"{sign} is not available: a stream has no lines; use \\b", start)
        return self._literal(sign, start)

    def _group(self, start: int, depth: int) -> _Part:
        if self._take("?") and not self._take(":"):
            self.refuse("only (...) and (?:...) are available", start)
        inner = self.alternatives(depth + 1)
        if not self._take(")"):
            self.refuse("this group is not closed", start)
        return _Part(f"(?:{inner.text})", inner.least, inner.most, inner.is_word, inner.fixed)

    def _escape(self) -> _Part:
        start = self.at - 1
        sign = self._next(start)
        if sign == "b":
            return _Part(r"\b", 0, 0, is_word=True, fixed=_EMPTY)
        if sign in _CLASSES:
            return _Part(_CLASSES[sign], 1, 1, is_word=sign != "s")
        if sign in _NEGATED:
            return _Part(_NEGATED[sign], 1, 1, is_word=False)
        return self._literal(self._escaped(sign, start), start)

    def _escaped(self, sign: str, start: int) -> str:
        if sign in _CONTROL:
            return _CONTROL[sign]
        if sign.isalnum():
            self.refuse(f"\\{sign} is not available", start)
        return sign

    def _literal(self, sign: str, start: int) -> _Part:
        return _Part(self._byte(sign, start), 1, 1, sign in _WORD, _ONE)

    def _byte(self, sign: str, start: int) -> str:
        if ord(sign) > 0xFF or sign in _STAND_INS:  # noqa: PLR2004 - the end of Latin-1
            self.refuse("letters beyond Latin-1 are for keywords", start)
        return sign if sign.isascii() and sign.isalnum() else f"\\x{ord(sign):02x}"

    def _class(self, start: int) -> _Part:
        negated = self._take("^")
        items: list[str] = []
        is_word = not negated
        while not self._take("]"):
            text, word = self._class_item(start)
            items.append(text)
            is_word = is_word and word
        if not items:
            self.refuse("this class is empty", start)
        return _Part(f"[{'^' if negated else ''}{''.join(items)}]", 1, 1, is_word)

    def _class_item(self, start: int) -> tuple[str, bool]:
        at = self.at
        sign = self._next(start, "this class is not closed")
        if sign == "[":
            self.refuse("write \\[ for a bracket; named classes are not available", at)
        if sign == "\\":
            escaped = self._next(start, "this class is not closed")
            if escaped in _CLASSES:
                return _CLASSES[escaped][1:-1], escaped != "s"
            sign = self._escaped(escaped, at)
        if self._pattern[self.at : self.at + 1] != "-" or self._pattern[self.at + 1 : self.at + 2] in ("]", ""):
            return self._byte(sign, at), sign in _WORD
        self.at += 1
        last = self._next(start, "this class is not closed")
        if last == "\\":
            last = self._escaped(self._next(start, "this class is not closed"), at)
        if ord(last) < ord(sign):
            self.refuse("this range runs backwards", at)
        word = all(chr(code) in _WORD for code in range(ord(sign), min(ord(last), 0xFF) + 1))
        return f"{self._byte(sign, at)}-{self._byte(last, at)}", word

    def _repeated(self, part: _Part) -> _Part:
        start = self.at
        least, most, text = self._quantifier()
        if not text:
            return part
        if self.at < len(self._pattern) and self._pattern[self.at] in "?*+{":
            self.refuse("one repetition is enough; put a group around it")
        if part.most == 0:
            self.refuse("there is nothing to repeat", start)
        fixed = _FREE if least == 0 else reduce(_Fixed.then, [part.fixed] * least)
        if most > least:
            fixed = _Fixed(fixed.head, 0, fixed.longest)
        return _Part(f"(?:{part.text}){text}", part.least * least, part.most * most, part.is_word, fixed)

    def _quantifier(self) -> tuple[int, int, str]:
        """Least and most repetitions, and RE2's words for it; empty without one."""
        start = self.at
        if self._take("?"):
            return 0, 1, "?"
        if self._pattern[start : start + 1] in ("*", "+"):
            self.refuse("has no end: say how many with {1,20}", start)
        if not self._take("{"):
            return 1, 1, ""
        closing = self._pattern.find("}", start)
        inside = self._pattern[start + 1 : closing] if closing >= 0 else ""
        first, comma, second = inside.partition(",")
        if comma and first.isdigit() and not second:
            self.refuse("has no end: say how many with {1,20}", start)
        if _NUMBER.fullmatch(first) is None or (comma and _NUMBER.fullmatch(second) is None):
            self.refuse("a repetition is {m} or {m,n}; write \\{ for a brace", start)
        least, most = int(first), int(second or first)
        if not 0 < most <= _MAX_REPEAT or least > most:
            self.refuse(f"it can repeat from 0 up to {_MAX_REPEAT} times", start)
        self.at = closing + 1
        return least, most, f"{{{least},{most}}}"

    def _take(self, sign: str) -> bool:
        if self._pattern[self.at : self.at + 1] != sign:
            return False
        self.at += 1
        return True

    def _next(self, start: int, message: str = "something must follow the \\") -> str:
        if self.at >= len(self._pattern):
            self.refuse(message, start)
        self.at += 1
        return self._pattern[self.at - 1]
