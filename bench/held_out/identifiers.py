# ruff: noqa: RUF001 - words and letters of other languages
"""Invented identifiers with right checksums: makers by type, with the words people write before them.

Written from the public descriptions of the numbers and checked by python-stdnum and phonenumbers, without looking at
the detectors or their samples. Nothing here belongs to anybody, but by chance.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import phonenumbers
from stdnum import iban, luhn

Maker = Callable[[random.Random], str]


@dataclass(frozen=True, slots=True)
class Type:
    """A type of value: our kinds that say the same, how one is made, and how people call it (English last)."""

    label: str
    kinds: tuple[str, ...]
    make: Maker
    names: tuple[str, ...]
    # Checked by a digit or marked by a prefix: the bar is higher.
    strict: bool = True


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices("0123456789", k=count))


def letters(rng: random.Random, count: int) -> str:
    return "".join(rng.choices("ABCDEFGHJKLMNPRSTVWXYZ", k=count))


def fill(rng: random.Random, shape: str) -> str:
    """A text of a shape: ``#`` a digit, ``%`` 1 to 9, ``@`` a letter, ``y`` year, ``m`` month, ``d`` day."""
    parts = {
        "#": lambda: digits(rng, 1),
        "%": lambda: rng.choice("123456789"),
        "@": lambda: letters(rng, 1),
        "y": lambda: f"{rng.randint(40, 99)}",
        "m": lambda: f"{rng.randint(1, 12):02d}",
        "d": lambda: f"{rng.randint(1, 28):02d}",
    }
    return "".join(parts[sign]() if sign in parts else sign for sign in shape)


def checked(module: str, *shapes: str) -> Maker:
    """Values of a shape that a python-stdnum module calls valid, by trying."""
    valid: Any = import_module(f"stdnum.{module}").is_valid

    def make(rng: random.Random) -> str:
        for _ in range(200_000):
            value = fill(rng, rng.choice(shapes))
            if valid(value) and len(set(value)) > 3:
                return value
        raise AssertionError(f"no value of {module} in 200,000 tries")

    return make


_CARDS = {  # issuer: beginnings, length
    "visa": (("4",), 16),
    "mastercard": (("51", "52", "53", "54", "55", "2221", "2300", "2500", "2719"), 16),
    "amex": (("34", "37"), 15),
    "discover": (("6011", "644", "649", "65"), 16),
    "jcb": (("3528", "3540", "3589"), 16),
    "diners": (("36", "38"), 14),
    "unionpay": (("6221", "6250", "6283"), 16),
}
_GROUPS = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}


def card(rng: random.Random) -> str:
    beginnings, length = _CARDS[rng.choice(list(_CARDS))]
    head = rng.choice(beginnings)
    body = head + digits(rng, length - len(head) - 1)
    number = body + luhn.calc_check_digit(body)
    return grouped(number, _GROUPS[length], rng.choice(("", " ", "-", " ")))


def grouped(text: str, sizes: Sequence[int], sign: str) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return sign.join(part for part in [*parts, text[at:]] if part)


_IBANS = {  # country: letters and digits after the check digits
    "DE": (0, 18),
    "GB": (4, 14),
    "FR": (0, 23),
    "ES": (0, 20),
    "IT": (1, 22),
    "NL": (4, 10),
    "BE": (0, 12),
    "AT": (0, 16),
    "CH": (0, 17),
    "PT": (0, 21),
    "SE": (0, 20),
    "NO": (0, 11),
    "DK": (0, 14),
    "FI": (0, 14),
    "PL": (0, 24),
    "IE": (4, 14),
    "LU": (0, 16),
    "CZ": (0, 20),
    "GR": (0, 23),
    "SA": (0, 20),
    "AE": (0, 19),
}


def bank_account(rng: random.Random) -> str:
    while True:
        country = rng.choice(list(_IBANS))
        heads, rest = _IBANS[country]
        bban = letters(rng, heads) + digits(rng, rest)
        value = country + iban.calc_check_digits(f"{country}00{bban}") + bban
        if iban.is_valid(value):
            return grouped(value, (4,) * 7, " ") if rng.random() < 0.5 else value


def routing(rng: random.Random) -> str:
    while True:
        value = f"{rng.choice((*range(1, 13), *range(21, 33))):02d}" + digits(rng, 7)
        if sum(int(d) * w for d, w in zip(value, (3, 7, 1) * 3, strict=True)) % 10 == 0:
            return value


