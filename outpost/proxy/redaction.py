"""What stands in place of a finding: a label, a mask, a keyed hash, other text of the same shape, or a name to restore.

The same value gets the same replacement throughout one request, and by hash or shape throughout one outpost, however
it is spaced or capitalised. What ``RESTORE`` replaced is put back where the provider's answer names it; the names and
values live as long as the request and nowhere but here. Names are given in the order of the conversation, so a history
that is sent again gets the same ones.
"""

import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from outpost.dlp.redact import MARKER_PREFIX
from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Redaction
from outpost.protocol.findings import Finding
from outpost.proxy.json_document import Leaf, parse_json, replace_texts, walk
from outpost.proxy.segments import Segment
from outpost.proxy.spans import Span, replace_spans

_HASH_CHARS: Final = 12  # 48 bits: a million values of one kind collide with a chance of 1 in 500
_MASK: Final = "*"
# PCI DSS 4.0 §3.4.1 lets the last four digits of a card number be seen; of other values nothing is.
_SHOWN: Final = {"pci.pan": 4}
_NAME: Final = re.compile(r"<[A-Z][A-Z0-9_]{0,47}_[0-9]{1,4}>")
_NAME_BYTES: Final = re.compile(_NAME.pattern.encode())
MAX_TAKEN_BYTES: Final = 1_048_576  # of names a client wrote itself; nobody writes hundreds
# The beginning of a name that the next piece of a stream may complete.
MAX_RESTORED_CHARS: Final = (
    8_388_608  # as large as the largest answer held; a name of ten letters can stand for thousands
)
_BEGUN: Final = re.compile(r"<(?:[A-Z][A-Z0-9_]{0,52})?\Z")


class Redactor:
    """Replacements of one request. ``repr`` and errors never show a value."""

    def __init__(self, key: bytes, taken: bytes | None = None) -> None:
        """``key`` of the hashes; ``taken`` is the request, so that no name is given that stands in it already.

        Without it nothing can be restored (an answer has no later place for that), and the label stands instead.
        """
        self._key = key
        self._taken = taken
        self._names: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}
        self._made: set[str] = set()

    def replacement(self, finding: Finding, text: str, mode: Redaction) -> str:
        """What stands in place of ``finding``, whose text is ``text``."""
        if mode is Redaction.HASH:
            return f"{MARKER_PREFIX}{finding.kind}.{self._digest(finding.kind, text).hex()[:_HASH_CHARS]}]"
        made = ""
        if mode is Redaction.MASK:
            made = _masked(text, _SHOWN.get(finding.kind, 0))
        elif mode is Redaction.FORMAT:
            made = self._same_shape(finding.kind, text)
        elif mode is Redaction.RESTORE and self._taken is not None:
            made = self._name(finding.kind, text)
        if made in {"", text}:
            return f"{MARKER_PREFIX}{finding.kind}]"
        self._made.add(made)
        return made

    def made(self, text: str) -> bool:
        """Whether ``text`` is a replacement, which looks like what it replaced without being it."""
        return text in self._made

    def avoid(self, said: bytes) -> None:
        """Give no name from now on that stands in ``said``, which comes after what was taken before.

        Whoever says too many names for them to be remembered gets labels.
        """
        if self._taken is not None:
            self._taken += b"".join(name for name in {*_NAME_BYTES.findall(said)} if name not in self._taken)
            if len(self._taken) > MAX_TAKEN_BYTES:
                self._taken = None

    @property
    def names(self) -> Mapping[str, str]:
        """What to restore: value by name."""
        return self._values

    def _name(self, kind: str, text: str) -> str:
        entity = (kind, _canonical(text))
        if entity not in self._names:
            word = kind.rpartition(".")[2].upper()
            number = 1 + sum(1 for one, _ in self._names if one.rpartition(".")[2].upper() == word)
            while (name := f"<{word}_{number}>") in self._values or name.encode() in (self._taken or b""):
                number += 1
            self._names[entity] = name
            self._values[name] = text
        return self._names[entity]

    def _digest(self, kind: str, text: str, counter: int = 0) -> bytes:
        said = f"{kind}\0{counter}\0{_canonical(text)}".encode("utf-8", "replace")
        return hmac.new(self._key, said, hashlib.sha256).digest()

    def _same_shape(self, kind: str, text: str) -> str:
        """Digits for digits and letters for letters, chosen by a keyed hash; everything else stays."""
        drawn: Iterator[int] = (byte for counter in range(len(text)) for byte in self._digest(kind, text, counter))
        return "".join(_like(sign, next(drawn)) if sign.isalnum() else sign for sign in text)


