"""Tax and company numbers; checks by python-stdnum, which cites each country's rule. Those of persons are personal.

VAT numbers of the European Union carry their country's letters (Council Directive 2006/112/EC, article 215).
"""

# ruff: noqa: E501, RUF001 - tables, one row a line, with words of other alphabets

from outpost.dlp.identifiers import Identifier, Shape, by_country, detectors_of, stdnum

_ANY = ("tax id", "tax number", "tax identification", "taxpayer", "tax no")
_VAT_WORDS = (
    "vat", "ust-id", "ust id", "ustid", "umsatzsteuer", "mwst", "tva", "iva ", "p.iva", "p. iva", "partita iva", "btw",
    "moms", "mva", "alv", "dph", "dič", "dic ", "nip ", "pvm", "pvn", "ddv", "áfa", "afa ", "adószám", "фдс", "ддс",
    "φπα", "αφμ", "nif ", "nipc", "cif ", "käibemaks", "kmkr", "pdv", "tin ", "steuernummer", "eu tax",
)  # fmt: skip


_tax = by_country("pii.tax_id", _ANY)
_vat_number = by_country("pii.tax_id", (*_VAT_WORDS, *_ANY))


def _vat(country: str, letters: str, module: str, number: str, one_in: float, words: str, example: str) -> Identifier:  # noqa: PLR0913, PLR0917 - columns
    """With its letters always, joined or after a blank."""
    prefix = "".join(f"[{letter}]" for letter in letters.upper())
    forms = "|".join(f"{prefix}{blank}{form}" for blank in ("", " ") for form in number.split("|"))
    return _vat_number(country, "vat", module, forms, one_in, words, letters.upper() + example)


