"""Text as the patterns' engines read it: one byte for each code point, so that offsets are the same.

Latin-1 characters are as they are; other letters of alphabets, and what looks like an ASCII letter, are ``0xFF``;
everything else is ``0x80``.
"""

from typing import Any

import re2

from outpost.dlp.confusables import LOOKALIKES

# Letters below belong to alphabets, above it to scripts written without spaces (CJK radicals begin here).
_FIRST_CJK = 0x2E80
_LATIN_1_END = 0x100
_LETTER, _OTHER = "\xff", "\x80"
# Entries of the table that are kept; all of Unicode would take 100 MB.
_KEPT_CHARACTERS = 65_536


class _OneByte(dict[int, str]):
    """For ``str.translate``."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code >= _LATIN_1_END:
            is_letter = code in LOOKALIKES or (code < _FIRST_CJK and character.isalpha())
            character = _LETTER if is_letter else _OTHER
        if len(self) < _KEPT_CHARACTERS:
            self[code] = character
        return character


_ONE_BYTE = _OneByte()


def one_byte_each(text: str) -> bytes:
    """The bytes the patterns run on; as many as ``text`` has code points."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.translate(_ONE_BYTE).encode("latin-1")


def options(max_mem_bytes: int = 4 * 1024 * 1024) -> Any:
    """RE2's options for such bytes; ``max_mem_bytes`` bounds one pattern's automaton (RE2's default is 8 MiB)."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False  # RE2 would write patterns to stderr
    options.max_mem = max_mem_bytes
    return options
