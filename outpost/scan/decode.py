"""From bytes to text, without losing a byte: UTF-8, UTF-16 and UTF-32 by byte order mark, Latin-1 for the rest.

Latin-1 is a fallback for each byte that is not UTF-8, so a file of mixed encodings is read to its end, and the result
does not depend on how the bytes were cut. A file whose first bytes are not text is binary (``looks_binary``). Any
bytes give text or are binary; nothing is raised.
"""

import codecs
from collections.abc import Iterable, Iterator
from typing import Final

HEAD_BYTES: Final = 8192
"""What is looked at to tell text from binary (git looks at 8000 bytes)."""

_ERRORS: Final = "outpost-latin-1"
# Longest first: the mark of UTF-32 begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# A PDF begins like text, and what it says is compressed.
_NOT_TEXT: Final = (b"%PDF-",)
# C0 controls that no text has: all but BEL, BS, TAB, LF, VT, FF, CR and ESC.
_CONTROLS: Final = bytes({*range(32), 127} - {*range(7, 14), 27})
_MOST_CONTROLS: Final = 0.05


def _as_latin_1(err: UnicodeError) -> tuple[str, int]:
    if not isinstance(err, UnicodeDecodeError):
        raise err
    return err.object[err.start : err.end].decode("latin-1"), err.end


codecs.register_error(_ERRORS, _as_latin_1)


def looks_binary(head: bytes) -> bool:
    """Whether content that begins with ``head`` (up to ``HEAD_BYTES``) is no text."""
    if any(head.startswith(mark) for mark, _ in _MARKS):
        return False
    if b"\0" in head or head.startswith(_NOT_TEXT):
        return True
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls > _MOST_CONTROLS * len(head) and not _is_utf8(head)


def _is_utf8(head: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
    except UnicodeDecodeError:
        return False
    return True


class Decoder:
    """Decodes one file. ``binary`` is True once a NUL has been read that no encoding explains."""

    def __init__(self, head: bytes) -> None:
        self.binary = False
        self._mark, encoding = next(((mark, name) for mark, name in _MARKS if head.startswith(mark)), (b"", "utf-8"))
        self._wide = encoding != "utf-8"
        errors = "replace" if self._wide else _ERRORS
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)

    def decode(self, chunks: Iterable[bytes]) -> Iterator[str]:
        """The text of ``chunks``, which begin with the head; no piece is empty."""
        skip = len(self._mark)
        for chunk in chunks:
            if not self._wide and b"\0" in chunk:
                self.binary = True
            text = self._decoder.decode(chunk[skip:])
            skip = max(0, skip - len(chunk))
            if text:
                yield text
        last = self._decoder.decode(b"", final=True)
        if last:
            yield last
