r"""A text, and patterns, with one sign for every digit, one for every capital and one for every small letter.

Hundreds of patterns are rows of digits and capitals between separators. Where each digit is a ``9`` and each capital an
``A`` they are literals, which a multi-pattern engine finds at a fraction of the cost, and many of them are the same.
What a pattern matches, its shape matches in the same place of the shaped text; the reverse need not hold.
"""

import re

from outpost.dlp.pieces import members, pieces

_DIGIT, _CAPITAL, _SMALL, _FOREIGN = ord("9"), ord("A"), ord("a"), 0x80


def _sign(character: str) -> int:
    if not character.isascii():
        return _FOREIGN
    if character.isdigit():
        return _DIGIT
    if character.isalpha():
        return _CAPITAL if character.isupper() else _SMALL
    return ord(character)


# Signs of words become signs of words, so \b keeps its sense.
_SIGNS = bytes(_sign(chr(code)) for code in range(256))
_FLAGS = re.compile(r"\(\?(?!:|P?<)")
# Two letters in a row, such as a country's, are a literal already, and one that says more than its shape would.
_CLASS = re.compile(r"\[(?:[^]\\]{2,}|[^]A-Z])\]|\\.")
_LITERAL = re.compile(r"(?:\[?[A-Z]\]?){2}")


def shaped(raw: bytes) -> bytes:
    """``raw`` with every sign replaced by the one for its class."""
    return raw.translate(_SIGNS)


def shape_of(pattern: str) -> str | None:
    """The shape of ``pattern`` (RE2, one byte per code point); ``None`` if it has none, or letters that say more."""
    if _FLAGS.search(pattern) or _LITERAL.search(_CLASS.sub("[]", pattern)):
        return None
    written = []
    for piece, is_sign in pieces(pattern):
        if is_sign:
            image = _image(piece)
            if not image:
                return None
            written.append(image)
        else:
            written.append("(" if piece.startswith(("(?P<", "(?<")) else piece)
    return "".join(written)


def _image(piece: str) -> str:
    """What the signs that ``piece`` stands for become, as a pattern; nothing if their shape says too little."""
    signs = {_SIGNS[code] for code in members(piece)}
    if _SMALL in signs:
        return ""
    images = "".join(f"\\x{sign:02x}" for sign in sorted(signs))
    return f"[{images}]" if len(signs) > 1 else images
