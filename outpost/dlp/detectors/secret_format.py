r"""How a row of a table of formats becomes a detector.

A format is strong if its shape alone tells it (``glpat-…``): ``prefixed``. It is weak if many things look like it (32
hexadecimal digits): ``named`` then asks for the vendor's name and an assignment or a word such as "token" before it.

Patterns are written without ``\b``: the functions here judge both neighbours, for RE2 has no look-ahead and ``\b`` does
not end a token that may hold ``-``. The set gets only the literal that a pattern begins with, or the vendor's name.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import re2

from outpost.dlp.before import before
from outpost.dlp.detector import Detector, touches_word
from outpost.dlp.placeholders import is_placeholder, looks_typed
from outpost.dlp.rarity import bits_per_sign

Validator = Callable[[str], bool]
Spans = Callable[[str, int, int], Iterable[tuple[int, int]]]
# A strong row: what follows "secret." in its kind, the pattern, a function if the shape is not all, and a trigger if
# the pattern's longest literal is a poor one.
Row = tuple[str, str] | tuple[str, str, Validator | None] | tuple[str, str, Validator | None, str]
# A weak row: what follows "secret." in its kind, the vendor's names (RE2, lower case), and the pattern.
NamedRow = tuple[str, str, str]
# A led row: what follows "secret.", the trigger, the lead and the value (RE2), and a function if the shape is not all.
LedRow = tuple[str, str, str, str, Validator | None]

# Nothing else looks like it, but it may be mistyped, made up or revoked.
STRONG_SCORE = 0.95
NAMED_SCORE = 0.85
# Signs of tokens other than letters, digits and "_"; they go on with a token only if its last class holds them.
_SIGNS = "-./+=~"
# What a digest, a commit or an identifier is called; a weak format behind such a word is one of those.
_NOT_SECRET = re2.compile(
    r"(?i)(?:sha-?(?:1|2|256|384|512)?|md5|crc|hash|digest|checksum|integrity|etag|commit|revision|uuid|guid|fingerprint|"
    r"version|[^a-z]rev|[^a-z]id)s?[\"'\]\s:=>(-]{0,6}$"
)
# For ``trigger_of``: classes and innermost groups with what repeats them; then signs that are optional or not literal.
_NESTED = re2.compile(r"(?:\[[^\]]*\]|\([^()]*\))(?:\{[0-9,]*\}|[?*+])?")
_NOT_LITERAL = re2.compile(r"\\?[^\\](?:[?*+]|\{[0-9,]*\})|[|^]")
_REPEATED_CLASS = re2.compile(r"\[[^\]]*\]\{")
_SHORTEST_TRIGGER = 3  # shorter ones occur everywhere
_TELLING = r"key|token|secret|passw|pwd|auth|credential|access|private|(?:^|[^a-z])(?:pat|dsn|license)(?:[^a-z]|$)"
_ASSIGNED = r"^[0-9A-Za-z_.\-\[\]]{0,40}[\"'`\]]{0,2}\s{0,8}(?:=>|:=|[:=,])\s{0,8}[\"'`]{0,3}$"
_WORDS = re2.compile(rf"(?i){_TELLING}")
_ASSIGNS = re2.compile(_ASSIGNED)


# Random letters and digits cost more, names of variables less (``rarity.py``).
_NO_WORDS_BITS = 4.65


def no_words(secret: str) -> bool:
    """Whether letters and digits mix as they do in no name: for prefixes that names of variables begin with, too."""
    return any(map(str.isdigit, secret)) and any(map(str.isalpha, secret)) and bits_per_sign(secret) > _NO_WORDS_BITS


def begins_token(text: str, start: int) -> bool:
    r"""Whether a token can begin here: not within a word, unless behind an escape such as ``\n`` or ``%3D``."""
    if start == 0 or not text[start - 1].isalnum() or not text[start - 1].isascii():
        return True
    return (start > 1 and text[start - 2] == "\\" and text[start - 1] in "nrt") or (
        start > 2 and text[start - 3] == "%" and text[start - 2].isdigit()  # noqa: PLR2004 - the escape's length
    )


def ends_token(text: str, end: int, signs: str = "") -> bool:
    """Whether a token ends here: no letter, digit or one of ``signs`` follows; full stops and arrows may end a text."""
    after = text[end : end + 2]
    if not after:
        return True
    if after[0] in signs and after[0] not in "./=":
        return after == "->" or text[end : end + 3] == "-->"
    return not (touches_word(after[0]) or (after[0] in signs and len(after) > 1 and touches_word(after[1])))


def signs_of(pattern: str) -> str:
    """The signs that the last character class of ``pattern`` holds: they would go on with the token."""
    last = pattern.rpartition("[")[2].partition("]")[0]
    return "".join(sign for sign in _SIGNS if sign in last.replace("0-9", "").replace("A-Z", "").replace("a-z", ""))


def trigger_of(pattern: str) -> str:
    """The longest literal outside groups that each match holds; or what stands before the first repetition."""
    plain = _NESTED.sub("\0", pattern)
    while plain != (plain := _NESTED.sub("\0", plain)):
        pass
    runs = [run for run in _NOT_LITERAL.sub("\0", plain).split("\0") if run]
    longest = max(runs, key=len, default="")
    literal = longest.replace("\\", "")
    if len(literal) >= _SHORTEST_TRIGGER or (len(literal) > 1 and not literal.isalnum()):
        return longest
    return str(_REPEATED_CLASS.split(pattern)[0])


def whole_token(pattern: str, valid: Validator | None, *, made_up: bool = False) -> Spans:
    """The ``find`` of a detector whose match must be a whole token that is no example.

    ``made_up``: its name says that it is a key, so one of few different signs counts too.
    """
    signs = signs_of(pattern)

    def find(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        secret = text[start:end]
        alone = (not touches_word(secret[0]) or begins_token(text, start)) and ends_token(text, end, signs)
        if alone and not is_placeholder(secret, short=made_up) and (valid is None or valid(secret)):
            yield start, end

    return find


def _with_rest(what: str, pattern: str) -> str:
    """``pattern`` as group 1, then whatever goes on with the token: a long run is one match, which is refused as one.

    Else one match would begin where the last ended, all through an encoded file, and no place were safe for a cut.
    The group's name makes the pattern the row's own: detectors of one pattern would share a trigger.
    """
    return rf"(?P<{what}>{pattern})[0-9A-Za-z_{re2.escape(signs_of(pattern))}]*"


def prefixed(rows: Iterable[Row], score: float = STRONG_SCORE) -> tuple[Detector, ...]:
    """The detectors of strong formats, one for each row."""
    return tuple(_prefixed(score, *row) for row in rows)


def _prefixed(score: float, what: str, pattern: str, valid: Validator | None = None, trigger: str = "") -> Detector:
    return Detector(
        name=what.replace("_", "-"),
        kind=f"secret.{what}",
        pattern=pattern,
        trigger=trigger or trigger_of(pattern),
        find=whole_token(pattern, valid),
        doubts=looks_typed,
        base_score=score,
    )


def named(rows: Iterable[NamedRow]) -> tuple[Detector, ...]:
    """The detectors of weak formats, one for each row."""
    return tuple(_named(*row) for row in rows)


def _named(what: str, vendor: str, pattern: str) -> Detector:
    return Detector(
        name=what.replace("_", "-"),
        kind=f"secret.{what}",
        pattern=_with_rest(what, pattern),
        group=1,
        trigger=rf"(?i){vendor}",
        named=True,
        find=_behind_name(vendor, pattern),
        doubts=looks_typed,
        base_score=NAMED_SCORE,
    )


def _behind_name(vendor: str, pattern: str) -> Spans:
    whole = whole_token(pattern, None, made_up=True)
    # At the start of a word, or of a hump: MY_DATADOG_KEY, myDatadogKey, -Dsonar.login.
    names: Any = re2.compile(rf"(?:^|[^A-Za-z]|-D)(?i:{vendor})|[a-z](?:{vendor[:1].upper()}{vendor[1:]})")

    def find(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
        window = before(text, start)
        if _NOT_SECRET.search(window) is not None or not any(map(str.isdigit, text[start:end])):
            return ()
        for name in names.finditer(window):
            if _WORDS.search(window[name.start() :]) is not None or _ASSIGNS.match(window[name.end() :]) is not None:
                return whole(text, start, end)
        return ()

    return find


def led(rows: Iterable[LedRow], score: float = STRONG_SCORE) -> tuple[Detector, ...]:
    """The detectors of values that a fixed text leads in, one for each row.

    The lead is looked for behind the value's start, so it may hold any characters, as long as it is short enough
    (``before.BEFORE_CHARS``).
    """
    return tuple(_led(score, *row) for row in rows)


def _led(score: float, what: str, trigger: str, lead: str, pattern: str, valid: Validator | None) -> Detector:
    ends_with: Any = re2.compile(rf"(?:{lead})$")
    whole = whole_token(pattern, valid)

    def find(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
        return whole(text, start, end) if ends_with.search(before(text, start)) is not None else ()

    return Detector(
        name=what.replace("_", "-"),
        kind=f"secret.{what}",
        pattern=_with_rest(what, pattern),
        group=1,
        trigger=trigger,
        find=find,
        doubts=looks_typed,
        base_score=score,
    )
