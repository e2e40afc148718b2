"""Bank accounts and banks.

IBAN: the country's structure and ISO 7064 mod 97-10 (ISO 13616, SWIFT registry). BIC: ISO 9362, with a country of
ISO 3166. ABA routing numbers: weights 3, 7, 1 (ABA routing number policy). CLABE: the same weights over 17 digits (ABM).
Account numbers have no check digit known to others, so they count beside a word only.
"""

# ruff: noqa: E501 - tables, one row a line

from collections.abc import Iterable
from functools import cache

from stdnum import iban
from stdnum.numdb import get as registry

from outpost.dlp.detector import Detector, touches_word
from outpost.dlp.identifiers import Identifier, Shape, detectors_of, split, stdnum

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


_CLABE_WEIGHTS = (3, 7, 1)


def valid_clabe(number: str) -> bool:
    """Seventeen digits weighted 3, 7, 1, each product modulo 10; the eighteenth makes the sum a multiple of 10."""
    total = sum(int(digit) * _CLABE_WEIGHTS[i % 3] % 10 for i, digit in enumerate(number[:17]))
    return -total % 10 == int(number[17])


def valid_aba(number: str) -> bool:
    """Weights 3, 7, 1, and a first pair that the Federal Reserve gives out."""
    first = int(number[:2])
    total = sum(int(digit) * _CLABE_WEIGHTS[i % 3] for i, digit in enumerate(number))
    return total % 10 == 0 and (1 <= first <= 12 or 21 <= first <= 32 or 61 <= first <= 72 or first == 80)  # noqa: PLR2004


_ISO_COUNTRIES = frozenset(
    split(
        "AD|AE|AF|AG|AI|AL|AM|AO|AR|AT|AU|AW|AX|AZ|BA|BB|BD|BE|BF|BG|BH|BI|BJ|BM|BN|BO|BR|BS|"
        "BT|BW|BY|BZ|CA|CD|CF|CG|CH|CI|CK|CL|CM|CN|CO|CR|CU|CV|CW|CY|CZ|DE|DJ|DK|DM|DO|DZ|EC|"
        "EE|EG|ER|ES|ET|FI|FJ|FK|FO|FR|GA|GB|GD|GE|GF|GG|GH|GI|GL|GM|GN|GP|GQ|GR|GT|GU|GW|GY|"
        "HK|HN|HR|HT|HU|ID|IE|IL|IM|IN|IQ|IR|IS|IT|JE|JM|JO|JP|KE|KG|KH|KI|KM|KN|KP|KR|KW|KY|"
        "KZ|LA|LB|LC|LI|LK|LR|LS|LT|LU|LV|LY|MA|MC|MD|ME|MG|MH|MK|ML|MM|MN|MO|MP|MQ|MR|MS|MT|"
        "MU|MV|MW|MX|MY|MZ|NA|NC|NE|NG|NI|NL|NO|NP|NR|NZ|OM|PA|PE|PF|PG|PH|PK|PL|PM|PR|PS|PT|"
        "PW|PY|QA|RE|RO|RS|RU|RW|SA|SB|SC|SD|SE|SG|SI|SK|SL|SM|SN|SO|SR|SS|ST|SV|SX|SY|SZ|TC|"
        "TD|TG|TH|TJ|TL|TM|TN|TO|TR|TT|TV|TW|TZ|UA|UG|US|UY|UZ|VA|VC|VE|VG|VI|VN|VU|WS|XK|YE|"
        "YT|ZA|ZM|ZW"
    )
)


def valid_bic(code: str) -> bool:
    """Whether the fifth and sixth letters are a country."""
    return code[4:6] in _ISO_COUNTRIES


_ACCOUNT_WORDS = split(
    "account number|account no|account #|account:|acct|a/c|bank account|kontonummer|konto-nr|kontonr|konto nr|"
    "numéro de compte|n° de compte|número de cuenta|numero de cuenta|conto corrente|numero di conto|rekeningnummer|"
    "numer konta|conta corrente|账号|口座番号|bank number|checking account|savings account"
)

IDENTIFIERS = (
    Identifier("bic", "fin.bic", ("AAAAAAXX", "AAAAAAXXXXX"), 2, split("bic|swift|bank identifier"), "DEUTDEFF", validate=valid_bic,
               check="iso3166", bare=Shape.UNCOMMON),
    Identifier("us-aba", "fin.aba", ("999999999", "9999-9999-9"), 27, split("aba |aba:|aba#|aba number|aba routing|routing|rtn|transit"), "021000021",
               validate=valid_aba, check="mod10"),
    Identifier("gb-sort-code", "fin.sort_code", ("99-99-99", "999999", "99 99 99"), 1, split("sort code|sort-code|sortcode|bank code"), "20-00-00"),
    Identifier("in-ifsc", "fin.ifsc", ("AAAA0XXXXXX",), 1, split("ifsc|rtgs|neft|branch code"), "SBIN0005943"),
    Identifier("mx-clabe", "fin.clabe", ("999999999999999999", "999 999 99999999999 9"), 9, split("clabe|cuenta interbancaria"), "032180000118359719",
               validate=valid_clabe, check="mod10", bare=Shape.COMMON),
    Identifier("es-ccc", "fin.account", ("99999999999999999999", "9999-9999-99-9999999999", "9999 9999 99 9999999999"), 110,
               (*_ACCOUNT_WORDS, "ccc ", "cuenta"), "12341234161234567890", validate=stdnum("es.ccc"), check="stdnum", bare=Shape.COMMON),
    Identifier("no-kontonr", "fin.account", ("99999999999", "9999.99.99999", "9999 99 99999"), 10, _ACCOUNT_WORDS, "86011117947",
               validate=stdnum("no.kontonr"), check="stdnum"),
    Identifier("cz-account", "fin.account", ("999999-9999999999/9999", "9999999999/9999", "99999-999999999/9999"), 40, (*_ACCOUNT_WORDS, "číslo účtu", "účet"),
               "034278-0727558021/0100", validate=stdnum("cz.bankaccount"), check="stdnum", raw=True),
    Identifier("nz-account", "fin.account", ("99-9999-9999999-99", "99-9999-9999999-999"), 10, _ACCOUNT_WORDS, "01-0242-0100194-00",
               validate=stdnum("nz.bankaccount"), check="stdnum", printed=Shape.RARE),
    Identifier("account", "fin.account",
               split("999999|9999999|99999999|999999999|9999999999|99999999999|999999999999|9999999999999|99999999999999|999999999999999|9999999999999999|99999999999999999"),
               1, _ACCOUNT_WORDS, "123456"),
)  # fmt: skip

DETECTORS = (
    *detectors_of(IDENTIFIERS),
    Detector(
        name="iban/mod97",
        kind="fin.iban",
        # 15 to 34 characters in groups of four, as ISO 13616 prints them, or in one piece.
        pattern=r"\b[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,4})?",
        trigger=r"\b[A-Za-z]{2}[0-9]{2}",
        find=find_ibans,
        base_score=0.98,  # one in 97 random strings of the right structure passes
    ),
)
