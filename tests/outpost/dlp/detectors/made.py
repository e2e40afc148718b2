"""Strings that a pattern matches, made from a fixed seed, so that no real-looking token stands in the repository."""

import random
import re
from re import _constants as sre  # the parser of the standard library knows what a pattern can match
from re import _parser as parser

from outpost.dlp.placeholders import is_placeholder

_WORD = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
_CATEGORIES = {sre.CATEGORY_SPACE: " ", sre.CATEGORY_DIGIT: "0123456789", sre.CATEGORY_WORD: _WORD}
# Of what a repetition without an upper bound gets more than it needs.
_MORE = 6


def _members(items: list) -> str:
    signs, negated = "", False
    for code, value in items:
        if code is sre.NEGATE:
            negated = True
        elif code is sre.LITERAL:
            signs += chr(value)
        elif code is sre.RANGE:
            signs += "".join(map(chr, range(value[0], value[1] + 1)))
        else:
            signs += _CATEGORIES[value]
    return "".join(c for c in _WORD if c not in signs) if negated else signs


def _make(tree: parser.SubPattern, rng: random.Random) -> str:
    made = ""
    for code, value in tree:
        if code is sre.LITERAL:
            made += chr(value)
        elif code is sre.IN:
            made += rng.choice(_members(value))
        elif code is sre.SUBPATTERN:
            made += _make(value[3], rng)
        elif code is sre.BRANCH:
            made += _make(rng.choice(value[1]), rng)
        elif code is sre.MAX_REPEAT:
            least, most, what = value
            for _ in range(rng.randint(least, min(most, least + _MORE))):
                made += _make(what, rng)
        elif code is not sre.AT:
            raise NotImplementedError(code)
    return made


def matching(pattern: str, seed: str, count: int = 1) -> list[str]:
    """``count`` strings of ``pattern`` that are no placeholders and hold a digit, where the pattern can."""
    tree, rng = parser.parse(pattern), random.Random(seed)
    tried = [_make(tree, rng) for _ in range(64)]
    assert all(re.fullmatch(pattern, text) for text in tried), pattern
    good = [text for text in tried if not is_placeholder(text)]
    return sorted(good, key=lambda text: not any(map(str.isdigit, text)))[:count]


def any_of(pattern: str, seed: str) -> str:
    """One string of ``pattern``."""
    return _make(parser.parse(pattern), random.Random(seed))
