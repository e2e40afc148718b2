"""Values as people spell them out: ``four one one one ...``, ``double five``, ``name at domain dot com``.

Digits in English, German, French, Spanish, Italian, Portuguese and Dutch; nine in a row or more. An address needs more
than the word "at": a bracketed ``[at]`` or a spelled dot before a known ending, and a name that is no common word.
"""

import re

from outpost.dlp.linear import of_bytes
from outpost.dlp.rewrite import Rewriter, Token

_DIGIT_WORDS = {
    "0": "zero oh nought null cero zéro nul nulla",
    "1": "one eins ein un une uno uma um één een",
    "2": "two zwei zwo deux dos due dois duas twee",
    "3": "three drei trois tres tre três drie",
    "4": "four vier quatre cuatro quattro quatro",
    "5": "five fünf fuenf cinq cinco cinque vijf",
    "6": "six sechs seis sei zes",
    "7": "seven sieben sept siete sette sete zeven",
    "8": "eight acht huit ocho otto oito",
    "9": "nine niner neun neuf nueve nove negen",
}
_DIGIT_OF = {word: digit for digit, words in _DIGIT_WORDS.items() for word in words.split()}
_TIMES = {"double": 2, "twice": 2, "triple": 3, "treble": 3, "doppel": 2}
_DASHES = ("dash", "hyphen", "minus", "strich", "tiret", "guion")
_WORD = "|".join(sorted((*_DIGIT_OF, *_TIMES, *_DASHES, "and", "space"), key=len, reverse=True))
_BETWEEN = r"[ \t\r\n,.;:/-]{1,3}"
# For the trigger, which is in ASCII so that every engine reads it alike.
_ASCII_WORD = re.sub("[^ -~]", r"[\\x80-\\xff]", _WORD)
_SPELLED_ITEM = rf"(?:{_WORD}|[0-9])"
_SPELLED = of_bytes(rf"(?i)\b{_SPELLED_ITEM}(?:{_BETWEEN}{_SPELLED_ITEM}){{7,}}\b")
_ITEM = re.compile(r"[^\W_]+")
_LONGEST = 7  # letters of a digit word
_MIN_DIGITS = 9
_SSN_DIGITS = 9


def _in_words(text: str, start: int, end: int) -> list[Token]:
    """One token for each spelled digit and for what stands between; groups stay groups."""
    spans: list[tuple[int, int, str]] = []  # of the digits; what stands between belongs to the one before
    times, digits = 1, ""
    parted: set[bool] = set()  # whether there is more than a blank between two digits: all alike do not make groups
    held = -1  # where a "double" began
    for item in _ITEM.finditer(text, start, end):
        word = item[0].lower()
        if word in _TIMES:
            times, held = _TIMES[word], item.start()
            continue
        digit = word if word.isdigit() else _DIGIT_OF.get(word, "")
        begin = item.start() if held < 0 else held
        written = digit * times if digit else ("-" if word in _DASHES else "")
        if spans and digits and digit:
            parts = bool(text[spans[-1][1] : begin].strip(" \t-"))
            parted.add(parts)
            if parts:
                written = " " + written
        if written == "-":
            parted.add(True)
        digits += digit * times
        spans.append((begin, item.end(), written))
        times, held = 1, -1
    if not any(map(str.isalpha, text[start:end])):
        return []  # digits as they are
    if len(digits) < _MIN_DIGITS or digits in "01234567890123456789":
        return []
    if len(parted) <= 1:
        spans = [(begin, stop, written.strip()) for begin, stop, written in spans]
    ends = [begin for begin, _, _ in spans[1:]] + [spans[-1][1]]
    tokens = [
        Token(begin, stop, written, goes_on=index > 0)
        for index, ((begin, _, written), stop) in enumerate(zip(spans, ends, strict=True))
    ]
    return _as_ssn(tokens) if len(digits) == _SSN_DIGITS and len(parted) <= 1 else tokens


def _as_ssn(tokens: list[Token]) -> list[Token]:
    """The same digits with the dashes of a social security number."""
    seen, dashed = 0, []
    for token in tokens:
        text = ""
        for digit in token.text:
            text += "-" + digit if seen in (3, 5) else digit
            seen += 1
        dashed.append(token._replace(text=text))
    return dashed


