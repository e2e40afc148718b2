r"""Numbers with anything between their digits: ``4111/1111 - 1111\n1111``, ``4 1 1 1 ...``, ``GB29_NWBK ...``.

Digits are joined only where they then have the shape of a card, a US social security number or an IBAN and pass its
check digits, for tables, dates and versions are rows of digits too.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from stdnum import iban
from stdnum.numdb import get as registry

from outpost.dlp.detectors.payment import luhn
from outpost.dlp.linear import of_bytes
from outpost.dlp.rewrite import CONTEXT_CHARS, Rewriter, Token

_BETWEEN = r"[ \t\r\n\x80./\\_|*~+-]{0,3}"
_RUN = of_bytes(rf"[0-9](?:{_BETWEEN}[0-9]){{8,}}")
_GROUP = re.compile("[0-9]+")
_PLAIN = frozenset(("", " ", "-", "."))
_CARD_MIN, _CARD_MAX = 13, 19
_SSN = (3, 2, 4)
_SSN_DIGITS = 9
# Nine digits in any groups are joined beside one of these only.
_SSN_WORDS = of_bytes(r"(?i)\bssn\b|social|\bsoc\.? ?sec|\bss ?#|seguro")
# Layouts of card numbers, alone or followed by other numbers (expiry, security code).
_CARD_LAYOUTS = ((4, 4, 4, 4), (4, 6, 5), (4, 4, 4, 4, 3), (4, 6, 4))


def _is_even(sizes: list[int]) -> bool:
    """Whether the groups are a card's layout or of one size, the last one perhaps shorter."""
    return tuple(sizes) in _CARD_LAYOUTS or (set(sizes[:-1]) == {sizes[0]} and sizes[-1] <= sizes[0])


def _is_card(digits: str) -> bool:
    return _CARD_MIN <= len(digits) <= _CARD_MAX and digits[0] in "23456" and len(set(digits)) > 1 and luhn(digits)


def _is_plain(groups: list[re.Match[str]], run: str) -> bool:
    """Whether the patterns see the groups as they are: one blank, dot or dash between them."""
    return all(run[one.end() : other.start()] in _PLAIN for one, other in pairwise(groups))


def _joined(groups: list[re.Match[str]], first: int, last: int, base: int, text: str) -> Token:
    return Token(base + groups[first].start(), base + groups[last - 1].end(), text)


def _singles_end(sizes: list[int], first: int) -> int:
    last = first
    while last < len(sizes) and sizes[last] == 1:
        last += 1
    return last


def _within(run: str, base: int, *, is_named: bool) -> list[Token]:
    groups = list(_GROUP.finditer(run))
    sizes = [match.end() - match.start() for match in groups]
    digits = "".join(match[0] for match in groups)
    if len(digits) != _SSN_DIGITS and _is_plain(groups, run):
        return []
    if len(groups) > 1 and _is_even(sizes) and _is_card(digits):
        return [_joined(groups, 0, len(groups), base, digits)]
    if tuple(sizes) == _SSN and not _is_plain(groups, run):
        return [_joined(groups, 0, 3, base, "-".join(match[0] for match in groups))]
    if len(digits) == _SSN_DIGITS:
        return [_joined(groups, 0, len(groups), base, digits)] if is_named else []
    tokens = []
    index = 0
    while index < len(groups):
        last = _singles_end(sizes, index)
        if last - index >= _SSN_DIGITS:
            digits = "".join(match[0] for match in groups[index:last])
            if len(digits) == _SSN_DIGITS:
                wanted = is_named
            else:
                wanted = _is_card(digits) and not _is_plain(groups[index:last], run)
            if wanted:
                tokens.append(_joined(groups, index, last, base, digits))
            index = last
            continue
        index = max(last, index + 1) if last > index else _layout_end(run, groups, index, base, tokens)
    return tokens


