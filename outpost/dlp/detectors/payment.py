"""Payment card numbers (PAN): issuer range, length and Luhn check (ISO/IEC 7812-1).

Issuer ranges and lengths: ISO/IEC 7812 register as summarised in "Payment card number", Wikipedia. Beside a word of
cards any issuer counts: UATP (1, 15 digits; alone its numbers look like time stamps), old ranges of Maestro (0604), new ones.
Separators: one space, dash or dot between groups as cards print them.
"""

# ruff: noqa: E501 - tables

from collections.abc import Callable, Iterable
from itertools import accumulate

import re2

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
    ("3500", "3599", (16,)),  # JCB, reserved
    ("1800", "1800", (15,)),  # JCB, old
    ("2131", "2131", (15,)),
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


def _issued(prefix: str) -> tuple[int, ...]:
    return _LENGTHS.get(prefix, ())


def _not_issued(prefix: str) -> tuple[int, ...]:
    """The lengths that only its surroundings can make a card's."""
    return tuple(length for length in _PREFERENCE if length not in _issued(prefix))


def _card_end(
    groups: list[str], ends: dict[int, int], digits: str, first: int, begin: int, lengths: tuple[int, ...]
) -> int | None:
    """Index past the last group of a card that begins with group ``first``, at ``begin`` of ``digits``.

    ``ends``: where in ``digits`` a group ends, and the index past it. ``lengths``: of cards, in order of preference.
    """
    for length in lengths:
        past = ends.get(begin + length)
        if past is not None and luhn(digits[begin : begin + length]) and _printed(list(map(len, groups[first:past]))):
            return past
    return None


def find_cards(
    text: str, start: int, end: int, lengths: Callable[[str], tuple[int, ...]] = _issued
) -> Iterable[tuple[int, int]]:
    """Cards in a run of digit groups with single separators. Groups hang together by ``-`` and ``.``, not by spaces.

    ``lengths``: of a card's first four digits, how many it may have in all.
    """
    run = text[start:end]
    groups = run.replace("-", " ").replace(".", " ").split(" ")
    digits = "".join(groups)
    ends = {past: index for index, past in enumerate(accumulate(map(len, groups)), 1)}
    glued_after = touches_word(text[end : end + 1])
    position, index, listed = start, 0, lengths is _issued
    while index < len(groups):
        begin, group = position, groups[index]
        position += len(group) + 1
        at = begin - start - index  # in the digits: one separator for each group before
        index += 1
        if listed and group[0] in "017" and not group.startswith("1800"[: len(group)]):  # no issuer
            continue
        if begin > 0 and text[begin - 1] in "-.":  # a piece of something longer
            continue
        past = _card_end(groups, ends, digits, index - 1, at, lengths(digits[at : at + 4]))
        if past is None:
            continue
        stop = begin + sum(map(len, groups[index - 1 : past])) + past - index
        if (past == len(groups) and glued_after) or (past < len(groups) and text[stop] in "-."):
            continue
        if len(group) == 1 and (_one_digit(text[begin - 2 : begin][::-1]) or _one_digit(text[stop : stop + 2])):
            continue  # a row of digits
        if _within_row(text, begin, stop, len(group)):
            continue
        yield begin, stop
        position, index = stop + 1, past


_ROW_BEFORE, _ROW_AFTER = (
    re2.compile(r"(?:^|[^0-9])((?:[0-9]{4} ){1,4})$"),
    re2.compile(r"((?: [0-9]{4}){1,4})(?:[^0-9]|$)"),
)


def _within_row(text: str, begin: int, stop: int, size: int) -> bool:
    """Whether groups of four stand on both sides, or four of them on one, that are no card: a table; any four may pass."""
    if size != 4:  # noqa: PLR2004 - the groups that cards and tables share
        return False
    before, after = _ROW_BEFORE.search(text[max(0, begin - 21) : begin]), _ROW_AFTER.match(text[stop : stop + 21])
    sides = [match[1] for match in (before, after) if match is not None]
    return (len(sides) > 1 or any(len(side) > 16 for side in sides)) and not any(map(_is_card, sides))  # noqa: PLR2004 - digits


def _is_card(groups: str) -> bool:
    digits = groups.replace(" ", "")
    return len(digits) in _issued(digits[:4]) and luhn(digits)


def _one_digit(neighbour: str) -> bool:
    """Whether a blank and a digit stand beside it."""
    return len(neighbour) > 1 and neighbour[0] == " " and neighbour[1].isdigit()


def find_unlisted_cards(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """Numbers that are printed as cards and pass their check, of issuers that are not listed."""
    spans = find_cards(text, start, end, _not_issued)
    return (span for span in spans if len(set(filter(str.isdigit, text[slice(*span)]))) > 2)  # noqa: PLR2004


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

# Words that are said of cards only: beside "pan" or "credit" stand other long numbers, too.
_CARD_WORDS = (
    "credit card", "debit card", "card number", "card no", "cardnumber", "card #", "visa", "mastercard", "amex", "maestro",
    "uatp", "airplus", "diners", "unionpay", "rupay", "troy", "mir card", "verve", "elo card", "payment card", "kreditkarte",
    "kartennummer", "num\xe9ro de carte", "carte bancaire", "tarjeta de cr", "carta di cr", "cart\xe3o de cr",
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
    Detector(
        name="card-unlisted/luhn",
        kind="pci.pan",
        pattern=_PATTERN,
        trigger=r"[0-9 .-]{12}",
        find=find_unlisted_cards,
        restartable=True,
        base_score=0.05,
        context_words=_CARD_WORDS,
        context_score=0.8,
    ),
)
