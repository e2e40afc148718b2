"""Of which nation a text speaks: "Polish national ID" is not the number of Cuba, though both pass its check.

English adjectives only: in other languages the words for a number are the country's own.
"""

# ruff: noqa: E501 - a table

import re2

# By the codes of ``taxonomy.COUNTRIES``.
ADJECTIVES = {
    "ad": "andorran", "ae": "emirati", "al": "albanian", "ar": "argentin(?:e|ian)", "at": "austrian", "au": "australian", "az": "azerbaijani",
    "be": "belgian", "bg": "bulgarian", "br": "brazilian", "by": "belarusian", "ca": "canadian", "ch": "swiss", "cl": "chilean", "cn": "chinese",
    "co": "colombian", "cr": "costa rican", "cu": "cuban", "cy": "cypriot", "cz": "czech", "de": "german", "dk": "danish", "do": "dominican",
    "dz": "algerian", "ec": "ecuadorian", "ee": "estonian", "eg": "egyptian", "es": "spanish", "fi": "finnish", "fr": "french", "gb": "british|(?-i:UK)",
    "gh": "ghanaian", "gr": "greek", "gt": "guatemalan", "hk": "hong kong", "hn": "honduran", "hr": "croatian", "hu": "hungarian",
    "id": "indonesian", "ie": "irish", "il": "israeli", "in": "indian", "ir": "iranian", "is": "icelandic", "it": "italian", "jp": "japanese",
    "ke": "kenyan", "kr": "korean", "kw": "kuwaiti", "kz": "kazakh", "li": "liechtenstein", "lk": "sri lankan", "lt": "lithuanian",
    "lu": "luxembourg", "lv": "latvian", "ma": "moroccan", "md": "moldovan", "mk": "macedonian", "mt": "maltese", "mu": "mauritian",
    "mx": "mexican", "my": "malaysian", "mz": "mozambican", "ng": "nigerian", "nl": "dutch", "no": "norwegian", "nz": "new zealand",
    "pe": "peruvian", "pk": "pakistani", "pl": "polish", "pt": "portuguese", "py": "paraguayan", "ro": "romanian", "rs": "serbian",
    "ru": "russian", "sa": "saudi", "se": "swedish", "sg": "singapore", "si": "slovenian?", "sk": "slovak", "sn": "senegalese",
    "sv": "salvadoran", "th": "thai", "tn": "tunisian", "tr": "turkish", "tw": "taiwanese", "ua": "ukrainian", "us": "american|(?-i:US|U\\.S)",
    "uy": "uruguayan", "ve": "venezuelan", "vn": "vietnamese", "za": "south african|(?-i:R?SA)",
}  # fmt: skip
_CODES = tuple(ADJECTIVES)
_ANY = re2.compile(rf"(?i)\b(?:{'|'.join(f'({adjective})' for adjective in ADJECTIVES.values())})\b")
_LANGUAGE = re2.compile(r"(?i)\b(?:in|into|to|from|speaks?)\s{1,2}$")
# Numbers of two countries that are one and the same: birth numbers of Czechoslovakia.
_SAME = frozenset({"cz", "sk"})
# Words that any country's number is called by.
_GENERAL = re2.compile(
    r"(?i)(?:(?:national|personal|identity|identification|identifi(?:er)?|citizens?|tax|payer|id|number|no|code|card|document|"
    r"vat|tin|eu|account|permanent|resident|registration|civil|unique|individual)[ .:#-]{0,2})+"
)


def is_general(word: str) -> bool:
    """Whether a context word says what kind of number it is, but not whose."""
    return _GENERAL.fullmatch(word) is not None


def nation_of(text: str) -> str:
    """The country of the last adjective in ``text``; empty if there is none."""
    country = ""
    for match in _ANY.finditer(text):
        if _LANGUAGE.search(text[: match.start()]) is not None:
            continue  # "translate to Spanish"
        country = _CODES[match.lastindex - 1]
    return country


def is_of_another(text: str, country: str) -> bool:
    """Whether the last adjective in ``text`` is another country's than ``country``, whose number would be another one."""
    nation = nation_of(text)
    return bool(nation) and nation != country and not {nation, country} <= _SAME