def _layout_end(run: str, groups: list[re.Match[str]], index: int, base: int, tokens: list[Token]) -> int:
    """Past the card that begins at group ``index`` in a usual layout, whose token is added; else past the group."""
    for layout in _CARD_LAYOUTS:
        last = index + len(layout)
        if tuple(match.end() - match.start() for match in groups[index:last]) == layout:
            digits = "".join(match[0] for match in groups[index:last])
            if _is_card(digits) and not _is_plain(groups[index:last], run):
                tokens.append(_joined(groups, index, last, base, digits))
                return last
    return index + 1


def find_digits(text: str, raw: bytes, begin: int, end: int) -> list[Token]:
    """Cards and social security numbers in rows of digits that no pattern takes for one."""
    tokens: list[Token] = []
    for ((start, stop),) in _RUN.each(raw, begin, end):
        run = text[start:stop]
        if not run.isdigit():
            named = _SSN_WORDS.first(raw, max(0, start - CONTEXT_CHARS), start) is not None
            tokens += _within(run, start, is_named=named)
    return tokens


def ends_of_rows(text: str, raw: bytes, begin: int) -> Iterator[tuple[int, int]]:
    """The last digits of each row, so many as a card has: alone they could be one, behind others they are none."""
    for ((start, end),) in _RUN.each(raw, begin):
        digits = [place for place in range(start, end) if text[place].isdigit()]
        yield digits[-_CARD_MAX:][0], end


SPREAD_DIGITS = Rewriter(
    name="spread-digits",
    trigger=rf"[0-9](?:{_BETWEEN}[0-9]){{3}}[0-9 \t\r\n\x80./\\_|*~+-]{{6}}",
    tokens=find_digits,
    # More digits than that are no single value; groups among them are told apart as they come.
    unfinished=rf"[0-9](?:{_BETWEEN}[0-9]){{0,40}}{_BETWEEN}",
    together=ends_of_rows,
)

_IBAN_MIN = 15  # Norway's, the shortest
_IBAN = of_bytes(
    rf"\b[A-Z]{_BETWEEN}[A-Z]{_BETWEEN}[0-9]{_BETWEEN}[0-9](?:{_BETWEEN}[0-9A-Za-z]){{11,30}}",
)


@cache  # two letters: at most 676 entries
def _iban_length(country: str) -> int:
    """Characters of an IBAN of ``country``, 0 if it has none (SWIFT registry, as stdnum carries it)."""
    (_, properties), *_ = registry("iban").info(country)
    sizes = [int(size) for size in re.findall(r"(\d+)!?[nac]", str(properties.get("bban", "")))]
    return 4 + sum(sizes) if sizes else 0


def find_ibans(text: str, raw: bytes, begin: int, end: int) -> list[Token]:
    """Account numbers, joined, where a country's length and the check digits fit."""
    tokens = []
    at = begin
    while (spans := _IBAN.first(raw, at, end)) is not None:
        start, past = spans[0]
        places = [place for place in range(start, past) if text[place].isalnum()]
        at = places[2]  # another one may begin before this match ends
        wanted = _iban_length(text[places[0]] + text[places[1]])
        if not _IBAN_MIN <= wanted <= len(places):
            continue
        stop = places[wanted - 1] + 1
        compact = "".join(text[place] for place in places[:wanted])
        if compact.isupper() and compact.isascii() and iban.is_valid(compact, check_country=False):
            at = stop
            if stop - start > wanted:
                tokens.append(Token(start, stop, compact + ("" if text[stop : stop + 1].strip(" ") == "" else "\n")))
    return tokens


SPREAD_IBANS = Rewriter(
    name="spread-ibans",
    trigger=rf"\b[A-Z]{_BETWEEN}[A-Z]{_BETWEEN}[0-9]{_BETWEEN}[0-9]",
    tokens=find_ibans,
    unfinished=(
        rf"[A-Z]{_BETWEEN}(?:[A-Z]{_BETWEEN}(?:[0-9]{_BETWEEN}(?:[0-9]{_BETWEEN}(?:[0-9A-Za-z]{_BETWEEN}){{0,30}})?)?)?"
    ),
)
