"""What stands beside a card number: security code, expiry, and the tracks of the magnetic strip (ISO/IEC 7813).

Three digits mean nothing alone, so the word before them is part of the match; the finding is the digits only.
"""

import re2

from outpost.dlp.detector import Detector
from outpost.dlp.detectors.payment import luhn
from outpost.dlp.phrases import LINK, given

_CODE_WORDS = (
    r"(?:cvv2?|cvc2?|cav2|csc|cid|cvn|pr\xfcfnummer|pr\xfcfziffer|kartenpr\xfcfnummer|cryptogramme|beveiligingscode|"
    r"security_code|seguridad)"
)
_EXPIRY_WORDS = (
    r"(?:exp(?:iry|ires?|iration|iring)?\.?|thru|ablaufdatum|caduca|vencimiento|vence|scadenza|vervaldatum|mm/yy|bis)"
)
_TRACK_1 = r"B[0-9]{12,19}\^"
_MONTH_YEAR = r"(?:0[1-9]|1[0-2])(?:[/-]| / )(?:20)?[2-4][0-9]"


def valid_track(track: str) -> bool:
    """Whether it begins with a number that passes Luhn and has an expiry month."""
    number = re2.match("[B;%]*([0-9]{12,19})[=^D]", track)
    return number is not None and luhn(number.group(1))


DETECTORS = (
    Detector(
        name="cvv",
        kind="pci.cvv",
        # Of two words the first one is enough to wait for the second.
        pattern=(
            rf"(?i)\b(?:(?:security code|verification (?:code|value)|{_CODE_WORDS})(?:{LINK}([0-9]{{3,4}})\b)?|"
            r"(?:security|verification)\b)"
        ),
        trigger=rf"(?i)\b(?:{_CODE_WORDS}|security|verification)",
        group=1,
        validate=given,
        base_score=0.9,
        glue="-",
        open_ended_chars=32,
    ),
    Detector(
        name="card-expiry",
        kind="pci.expiry",
        pattern=(rf"(?i)\b(?:(?:{_EXPIRY_WORDS}|valid (?:until|through|to))(?:{LINK}({_MONTH_YEAR})\b)?|valid\b)"),
        trigger=rf"(?i)\b(?:{_EXPIRY_WORDS}|valid)",
        group=1,
        validate=given,
        base_score=0.8,
        open_ended_chars=32,
    ),
    Detector(
        name="track2/luhn",
        kind="pci.track",
        # Expiry YYMM and service code after the separator.
        pattern=r"\b[0-9]{12,19}[=D][0-9]{2}(?:0[1-9]|1[0-2])[0-9]{3,20}\b",
        trigger=r"[0-9]{12}[=D]",
        validate=valid_track,
        base_score=0.97,
    ),
    Detector(
        name="track1/luhn",
        kind="pci.track",
        pattern=rf"\b{_TRACK_1}(?:[A-Z /.'-]{{2,26}}(?:\^[0-9]{{2}}(?:0[1-9]|1[0-2])([0-9]{{3,32}}))?)?",
        trigger=_TRACK_1,
        validate=lambda track: track.count("^") == 2 and valid_track(track),  # noqa: PLR2004 - separators of track 1
        base_score=0.98,
        open_ended_chars=60,
    ),
)
