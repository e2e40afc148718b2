"""Passports, machine-readable lines (ICAO 9303 parts 4 to 6, check digits of part 3 section 4.9) and driving licences.

Numbers of passports and licences have no public check digit, so they count beside a word only; the British licence
number holds a date (DVLA, INF 45). Shapes of the states of the USA: AAMVA, as issuers publish them.
"""

# ruff: noqa: E501, RUF001 - tables, one row a line, with words of other alphabets

from collections.abc import Iterable

from outpost.dlp.detector import Detector
from outpost.dlp.identifiers import Identifier, Shape, detectors_of, split
from outpost.dlp.phrases import GROWS

_WEIGHTS = (7, 3, 1)
_MIN_FILLERS = 2


def _check_digit(field: str) -> str:
    values = (0 if c == "<" else int(c, 36) for c in field)
    return str(sum(value * _WEIGHTS[i % 3] for i, value in enumerate(values)) % 10)


def _second_line(line: str) -> bool:
    """Number, birth and expiry with their check digits, and the one over all (TD3: 44 signs, TD2: 36)."""
    fields = ((line[:9], line[9]), (line[13:19], line[19]), (line[21:27], line[27]))
    overall = _check_digit(line[:10] + line[13:20] + line[21:-1]) == line[-1]
    return overall and all(_check_digit(field) == digit for field, digit in fields)


def valid_line(line: str) -> bool:
    """Whether a line of 30, 36 or 44 signs passes its check digits; a name line has none, but fillers."""
    if line.startswith("P") and not any(map(str.isdigit, line)):
        return len(line) in (36, 44) and line.count("<") >= _MIN_FILLERS and "<<" in line
    if len(line) == 30:  # noqa: PLR2004 - TD1, first line: the number only
        return _check_digit(line[5:14]) == line[14]
    return len(line) in (36, 44) and _second_line(line)


def find_lines(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The match, if it is a whole line."""
    after = text[end : end + 1]
    if not (after == "<" or (after.isascii() and after.isalnum())) and valid_line(text[start:end]):
        yield start, end


_MIDDLE = "[0-9][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}"
_LINES = (
    rf"[0-9A-Z][0-9A-Z<]{{8}}{_MIDDLE}[0-9A-Z<]{{14}}[0-9<][0-9]|[0-9A-Z][0-9A-Z<]{{8}}{_MIDDLE}[0-9A-Z<]{{7}}[0-9]|"
    rf"P[A-Z<][A-Z<]{{42}}|P[A-Z<][A-Z<]{{34}}|[IAC][0-9A-Z<][A-Z<]{{3}}[0-9A-Z<]{{9}}[0-9][0-9A-Z<]{{15}}"
)


def valid_british_licence(number: str) -> bool:
    """Five signs of the name, then decade, month (50 added for women), day and year of birth."""
    return 1 <= int(number[6:8]) % 50 <= 12 and 1 <= int(number[8:10]) <= 31  # noqa: PLR2004 - calendar


_LICENCE_WORDS = split(
    "driver's licen|drivers licen|driver licen|driving licen|driver’s licen|licence number|license number|dl number|"
    "dl#|dl no|dl:|fahrerlaubnis|führerschein|permis de conduire|licencia de conducir|carnet de conducir|patente|"
    "rijbewijs|driving permit|驾驶证|carta de condução|cnh "
)
_PASSPORT_WORDS = split(
    "passport|reisepass|passeport|pasaporte|passaporto|passaporte|paspoort|passnummer|pass-nr|护照|旅券|パスポート|паспорт|paszport|pas nr|여권"
)

IDENTIFIERS = (
    Identifier("passport", "pii.passport",
               split("999999999|A99999999|AA9999999|AAA999999|99AA99999|A9999999|AA999999|[CFGHJKLMNPRTVWXYZ]XXXXXXXX|99 9999999|9999 999999"), 1,
               _PASSPORT_WORDS, "963545637"),
    Identifier("gb-licence", "pii.driver_license", ("[A-Z][A-Z9][A-Z9][A-Z9][A-Z9]9[0156]9999[A-Z][A-Z9]9AA", "[A-Z][A-Z9][A-Z9][A-Z9][A-Z9]9[0156]9999[A-Z][A-Z9]XAA"), 1,
               _LICENCE_WORDS, "MORGA753116SM9IJ", validate=valid_british_licence, check="date", bare=Shape.SINGULAR),
    Identifier("driver-license", "pii.driver_license",
               split("999999|9999999|99999999|999999999|9999999999|99999999999|999999999999|A999999|A9999999|A99999999|A999999999|A999999999999|A99999999999|A99999999999999|"
                     "AA999999|AA9999999|99AAA9999|AAAAAA999AA|A99XXXXXX9X|"
                     "A999-9999-9999|A999-999-99-999-9|A999-9999-9999-99|A9999-99999-99999|999-99-9999|9999-99-9999|99-999-9999|999-999-999|999 999 999|A-99999999|A9999 99999 99999"), 1,
               _LICENCE_WORDS, "123456"),
)  # fmt: skip

DETECTORS = (
    *detectors_of(IDENTIFIERS),
    Detector(
        name="mrz/icao9303",
        kind="pii.passport",
        # The second alternative is a line that has only begun, for streams.
        pattern=rf"{GROWS}\b(?:{_LINES}|[0-9A-Z]{{1,14}}<[0-9A-Z<]{{0,43}})",
        trigger="[0-9A-Z]<|[0-9A-Z]{30}",
        find=find_lines,
        base_score=0.97,  # four check digits: one in 10,000
        open_ended_chars=44,
    ),
)
