"""International bank account numbers: the country's structure and ISO 7064 mod 97-10 (ISO 13616, SWIFT registry)."""

from collections.abc import Iterable
from functools import cache

from stdnum import iban
from stdnum.numdb import get as registry

from outpost.dlp.detector import Detector, touches_word

_MIN_CHARS = 15  # Norway's, the shortest


@cache  # two letters: at most 676 entries
def _length(country: str) -> int:
    """Characters of an IBAN of ``country``, 0 if it has none; from the registry's structure, such as ``4!a6!n8!n``."""
    (_, properties), *_ = registry("iban").info(country)
    structure = str(properties.get("bban", ""))
    sizes = (
        part.rstrip("nac").rstrip("!")
        for part in structure.replace("n", "n ").replace("a", "a ").replace("c", "c ").split()
    )
    return 4 + sum(map(int, sizes)) if structure else 0


def _mod_97(compact: str) -> bool:
    return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def _iban_end(text: str, start: int, end: int) -> int | None:
    """End of the IBAN that begins at ``start``: as many characters as its country has, in one letter case."""
    wanted = _length(text[start : start + 2].upper())
    stop, seen = start, 0
    while stop < end and seen < wanted:
        seen += text[stop] not in " -"
        stop += 1
    written = text[start:stop]
    if seen < _MIN_CHARS or seen < wanted or written not in (written.upper(), written.lower()):
        return None
    if touches_word(text[stop : stop + 1]):
        return None
    compact = written.replace(" ", "").replace("-", "").upper()
    return stop if _mod_97(compact) and iban.is_valid(compact, check_country=False) else None


def find_ibans(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """IBANs in a run of alphanumeric groups; words may stand before and after them."""
    at = start
    while at < end:
        stop = None
        if text[at : at + 2].isalpha() and text[at + 2 : at + 4].isdigit():
            stop = _iban_end(text, at, end)
        if stop is not None:
            yield at, stop
            at = stop
        separators = [i for i in (text.find(" ", at, end), text.find("-", at, end)) if i >= 0]
        if not separators:
            return
        at = min(separators) + 1


DETECTORS = (
    Detector(
        name="iban/mod97",
        kind="fin.iban",
        # 15 to 34 characters in groups of four, as ISO 13616 prints them, or in one piece.
        pattern=r"\b[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,4})?",
        find=find_ibans,
        base_score=0.98,  # one in 97 random strings of the right structure passes
    ),
)