def npi(rng: random.Random) -> str:
    body = rng.choice("12") + digits(rng, 8)
    return body + luhn.calc_check_digit("80840" + body)


def dea(rng: random.Random) -> str:
    body = digits(rng, 6)
    total = sum(map(int, body[::2])) + 2 * sum(map(int, body[1::2]))
    return rng.choice("ABFGM") + letters(rng, 1) + body + str(total % 10)


def ssn(rng: random.Random) -> str:
    area = rng.choice([one for one in range(1, 900) if one not in {666, 78, 219}])
    return f"{area:03d}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}"


def nino(rng: random.Random) -> str:
    first = rng.choice("ABCEGHJKLMNPRSTWXYZ") + rng.choice("ABCEGHJKLMNPRSTWXYZ")
    if first in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}:
        first = "AB"
    body = digits(rng, 6)
    value = first + body + rng.choice("ABCD")
    return grouped(value, (2, 2, 2, 2), " ") if rng.random() < 0.5 else value


_VIN_VALUES = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)
)


def vin(rng: random.Random) -> str:
    signs = [rng.choice("145")] + [rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ0123456789") for _ in range(9)]
    signs += list(letters(rng, 1)) + list(digits(rng, 6))
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    rest = sum((int(s) if s.isdigit() else _VIN_VALUES[s]) * w for s, w in zip(signs, weights, strict=True)) % 11
    signs[8] = "X" if rest == 10 else str(rest)
    return "".join(signs)


def hkid(rng: random.Random) -> str:
    head, body = letters(rng, 1), digits(rng, 6)
    total = 36 * 9 + (ord(head) - 55) * 8 + sum(int(d) * w for d, w in zip(body, range(7, 1, -1), strict=True))
    rest = (11 - total % 11) % 11
    return f"{head}{body}({'A' if rest == 10 else rest})"


def imei(rng: random.Random) -> str:
    body = rng.choice(("35", "86", "01")) + digits(rng, 12)
    return body + luhn.calc_check_digit(body)


_FIRST = ("ana", "joao", "mei", "oluwaseun", "katarzyna", "lars", "fatima", "dmitri", "priya", "sean", "chloe", "mateo")
_LAST = (
    "moreau",
    "okafor",
    "lindqvist",
    "nakamura",
    "kowalska",
    "oconnor",
    "haddad",
    "petrov",
    "iyer",
    "weiss",
    "duarte",
)
_HOSTS = (
    "fennwerk.de",
    "harborline.com",
    "ostrava-metal.cz",
    "nordhavn.dk",
    "tilapia-foods.co.uk",
    "quillmark.io",
    "alvora.com.br",
)


def email(rng: random.Random) -> str:
    first, last, host = rng.choice(_FIRST), rng.choice(_LAST), rng.choice(_HOSTS)
    return rng.choice(
        (
            f"{first}.{last}@{host}",
            f"{first[0]}{last}@{host}",
            f"{first}_{last}{rng.randint(1, 99)}@{host}",
            f"{first}+news@mail.{host}",
        )
    )


def ipv4(rng: random.Random) -> str:
    network = rng.choice((31, 46, 62, 77, 81, 93, 151, 178, 185, 194, 217))
    return f"{network}.{rng.randint(1, 254)}.{rng.randint(1, 254)}.{rng.randint(2, 254)}"


def ipv6(rng: random.Random) -> str:
    groups = [f"{rng.randint(0x1000, 0xFFFF):x}" for _ in range(5)]
    return rng.choice(
        (
            f"2a02:{groups[0]}:{groups[1]}:{groups[2]}::{groups[3]}",
            f"2001:{groups[0]}:{groups[1]}::{rng.randint(1, 99)}",
        )
    )


def mac(rng: random.Random) -> str:
    return rng.choice(":-").join(
        f"{one:02x}" for one in (rng.choice((0x00, 0x3C, 0xF0, 0xA4)), *rng.choices(range(1, 255), k=5))
    )


_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "BR", "IN", "JP", "AU", "PL", "SE", "ZA", "MX")


def phone(rng: random.Random) -> str:
    while True:
        region = rng.choice(_REGIONS)
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        national = str(example.national_number)
        number = phonenumbers.PhoneNumber(example.country_code, int(national[:-5] + digits(rng, 5)))
        if phonenumbers.is_valid_number(number):
            style = rng.choice(
                (
                    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
                    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
                    phonenumbers.PhoneNumberFormat.E164,
                )
            )
            return phonenumbers.format_number(number, style)


