"""Ways of writing a value so that a plain pattern misses it; each gives the same value to a reader or a program."""

# ruff: noqa: RUF001 - look-alike signs are the test

import base64
import random
from collections.abc import Callable

_LOOKALIKES = {"a": "а", "e": "е", "o": "о", "p": "р", "c": "с", "x": "х", "A": "А", "B": "В", "E": "Е", "K": "К",
               "M": "М", "H": "Н", "O": "О", "P": "Р", "C": "С", "T": "Т", "X": "Х", "i": "і", "s": "ѕ", "S": "Ѕ",
               "I": "І", "G": "Ԍ", "D": "Ꭰ", "N": "Ν", "Z": "Ζ", "d": "ԁ"}  # fmt: skip
_WORDS = {
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "de": ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
    "fr": ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"],
    "es": ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
}


def _between(sign_of: Callable[[random.Random], str], every: int = 1) -> Callable[[str, random.Random], str]:
    def write(value: str, rng: random.Random) -> str:
        last = len(value) - 1
        return "".join(c + (sign_of(rng) if i % every == every - 1 and i < last else "") for i, c in enumerate(value))

    return write


def _escaped(one: Callable[[str], str]) -> Callable[[str, random.Random], str]:
    return lambda value, _: "".join(map(one, value))


def _some_escaped(one: Callable[[str], str]) -> Callable[[str, random.Random], str]:
    def write(value: str, rng: random.Random) -> str:
        chosen = {rng.randrange(len(value)) for _ in range(3)}
        return "".join(one(c) if i in chosen else c for i, c in enumerate(value))

    return write


def _lookalikes(value: str, rng: random.Random) -> str:
    places = [i for i, c in enumerate(value) if c in _LOOKALIKES]
    chosen = set(rng.sample(places, min(len(places), 3)))
    return "".join(_LOOKALIKES[c] if i in chosen else c for i, c in enumerate(value))


def _fullwidth(value: str, _: random.Random) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value)


def _other_digits(value: str, rng: random.Random) -> str:
    zero = rng.choice((0x0660, 0x0966, 0x0E50, 0x1D7CE, 0xFF10))
    return "".join(chr(zero + int(c)) if c.isdigit() else c for c in value)


def _b64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _wrapped(text: str, width: int) -> str:
    return "\n".join(text[i : i + width] for i in range(0, len(text), width))


def _split(value: str, rng: random.Random, joint: str) -> str:
    cuts = sorted(rng.sample(range(1, len(value)), min(2, len(value) - 1)))
    pieces = [value[a:b] for a, b in zip([0, *cuts], [*cuts, len(value)], strict=True)]
    return joint.join(pieces)


def _concatenated(joint: str) -> Callable[[str, random.Random], str]:
    quote = joint[0]
    return lambda value, rng: quote + _split(value, rng, joint) + joint[-1]


def _words(language: str) -> Callable[[str, random.Random], str]:
    return lambda value, _: " ".join(_WORDS[language][int(c)] for c in value if c.isdigit())


def _doubles(value: str, _: random.Random) -> str:
    digits, out, i = [c for c in value if c.isdigit()], [], 0
    while i < len(digits):
        word = "oh" if digits[i] == "0" else _WORDS["en"][int(digits[i])]
        if digits[i : i + 2] == [digits[i]] * 2:
            out.append(f"double {word}")
            i += 2
        else:
            out.append(word)
            i += 1
    return " ".join(out)


Disguise = Callable[[str, random.Random], str]

