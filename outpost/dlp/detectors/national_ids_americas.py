"""National identifiers of American countries; checks by python-stdnum, which cites each country's rule.

Without python-stdnum: El Salvador's DUI (weights 9 to 2), Uruguay's cédula (weights 2987634), Guatemala's CUI (modulo
11), Colombia's cédula, Honduras' DNI (no check digit, so beside a word only). US numbers are in ``identity``.
"""

# ruff: noqa: E501 - tables, one row a line

from outpost.dlp.identifiers import ANY_COUNTRY, Shape, by_country, detectors_of, stdnum


def _weighted(number: str, weights: range | tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))


def valid_dui(number: str) -> bool:
    """El Salvador: eight digits weighted 9 to 2, modulo 10."""
    return int(number[:8]) > 0 and -_weighted(number[:8], range(9, 1, -1)) % 10 == int(number[8])


def valid_uruguay(number: str) -> bool:
    """Seven digits weighted 2, 9, 8, 7, 6, 3, 4, modulo 10."""
    return -_weighted(number[:7], (2, 9, 8, 7, 6, 3, 4)) % 10 == int(number[7])


def valid_cui(number: str) -> bool:
    """Guatemala: eight digits weighted 2 to 9, modulo 11; then the department (1 to 22) and the municipality."""
    department, municipality = int(number[9:11]), int(number[11:])
    checked = _weighted(number[:8], range(2, 10)) % 11 == int(number[8])
    return checked and 1 <= department <= 22 and municipality > 0  # noqa: PLR2004 - departments


_id = by_country("pii.national_id", ANY_COUNTRY)

_CEDULA = "cédula|cedula|c.i.|ci "

IDENTIFIERS = (
    _id("ar", "dni", "ar.dni", "99999999|99.999.999", 1, "dni |d.n.i|documento nacional|documento de identidad|argentine id", "20123456"),
    _id("br", "cpf", "br.cpf", "99999999999|999.999.999-99|999999999-99|999 999 999 99", 84, "cpf|cadastro de pessoa|brazilian tax|brazilian id", "39053344705", printed=Shape.RARE),
    _id("ca", "sin", "luhn", "999999999|999-999-999|999 999 999", 11, "sin |social insurance|assurance sociale|nas |n.a.s|canadian social", "123456782"),
    _id("cl", "rut", "cl.rut", "99999999[0-9K]|9999999[0-9K]|99.999.999-[0-9Kk]|9.999.999-[0-9Kk]|99999999-[0-9Kk]|9999999-[0-9Kk]", 10,
        "rut |run |r.u.t|rol único|rol unico|cédula|cedula|chilean id", "125319092"),
    _id("co", "cc", "", "9999999999|99999999|9.999.999.999|99.999.999", 1, "cédula de ciudadanía|cedula de ciudadania|c.c.|cc no|cc:|colombian id|cédula de extranjería", "1020304050"),
    _id("cr", "cpf", "cr.cpf", "9999999999|999999999|9-9999-9999|99-9999-9999|9-999-999", 1, _CEDULA + "|costa rica", "0304550175", raw=True),
    _id("cr", "dimex", "cr.cr", "[1]99999999999", 1, "dimex|cédula de residencia|cedula de residencia", "155812994816"),
    _id("cu", "ni", "cu.ni", "99999999999", 25, "carné de identidad|carnet de identidad|número de identidad|cuban id", "91021027775"),
    _id("do", "cedula", "do.cedula", "99999999999|999-9999999-9", 9, _CEDULA + "|dominican id", "00113918205"),
    _id("ec", "ci", "ec.ci", "9999999999|999999999-9", 47, _CEDULA + "|ecuadorian id", "1714307103"),
    _id("gt", "cui", "", "9999999999999|9999 99999 9999", 40, "dpi |cui |documento personal de identificación|código único de identificación", "1234567890101", validate=valid_cui, check="mod11"),
    _id("hn", "dni", "", "9999999999999|9999-9999-99999", 1, "dni |identidad|honduran id|tarjeta de identidad", "0801199012345"),
    _id("mx", "curp", "mx.curp", "AAAA999999[HMX]AAAAAX9", 5000, "curp|clave única de registro|clave unica de registro", "BOXW310820HNERXN09"),
    _id("mx", "nss", "", "99999999999|99-99-99-9999-9|99 99 99 9999 9", 9, "nss |número de seguridad social|numero de seguridad social|imss|seguro social", "12345678903",
        validate=stdnum("luhn"), check="luhn"),
    _id("pe", "cui", "pe.cui", "99999999|99999999-X|99999999X", 1, "peruvian id|dni |cui |documento nacional", "10117410"),
    _id("sv", "dui", "", "999999999|99999999-9", 9, "dui |documento único de identidad|documento unico", "000162975", validate=valid_dui, check="mod10"),
    _id("uy", "ci", "", "99999999|9.999.999-9|9999999-9", 9, _CEDULA + "|uruguayan id", "12345672", validate=valid_uruguay, check="mod10"),
    _id("ve", "ci", "", "[VE]-99999999|[VE]-9999999|[VE]99999999|[VE]-99.999.999|[VE]-9.999.999", 1, _CEDULA + "|venezuelan id", "V-12345678"),
)  # fmt: skip

DETECTORS = detectors_of(IDENTIFIERS)
