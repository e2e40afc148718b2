"""National identifiers of European countries; checks by python-stdnum, which cites each country's rule.

Without python-stdnum: the Luxembourg number (Luhn and Verhoeff digits, "Matricule", CTIE 2014), the British NINO (no
check digit; prefixes of HMRC manual NIM39110), the Russian SNILS (order 192n of the pension fund, 2013).
"""

# ruff: noqa: E501, RUF001 - tables, one row a line, with words of other alphabets

from stdnum import luhn, verhoeff

from outpost.dlp.identifiers import ANY_COUNTRY, Shape, by_country, detectors_of, stdnum


def valid_luxembourg(number: str) -> bool:
    """Date of birth, then a Luhn digit over the first eleven digits and a Verhoeff digit over the same."""
    month, day = int(number[4:6]), int(number[6:8])
    if number[:2] not in ("18", "19", "20") or not 1 <= month <= 12 or not 1 <= day <= 31:  # noqa: PLR2004 - calendar
        return False
    return luhn.is_valid(number[:12]) and verhoeff.is_valid(number[:11] + number[12])


def valid_nino(number: str) -> bool:
    """Whether HMRC gives out the prefix: not BG, GB, NK, KN, TN, NT, ZZ."""
    return number[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def valid_snils(number: str) -> bool:
    """Weights 9 to 1, modulo 101, then modulo 100."""
    total = sum(int(digit) * weight for digit, weight in zip(number[:9], range(9, 0, -1), strict=True))
    return int(number[:9]) > 1_001_998 and total % 101 % 100 == int(number[9:])  # noqa: PLR2004 - older ones unchecked


def valid_nir(number: str) -> bool:
    """By python-stdnum, and a month: 1 to 12, or a number above 19 where the register did not know it (INSEE)."""
    return (1 <= int(number[3:5]) <= 12 or int(number[3:5]) > 19) and stdnum("fr.nir")(number)  # noqa: PLR2004


_id = by_country("pii.national_id", ANY_COUNTRY)

IDENTIFIERS = (
    _id("at", "vnr", "at.vnr", "9999999999|9999 999999|9999-999999|9999/999999", 11,
        "sozialversicherungsnummer|sv-nummer|svnr|sv-nr|versicherungsnummer|austrian social|e-card", "1237010180"),
    _id("be", "nn", "be.nn", "99999999999|99.99.99-999.99|99.99.99 999 99|99.99.99 999-99|99.99.99-999-99|99 99 99 999 99|999999-999-99|999999-99999", 480,
        "rijksregister|registre national|numéro national|nationaal nummer|nationalregister|belgian national|niss |insz |nrn |numéro de registre", "85073003328"),
    _id("be", "bis", "be.bis", "99999999999|99.99.99-999.99|99.99.99 999 99|99 99 99 999 99", 240,
        "bis-nummer|bisnummer|numéro bis|bis number|bis nr|niss |insz ", "98472899765"),
    _id("bg", "egn", "bg.egn", "9999999999", 82, "егн|egn |единен граждански|bulgarian personal|uniform civil number", "8032056031"),
    _id("bg", "pnf", "bg.pnf", "9999999999", 9, "лнч|pnf |lnch|личен номер на чужденец|bulgarian foreigner", "7111042925"),
    _id("ch", "ahv", "ch.ssn", "[7][5][6]9999999999|[7][5][6].9999.9999.99|[7][5][6] 9999 9999 99|[7][5][6]-9999-9999-99", 9,
        "ahv|avs |avs-|n° avs|oasi|sozialversicherungsnummer|versichertennummer|numéro avs|swiss social|navs", "7569217076985",
        bare=Shape.UNCOMMON, printed=Shape.RARE),
    _id("cz", "rc", "cz.rc", "9999999999|999999/9999|999999/999", 42, "rodné číslo|rodne cislo|rodného čísla|rodnecislo|czech birth|birth number|r.č.|rč ", "7103192745"),
    _id("sk", "rc", "sk.rc", "9999999999|999999/9999", 42, "slovak birth|rodné číslo|rodne cislo|rodného čísla|r.č.|rč ", "7103192745"),
    _id("de", "idnr", "de.idnr", "99999999999|99 999 999 999", 240,
        "steuer-id|steuer id|steuerid|steueridentifikationsnummer|steuerliche identifikationsnummer|steuer-identifikationsnummer|identifikationsnummer|idnr|id-nr|german tax id|tax id|tin ",
        "36574261809"),
    _id("dk", "cpr", "dk.cpr", "9999999999|999999-9999|999999 9999", 27, "cpr|personnummer|danish personal|dansk personnummer", "2110625629"),
    _id("ee", "ik", "ee.ik", "99999999999", 320, "isikukood|estonian personal|estonian id|personal code|id-kood", "36805280109"),
    _id("es", "dni", "es.dni", "99999999A|99999999-A|99.999.999-A|99999999 A", 23, "dni |d.n.i|nif |n.i.f|documento nacional|número de identidad", "54362315K",
        raw=False, printed=Shape.RARE),
    _id("es", "nie", "es.nie", "[XYZ]9999999A|[XYZ]-9999999-A|[XYZ]-9999999A", 22, "nie |n.i.e|número de identidad de extranjero|número de identificación de extranjero|extranjero",
        "X2482300W"),
    _id("fi", "hetu", "fi.hetu", "999999[-+A-FU-Y]999X", 1000, "hetu|henkilötunnus|henkilotunnus|personbeteckning|finnish personal|sotu", "131052-308T", raw=True),
    _id("fr", "nir", "fr.nir", "[1-478]99999999999999|[1-478]9999[2][AB]99999999|[1-478] 99 99 99 999 999 99", 99,
        "nir |sécurité sociale|securite sociale|numéro de sécu|numero de secu|n° sécu|insee|carte vitale|french social", "295109912611193",
        validate=valid_nir, printed=Shape.RARE),
    _id("gb", "nino", "", "[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]999999[A-D]|[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] 99 99 99 [A-D]|[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]-99-99-99-[A-D]", 1,
        "national insurance|nino |ni number|ni no|n.i. number|nat ins|insurance number", "AB123456C", validate=valid_nino, check="hmrc",
        bare=Shape.SINGULAR, printed=Shape.SINGULAR),
    _id("gr", "amka", "gr.amka", "99999999999", 230, "αμκα|amka|α.μ.κ.α|greek social", "01013099997"),
    _id("hr", "oib", "hr.oib", "99999999999", 9, "oib |osobni identifikacijski|croatian personal|oib:", "33392005961"),
    _id("ie", "pps", "ie.pps", "9999999AA|9999999A|9999999 AA|9999999 A", 23, "pps |ppsn|pps no|personal public service|irish personal", "6433435OA"),
    _id("is", "kennitala", "is_.kennitala", "9999999999|999999-9999|999999 9999", 680, "kennitala|kennitölu|icelandic id|kt.", "1201743399"),
    _id("it", "cf", "it.codicefiscale", "AAAAAA99A99A999A|AAAAAAXXAXXAXXXA", 57, "codice fiscale|cod. fisc|cod.fisc|c.f.|cf |italian tax", "RCCMNL83S18D969H"),
    _id("li", "peid", "li.peid", "99999999999|9999999", 1, "peid|pid-nummer|personenidentifikationsnummer", "00001234567"),
    _id("lt", "asmens", "lt.asmens", "99999999999", 65, "asmens koda|asmens kodas|lithuanian personal|personal code|a.k.", "33309240064"),
    _id("lu", "matricule", "", "9999999999999|9999 9999 999 99|99999999 99999", 20000, "matricule|numéro d'identification national|luxembourg", "1893120105732",
        validate=valid_luxembourg, check="luhn+verhoeff"),
    _id("lv", "pk", "lv.pvn", "99999999999|999999-99999", 14, "personas kods|personas kodu|latvian personal|p.k.", "16117519997"),
    _id("nl", "bsn", "nl.bsn", "999999999|9999.99.999|9999 99 999|999.999.999|999 999 999", 10, "bsn|burgerservice|burger service|sofinummer|sofi-nummer|sofi nummer|citizen service", "111222333"),
    _id("no", "fnr", "no.fodselsnummer", "99999999999|999999 99999|999999-99999", 830, "fødselsnummer|fodselsnummer|fnr|personnummer|d-nummer|norwegian national|norwegian id", "15108695088"),
    _id("pl", "pesel", "pl.pesel", "99999999999", 47, "pesel|polish national|numer ewidencyjny", "44051401359"),
    _id("pt", "cc", "pt.cc", "999999999AX9|9999999999A9|99999999 9 AX9", 9, "cartão de cidadão|cartao de cidadao|citizen card|nic |número de identificação civil|número do cc", "000000000ZZ4"),
    _id("ro", "cnp", "ro.cnp", "9999999999999", 450, "cnp|cod numeric personal|codul numeric|romanian personal", "1630615123457"),
    _id("ru", "snils", "", "99999999999|999-999-999 99|999-999-999-99", 83, "снилс|snils|страховой номер|пенсионн", "11223344595", validate=valid_snils, check="mod101",
        printed=Shape.RARE),
    _id("se", "pnr", "se.personnummer", "999999-9999|999999+9999|99999999-9999|9999999999|999999999999", 230, "personnummer|personnr|pnr |swedish personal|samordningsnummer|person-nr|personal identity", "880320-0016",
        raw=True),
    _id("si", "emso", "si.emso", "9999999999999", 280, "emšo|emso|matična številka|slovenian personal|jmbg|јмбг|matični broj|jedinstveni matični|единствен матичен", "0101006500006"),
    _id("tr", "tckn", "tr.tckimlik", "99999999999", 100, "t.c. kimlik|tc kimlik|kimlik no|tckn|tckimlik|turkish id|kimlik numara|t.c. no|tc no", "17291716060"),
    _id("ua", "rntrc", "ua.rntrc", "9999999999", 9, "рнокпп|rntrc|rnokpp|іпн|ідентифікаційний номер|індивідуальний податковий|ukrainian tax", "1759013776"),
)  # fmt: skip

DETECTORS = detectors_of(IDENTIFIERS)
