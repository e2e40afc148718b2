"""What tier 1 promises of every text, as one check; for property tests and for `make fuzz`.

``text_of`` turns any bytes into a text that is worth looking at: values, disguises, encodings, repeats and any code
point, lone surrogates too.
"""

import base64
import time
import urllib.parse
from itertools import pairwise

from outpost.dlp.engine import Engine
from outpost.dlp.redact import redact_until_clean
from outpost.dlp.registry import ALL
from outpost.dlp.stream import MAX_HOLD_CHARS, StreamScanner
from outpost.errors import CouldNotInspect
from tests.outpost.dlp import samples
from tests.outpost.dlp.disguises import disguised

PIECES = (
    *samples.PERSONAL, *samples.ALL_SECRETS, *samples.LED, *samples.AROUND,
    *disguised(samples.PERSONAL + samples.ALL_SECRETS), "[REDACTED:", "[REDACTED:pci.pan]", "-----BEGIN ", "\u0301",
    "\u200b", "\u0430b", "one two ", "a at b dot ", "&#4", "%2", "\\u00", '" + "', "=\n", "password: ", "://", "ssn ",
)  # fmt: skip
MAX_CHARS = 6_000
# No text of that size takes longer, on any machine and with all checks: what does is not linear.
MAX_SECONDS = 20.0
_KINDS = frozenset(detector.kind for detector in ALL)


def text_of(data: bytes) -> tuple[str, list[int]]:
    """A text and places to cut it."""
    parts: list[str] = []
    cuts: list[int] = []
    at = size = 0
    while at + 1 < len(data) and size < MAX_CHARS:
        way, what = data[at] % 12, data[at + 1]
        at += 2
        if way < 4:
            part = PIECES[(what * 256 + data[at] if at < len(data) else what) % len(PIECES)]
            at += 1
        elif way < 6:
            part = data[at : at + what % 32].decode("latin-1")
            at += what % 32
        elif way == 6:
            part = chr(int.from_bytes(data[at : at + 3], "big") % 0x110000)
            at += 3
        elif way == 7:
            part = "".join(parts[-1 - what % 4 :]) * (what % 64)
        elif way == 8:
            part = _encoded("".join(parts[-3:]), what)
        elif way == 9:
            part = (" ", "\n", "\t", ".", "-", "x", '"', "_")[what % 8]
        else:
            cuts.append(size)
            part = ""
        parts.append(part[: MAX_CHARS - size])
        size += len(parts[-1])
    return "".join(parts), cuts


def _encoded(text: str, way: int) -> str:
    data = text.encode("utf-8", "replace")
    if way % 3 == 0:
        return base64.b64encode(data).decode()
    return data.hex() if way % 3 == 1 else urllib.parse.quote(data, safe="")


def check(engine: Engine, faster: Engine | None, text: str, cuts: list[int]) -> None:
    """Raise ``AssertionError`` if a promise is broken; ``faster`` is the same engine with another prefilter."""
    begin = time.process_time()
    try:
        found = engine.scan(text)
    except CouldNotInspect:
        return  # fails closed, with a code
    assert [(f.start, -f.end) for f in found] == sorted((f.start, -f.end) for f in found)
    assert all(0 <= f.start < f.end <= len(text) and f.kind in _KINDS for f in found)
    if faster is not None:
        assert faster.scan(text) == found, "the prefilters differ"
    scanner = StreamScanner(engine, MAX_HOLD_CHARS)
    places = [0, *sorted(cuts), len(text)]
    try:
        released = [r for a, b in pairwise(places) for r in scanner.feed(text[a:b])]
        released += scanner.finish()
    except CouldNotInspect:
        released = []  # more is undecided than may be held: nothing of it goes on
    else:
        assert "".join(r.text for r in released) == text
        starts = [sum(len(r.text) for r in released[:number]) for number in range(len(released))]
        streamed = [
            (f.kind, start + f.start, start + f.end, f.detector)
            for start, r in zip(starts, released, strict=True)
            for f in r.findings
        ]
        assert streamed == [(f.kind, f.start, f.end, f.detector) for f in found], "a stream finds something else"
    try:
        clean = redact_until_clean(text, engine.scan, _KINDS)
    except CouldNotInspect:
        return
    assert engine.scan(clean) == []
    assert time.process_time() - begin < MAX_SECONDS, "not linear"
