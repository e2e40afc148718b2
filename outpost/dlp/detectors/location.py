"""Parts of postal addresses: postcodes and street lines. A street line is a house number beside a name with its type.

Postcodes of the United Kingdom (Royal Mail, areas of the PAF) and of Canada (Canada Post, 18 first letters) have a shape
that nothing else has; digits alone count beside a word.
"""

# ruff: noqa: E501 - tables, one row a line

from collections.abc import Iterable

import re2

from outpost.dlp.before import before
from outpost.dlp.detector import Detector
from outpost.dlp.identifiers import Identifier, Shape, detectors_of, split
from outpost.dlp.phrases import GROWS, LINK, given

_BRITISH_AREAS = frozenset(
    split(
        "AB|AL|B|BA|BB|BD|BF|BH|BL|BN|BR|BS|BT|CA|CB|CF|CH|CM|CO|CR|CT|CV|CW|DA|DD|DE|DG|DH|"
        "DL|DN|DT|DY|E|EC|EH|EN|EX|FK|FY|G|GL|GU|GY|HA|HD|HG|HP|HR|HS|HU|HX|IG|IM|IP|IV|JE|"
        "KA|KT|KW|KY|L|LA|LD|LE|LL|LN|LS|LU|M|ME|MK|ML|N|NE|NG|NN|NP|NR|NW|OL|OX|PA|PE|PH|PL|"
        "PO|PR|RG|RH|RM|S|SA|SE|SG|SK|SL|SM|SN|SO|SP|SR|SS|ST|SW|SY|TA|TD|TF|TN|TQ|TR|TS|TW|"
        "UB|W|WA|WC|WD|WF|WN|WR|WS|WV|YO|ZE"
    )
)


def valid_british(postcode: str) -> bool:
    """Whether the letters before the first digit are an area."""
    return postcode[: 1 if postcode[1].isdigit() else 2] in _BRITISH_AREAS


_INWARD = "9[ABD-HJLNP-UW-Z][ABD-HJLNP-UW-Z]"
_WORDS = split("zip|postal code|post code|postcode|postleitzahl|code postal|address|ship to|shipping|billing|adres")
# Digits alone count directly after the word, which is part of the match; the finding is the code.
_CODE_WORDS = (
    r"(?:zip(?:[ _-]?code)?s?|postal(?:[ _-]?code)?|post[_-]?code|plz|postleitzahl|cap|cep|npa|postnummer|postnr\.?|pocztowy|"
    r"postinumero|pin[_-]?code)"
)
_STATES = "(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])"

IDENTIFIERS = (
    Identifier("nl-postcode", "pii.address.postcode", ("9999 AA",), 1, (*_WORDS, "postcode"), "1012 AB", printed=Shape.UNCOMMON),
    Identifier("ca-postcode", "pii.address.postcode", ("[ABCEGHJ-NPR-TVXY]9[ABCEGHJ-NPR-TV-Z] 9[ABCEGHJ-NPR-TV-Z]9",), 1, _WORDS, "K1A 0B1", printed=Shape.SINGULAR),
    Identifier("gb-postcode", "pii.address.postcode",
               tuple(f"{area}{district} {_INWARD}" for area in ("[A-Z]", "AA") for district in ("9", "99", "9A")), 1, _WORDS, "M1 1AE",
               validate=valid_british, check="paf", printed=Shape.SINGULAR),
)  # fmt: skip

_NAME = r"[A-Z][a-z\xdf-\xff'.-]+"
_TYPES = split(
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Terrace|Parkway|Pkwy|Highway|Hwy|"
    "Crescent|Close|Gardens|Mews|Grove|Way|Circle|Cir|Square|Sq|Trail|Trl|Alley|Loop|Pike|Turnpike|Plaza|Parade|Esplanade|"
    "Quay|Walk|Row|Rise|Crossing|Path|Freeway|Expressway|Bypass|Causeway|Wharf|Terr|Cres|Pde"
)
# Of the Free Software Foundation, in the heads of free software's files.
_OF_LICENCES = frozenset(
    {"51 Franklin Street", "51 Franklin St", "59 Temple Place", "675 Massachusetts Ave", "31 Milk Street"}
)
_TYPE = f"(?:{'|'.join(_TYPES)})"
_ROMANCE_TAIL = r"(?:ue|venue|oulevard|hemin|ll\xe9e|mpasse|uai)"
_OF = r"(?: (?:de la|de l'|des|du|de|d'|la|le|les|del|della|dei|da|do|di|los|las))?"


_POST_OFFICE = re2.compile(r"(?i)\bp\.?\s?o\.?\s{0,2}$")


