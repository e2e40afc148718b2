"""The text shortly before a match, for functions that read a name there (``api_key = ``, "the password is").

No longer than the context that the engine looks at, so a stream gives what the whole text gives; and a redaction marker
ends it, so what was redacted is no context for what follows.
"""

import re2

from outpost.dlp.redact import MARKER_MAX_CHARS, MARKER_PREFIX

# As far as the engine's own context words count, and no farther: its left context in a stream is made for that.
BEFORE_CHARS = 64
_KIND = re2.compile(r"[a-z0-9_.]{1,48}")
_MARKER = re2.compile(re2.escape(MARKER_PREFIX) + r"[a-z0-9_.]{1,48}\]")


def before(text: str, start: int, chars: int = BEFORE_CHARS) -> str:
    """Up to ``chars`` (64 at most) characters before ``start``, none of them before the end of a redaction marker."""
    begin = max(0, start - chars)
    marker = text.rfind(MARKER_PREFIX, max(0, begin - MARKER_MAX_CHARS), start)
    if marker >= 0:
        closing = text.find("]", marker, start)
        # Only a whole marker counts: an opening that somebody typed must not hide the words after it.
        if closing >= 0 and _KIND.fullmatch(text, marker + len(MARKER_PREFIX), closing):
            begin = max(begin, closing + 1)
    return text[begin:start]


def without_markers(text: str) -> str:
    """``text`` without whole redaction markers: what is left of a value of which a part was redacted."""
    return str(_MARKER.sub("", text)) if MARKER_PREFIX in text else text
