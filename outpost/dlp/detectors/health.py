"""Health: numbers of patients, insured and prescribers, diagnoses and medicines.

Checks: NPI is Luhn over 80840 and the number (45 CFR 162.406, CMS "NPI check digit"); DEA registration: twice the sum of
the digits 2, 4, 6 and the sum of the digits 1, 3, 5 end in the seventh digit (21 CFR 1301); Medicare beneficiary
identifier: CMS "Understanding the MBI format"; Australian Medicare: weights 1 3 7 9, modulo 10 (METeOR 270101);
Ontario's health number is Luhn; others by python-stdnum. ICD-10-CM and NDC have no check digit, so beside a word only.
"""

# ruff: noqa: E501 - tables, one row a line

from stdnum import luhn

from outpost.dlp.detector import Detector
from outpost.dlp.identifiers import Identifier, Shape, detectors_of, split, stdnum


def valid_npi(number: str) -> bool:
    """Luhn with the prefix of health care in the USA."""
    return number[0] in "12" and luhn.is_valid("80840" + number)


def valid_dea(number: str) -> bool:
    """The seventh digit against the six before it."""
    digits = [int(digit) for digit in number[-7:]]
    return (sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


def valid_au_medicare(number: str) -> bool:
    """The ninth digit against the eight before it; the tenth counts cards, an eleventh counts persons."""
    total = sum(int(digit) * weight for digit, weight in zip(number[:8], (1, 3, 7, 9, 1, 3, 7, 9), strict=True))
    return total % 10 == int(number[8]) and number[9] != "0"


def _id(name: str, kind: str, forms: str, one_in: float, words: str, example: str, **more: object) -> Identifier:
    return Identifier(
        name=name,
        kind=kind,
        forms=split(forms),
        one_in=one_in,
        words=split(words),
        example=example,
        **more,  # type: ignore[arg-type]
    )


_MBI = "[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]9[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]9[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y]99"
_MBI_PRINTED = (
    "[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]9-[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]9-[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y]99"
)
_PLAN_WORDS = (
    "member id|member number|member no|member #|subscriber id|subscriber number|policy number|group number|"
    "health plan|insurance id|my insurance number|medical insurance|patient insurance|health insurance|beneficiary|medicaid|krankenversicherung|"
    "versichertennummer|mutuelle|insured id|plan id"
)

IDENTIFIERS = (
    _id("us-npi", "phi.npi", "9999999999", 44, "npi|national provider|provider id|provider number", "1234567893", validate=valid_npi, check="luhn80840"),
    _id("us-dea", "phi.dea", "[ABCDEFGHJKLMPRSTUX][A-Z9]9999999", 9, "dea |dea#|dea:|dea number|drug enforcement|prescriber", "AB1234563", validate=valid_dea, check="dea", bare=Shape.UNCOMMON),
    _id("gb-nhs", "phi.nhs", "9999999999|999 999 9999|999-999-9999", 10, "nhs|national health service|health service number", "9434765870", validate=stdnum("gb.nhs"), check="stdnum"),
    _id("gb-chi", "phi.nhs", "9999999999", 10, "chi number|chi no|chi:|community health index", "9434765870", validate=stdnum("gb.nhs"), check="stdnum"),
    _id("us-mbi", "phi.health_plan_id", f"{_MBI}|{_MBI_PRINTED}", 1, f"medicare|mbi |mbi:|{_PLAN_WORDS}", "1EG4TE5MK73", bare=Shape.SINGULAR, printed=Shape.SINGULAR),
    _id("au-medicare", "phi.health_plan_id", "[2-6]999999999|[2-6]999 99999 9|[2-6]999-99999-9|[2-6]9999999999", 11, "medicare|ihi |health card", "2123456701", validate=valid_au_medicare, check="mod10"),
    _id("ca-bc-phn", "phi.health_plan_id", "[9]999999999|[9]999 999 999", 11, "phn|personal health|health number|care card|carecard|bc services", "9698658215", validate=stdnum("ca.bc_phn"), check="stdnum"),
    _id("ca-ontario", "phi.health_plan_id", "[1-9]999999999|[1-9]999-999-999|[1-9]999 999 999|[1-9]999-999-999-AA", 9, "ohip|health card|ontario health|health number", "1234567897",
        validate=lambda number: luhn.is_valid(number[:10]), check="luhn"),
    _id("ca-quebec", "phi.health_plan_id", "AAAA99999999|AAAA 9999 9999", 1, "ramq|assurance maladie|health insurance|carte soleil", "TREM80120113"),
    _id("de-kvnr", "phi.health_plan_id", "[A-Z]999999999", 9, "kvnr|krankenversicherten|versichertennummer|versicherten-nr|krankenkasse", "A123456780",
        validate=lambda number: luhn.is_valid(f"{ord(number[0]) - 64:02}{number[1:]}"), check="luhn", bare=Shape.UNCOMMON),
    _id("health-plan", "phi.health_plan_id", "[A-Z][A-Z][A-Z]999999999|[A-Z][0-9]99999999|[A-Z][A-Z]99999999|999999999|9999999999|99999999999|[A-Z][A-Z][A-Z][0-9A-Z]99999999", 1, _PLAN_WORDS, "XYZ123456789"),
    _id("mrn", "phi.mrn", "999999|9999999|99999999|999999999|9999999999|[A-Z]9999999|[A-Z][A-Z]999999|[M][R][N]-999999|[M][R][N]-99999999|999-99-999|99-99-99", 1,
        "mrn|medical record|patient id|patient no|patient number|chart number|chart no|hospital number|hospital no|patientennummer|patienten-id|numéro de patient|número de paciente|historia clínica|medical rec|patient #", "123456"),
    _id("icd10", "phi.diagnosis_code", "[A-TV-Z]9[0-9AB].9|[A-TV-Z]9[0-9AB].99|[A-TV-Z]9[0-9AB].999|[A-TV-Z]9[0-9AB].9999|[A-TV-Z]9[0-9AB].999[A-Z]|[A-TV-Z]9[0-9AB].XXX[A-Z]|[A-TV-Z]99", 1,
        "icd|diagnos|dx:|dx code|diagnoses|diagnostic code", "E11.9"),
    _id("ndc", "phi.medicine_code", "9999-9999-99|99999-9999-99|99999-999-99|99999-9999-9|99999999999", 1, "ndc|national drug code|medication code", "0002-1433-80"),
)  # fmt: skip

DETECTORS: tuple[Detector, ...] = detectors_of(IDENTIFIERS)
