"""E-mail addresses and telephone numbers.

Phones: a cheap pattern proposes, the metadata of ``phonenumbers`` (ITU-T E.164 numbering plans) decides. Its own
matcher is never run over text: it costs milliseconds per kilobyte.
"""

# ruff: noqa: E501 - patterns and tables

import string
from collections.abc import Callable, Iterable
from functools import cache
from itertools import pairwise
from typing import Any

import phonenumbers
import re2
from phonenumbers import PhoneMetadata

from outpost.dlp.before import before
from outpost.dlp.detector import Detector, touches_word
from outpost.dlp.placeholders import looks_typed

# File endings that follow an @ in names such as icon@2x.png.
_FILE_ENDINGS = frozenset(
    {"png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "ico", "css", "js", "ts", "json", "html", "pdf"}
)
_LOCAL_MAX_CHARS, _DOMAIN_MAX_CHARS = 64, 253  # RFC 5321 4.5.3.1, RFC 1035 3.1 as text


_USERINFO = re2.compile(r"://[^\s/?#\"'<>]*$")


def find_email(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The match, unless it is login and host of a URL (``https://token@host``)."""
    if valid_email(text[start:end]) and _USERINFO.search(before(text, start)) is None:
        yield start, end


def valid_email(address: str) -> bool:
    """Whether lengths fit and it is neither a file name nor the fixed user of an SSH remote (``git@host``)."""
    local, _, domain = address.rpartition("@")
    if len(local) > _LOCAL_MAX_CHARS or len(domain) > _DOMAIN_MAX_CHARS or local.lower() == "git":
        return False
    return domain.rpartition(".")[2].lower() not in _FILE_ENDINGS


_ALNUM = r"0-9A-Za-z\xc0-\xd6\xd8-\xf6\xf8-\xff"
_EMAIL_WORD = rf"[{_ALNUM}_%+'-]+"
_EMAIL_LABEL = rf"[{_ALNUM}](?:[{_ALNUM}-]{{0,61}}[{_ALNUM}])?"
_EMAIL_FIRST = rf"[{_ALNUM}_%]"
_EMAIL_END = r"(?:xn--[0-9A-Za-z-]{2,59}|[A-Za-z]{2,24})\b"

# Between two digits of a telephone number; never two blanks.
_SEPARATOR = r"(?:\) ?|\)[./-]|[ ./-]\(?|\()"
_NANP_AREA = r"(?:\([2-9][0-9]{2}\)[ .-]?|\b[2-9][0-9]{2}[ .-])"
_EXTENSION = r"(?: ?(?:x|ext\.?) ?[0-9]{1,6})?"
_NATIONAL = rf"(?:\(|\b)[0-9](?:{_SEPARATOR}?[0-9]){{6,14}}{_EXTENSION}\b"
# As printed inside a country: the prefix 0 and more groups, or an area in brackets; Brazil, Spain, mobile in China.
_PRINTED = (
    rf"(?:\(0[1-9][0-9]{{0,3}}\)[ -]?[0-9]{{2,4}}|\b0[1-9][0-9]{{0,4}}[ .-][0-9]{{2,4}})(?:[ .-][0-9]{{2,4}}){{1,3}}{_EXTENSION}\b|"
    rf"\b0[1-9][0-9]{{0,3}}[ /-][0-9]{{6,8}}{_EXTENSION}\b|"
    rf"\(0[1-9][0-9]{{0,3}}\) ?[0-9]{{6,8}}{_EXTENSION}\b|\([1-9][0-9]\) ?9?[0-9]{{4}}-[0-9]{{4}}{_EXTENSION}\b|"
    rf"\b[67][0-9]{{2}}(?: [0-9]{{2}}){{3}}\b|\b1[3-9][0-9][ -][0-9]{{4}}[ -][0-9]{{4}}\b"
)
_PHONE_WORDS = (
    "reach me", "desk", "main line", "my line", "reach us", "reached", "text me", "text us", "my number", "direct line", "landline", "rufnummer", "nummer",
    "llame", "llama", "ligue", "appele", "num\xe9ro", "n\xfamero", "chiama", "bel ", "numer",
    "phone", "tel", "call", "mobile", "cell", "fax", "whatsapp", "sms", "dial", "hotline", "contact", "ring",
    "telefon", "téléphone", "teléfono", "telefone", "handy", "portable", "móvil", "电话", "手机", "電話", "телефон",
)  # fmt: skip
# National formats are tried for these plans only, and only beside a word: the more plans, the more any number fits.
_PLANS = (
    "US",
    "GB",
    "DE",
    "FR",
    "IT",
    "ES",
    "NL",
    "BE",
    "CH",
    "AT",
    "IE",
    "SE",
    "PL",
    "AU",
    "IN",
    "JP",
    "CN",
    "BR",
    "ZA",
)
# Directly before a number that is another one, however it is printed.
_OTHER_NUMBERS = (
    "part no", "part number", "order", "order no", "order number", "item", "item no", "sku", "ref", "reference", "invoice", "ticket",
    "serial", "serial number", "model", "article", "product", "product code", "batch", "lot", "version", "isbn", "tracking number",
)  # fmt: skip
# Countries in which the prefix 0 is always written in national numbers.
_ZERO_PLANS = (
    "GB", "DE", "FR", "NL", "BE", "CH", "AT", "IE", "SE", "FI", "AU", "NZ", "IN", "JP", "CN", "ZA", "IL", "TR", "KR", "TW", "UA",
    "RO", "BG", "RS", "HR", "SI", "SK", "AR", "MY", "TH", "ID", "VN", "PH", "EG", "NG", "KE", "PK", "MA", "DZ", "SA", "AE", "PE",
)  # fmt: skip
_TYPES = ("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "uan")


def _valid(written: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(written, region))
    except phonenumbers.NumberParseException:
        return False


def find_international(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The longest valid number that begins with the match's plus sign; later groups may be something else."""
    sign = text[max(0, start - 1) : start]
    if touches_word(sign) or sign == "+":
        return
    stop = end
    while stop - start >= 8:  # noqa: PLR2004 - plus sign and seven digits
        if _valid(text[start:stop], None):
            yield start, stop
            return
        stop = max(text.rfind(separator, start, stop) for separator in " ./-(x")
        while stop > start and not text[stop - 1].isdigit():
            stop -= 1


def possible_international(matched: str) -> bool:
    """Whether the country code exists and the length fits its plan: assigned or not, nothing else is written so."""
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(matched, None))
    except phonenumbers.NumberParseException:
        return False


def looks_dialled(matched: str) -> bool:
    """Whether the digits are as many as telephone numbers have (E.164: at most 15), and are not a date."""
    groups = _groups(matched)
    digits = sum(map(len, groups))
    if _holds_date(groups):
        return False
    return digits >= 10 or (digits >= 7 and len(groups) > 1)  # noqa: PLR2004 - the shortest subscriber numbers in use


def _holds_date(groups: list[str]) -> bool:
    years = len(groups) > 1 and all(len(group) == 4 and group[:2] in {"19", "20"} for group in groups)  # noqa: PLR2004 - digits
    return years or any(map(_is_date, zip(groups, groups[1:], groups[2:], strict=False)))


def _is_date(groups: tuple[str, str, str]) -> bool:
    """Year, month, day in either order, of this century or the last."""
    sizes = tuple(map(len, groups))
    year = groups[0] if sizes[0] == 4 else groups[2]  # noqa: PLR2004 - digits of a year
    return len(year) == 4 and year[:2] in ("19", "20") and sum(sizes) <= 8  # noqa: PLR2004


def _groups(matched: str) -> list[str]:
    written = matched.partition("x")[0].partition("e")[0]
    return "".join(c if c.isdigit() else " " for c in written).split()


@cache
def _nanp() -> Any:
    """One linear pattern of the numbers of all countries that share the code 1."""
    plans = {
        kind.national_number_pattern
        for region in phonenumbers.region_codes_for_country_code(1)
        for name in _TYPES
        if (kind := getattr(PhoneMetadata.metadata_for_region(region), name)) and kind.national_number_pattern
    }
    return re2.compile("|".join(sorted(plans)))


def valid_nanp(matched: str) -> bool:
    """Whether the number is in use under the North American Numbering Plan."""
    digits = "".join(_groups(matched))
    return _nanp().fullmatch(digits[-10:]) is not None


@cache
def _national_plans(regions: tuple[str, ...] = _PLANS, *, prefixed: bool = True) -> Any:
    """One linear pattern of all national numbers of ``regions`` as dialled inside the country, digits only."""
    plans = []
    for region in regions:
        metadata: Any = PhoneMetadata.metadata_for_region(region)
        kinds = (getattr(metadata, kind) for kind in _TYPES)
        numbers = "|".join(kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern)
        prefix = metadata.national_prefix if prefixed and metadata.national_prefix else ""
        # The prefix 0 is always written in national numbers, 1 in the USA is not.
        plans.append(f"(?:{prefix})(?:{numbers})" if prefix == "0" else f"(?:{prefix})?(?:{numbers})")
    return re2.compile("|".join(plans))


def valid_national(matched: str) -> bool:
    """Whether the digits are a national number of one of the plans."""
    groups = _groups(matched)
    return not _holds_date(groups) and _national_plans().fullmatch("".join(groups)) is not None


def find_printed(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The match, if it is a number of a plan and stands alone: not a group of digits in a row of them."""
    groups = _groups(text[start:end])
    digits = "".join(groups)
    if _row(text[max(0, start - 2) : start][::-1]) or _row(text[end : end + 2]) or text[end : end + 1] == ":":
        return
    if _holds_date(groups) or looks_typed(digits) or _counts(groups) or not _evenly(text[start:end]):
        return
    if len(digits) < _MIN_PRINTED or (len(groups) == 2 and len(digits) == _MIN_PRINTED):  # noqa: PLR2004 - less is too common
        return
    plans = _national_plans(_ZERO_PLANS) if groups[0][0] == "0" else _national_plans(("BR", "ES", "CN"), prefixed=False)
    if plans.fullmatch(digits) is not None:
        yield start, end


_MIN_PRINTED = 9


def _counts(groups: list[str]) -> bool:
    """Whether each group is the number after the one before it."""
    return all(int(after) - int(before) == 1 for before, after in pairwise(groups))


def _evenly(written: str) -> bool:
    """Whether one sign stands between all groups, but behind the area; dates and times mix theirs."""
    signs = [sign for sign in written.partition("x")[0].partition(" e")[0] if sign in " .-"]
    return written[0] == "(" or len(set(signs)) < 2 or (signs[0] == "-" and set(signs[1:]) == {" "})  # noqa: PLR2004


def find_shaped(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The match, unless it was counted out or is a piece of a row of numbers."""
    alone = not _row(text[max(0, start - 2) : start][::-1]) and not _row(text[end : end + 2])
    if alone and text[end : end + 1] != ":" and not looks_typed("".join(_groups(text[start:end]))):
        yield start, end


def _row(neighbour: str) -> bool:
    """Whether a blank and a digit stand beside it."""
    return len(neighbour) > 1 and neighbour[0] == " " and neighbour[1].isdigit()


def find_dialled_abroad(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The longest valid number behind the match's two zeros; if it is printed in groups, one that is possible, too."""
    if (
        touches_word(text[max(0, start - 1) : start])
        or _row(text[max(0, start - 2) : start][::-1])
        or _row(text[end : end + 2])
    ):
        return
    stop = end
    while stop - start >= 10:  # noqa: PLR2004 - two zeros and eight digits
        if _valid("+" + text[start + 2 : stop].lstrip("- ."), None):
            yield start, stop
            return
        stop = max(text.rfind(separator, start, stop) for separator in " ./-(x")
        while stop > start and not text[stop - 1].isdigit():
            stop -= 1


def _unless_traced(valid: Callable[[str], bool]) -> Callable[[str, int, int], Iterable[tuple[int, int]]]:
    """``valid``, but not behind "most recent call last": the word of telephones that code says most."""

    def find(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
        if valid(text[start:end]) and "call last" not in before(text, start):
            yield start, end

    return find


DETECTORS: tuple[Detector, ...] = (
    Detector(
        name="email",
        kind="pii.email",
        pattern=rf"{_EMAIL_FIRST}(?:{_EMAIL_WORD})?(?:\.{_EMAIL_WORD})*@(?:{_EMAIL_LABEL}\.)+{_EMAIL_END}",
        trigger=rf"[{_ALNUM}_%+'-]@[{_ALNUM}]",
        find=find_email,
        base_score=0.95,
    ),
    Detector(
        name="phone-international/e164",
        kind="pii.phone",
        pattern=rf"\+[1-9](?:{_SEPARATOR}?[0-9]){{6,14}}{_EXTENSION}\b",
        trigger=r"\+[1-9]",
        find=find_international,
        base_score=0.9,
        context_words=_PHONE_WORDS,
        context_score=0.97,
        glue="-.",
    ),
    Detector(
        name="phone-international/possible",
        kind="pii.phone",
        pattern=rf"\+[1-9](?:{_SEPARATOR}?[0-9]){{6,14}}{_EXTENSION}\b",
        trigger=r"\+[1-9]",
        validate=possible_international,
        base_score=0.6,
        glue="-.+" + string.ascii_letters + string.digits,
    ),
    Detector(
        name="phone-international/00",
        kind="pii.phone",
        pattern=rf"\b00[ .-]?[1-9](?:{_SEPARATOR}?[0-9]){{7,14}}{_EXTENSION}\b",
        trigger=r"\b00[ .-]?[1-9]",
        find=find_dialled_abroad,
        base_score=0.8,
        context_words=_PHONE_WORDS,
        context_score=0.97,
        glue="-.+",
    ),
    Detector(
        name="phone-national/printed",
        kind="pii.phone",
        pattern=_PRINTED,
        trigger=r"[0-9() ./-]{8}",
        find=find_printed,
        base_score=0.6,
        context_words=_PHONE_WORDS,
        context_score=0.9,
        refuse_words=_OTHER_NUMBERS,
        glue="-.+/",
    ),
    Detector(
        # Nothing else is printed so; made-up numbers have areas and exchanges that nobody has.
        name="phone-nanp/shape",
        kind="pii.phone",
        pattern=rf"(?:\b(?:00)?1[ .-])?(?:\([2-9][0-9]{{2}}\) ?[0-9]{{3}}-[0-9]{{4}}|\b[2-9][0-9]{{2}}(?:-[0-9]{{3}}-|\.[0-9]{{3}}\.| [0-9]{{3}} )[0-9]{{4}}){_EXTENSION}\b",
        trigger=r"[0-9)][ .-]?[0-9]{3}[ .-][0-9]{4}",
        find=find_shaped,
        base_score=0.6,
        context_words=_PHONE_WORDS,
        context_score=0.9,
        refuse_words=_OTHER_NUMBERS,
        glue="-.+",
    ),
    Detector(
        name="phone-nanp/plan",
        kind="pii.phone",
        pattern=rf"(?:\b1[ .-])?{_NANP_AREA}[2-9][0-9]{{2}}[ .-][0-9]{{4}}{_EXTENSION}\b",
        trigger=r"[0-9]{3}(?:\)[ .-]?|[ .-])[0-9]{3}[ .-][0-9]{4}",
        validate=valid_nanp,
        base_score=0.75,
        context_words=_PHONE_WORDS,
        context_score=0.95,
        glue="-.+",
    ),
    Detector(
        name="phone-national/plans",
        kind="pii.phone",
        pattern=_NATIONAL,
        trigger=r"[0-9() ./-]{7}",
        find=_unless_traced(valid_national),
        base_score=0.2,
        context_words=_PHONE_WORDS,
        context_score=0.75,
        glue="-.+",
    ),
    Detector(
        # Numbering plans change and metadata lags, so beside a word an unassigned number still counts.
        name="phone-national/possible",
        kind="pii.phone",
        pattern=_NATIONAL,
        trigger=r"[0-9() ./-]{7}",
        find=_unless_traced(looks_dialled),
        base_score=0.1,
        context_words=_PHONE_WORDS,
        context_score=0.6,
        glue="-.+",
    ),
)