def find_digits(text: str, raw: bytes, begin: int, end: int) -> list[Token]:
    """Rows of spelled digits."""
    return [token for (span, *_) in _SPELLED.each(raw, begin, end) for token in _in_words(text, *span)]


SPELLED_DIGITS = Rewriter(
    name="spelled-digits",
    joins=True,
    trigger=rf"(?i)\b(?:{_ASCII_WORD}){_BETWEEN}(?:(?:{_ASCII_WORD}|[0-9]){_BETWEEN}){{2}}(?:{_ASCII_WORD}|[0-9])",
    tokens=find_digits,
    unfinished=rf"(?i)\b{_SPELLED_ITEM}(?:{_BETWEEN}{_SPELLED_ITEM})*(?:{_BETWEEN}[0-9A-Za-z\xc0-\xff]{{0,{_LONGEST}}})?",
)

_LABEL = r"[0-9A-Za-z][0-9A-Za-z_-]{0,62}"
_LOCAL = r"[0-9A-Za-z_](?:[0-9A-Za-z._%+'-]{0,62}[0-9A-Za-z_])?"
_AT_WORD = r"(?:at|ät|arroba|arobase|chiocciola)"
_DOT_WORD = r"(?:dot|punkt|punto|point|ponto)"
_OPEN, _CLOSE = r"[\[({<]", r"[\])}>]"
_STRONG_AT = rf"[ \t]{{0,2}}{_OPEN}\s?(?:{_AT_WORD}|@|a)\s?{_CLOSE}[ \t]{{0,2}}|_at_|[ \t]{{0,2}}@[ \t]{{1,2}}"
_AT = rf"(?:{_STRONG_AT}|@|[ \t]{{1,2}}{_AT_WORD}[ \t]{{1,2}})"
_SPELLED_DOT = (
    rf"[ \t]{{0,2}}{_OPEN}\s?(?:{_DOT_WORD}|\.)\s?{_CLOSE}[ \t]{{0,2}}|[ \t]{{1,2}}{_DOT_WORD}[ \t]{{1,2}}|_dot_"
)
_DOT = rf"(?:{_SPELLED_DOT}|\.|[ \t]{{1,2}}\.[ \t]{{0,2}})"
_ADDRESS = of_bytes(
    rf"(?i)\b{_LOCAL}(?:(?:{_SPELLED_DOT})[0-9A-Za-z_%+'-]{{1,64}}){{0,3}}{_AT}"
    rf"{_LABEL}(?:{_DOT}{_LABEL}){{1,4}}\b",
)
_PARTS = of_bytes(rf"(?i)^(.*?)({_AT})(.*)$")
_IS_STRONG = of_bytes(rf"(?i)^(?:{_STRONG_AT})$")
_IS_SPELLED = of_bytes(rf"(?i){_SPELLED_DOT}")
_FOREIGN_DOT = of_bytes(r"(?i)\s(?:punkt|punto|point|ponto)\s")
_ANY_DOT = re.compile(rf"{_DOT}", re.IGNORECASE)
_ENDINGS = frozenset(
    (
        "com", "org", "net", "edu", "gov", "mil", "int", "io", "info", "biz", "dev", "app", "ai", "co", "me", "tv",
        "cc", "us", "uk", "eu", "de", "fr", "es", "it", "nl", "be", "ch", "at", "ie", "se", "no", "dk", "fi", "pl",
        "cz", "pt", "gr", "ru", "ua", "ca", "mx", "br", "ar", "cl", "au", "nz", "in", "jp", "cn", "kr", "sg", "hk",
        "za", "il", "tr", "example", "test", "local", "internal",
    )
)  # fmt: skip
# Words that stand before "at" in sentences about places and sites.
_NO_NAMES = frozenset(
    (
        "a", "an", "the", "me", "us", "him", "her", "it", "them", "you", "here", "there", "look", "looking", "find",
        "found", "is", "are", "was", "were", "be", "been", "am", "arrive", "arrived", "meet", "meeting", "available",
        "visit", "visiting", "online", "live", "living", "work", "working", "works", "worked", "stay", "hosted",
        "hosting", "listed", "out", "up", "in", "on", "off", "and", "or", "but", "not", "contact", "reach", "email",
        "mail", "write", "site", "website", "page", "now", "only", "see", "hosted", "sold", "read", "more", "job",
        "jobs", "people", "team", "staff", "user", "users", "account", "accounts", "login", "log", "signed", "sign",
        "check", "stop", "start", "started", "begin", "end",
    )
)  # fmt: skip