def ids(country: str, module: str, *shapes: str, names: tuple[str, ...]) -> Type:
    """A number by which a country knows a person or a business."""
    # Czech and Slovak birth numbers are the same numbers.
    countries = ("cz", "sk") if country in {"cz", "sk"} else (country,)
    kinds = tuple(f"pii.{one}.{name}" for name in countries for one in ("national_id", "tax_id"))
    return Type(f"id.{country}", kinds, checked(module, *shapes), names)


def vat(country: str, shape: str, *names: str) -> Type:
    """A VAT number with its country code."""
    make = checked("eu.vat", country.upper() + shape)
    return Type(f"vat.{country}", (f"pii.tax_id.{country}",), make, (*names, "VAT number", "VAT ID"))


NATIONAL = (
    Type(
        "id.us", ("pii.national_id.us", "pii.tax_id.us"), ssn, ("SSN", "Social Security number", "social security no.")
    ),
    Type("id.gb", ("pii.national_id.gb",), nino, ("NI number", "National Insurance number", "NINO")),
    Type("id.hk", ("pii.national_id.hk",), hkid, ("HKID", "Hong Kong ID card", "香港身份證")),
    ids("fr", "fr.nir", "1ym75########", "2ym13########", names=("numéro de sécurité sociale", "NIR", "n° sécu")),
    ids("es", "es.dni", "########@", names=("DNI", "NIF", "Spanish ID")),
    ids("es", "es.nie", "X#######@", "Y#######@", names=("NIE", "número de identidad de extranjero")),
    ids("de", "de.idnr", "%##########", names=("Steuer-ID", "Steueridentifikationsnummer", "German tax ID")),
    ids("nl", "nl.bsn", "%########", names=("BSN", "burgerservicenummer", "citizen service number")),
    ids("be", "be.nn", "ymd#####", names=("rijksregisternummer", "numéro national", "Belgian national number")),
    ids("se", "se.personnummer", "ymd-####", names=("personnummer", "Swedish personal number")),
    ids("no", "no.fodselsnummer", "dmy#####", names=("fødselsnummer", "Norwegian national ID")),
    ids("dk", "dk.cpr", "dmy-####", names=("CPR-nummer", "CPR", "Danish personal ID")),
    ids("fi", "fi.hetu", "dmy-###@", "dmy-####", names=("henkilötunnus", "HETU", "Finnish personal identity code")),
    ids("pl", "pl.pesel", "ymd#####", names=("PESEL", "numer PESEL", "Polish national ID")),
    ids("cz", "cz.rc", "ymd/####", names=("rodné číslo", "Czech birth number")),
    ids("sk", "sk.rc", "ymd/####", names=("rodné číslo", "Slovak birth number")),
    ids("ch", "ch.ssn", "756.####.####.##", names=("AHV-Nummer", "numéro AVS", "Swiss social security number")),
    ids("at", "at.vnr", "%###dmy", names=("Sozialversicherungsnummer", "SVNR", "Austrian social insurance number")),
    ids("bg", "bg.egn", "ymd####", names=("ЕГН", "EGN", "Bulgarian personal number")),
    ids("ro", "ro.cnp", "1ymd12####", "2ymd40####", names=("CNP", "cod numeric personal", "Romanian personal number")),
    ids("hr", "hr.oib", "%##########", names=("OIB", "osobni identifikacijski broj", "Croatian personal number")),
    ids("ee", "ee.ik", "3ymd####", "4ymd####", names=("isikukood", "Estonian personal code")),
    ids("lt", "lt.asmens", "3ymd####", "4ymd####", names=("asmens kodas", "Lithuanian personal code")),
    ids("gr", "gr.amka", "dmy#####", names=("ΑΜΚΑ", "AMKA", "Greek social security number")),
    ids(
        "it",
        "it.codicefiscale",
        "@@@@@@yA15H501@",
        "@@@@@@yP08F205@",
        names=("codice fiscale", "C.F.", "Italian tax code"),
    ),
    ids("br", "br.cpf", "###.###.###-##", "###########", names=("CPF", "Cadastro de Pessoas Físicas", "Brazilian CPF")),
    ids(
        "ca",
        "ca.sin",
        "%## ### ###",
        "%##-###-###",
        names=("SIN", "Social Insurance Number", "numéro d'assurance sociale"),
    ),
    ids("au", "au.tfn", "%## ### ###", "%########", names=("TFN", "Tax File Number", "Australian tax file number")),
    ids("in", "in_.aadhaar", "%### #### ####", "%###########", names=("Aadhaar", "Aadhaar number", "UIDAI number")),
    ids("in", "in_.pan", "@@@P@####@", "@@@C@####@", names=("PAN", "PAN card number", "Permanent Account Number")),
    ids(
        "cn", "cn.ric", "11010519ymd####", "31010419ymd####", names=("身份证号", "居民身份证号码", "Chinese ID number")
    ),
    ids("kr", "kr.rrn", "ymd-1######", "ymd-2######", names=("주민등록번호", "Korean resident registration number")),
    ids("za", "za.idnr", "ymd####08#", names=("South African ID number", "SA identity number", "SA ID number")),
    ids("mx", "mx.curp", "@E@@ymdHDFBCD0#", "@O@@ymdMJCRLN1#", names=("CURP", "Clave Única de Registro de Población")),
    ids("cl", "cl.rut", "12.###.###-#", "15.###.###-K", names=("RUT", "RUN", "Chilean RUT")),
    ids("il", "il.idnr", "%########", names=("תעודת זהות", "מספר זהות", "Israeli ID number")),
    ids("tr", "tr.tckimlik", "%##########", names=("T.C. kimlik no", "TC Kimlik Numarası", "Turkish ID number")),
    ids("my", "my.nric", "ymd-14-####", "ymd-10-####", names=("NRIC", "MyKad number", "nombor kad pengenalan")),
    ids("th", "th.pin", "%-####-#####-##-#", names=("เลขประจำตัวประชาชน", "Thai ID number")),
    ids("ar", "ar.cuit", "20-########-#", "27-########-#", names=("CUIT", "CUIL", "Argentine tax number")),
    ids("jp", "jp.in_", "############", names=("マイナンバー", "個人番号", "My Number")),
    ids("ua", "ua.rntrc", "%#########", names=("ІПН", "РНОКПП", "Ukrainian tax number")),
)
VAT = (
    vat("de", "#########", "USt-IdNr.", "Umsatzsteuer-ID"),
    vat("fr", "###########", "numéro de TVA", "TVA intracommunautaire"),
    vat("it", "###########", "partita IVA", "P.IVA"),
    vat("es", "A########", "NIF-IVA"),
    vat("nl", "#########B##", "btw-nummer"),
    vat("be", "0%########", "btw-nummer", "numéro de TVA"),
    vat("at", "U########", "UID-Nummer"),
    vat("pl", "##########", "NIP UE"),
    vat("pt", "5########", "NIF"),
    vat("dk", "########", "momsnummer"),
    vat("fi", "########", "ALV-numero"),
    vat("se", "55########01", "momsnummer"),
    vat("ie", "#######@", "VAT no"),
    vat("cz", "########", "DIČ"),
    vat("hu", "########", "adószám"),
    vat("lu", "########", "numéro de TVA"),
    vat("si", "########", "ID za DDV"),
)
OTHER = (
    Type(
        "card", ("pci.pan",), card, ("card", "credit card", "Kreditkarte", "tarjeta", "carte bancaire", "card number")
    ),
    Type("iban", ("fin.iban",), bank_account, ("IBAN", "bank account", "Kontoverbindung", "compte")),
    Type("aba", ("fin.aba",), routing, ("routing number", "ABA routing number", "ABA")),
    Type("npi", ("phi.npi",), npi, ("NPI", "National Provider Identifier", "provider NPI")),
    Type("dea", ("phi.dea",), dea, ("DEA number", "DEA", "prescriber DEA")),
    Type(
        "nhs", ("phi.nhs",), checked("gb.nhs", "4## ### ####", "6## ### ####", "4#########"), ("NHS number", "NHS no.")
    ),
    Type("vin", ("pii.vehicle_vin",), vin, ("VIN", "chassis number", "vehicle identification number")),
    Type("imei", ("pii.device_id",), imei, ("IMEI", "device IMEI")),
    Type("email", ("pii.email",), email, ("email", "E-Mail", "contact", "correo", "mail")),
    Type("ipv4", ("pii.ip",), ipv4, ("IP", "client address", "source ip", "host")),
    Type("ipv6", ("pii.ip",), ipv6, ("IPv6", "client address", "host")),
    Type("mac", ("pii.mac",), mac, ("MAC", "MAC address", "hardware address")),
    Type("phone", ("pii.phone",), phone, ("phone", "mobile", "Tel.", "téléphone", "Handy", "teléfono"), strict=False),
)
