"""National identifiers of Asia, Africa and Oceania; checks by python-stdnum, which cites each country's rule.

Without python-stdnum: Hong Kong (modulo 11, Immigration Department), Taiwan (modulo 10 over the letter's number),
Singapore (modulo 11, ICA), Kazakhstan and Kuwait (modulo 11), Iran (modulo 11), United Arab Emirates and Saudi Arabia
(Luhn), Sri Lanka, Vietnam, Nigeria, Ghana, Egypt (century, date, governorate: no public check digit).
"""

# ruff: noqa: E501 - tables, one row a line

from stdnum import luhn

from outpost.dlp.detector import Detector
from outpost.dlp.identifiers import ANY_COUNTRY, Shape, by_country, detectors_of, stdnum


def _weighted(number: str, weights: tuple[int, ...] | range) -> int:
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))


def _date(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31  # noqa: PLR2004 - calendar


def valid_hkid(number: str) -> bool:
    """One or two letters, six digits and a digit or A: weights 9 to 1, a space counts 36, A counts 10."""
    number = number.replace("(", "").replace(")", "").rjust(9)
    values = [36 if c == " " else int(c, 36) for c in number[:8]]
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return (total + (10 if number[8] == "A" else int(number[8]))) % 11 == 0


_TAIWAN = "ABCDEFGHJKLMNPQRSTUVXYWZIO"  # counting from 10


def valid_taiwan(number: str) -> bool:
    """The letter's number and nine digits, weights 1, 9, 8 … 1, 1."""
    first = _TAIWAN.index(number[0]) + 10
    return (first // 10 + first % 10 * 9 + _weighted(number[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


_NRIC = {"S": (0, "JZIHGFEDCBA"), "T": (4, "JZIHGFEDCBA"), "F": (0, "XWUTRQPNMLK"), "G": (4, "XWUTRQPNMLK"),
         "M": (3, "XWUTRQPNJLK")}  # fmt: skip


def valid_nric(number: str) -> bool:
    """Weights 2765432, an offset by series, modulo 11, a letter by series."""
    offset, letters = _NRIC[number[0]]
    rest = (_weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2)) + offset) % 11
    return letters[rest] == number[8]


def valid_kazakh(number: str) -> bool:
    """Date, century and sex, then modulo 11 with weights 1 to 11, then 3 to 11, 1, 2."""
    if not _date(number[2:4], number[4:6]) or number[6] not in "0123456":
        return False
    rest = _weighted(number[:11], range(1, 12)) % 11
    if rest == 10:  # noqa: PLR2004 - the second weights are for this
        rest = _weighted(number[:11], (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)) % 11
    return rest == int(number[11])