def _address(written: str, raw: bytes, split: int, past: int) -> str:
    """The address that was meant, or nothing; its at sign is written from ``split`` to ``past``."""
    domain_raw = raw[past:]
    local = _ANY_DOT.sub(".", written[:split])
    domain = _ANY_DOT.sub(".", written[past:])
    if domain.rpartition(".")[2].lower() not in _ENDINGS:
        return ""
    at = written[split:past].strip().lower()
    if at == "at" and _FOREIGN_DOT.occurs(domain_raw):
        return ""  # "at this point in"
    spelled = _IS_SPELLED.occurs(domain_raw)
    strong = _IS_STRONG.occurs(raw[split:past])
    if written[split:past] == "@" and not spelled and not _IS_SPELLED.occurs(raw[:split]) and " " not in written:
        return ""  # an address as it is
    if strong or written[split:past] == "@":
        return f"{local}@{domain}"
    named = any(sign in local for sign in "._+-") or any(map(str.isdigit, local))
    if named or (spelled and local.lower() not in _NO_NAMES):
        return f"{local}@{domain}"
    return ""


def find_addresses(text: str, raw: bytes, begin: int, end: int) -> list[Token]:
    """Addresses with a spelled or bracketed at sign or dot."""
    tokens = []
    at = begin
    while (spans := _ADDRESS.first(raw, at, end)) is not None:
        start, stop = spans[0]
        parts = _PARTS.first(raw[start:stop])
        split, past = parts[2] if parts else (0, stop - start)
        written = _address(text[start:stop], raw[start:stop], split, past)
        if written:
            tokens.append(Token(start, stop, written))
        # What was taken for a domain may be the name of another address.
        at = stop if written else start + past
    return tokens


_BLANK_AT = rf"[ \t]{{1,2}}{_AT_WORD}[ \t]{{1,2}}{_LABEL}{_DOT}"
_BEGUN = rf"[ \t]{{0,2}}{_OPEN}\s?[a-z.@]{{0,9}}\s?{_CLOSE}?[ \t]{{0,2}}"
_BEGUN_LABEL = rf"(?:[ \t]{{0,2}}|{_BEGUN}|[ \t]{{1,2}}[a-z]{{0,6}}|_[a-z]{{0,5}}|\.)"
_BEGUN_DOMAIN = rf"{_AT}(?:{_LABEL}(?:{_DOT}{_LABEL}){{0,4}})?{_BEGUN_LABEL}"
_BEGUN_WORD = (
    rf"[ \t]{{1,2}}(?:{_AT_WORD}|{_DOT_WORD}|a|ar|arr|arro|arob|c|ch|d|do|p|po|pu|@)?[ \t]{{0,2}}|_(?:a|at|d|do|dot)?_?"
)
_TRIGGER = rf"(?i)[0-9A-Za-z_](?:{_STRONG_AT}|{_BLANK_AT}|@{_LABEL}(?:{_SPELLED_DOT}|\s\.)){_LABEL}"

SPELLED_ADDRESSES = Rewriter(
    name="spelled-addresses",
    trigger=rf"(?i)[0-9A-Za-z_](?:{_STRONG_AT}|{_BLANK_AT}|@{_LABEL}(?:{_SPELLED_DOT}|\s\.)){_LABEL}".replace(
        "ä", r"[\x80-\xff]"
    ),
    tokens=find_addresses,
    unfinished=(
        rf"(?i)\b{_LOCAL}(?:(?:{_SPELLED_DOT})[0-9A-Za-z_%+'-]{{1,64}}){{0,3}}(?:{_BEGUN_DOMAIN}|{_BEGUN}|{_BEGUN_WORD})"
        rf"|\b{_LOCAL}(?:(?:{_SPELLED_DOT})[0-9A-Za-z_%+'-]{{1,64}}){{1,3}}"
    ),
)
