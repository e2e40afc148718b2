"""Payment card numbers (PAN): issuer range, length and Luhn check (ISO/IEC 7812-1).

Issuer ranges and lengths: ISO/IEC 7812 register as summarised in "Payment card number", Wikipedia; UATP (1, 15 digits)
is left out, its numbers look like time stamps. Separators: one space, dash or dot between groups as cards print them.
"""

from collections.abc import Iterable
from itertools import accumulate

from outpost.dlp.detector import Detector, touches_word

_SIXTEEN_TO_NINETEEN = (16, 17, 18, 19)
_TWELVE_TO_NINETEEN = (12, 13, 14, 15, *_SIXTEEN_TO_NINETEEN)
# (first prefix, last prefix, lengths); prefixes of two to four digits.
_ISSUERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("4000", "4999", (13, 16, 19)),  # Visa
    ("2221", "2720", (16,)),  # Mastercard, since 2016
    ("5100", "5599", (16,)),  # Mastercard
    ("3400", "3499", (15,)),  # American Express
    ("3700", "3799", (15,)),
    ("3000", "3059", (14, *_SIXTEEN_TO_NINETEEN)),  # Diners Club
    ("3095", "3095", (14, *_SIXTEEN_TO_NINETEEN)),
    ("3600", "3699", (14, 15, *_SIXTEEN_TO_NINETEEN)),
    ("3800", "3999", (14, *_SIXTEEN_TO_NINETEEN)),
    ("3528", "3589", _SIXTEEN_TO_NINETEEN),  # JCB
    ("8100", "8199", _SIXTEEN_TO_NINETEEN),  # UnionPay, RuPay
    ("2200", "2204", _SIXTEEN_TO_NINETEEN),  # Mir
    ("9792", "9792", (16,)),  # Troy
    ("5000", "5099", _TWELVE_TO_NINETEEN),  # Maestro: 50, 56-58, 6 (Mastercard Rules); RuPay 508
    ("5600", "5899", _TWELVE_TO_NINETEEN),
    ("6000", "6999", _TWELVE_TO_NINETEEN),  # also Discover 6011, 644-65, UnionPay 62, RuPay, InstaPayment
)


# Which length is tried first where groups allow several: a three-digit security code may follow a 16-digit number.
_PREFERENCE = (16, 15, 14, 19, 18, 17, 13, 12)


def _lengths_by_prefix() -> dict[str, tuple[int, ...]]:
    table: dict[str, set[int]] = {}
    for first, last, lengths in _ISSUERS:
        for prefix in range(int(first), int(last) + 1):
            table.setdefault(f"{prefix:04d}", set()).update(lengths)
    return {key: tuple(length for length in _PREFERENCE if length in lengths) for key, lengths in table.items()}


_LENGTHS = _lengths_by_prefix()
# Layouts on cards whose groups are not of one size: American Express, Diners Club, UnionPay and old Visa.
_LAYOUTS = frozenset({(4, 6, 5), (4, 6, 4), (6, 13), (4, 4, 5), (4, 5, 6), (4, 5, 4)})
_DOUBLED = bytes(sum(divmod(2 * (b - 48), 10)) if 48 <= b <= 57 else 0 for b in range(256))  # noqa: PLR2004 - ASCII 0-9


def luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1 annex B)."""
    raw = digits.encode("ascii")
    plain = raw[::-2]
    return (sum(plain) - 48 * len(plain) + sum(raw[-2::-2].translate(_DOUBLED))) % 10 == 0


def _printed(sizes: list[int]) -> bool:
    if len(sizes) == 1 or tuple(sizes) in _LAYOUTS:
        return True
    # Groups of one to four digits, the last one possibly shorter.
    return sizes[0] <= 4 and set(sizes[:-1]) == {sizes[0]} and sizes[-1] <= sizes[0]  # noqa: PLR2004


def _card_end(groups: list[str], ends: dict[int, int], digits: str, first: int, begin: int) -> int | None:
    """Index past the last group of a card that begins with group ``first``, at ``begin`` of ``digits``.

    ``ends``: where in ``digits`` a group ends, and the index past it.
    """
    for length in _LENGTHS.get(digits[begin : begin + 4], ()):
        past = ends.get(begin + length)
        if past is not None and luhn(digits[begin : begin + length]) and _printed(list(map(len, groups[first:past]))):
            return past
    return None


def find_cards(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """Cards in a run of digit groups with single separators. Groups hang together by ``-`` and ``.``, not by spaces."""
    run = text[start:end]
    groups = run.replace("-", " ").replace(".", " ").split(" ")
    digits = "".join(groups)
    ends = {past: index for index, past in enumerate(accumulate(map(len, groups)), 1)}
    glued_after = touches_word(text[end : end + 1])
    position, index = start, 0
    while index < len(groups):
        begin, group = position, groups[index]
        position += len(group) + 1
        at = begin - start - index  # in the digits: one separator for each group before
        index += 1
        if group[0] in "017" or (begin > 0 and text[begin - 1] in "-."):  # no issuer, or a piece of something longer
            continue
        past = _card_end(groups, ends, digits, index - 1, at)
        if past is None:
            continue
        stop = begin + sum(map(len, groups[index - 1 : past])) + past - index
        if (past == len(groups) and glued_after) or (past < len(groups) and text[stop] in "-."):
            continue
        yield begin, stop
        position, index = stop + 1, past


def find_long_cards(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """Cards of 14 digits and more."""
    return (span for span in find_cards(text, start, end) if _digits(text, span) > 13)  # noqa: PLR2004


def find_short_cards(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """Cards of 12 and 13 digits: old Visa and Maestro; bar codes and order numbers look the same."""
    return (span for span in find_cards(text, start, end) if _digits(text, span) <= 13)  # noqa: PLR2004


def _digits(text: str, span: tuple[int, int]) -> int:
    return sum(map(str.isdigit, text[span[0] : span[1]]))


_PATTERN = r"\b[0-9](?:[ .-]?[0-9]){11,}"
_CONTEXT = (
    "card", "credit", "debit", "visa", "mastercard", "master card", "amex", "american express", "maestro", "discover",
    "diners", "jcb", "unionpay", "pan", "cc", "kreditkarte", "karte", "carte", "tarjeta", "carta", "cartão",
)  # fmt: skip

DETECTORS = (
    Detector(
        name="card/luhn",
        kind="pci.pan",
        pattern=_PATTERN,
        trigger=r"[0-9 .-]{12}",
        find=find_long_cards,
        restartable=True,
        base_score=0.9,  # one in ten numbers passes Luhn, about one in five of those an issuer range
        context_words=_CONTEXT,
        context_score=0.99,
    ),
    Detector(
        name="card-short/luhn",
        kind="pci.pan",
        pattern=_PATTERN,
        trigger=r"[0-9 .-]{12}",
        find=find_short_cards,
        restartable=True,
        base_score=0.3,
        context_words=_CONTEXT,
        context_score=0.9,
    ),
)
