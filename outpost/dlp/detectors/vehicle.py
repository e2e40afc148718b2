"""Vehicles: identification numbers (ISO 3779; check digit of 49 CFR 565.15, North America) and licence plates."""

# ruff: noqa: E501 - tables, one row a line

from outpost.dlp.detector import Detector
from outpost.dlp.identifiers import Identifier, detectors_of, split
from outpost.dlp.phrases import GROWS, LINK

_VALUES = dict(
    zip(
        "0123456789ABCDEFGHJKLMNPRSTUVWXYZ", (*range(10), *range(1, 9), 1, 2, 3, 4, 5, 7, 9, *range(2, 10)), strict=True
    )
)
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def valid_vin(number: str) -> bool:
    """Letters and digits have values, places weights; the ninth is the sum modulo 11, X for ten."""
    rest = sum(_VALUES[sign] * weight for sign, weight in zip(number, _WEIGHTS, strict=True)) % 11
    return number[8] == "0123456789X"[rest] and len(set(number)) > 4  # noqa: PLR2004 - 11111111111111111 passes


_SIGN = "[0-9A-HJ-NPR-Z]"
# A plate has hardly any shape of its own: the word before it is part of the match, the finding is the plate.
_PLATE_WORDS = r"(?:plates?(?: number| no\.?)?|kfz-kennzeichen|kennzeichen|nummernschild|immatriculation|matr[i\xed]cula|targa|kenteken|vrm)"
_PLATE = r"[0-9A-Z\xc4\xd6\xdc]{1,4}(?:[ -]?[0-9A-Z]{1,4}){1,3}"


def valid_plate(plate: str) -> bool:
    """Whether four to nine letters and digits, some of both."""
    signs = plate.replace(" ", "").replace("-", "")
    return 4 <= len(signs) <= 9 and not signs.isalpha() and not signs.isdigit()  # noqa: PLR2004


IDENTIFIERS = (
    Identifier("vin", "pii.vehicle_vin", (f"[1-9A-HJ-NPR-Z]{_SIGN * 7}[0-9X]{_SIGN * 4}9999",), 10,
               split("vin |vin:|vin#|vin number|chassis|vehicle identification|fahrgestell|fahrzeug-ident|châssis|bastidor|telaio"),
               "1M8GDM9AXKP042788", validate=valid_vin, check="mod11"),
    # Outside North America the ninth place is free.
    Identifier("vin-unchecked", "pii.vehicle_vin", (f"[1-9A-HJ-NPR-Z]{_SIGN * 12}9999",), 1,
               split("vin |vin:|vin#|vin number|chassis|vehicle identification|fahrgestell|fahrzeug-ident|fin:|châssis|bastidor|telaio"),
               "WVWZZZ1JZXW000001"),
)  # fmt: skip

DETECTORS = (
    *detectors_of(IDENTIFIERS),
    Detector(
        name="plate",
        kind="pii.license_plate",
        pattern=rf"{GROWS}\b(?i:{_PLATE_WORDS})(?:{LINK}({_PLATE})\b)?",
        trigger=rf"\b(?i:{_PLATE_WORDS})",
        group=2,
        validate=valid_plate,
        base_score=0.75,
        open_ended_chars=48,
    ),
)