def find_box(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The match with its number; ``box`` only behind ``P.O.``."""
    if text[end - 1].isdigit() and (text[start] not in "bB" or _POST_OFFICE.search(before(text, start)) is not None):
        yield start, end


def complete(line: str) -> bool:
    """Whether the match is the whole line: it ends with a word of more than one letter, or with the house number."""
    return " " in line


DETECTORS = (
    *detectors_of(IDENTIFIERS),
    Detector(
        name="postcode-after-word",
        kind="pii.address.postcode",
        pattern=rf"(?i)\b{_CODE_WORDS}(?:{LINK}([0-9]{{3,6}}(?:-[0-9]{{3,4}})?|[0-9]{{3}} [0-9]{{2}})\b)?",
        trigger=rf"(?i)\b{_CODE_WORDS}",
        group=1,
        validate=given,
        base_score=0.8,
        glue="-",
        open_ended_chars=32,
    ),
    Detector(
        name="zip-after-state",
        kind="pii.address.postcode",
        pattern=rf"\b{_STATES}(?: ([0-9]{{5}}(?:-[0-9]{{4}})?))?\b",
        trigger=rf"\b{_STATES}\b",
        group=1,
        validate=given,
        base_score=0.75,
        glue="-",
        open_ended_chars=12,
    ),
    Detector(
        name="po-box",
        kind="pii.address.street",
        pattern=r"(?i)\b(?:box|postfach|postbus|casella postale|apartado)(?: ([0-9]{1,6})\b)?",
        trigger=r"(?i)\b(?:box|postfach|postbus|casella|apartado)",
        find=find_box,
        base_score=0.7,
        glue="-",
        open_ended_chars=8,
    ),
    # A stream holds a number and a blank anyway; from the next letter on the match does.
    Detector(
        name="street-english",
        kind="pii.address.street",
        pattern=rf"{GROWS}\b(?:[0-9]{{1,5}}[A-Z]? [A-Z](?:[a-z\xdf-\xff'.-]*(?: {_NAME}){{0,3}} ({_TYPE})\b|[a-z\xdf-\xff'.-]*(?: {_NAME}){{0,3}})|[0-9]{{1,5}}[A-Z]\b)",
        trigger="[0-9] ?[A-Z]",
        validate=lambda line: line.rpartition(" ")[2] in _TYPES and line.count(" ") > 1 and line not in _OF_LICENCES,
        base_score=0.75,
        open_ended_chars=24,
    ),
    Detector(
        name="street-french",
        kind="pii.address.street",
        pattern=(
            rf"{GROWS}\b[0-9]{{1,4}}(?: ?(?:bis|ter))?(?:,? [rabciqRABCIQ](?:{_ROMANCE_TAIL}{_OF}[ ']({_NAME}(?:[ -]{_NAME}){{0,3}})\b|"
            r"[a-z\xdf-\xff ']{0,24})|,)"
        ),
        trigger="[0-9](?:,| [rabciqRABCIQt]|bis|ter)",
        validate=lambda line: line.count(" ") > 1 and any(map(str.isupper, line.rpartition(" ")[2])),
        base_score=0.75,
        open_ended_chars=32,
    ),
    Detector(
        name="street-german-dutch",
        kind="pii.address.street",
        pattern=(
            rf"{GROWS}\b[A-Z\xc4\xd6\xdc][a-z\xdf-\xff-]+(?:stra\xdfe|strasse|str\.|gasse|weg|platz|allee|damm|ufer|chaussee|straat|gracht|plein|kade|singel|dijk)"
            r"(?: ([0-9]{1,3}(?: ?[a-h])?))?\b"
        ),
        trigger=r"(?:stra\xdfe|strasse|str\.|gasse|weg|platz|allee|damm|ufer|chaussee|straat|gracht|plein|kade|singel|dijk)",
        validate=complete,
        base_score=0.8,
        open_ended_chars=8,
    ),
    Detector(
        name="street-spanish-italian",
        kind="pii.address.street",
        pattern=(
            rf"{GROWS}\b(?:Calle|Avenida|Avda\.|Plaza|Paseo|Camino|Carrera|Via|Viale|Piazza|Corso|Largo|Vicolo|Rua)"
            rf"(?:{_OF} {_NAME}(?:{_OF} {_NAME}){{0,3}}(?:,? (?:n\.? ?|n[\xba\xb0] ?)?([0-9]{{1,4}}))?)?\b"
        ),
        trigger=r"(?:Calle|Avenida|Avda|Plaza|Paseo|Camino|Carrera|Via|Piazza|Corso|Largo|Vicolo|Rua)",
        validate=lambda line: line[-1].isdigit() and line.count(" ") > 1,
        base_score=0.75,
        open_ended_chars=32,
    ),
)