# For any value.
GENERAL: dict[str, Disguise] = {
    "fullwidth": _fullwidth,
    "zero width": _between(lambda rng: rng.choice("\u200b\u200c\u200d\u2060\ufeff\u00ad")),
    "bidi": lambda v, _: f"\u202d{v[:4]}\u2066{v[4:]}\u2069\u202c",
    "combining marks": _between(lambda _: "\u0332"),
    "entity decimal": _escaped(lambda c: f"&#{ord(c)};"),
    "entity hex": _escaped(lambda c: f"&#x{ord(c):x};"),
    "entity without semicolon": _some_escaped(lambda c: f"&#{ord(c):07d}"),
    "entity some": _some_escaped(lambda c: f"&#{ord(c)};"),
    "url": _escaped(lambda c: f"%{ord(c):02X}"),
    "url some": _some_escaped(lambda c: f"%{ord(c):02x}"),
    "url twice": _escaped(lambda c: f"%25{ord(c):02X}"),
    "url of fullwidth": lambda v, r: "".join(f"%{b:02X}" for b in _fullwidth(v, r).encode()),
    "unicode escape": _escaped(lambda c: f"\\u{ord(c):04x}"),
    "unicode escape some": _some_escaped(lambda c: f"\\u{ord(c):04x}"),
    "unicode escape braces": _escaped(lambda c: f"\\u{{{ord(c):x}}}"),
    "x escape": _escaped(lambda c: f"\\x{ord(c):02x}"),
    "octal escape": _escaped(lambda c: f"\\{ord(c):03o}"),
    "quoted-printable": _escaped(lambda c: f"={ord(c):02X}"),
    "quoted-printable soft break": lambda v, r: _split(v, r, "=\n"),
    "base64": lambda v, _: _b64(v),
    "base64 url-safe": lambda v, _: base64.urlsafe_b64encode(v.encode()).decode(),
    "base64 unpadded": lambda v, _: _b64(v).rstrip("="),
    "base64 twice": lambda v, _: _b64(_b64(v)),
    "base64 of url": lambda v, _: _b64("".join(f"%{ord(c):02X}" for c in v)),
    "base64 of a sentence": lambda v, _: _b64(f"Grüße! The value is {v} and please keep it."),
    "base64 wrapped": lambda v, _: _wrapped(_b64(f"A longer text for a mail, with {v} in it, and an end."), 20),
    "base64 wrapped oddly": lambda v, _: _wrapped(_b64(f"A longer text for a mail, with {v} in the middle of it."), 33),
    "data url": lambda v, _: f"data:text/plain;base64,{_b64('value=' + v)}",
    "hex": lambda v, _: v.encode().hex(),
    "hex upper": lambda v, _: v.encode().hex().upper(),
    "hex spaced": lambda v, _: v.encode().hex(" "),
    "hex colons": lambda v, _: v.encode().hex(":"),
    "hex 0x": lambda v, _: "0x" + v.encode().hex(),
    "hex bytes": lambda v, _: ", ".join(f"0x{b:02x}" for b in v.encode()),
    "hex of base64": lambda v, _: _b64(v).encode().hex(),
    "concat plus": _concatenated('" + "'),
    "concat plus single": _concatenated("' + '"),
    "concat newline": _concatenated('" +\n    "'),
    "concat adjacent": _concatenated("' '"),
    "concat adjacent newline": _concatenated('"\n        "'),
    "concat f-string": _concatenated('" f"'),
    "concat php": _concatenated("' . '"),
    "concat sql": _concatenated("' || '"),
    "concat vb": _concatenated('" & "'),
    "concat vb line": _concatenated('" & _\n  "'),
    "concat lua": _concatenated('" .. "'),
}  # fmt: skip
# For rows of digits (and, but for words, IBANs).
SPREAD: dict[str, Disguise] = {
    "other digits": _other_digits,
    "spaces everywhere": _between(lambda _: " "),
    "dashes everywhere": _between(lambda _: "-"),
    "slashes": _between(lambda _: "/", 4),
    "dots": _between(lambda _: ".", 4),
    "underscores": _between(lambda _: "_", 4),
    "newlines": _between(lambda _: "\n", 4),
    "tabs": _between(lambda _: "\t", 4),
    "no-break spaces": _between(lambda _: "\u00a0", 4),
    "thin spaces": _between(lambda _: "\u2009", 4),
    "double spaces": _between(lambda _: "  ", 4),
    "spaced dashes": _between(lambda _: " - ", 4),
    "mixed": _between(lambda rng: rng.choice("-./ \t\n_"), 4),
    "mixed everywhere": _between(lambda rng: rng.choice("-. /")),
    "mixed pairs": _between(lambda rng: rng.choice("-. /"), 2),
    "mixed threes": _between(lambda rng: rng.choice("-. /"), 3),
    "bullets": _between(lambda _: "\u2022", 4),
}
SPELLED: dict[str, Disguise] = {
    "words": _words("en"),
    "words with commas": lambda v, r: _words("en")(v, r).replace(" ", ", "),
    "words with dashes": lambda v, r: _words("en")(v, r).replace(" ", "-"),
    "words upper": lambda v, r: _words("en")(v, r).upper(),
    "doubles": _doubles,
    "German words": _words("de"),
    "French words": _words("fr"),
    "Spanish words": _words("es"),
}
ADDRESS: dict[str, Disguise] = {
    "at dot": lambda v, _: v.replace("@", " at ").replace(".", " dot "),
    "AT DOT": lambda v, _: v.replace("@", " AT ").replace(".", " DOT "),
    "[at] [dot]": lambda v, _: v.replace("@", "[at]").replace(".", "[dot]"),
    "(at) (dot)": lambda v, _: v.replace("@", " (at) ").replace(".", " (dot) "),
    "[at] only": lambda v, _: v.replace("@", "[at]"),
    "(dot) only": lambda v, _: v.replace(".", "(dot)"),
    "[@] [.]": lambda v, _: v.replace("@", "[@]").replace(".", "[.]"),
    "spaces": lambda v, _: v.replace("@", " @ "),
    "{at}": lambda v, _: v.replace("@", "{at}").replace(".", "{dot}"),
    "underscores": lambda v, _: v.replace("@", "_at_").replace(".", "_dot_"),
}
# Where letters have look-alikes.
LETTERS: dict[str, Disguise] = {"look-alikes": _lookalikes}
# For keys.
WRAPPED: dict[str, Disguise] = {
    "wrapped": lambda v, _: _wrapped(v, (len(v) + 1) // 2),
    "wrapped, quoted": lambda v, _: _wrapped(v, (len(v) + 1) // 2).replace("\n", "\n> "),
    "wrapped, indented": lambda v, _: _wrapped(v, (len(v) + 1) // 2).replace("\n", "\r\n    "),
    "wrapped, backslash": lambda v, _: _wrapped(v, (len(v) + 1) // 2).replace("\n", "\\\n"),
}


def disguised(values: tuple[str, ...], seed: int = 5) -> tuple[str, ...]:
    """Each value in a few disguises that fit it, the same ones every time."""
    rng = random.Random(seed)
    tables = [GENERAL, LETTERS, WRAPPED]
    written = []
    for value in values:
        if not value.isascii() or len(value) > 200:
            continue
        fitting = list(tables)
        if sum(map(str.isdigit, value)) > 8:
            fitting += [SPREAD, SPELLED]
        if "@" in value:
            fitting.append(ADDRESS)
        for table in fitting:
            written += [table[name](value, rng) for name in rng.sample(sorted(table), min(4, len(table)))]
    return tuple(written)
