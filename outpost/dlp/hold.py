"""Where a stream may be cut: the first position whose surroundings more text could still change.

A match is a word (``WORD``), or digit and IBAN groups with single spaces between them, perhaps with an extension after
them, or begins with a PEM header; ``detector.py`` binds patterns to that. So a cut is safe in front of an unfinished
word, chain of groups, or header, and nowhere within one. ``Engine.uncrossed`` then keeps clear of matches.
"""

from outpost.dlp.linear import of_bytes

# Every character that a match can hold inside a word: letters (Latin-1, and 0xFF for other alphabets), digits, and
# the signs of addresses, keys, URLs and numbers. An underscore and letters also decide whether a word has ended.
WORD = r"0-9A-Za-z_%+'./:=@\\~\xaa\xb5\xba\xc0-\xd6\xd8-\xf6\xf8-\xff-"

_WORD = rf"[{WORD}]+"
_GROUP = r"[0-9(+][0-9().+/-]*"
_DIGIT_GROUPS = rf"[(+]*[0-9][0-9().+/-]*(?: {_GROUP})*(?: ?(?:x|e|ex|ext)?\.? ?[0-9]*)?"
# Not bounded by an IBAN's own length: what follows one may be read as its groups until a longer word comes.
_IBAN_GROUPS = r"[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]{1,4}){0,9}[ -]?"
_PEM_HEADER = r"-----BEGIN[ A-Z0-9-]{0,64}"


_UNDECIDED = of_bytes(rf"(?:{_DIGIT_GROUPS}|[+(]+|{_IBAN_GROUPS}|{_PEM_HEADER}|{_WORD})\z")
_WORD_BYTES = frozenset(b for b in range(256) if of_bytes(_WORD).occurs(bytes([b])))


# No match with spaces in it is longer (the longest is a telephone number with extension, 75), and two characters after
# it may decide. So a blank this far from the end can be a cut even inside an endless row of numbers.
LOOK_AHEAD_CHARS = 128


def first_undecided(raw: bytes, begin: int) -> int:
    """The largest cut of ``raw`` from ``begin`` on that no match still to come can cross; ``Engine.uncrossed`` next."""
    spans = _UNDECIDED.first(raw, begin)
    if spans is None:
        return len(raw)
    at = spans[0][0]
    while at > begin and raw[at - 1] in _WORD_BYTES:
        at -= 1
    blank = raw.rfind(b" ", at, len(raw) - LOOK_AHEAD_CHARS) + 1 if len(raw) - at > LOOK_AHEAD_CHARS else 0
    return max(at, blank)
