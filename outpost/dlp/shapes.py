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


def shaped(raw: bytes) -> bytes:
    """``raw`` with every sign replaced by the one for its class."""
    return raw.translate(_SIGNS)


def shape_of(pattern: str) -> str | None:
    """The shape of ``pattern`` (RE2, one byte per code point); ``None`` if it has none, or letters that say more."""
    if _FLAGS.search(pattern):
        return None
    written = []
    known = 0  # letters and digits in a row that stand for themselves
    for piece, is_sign in pieces(pattern):
        known = known + 1 if is_sign and len(members(piece)) == 1 and piece.strip("[]").isalnum() else 0
        if known > 1:
            return None  # a literal already, and one that says more than its shape would
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
