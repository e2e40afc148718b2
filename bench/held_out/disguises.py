# ruff: noqa: RUF001 - words and letters of other languages
"""Ways to write a value so that a plain pattern does not see it. Written without looking at the product's rewriters.

Each takes the value and gives what is written instead; ``FOR`` says which types a way makes sense for.
"""

import base64
import html
import quopri
import random
from collections.abc import Callable
from urllib.parse import quote

Way = Callable[[random.Random, str], str]
_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
_CYRILLIC = str.maketrans("aceopxyABCEHKMOPTX", "асеорхуАВСЕНКМОРТХ")
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _full_width(_rng: random.Random, value: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in value)


def _digits_from(zero: int) -> Way:
    return lambda _rng, value: "".join(chr(zero + int(sign)) if sign.isdigit() else sign for sign in value)


def _zero_width(rng: random.Random, value: str) -> str:
    return "".join(sign + (rng.choice(_ZERO_WIDTH) if rng.random() < 0.3 else "") for sign in value[:-1]) + value[-1]


def _soft_hyphens(_rng: random.Random, value: str) -> str:
    return "\u00ad".join((value[:4], value[4:8], value[8:]))


def _look_alikes(_rng: random.Random, value: str) -> str:
    return value.translate(_CYRILLIC)


def _entities(rng: random.Random, value: str) -> str:
    return "".join(f"&#{ord(sign)};" if rng.random() < 0.5 else f"&#x{ord(sign):x};" for sign in value)


def _named_entities(_rng: random.Random, value: str) -> str:
    return (
        html.escape(value)
        .replace("@", "&commat;")
        .replace(".", "&period;")
        .replace("-", "&#45;")
        .replace("_", "&lowbar;")
        .replace(" ", "&nbsp;")
    )


def _percent(_rng: random.Random, value: str) -> str:
    return "".join(f"%{byte:02X}" for byte in value.encode())


def _percent_twice(_rng: random.Random, value: str) -> str:
    return quote("".join(f"%{byte:02x}" for byte in value.encode()))


def _base64(_rng: random.Random, value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _base64_sentence(rng: random.Random, value: str) -> str:
    return base64.b64encode(
        f"please note this one: {value} and {rng.choice(('thanks', 'regards', 'bye'))}".encode()
    ).decode()


def _base64_twice(rng: random.Random, value: str) -> str:
    return _base64(rng, _base64(rng, value))


def _base64_of_percent(rng: random.Random, value: str) -> str:
    return _base64(rng, _percent(rng, value))


def _base64_url(_rng: random.Random, value: str) -> str:
    return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


def _hexadecimal(_rng: random.Random, value: str) -> str:
    return value.encode().hex()


def _hex_spaced(_rng: random.Random, value: str) -> str:
    return value.encode().hex(" ")


def _unicode_escapes(_rng: random.Random, value: str) -> str:
    return "".join(f"\\u{ord(sign):04x}" for sign in value)


def _hex_escapes(_rng: random.Random, value: str) -> str:
    return "".join(f"\\x{ord(sign):02x}" for sign in value)


def _quoted_printable(_rng: random.Random, value: str) -> str:
    return "".join(f"={byte:02X}" for byte in value.encode())


def _quoted_printable_soft(_rng: random.Random, value: str) -> str:
    middle = len(value) // 2
    return quopri.encodestring(value[:middle].encode()).decode() + "=\n" + value[middle:]


def _wrapped(rng: random.Random, value: str) -> str:
    at = rng.randint(8, len(value) - 6)
    return f"{value[:at]}\n{value[at:]}"


def _joined(sign: str, quote_sign: str = '"') -> Way:
    def write(rng: random.Random, value: str) -> str:
        at = rng.randint(4, len(value) - 4)
        return f"{quote_sign}{value[:at]}{quote_sign}{sign}{quote_sign}{value[at:]}{quote_sign}"

    return write


def _separated(sign: str) -> Way:
    return lambda _rng, value: sign.join(one for one in value if one.isdigit())


def _spoken(_rng: random.Random, value: str) -> str:
    return " ".join(_WORDS[int(one)] for one in value if one.isdigit())


def _at_dot(_rng: random.Random, value: str) -> str:
    return value.replace("@", " at ").replace(".", " dot ")


def _at_dot_brackets(_rng: random.Random, value: str) -> str:
    return value.replace("@", " [at] ").replace(".", " (dot) ")


ANY = ("card", "iban", "id.us", "email", "secret: github classic", "secret: aws key id", "secret: anthropic")
KEYS = ("secret: github classic", "secret: aws key id", "secret: anthropic", "secret: sendgrid", "secret: gitlab")
NUMBERS = ("card", "id.us")
WAYS: dict[str, tuple[Way, tuple[str, ...]]] = {
    "full-width": (_full_width, ANY),
    "Arabic-Indic digits": (_digits_from(0x660), NUMBERS),
    "Devanagari digits": (_digits_from(0x966), NUMBERS),
    "mathematical digits": (_digits_from(0x1D7CE), NUMBERS),
    "zero-width": (_zero_width, ANY),
    "soft hyphens": (_soft_hyphens, ANY),
    "Cyrillic look-alikes": (
        _look_alikes,
        ("email", "secret: github classic", "secret: aws key id", "secret: anthropic"),
    ),
    "numeric entities": (_entities, ANY),
    "named entities": (_named_entities, ("email", "card", "secret: github classic", "secret: gitlab")),
    "URL encoding": (_percent, ANY),
    "URL encoding twice": (_percent_twice, ANY),
    "base64": (_base64, ANY),
    "base64 of a sentence": (_base64_sentence, ANY),
    "base64 twice": (_base64_twice, ANY),
    "base64 of URL encoding": (_base64_of_percent, ANY),
    "base64url without padding": (_base64_url, ANY),
    "hexadecimal": (_hexadecimal, ANY),
    "hexadecimal, spaced": (_hex_spaced, ANY),
    "\\u escapes": (_unicode_escapes, ANY),
    "\\x escapes": (_hex_escapes, ANY),
    "quoted-printable": (_quoted_printable, ANY),
    "quoted-printable soft break": (_quoted_printable_soft, ANY),
    "line-wrapped key": (_wrapped, KEYS),
    "joined with +": (_joined(" + "), KEYS),
    "joined with + over lines": (_joined(" +\n    "), KEYS),
    "joined by nothing (Python, C)": (_joined(" "), KEYS),
    "joined with . (PHP)": (_joined(" . ", "'"), KEYS),
    "joined with & (VB)": (_joined(" & "), KEYS),
    "joined with .. (Lua)": (_joined(" .. "), KEYS),
    "separated by dots": (_separated("."), ("card",)),
    "separated by spaces": (_separated(" "), ("card",)),
    "separated by underscores": (_separated("_"), ("card",)),
    "separated by slashes": (_separated("/"), ("card",)),
    "separated by dashes": (_separated("-"), ("card",)),
    "digits in words": (_spoken, NUMBERS),
    "at and dot": (_at_dot, ("email",)),
    "[at] and (dot)": (_at_dot_brackets, ("email",)),
}
# What is written holds more than the value.
HOLDS_MORE = frozenset({"base64 of a sentence"})