def redaction_key(peppers: Mapping[str, bytes], fallback: bytes) -> bytes:
    """The key of an outpost's hashes: from the first of its peppers, so that all outposts of an org hash alike."""
    pepper = peppers[min(peppers)] if peppers else fallback
    return hmac.new(pepper, b"hybrid-outpost redaction v1", hashlib.sha256).digest()


class Restorer:
    """Puts values back in place of names in one answer."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._restored_chars = 0

    def __bool__(self) -> bool:
        return bool(self._names)

    def value(self, name: str, *, in_json: bool = False) -> str | None:
        """The value of ``name``, escaped if it stands in a piece of JSON; ``None`` if it is none of ours.

        Raises:
            Rejected: ``provider_invalid_response``: the answer repeats names until it is too large.
        """
        value = self._names.get(name)
        if value is None:
            return None
        self._restored_chars += len(value)
        if self._restored_chars > MAX_RESTORED_CHARS:
            raise Rejected(
                ErrorCode.PROVIDER_INVALID_RESPONSE, "the provider's answer repeats what was replaced too often"
            )
        return json.dumps(value, ensure_ascii=False)[1:-1] if in_json else value

    def document(self, raw: bytes, segments: Iterable[Segment] = ()) -> bytes:
        """A JSON document with values in place of names in all its strings, also inside JSON in them.

        ``segments`` are its texts; a name that lies across the parts of one message is put back in the first of them.

        Raises:
            Rejected: As ``value``.
        """
        spans: dict[Leaf, list[Span]] = {}
        for leaf in walk(parse_json(raw)):
            if not leaf.is_name and "<" in leaf.text:
                for start, end, value in self._in(leaf.text):
                    spans.setdefault(leaf, []).append(Span(start, end, value))
        for segment in segments:
            if segment.seams_only and "<" in segment.text:
                self._across(segment, spans)
        replacements = {(leaf.ordinal, *leaf.inner): replace_spans(leaf.text, cut) for leaf, cut in spans.items()}
        return replace_texts(raw, replacements) if replacements else raw

    def _in(self, text: str) -> Iterator[tuple[int, int, str]]:
        for match in _NAME.finditer(text):
            if (value := self.value(match.group())) is not None:
                yield match.start(), match.end(), value

    def _across(self, segment: Segment, spans: dict[Leaf, list[Span]]) -> None:
        for match in _NAME.finditer(segment.text):
            pieces = [*segment.covered(match.start(), match.end())]
            if len(pieces) > 1 and (value := self.value(match.group())) is not None:
                for leaf, start, end in pieces:
                    spans.setdefault(leaf, []).append(Span(start, end, value))
                    value = ""


class NameFinder:
    """Finds names in a text that arrives in pieces."""

    def __init__(self) -> None:
        self._tail = ""
        self._at = 0

    def feed(self, piece: str) -> list[tuple[int, int, str]]:
        """Names that are complete now, as ``(start, end, name)`` counted from the beginning of the text."""
        text, at = self._tail + piece, self._at
        found = [(at + match.start(), at + match.end(), match.group()) for match in _NAME.finditer(text)]
        begun = _BEGUN.search(text)
        keep = len(text) if begun is None else begun.start()
        self._tail, self._at = text[keep:], at + keep
        return found

    @property
    def pending(self) -> int:
        """How many of the last characters may be the beginning of a name."""
        return len(self._tail)


def _canonical(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKC", text).casefold() if sign.isalnum()) or text


def _masked(text: str, shown: int) -> str:
    signs = sum(sign.isalnum() for sign in text)
    made = []
    for sign in text:
        if sign.isalnum():
            made.append(sign if signs <= shown else _MASK)
            signs -= 1
        else:
            made.append(sign)
    return "".join(made)


def _like(sign: str, drawn: int) -> str:
    if sign.isdigit():
        return str(drawn % 10)
    letter = chr(ord("a") + drawn % 26)
    return letter.upper() if sign.isupper() else letter