IDENTIFIERS = (
    _vat("at", "atu", "at.uid", "99999999", 9, "", "13585627"),
    _vat("be", "be", "be.vat", "[01]999999999", 85, "ondernemingsnummer|numéro d'entreprise", "0428759497"),
    _vat("bg", "bg", "bg.vat", "999999999|9999999999", 5, "", "175074752"),
    _vat("cy", "cy", "cy.vat", "99999999A", 23, "", "10259033P"),
    _vat("cz", "cz", "cz.dic", "99999999|999999999|9999999999", 5, "", "25123891"),
    _vat("de", "de", "de.vat", "999999999", 10, "", "136695976"),
    _vat("dk", "dk", "dk.cvr", "99999999", 10, "cvr|se-nr", "13585628"),
    _vat("ee", "ee", "ee.kmkr", "999999999", 9, "", "100594102"),
    _vat("es", "es", "es.nif", "X9999999X", 22, "", "B64717838"),
    _vat("fi", "fi", "fi.alv", "99999999", 9, "", "20774740"),
    _vat("fr", "fr", "fr.tva", "XX999999999", 100, "", "23334175221"),
    _vat("gb", "gb", "gb.vat", "999999999", 31, "", "980780684"),
    _vat("gr", "el", "gr.vat", "999999999", 9, "", "094259216"),
    _vat("hr", "hr", "hr.oib", "99999999999", 9, "", "33392005961"),
    _vat("hu", "hu", "hu.anum", "99999999", 9, "", "12892312"),
    _vat("ie", "ie", "ie.vat", "9999999AA|9999999A|9X99999A", 22, "", "6433435OA"),
    _vat("it", "it", "it.iva", "99999999999", 80, "", "00743110157"),
    _vat("lt", "lt", "lt.pvm", "999999999|999999999999", 84, "", "119511515"),
    _vat("lu", "lu", "lu.tva", "99999999", 89, "", "15027442"),
    _vat("lv", "lv", "lv.pvn", "99999999999", 15, "", "40003521600"),
    _vat("mt", "mt", "mt.vat", "99999999", 34, "", "11679112"),
    _vat("nl", "nl", "nl.btw", "999999999B99", 9, "", "004495445B01"),
    _vat("pl", "pl", "pl.nip", "9999999999", 10, "", "8567346215"),
    _vat("pt", "pt", "pt.nif", "999999999", 10, "", "501964843"),
    _vat("ro", "ro", "ro.cf", "99999999|9999999", 10, "cod fiscal|cui ", "18547290"),
    _vat("se", "se", "se.vat", "999999999999", 730, "", "123456789701"),
    _vat("si", "si", "si.ddv", "99999999", 11, "", "50223054"),
    _vat("sk", "sk", "sk.dph", "9999999999", 15, "", "2022749619"),
    _tax("ad", "nrt", "ad.nrt", "[A-Z]-999999-[A-Z]|[A-Z]999999[A-Z]", 3, "nrt |registre tributari", "U-132950-X"),
    _tax("al", "nipt", "al.nipt", "[JKLM]99999999A", 1, "nipt|nuis ", "K22218003V"),
    _tax("ar", "cuit", "ar.cuit", "99999999999|99-99999999-9", 84, "cuit|cuil|c.u.i.t", "20267565393"),
    _tax("at", "stnr", "at.tin", "999999999|99-999/9999|99 999/9999", 22, "abgabenkontonummer|steuernummer|st.nr|stnr", "591199013"),
    _tax("au", "abn", "au.abn", "99999999999|99 999 999 999", 97, "abn |abn:|australian business", "51824753556"),
    _tax("au", "acn", "au.acn", "999999999|999 999 999", 9, "acn |australian company", "004085616"),
    _tax("az", "voen", "az.voen", "9999999999", 48, "vöen|voen", "1401555071"),
    _tax("be", "kbo", "be.vat", "9999999999|9999.999.999", 340, "ondernemingsnummer|numéro d'entreprise|kbo|bce|btw|tva", "0428759497"),
    _tax("br", "cnpj", "br.cnpj", "99999999999999|99.999.999/9999-99", 86, "cnpj|cadastro nacional", "16727230000197", printed=Shape.RARE),
    _tax("by", "unp", "by.unp", "999999999", 14, "унп|unp ", "200988541"),
    _tax("ca", "bn", "ca.bn", "999999999|999999999[R][CTPMRZ]9999|99999 9999 [R][CTPMRZ] 9999", 9, "business number|bn |numéro d'entreprise", "123026635"),
    _tax("ch", "uid", "ch.uid", "[C][H][E]-999.999.999|[C][H][E]999999999|[C][H][E] 999.999.999", 10, "uid|mwst|tva|iva |unternehmens", "CHE-100.155.212", printed=Shape.SINGULAR),
    _tax("cl", "rut-prefixed", "cl.rut", "[C][L]99999999[0-9K]", 10, "rut ", "CL125319092"),
    _tax("cn", "uscc", "cn.uscc", "[1-9A-NP-Y][1239]999999XXXXXXXXXX", 440, "统一社会信用代码|信用代码|uscc|unified social credit|纳税人识别号", "91110000600037341L"),
    _tax("co", "nit", "co.nit", "9999999999|999.999.999-9|999999999-9", 9, "nit |n.i.t", "2131234321"),
    _tax("cz", "dic", "cz.dic", "99999999", 10, "dič|dic |ičo|ico |ičo:", "25123891"),
    _tax("de", "stnr", "de.stnr", "99/999/99999|999/999/99999|999/9999/9999|9999999999999", 1, "steuernummer|steuer-nr|st.-nr|st.nr|stnr|steuernr", "11/815/08150"),
    _tax("dk", "cvr", "dk.cvr", "99999999|99 99 99 99", 11, "cvr|moms", "13585628"),
    _tax("do", "rnc", "do.rnc", "999999999|9-99-99999-9", 9, "rnc |rnc:", "101850043"),
    _tax("dz", "nif", "dz.nif", "999999999999999", 1, "nif |n.i.f", "416001000000007", bare=Shape.COMMON),
    _tax("ec", "ruc", "ec.ruc", "9999999999999|9999999999-999", 34, "ruc ", "1792060346001"),
    _tax("eg", "tn", "eg.tn", "999999999|999-999-999", 1, "الرقم الضريبي|egyptian tax", "100531385"),
    _tax("es", "cif", "es.cif", "[A-HJNP-SUVW]9999999[0-9A-J]|[A-HJNP-SUVW]-9999999-[0-9A-J]|[A-HJNP-SUVW]-99999999", 9, "cif |c.i.f|nif ", "J99216582", bare=Shape.UNCOMMON),
    _tax("fi", "ytunnus", "fi.ytunnus", "9999999-9", 10, "y-tunnus|business id|ytunnus|fo-nummer", "2077474-0"),
    _tax("fr", "siren", "fr.siren", "999999999|999 999 999", 9, "siren|rcs", "404833048"),
    _tax("fr", "siret", "fr.siret", "99999999999999|999 999 999 99999", 85, "siret", "73282932000074"),
    _tax("fr", "spi", "fr.nif", "[0-3]999999999999|[0-3]9 99 999 999 999", 840, "spi |numéro fiscal|numero fiscal|n° fiscal|référence fiscale", "3023217600053"),
    _tax("gb", "utr", "gb.utr", "9999999999|99999 99999", 9, "utr |unique taxpayer|self assessment|utr:", "1955839661"),
    _tax("gb", "vat-number", "gb.vat", "999999999|999 9999 99", 29, "vat ", "980780684"),
    _tax("gh", "tin", "gh.tin", "[PCGQV]0099999999|[PCGQV]009999999[0-9X]", 10, "tin |ghana", "C0000803561"),
    _tax("gr", "afm", "gr.vat", "999999999", 9, "αφμ|α.φ.μ|afm |greek tax", "094259216"),
    _tax("gt", "nit", "gt.nit", "9999999-[0-9K]|99999999|999999-[0-9K]", 10, "nit ", "3952550-3"),
    _tax("hu", "ado", "hu.anum", "99999999-9-99", 9, "adószám|adoszam|hungarian tax", "12892312-2-41", validate=lambda number: stdnum("hu.anum")(number[:8]), check="stdnum"),
    _tax("id", "npwp", "id.npwp", "999999999999999|99.999.999.9-999.999", 9, "npwp|nomor pokok", "013000666091000", bare=Shape.COMMON, printed=Shape.RARE),
    _tax("il", "hp", "il.hp", "[5]99999999", 9, "ח.פ|company number|israeli company", "516179157"),
    _tax("in", "pan", "in_.pan", "AAA[ABCFGHJLPT]A9999A", 1, "pan |permanent account|income tax|pan:|pan card", "ACUPA7085R", bare=Shape.SINGULAR),
    _tax("in", "gstin", "in_.gstin", "99AAAAA9999A[1-9A-Z]Z[0-9A-Z]", 220, "gst|goods and services", "27AAPFU0939F1ZV"),
    _tax("it", "piva", "it.iva", "99999999999", 84, "partita iva|p.iva|p. iva|piva|codice fiscale", "00743110157"),
    _tax("jp", "cn", "jp.cn", "9999999999999|9-9999-9999-9999", 9, "法人番号|corporate number", "5835678256246"),
    _tax("ke", "pin", "ke.pin", "[AP]999999999A", 1, "kra |pin ", "P051365947M"),
    _tax("kr", "brn", "kr.brn", "999-99-99999|9999999999", 1, "사업자|business registration", "116-82-00276"),
    _tax("lt", "pvm", "lt.pvm", "999999999", 83, "pvm|įmonės kodas", "119511515"),
    _tax("ma", "ice", "ma.ice", "999999999999999", 83, "ice |identifiant commun", "001561191000066", bare=Shape.COMMON),
    _tax("md", "idno", "md.idno", "9999999999999", 9, "idno|cod fiscal", "1008600038413"),
    _tax("mk", "edb", "mk.edb", "9999999999999", 9, "едб|edb ", "4030000375897"),
    _tax("mx", "rfc", "mx.rfc", "[A-ZÑ&]AAA999999XXX|[A-ZÑ&]AA999999XXX|[A-ZÑ&]AAA-999999-XXX|[A-ZÑ&]AA-999999-XXX", 23, "rfc |r.f.c|registro federal", "GODE561231GR8"),
    _tax("mz", "nuit", "mz.nuit", "999999999|999 999 999", 9, "nuit", "400339910"),
    _tax("no", "orgnr", "no.orgnr", "999999999|999 999 999|[N][O]999999999[M][V][A]", 10, "orgnr|organisasjonsnummer|org.nr|mva", "988077917",
        validate=lambda number: stdnum("no.orgnr")("".join(filter(str.isdigit, number))), check="stdnum"),
    _tax("pe", "ruc", "pe.ruc", "[12]9999999999", 46, "ruc ", "20512333797"),
    _tax("pl", "nip", "pl.nip", "9999999999|999-999-99-99|999-99-99-999", 9, "nip |nip:|numer identyfikacji podatkowej", "8567346215"),
    _tax("pl", "regon", "pl.regon", "999999999|99999999999999", 9, "regon", "192598184"),
    _tax("pt", "nif", "pt.nif", "999999999|999 999 999", 10, "nif |nipc|contribuinte|nif:", "501964843"),
    _tax("py", "ruc", "py.ruc", "999999-9|9999999-9|99999999-9", 9, "ruc ", "999160-3"),
    _tax("ro", "cui", "ro.cf", "99999999|9999999", 10, "cui |cod fiscal|cif ", "18547290"),
    _tax("rs", "pib", "rs.pib", "999999999", 9, "pib |пиб|pib:", "101134702"),
    _tax("ru", "inn", "ru.inn", "9999999999|999999999999", 9, "инн|inn ", "1234567894"),
    _tax("se", "orgnr", "se.orgnr", "999999-9999|9999999999", 9, "orgnr|organisationsnummer|org.nr|org nr|organization number", "123456-7897"),
    _tax("sg", "uen", "sg.uen", "99999999A|999999999A|[RST]99AA9999A", 22, "uen |unique entity", "00192200M", bare=Shape.UNCOMMON),
    _tax("si", "davcna", "si.ddv", "99999999", 11, "davčna", "50223054"),
    _tax("sk", "dic", "sk.dph", "9999999999", 15, "ič dph|dič|dic ", "2022749619"),
    _tax("sn", "ninea", "sn.ninea", "9999999 9[A-Z]9|99999999[A-Z]9", 32, "ninea", "3067221 2G2"),
    _tax("sv", "nit", "sv.nit", "99999999999999|9999-999999-999-9", 30, "nit ", "06140507071048"),
    _tax("th", "tin", "th.moa", "0999999999999|0-99-9-999-99999-9", 9, "เลขประจำตัวผู้เสียภาษี|thai tax", "0994000617721"),
    _tax("tn", "mf", "tn.mf", "9999999/A/A/A/999|9999999AAA999|9999999/A", 120, "matricule fiscal|mf ", "1234567/M/A/E/001"),
    _tax("tr", "vkn", "tr.vkn", "9999999999", 9, "vkn|vergi kimlik|vergi no", "4540536920"),
    _tax("tw", "ubn", "tw.ubn", "99999999", 8, "統一編號|统一编号|ubn |vat no", "00501503"),
    _tax("ua", "edrpou", "ua.edrpou", "99999999", 9, "єдрпоу|едрпоу|edrpou", "32855961"),
    _tax("us", "ein", "us.ein", "99-9999999|999999999", 1, "ein |employer identification|employer id|federal tax id|fein|ein:", "04-2103594"),
    _tax("us", "itin", "us.itin", "[9]99-99-9999|[9]99999999", 3, "itin|individual taxpayer|tin ", "912-90-3456"),
    _tax("us", "atin", "", "[9]99-[9][3]-9999|[9]99[9][3]9999", 1, "atin|adoption taxpayer", "912-93-3456"),
    _tax("us", "ptin", "us.ptin", "[P]99999999|[P]-99999999", 1, "ptin|preparer", "P01594846"),
    _tax("uy", "rut", "uy.rut", "999999999999|99-999999-999-9", 10000, "rut |r.u.t", "211003420017"),
    _tax("ve", "rif", "ve.rif", "[VEJPG]-99999999-9|[VEJPG]999999999|[VEJPG]-999999999", 9, "rif |r.i.f", "V-11470283-4", bare=Shape.UNCOMMON),
    _tax("vn", "mst", "vn.mst", "9999999999|9999999999-999", 9, "mã số thuế|mst ", "0100233488"),
    _tax("za", "tin", "za.tin", "9999999999", 18, "income tax|tax reference|south african tax", "0001339050"),
)  # fmt: skip

DETECTORS = detectors_of(IDENTIFIERS)