def valid_kuwaiti(number: str) -> bool:
    """Century 2 or 3, date, and 11 minus a weighted sum modulo 11."""
    if number[0] not in "23" or not _date(number[3:5], number[5:7]):
        return False
    return 11 - _weighted(number[:11], (2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11 == int(number[11])


def valid_iranian(number: str) -> bool:
    """Weights 10 to 2, modulo 11."""
    rest = _weighted(number[:9], range(10, 1, -1)) % 11
    return len(set(number)) > 1 and int(number[9]) == (rest if rest < 2 else 11 - rest)  # noqa: PLR2004


def valid_emirates(number: str) -> bool:
    """784 (the country, ISO 3166), a year, seven digits, a Luhn digit."""
    return number[3:5] in ("19", "20") and luhn.is_valid(number)


def valid_egyptian(number: str) -> bool:
    """Century 2 or 3, date, governorate."""
    return _date(number[3:5], number[5:7]) and (1 <= int(number[7:9]) <= 35 or number[7:9] == "88")  # noqa: PLR2004


def valid_old_lankan(number: str) -> bool:
    """Two digits of the year, then the day of the year, with 500 added for women."""
    return 1 <= int(number[2:5]) % 500 <= 366  # noqa: PLR2004


def valid_vietnamese(number: str) -> bool:
    """Province 001 to 096, then century and sex."""
    return 1 <= int(number[:3]) <= 96 and number[3] in "0123"  # noqa: PLR2004


_id = by_country("pii.national_id", ANY_COUNTRY)

IDENTIFIERS = (
    _id("ae", "eid", "", "[7][8][4]999999999999|[7][8][4]-9999-9999999-9|[7][8][4] 9999 9999999 9", 420, "emirates id|رقم الهوية|uae id|الهوية الإماراتية", "784198012345678",
        validate=valid_emirates, check="luhn", printed=Shape.RARE),
    _id("au", "tfn", "au.tfn", "999999999|999 999 999|999-999-999|99999999", 10, "tfn|tax file|australian tax", "123456782"),
    _id("cn", "ric", "cn.ric", "[1-8]9999999999999999[0-9X]", 20000, "身份证|居民身份|身份號|公民身份|resident identity|chinese id|id card|shenfenzheng", "360426199101010071"),
    _id("eg", "id", "", "[23]9999999999999", 64, "الرقم القومي|بطاقة|egyptian national|egyptian id", "29001011234567", validate=valid_egyptian, check="date"),
    _id("gh", "card", "", "[G][H][A]-999999999-9|[G][H][A]9999999999", 1, "ghana card|ghanaian id", "GHA-123456789-0", bare=Shape.SINGULAR, printed=Shape.SINGULAR),
    _id("hk", "hkid", "", "A999999[0-9A]|AA999999[0-9A]|A999999-[0-9A]|AA999999-[0-9A]", 10, "hkid|hong kong id|hong kong identity|身份證|身份证|香港身份", "A1234563",
        validate=valid_hkid, check="mod11", bare=Shape.UNCOMMON, printed=Shape.UNCOMMON),
    _id("id", "nik", "id.nik", "9999999999999999|999999 999999 9999|999999-999999-9999", 27, "nik |nomor induk|ktp|no. ktp|indonesian id", "3171011708450001", bare=Shape.COMMON),
    _id("il", "idnr", "il.idnr", "999999999|99999999-9", 9, "תעודת זהות|מספר זהות|ת.ז|teudat zehut|israeli id|mispar zehut", "039337423"),
    _id("in", "aadhaar", "in_.aadhaar", "[2-9]99999999999|[2-9]999 9999 9999|[2-9]999-9999-9999", 9, "aadhaar|aadhar|adhaar|adhar|uidai|uid no|आधार|uid number", "234123412346"),
    _id("in", "vid", "in_.vid", "[2-9]999999999999999|[2-9]999 9999 9999 9999", 9, "aadhaar vid|virtual id|vid |aadhaar|आधार", "2341234123412341", bare=Shape.COMMON),
    _id("in", "epic", "in_.epic", "AAA9999999", 9, "voter|epic |epic no|electoral|मतदाता", "WKH1186253", bare=Shape.UNCOMMON),
    _id("ir", "code", "", "9999999999|999-999999-9", 9, "کد ملی|شماره ملی|کدملی|iranian national|code melli|کد ملّی", "0013542419", validate=valid_iranian, check="mod11"),
    _id("jp", "in", "jp.in_", "999999999999|9999 9999 9999|9999-9999-9999", 9, "マイナンバー|個人番号|my number|mynumber|kojin bango|japanese individual", "621498320257"),
    _id("kr", "rrn", "kr.rrn", "999999-[0-9]999999|9999999999999", 260, "주민등록|주민번호|외국인등록|resident registration|rrn |korean id|jumin", "971013-9019902"),
    _id("kw", "civil", "", "[23]99999999999", 270, "civil id|الرقم المدني|البطاقة المدنية|kuwaiti id", "284061400013", validate=valid_kuwaiti, check="mod11"),
    _id("kz", "iin", "", "999999999999", 320, "иин|iin |жсн|kazakh|индивидуальный идентификационный", "800405300069", validate=valid_kazakh, check="mod11"),
    _id("lk", "nic", "", "999999999[VX]|999999999[vx]|[12]99999999999", 1, "nic |nic no|national identity card|sri lanka|ජාතික හැඳුනුම්පත්", "853400937V"),
    _id("mu", "nid", "mu.nid", "A999999999999X", 710, "mauriti|nid |nic ", "A0101901234563"),
    _id("my", "nric", "my.nric", "999999999999|999999-99-9999|999999 99 9999", 27, "nric|mykad|ic number|ic no|kad pengenalan|no. k/p|malaysian id|i/c", "770305021234"),
    _id("ng", "nin", "", "99999999999", 1, "nigerian|nimc|nin |national identification number|vnin", "12345678901"),
    _id("nz", "ird", "nz.ird", "99999999|999999999|99-999-999|999-999-999", 10, "ird |ird number|inland revenue|ird no", "49091850"),
    _id("pk", "cnic", "pk.cnic", "9999999999999|99999-9999999-9", 1, "cnic|nadra|nicop|shanakhti|شناختی|pakistani id", "3420108912318", printed=Shape.RARE),
    _id("sa", "id", "", "[12]999999999", 9, "saudi id|iqama|رقم الهوية|الهوية الوطنية|الإقامة|saudi national", "1000000008", validate=stdnum("luhn"), check="luhn"),
    _id("sg", "nric", "", "[STFGM]9999999A", 24, "nric|fin |singapore id|ic number|ic no|identification card", "S1234567D", validate=valid_nric, check="mod11"),
    _id("th", "pin", "th.pin", "[1-8]999999999999|[1-8]-9999-99999-99-9|[1-8] 9999 99999 99 9", 9, "เลขบัตรประชาชน|บัตรประชาชน|เลขประจำตัวประชาชน|thai id|thai national|citizen id", "3100600445635",
        printed=Shape.RARE),
    _id("tw", "id", "", "A[1289]99999999", 9, "身分證|身份證|統一證號|居留證|taiwan id|taiwanese id|roc id", "A123456789", validate=valid_taiwan, check="mod10"),
    _id("vn", "cccd", "", "999999999999", 23, "căn cước|cccd|cmnd|chứng minh nhân dân|số định danh|vietnamese id", "001090123456", validate=valid_vietnamese, check="province"),
    _id("za", "id", "za.idnr", "9999999999999|999999 9999 99 9|999999 9999999|999999 9999 999", 1000, "south african id|sa id|rsa id|identity number|id no|id number|identiteitsnommer", "7503305044089"),
)  # fmt: skip

DETECTORS = (
    *detectors_of(IDENTIFIERS),
    Detector(
        name="hk-hkid-parenthesised/mod11",
        kind="pii.national_id.hk",
        pattern=r"\b[A-Z]{1,2}[0-9]{6}(\([0-9A]\))?",
        validate=lambda written: written.endswith(")") and valid_hkid(written),
        base_score=0.9,  # printed so on the card, and one in eleven passes
        open_ended_chars=4,
    ),
)
