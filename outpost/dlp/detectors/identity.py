"""National identifiers: US social security numbers (SSA, "Social Security Number Randomization", 2011).

Never assigned: area 000, 666 and 900-999, group 00, serial 0000. 078-05-1120 and 219-09-9999 were printed in
advertisements and are nobody's.
"""

from outpost.dlp.detector import Detector

_NEVER_ASSIGNED = frozenset({"078051120", "219099999"})
_CONTEXT = ("ssn", "social security", "social sec", "soc sec", "taxpayer", "tin", "ss#", "ss number", "seguro social")


def valid_ssn(matched: str) -> bool:
    """Whether the nine digits may have been assigned."""
    digits = "".join(filter(str.isdigit, matched))
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000":
        return False
    return digits not in _NEVER_ASSIGNED and len(set(digits)) > 1


DETECTORS = (
    Detector(
        name="us-ssn/dashed",
        kind="pii.national_id.us",
        pattern=r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b",
        validate=valid_ssn,
        base_score=0.85,
        context_words=_CONTEXT,
        context_score=0.99,
        glue="-.",
    ),
    Detector(
        name="us-ssn/spaced",
        kind="pii.national_id.us",
        pattern=r"\b(?:[0-9]{3} [0-9]{2} [0-9]{4}|[0-9]{3}\.[0-9]{2}\.[0-9]{4})\b",
        validate=valid_ssn,
        base_score=0.5,
        context_words=_CONTEXT,
        context_score=0.95,
        glue="-.",
    ),
    Detector(
        name="us-ssn/undelimited",
        kind="pii.national_id.us",
        pattern=r"\b[0-9]{9}\b",
        validate=valid_ssn,
        base_score=0.05,  # almost nine in ten nine-digit numbers may be one, and almost none is
        context_words=_CONTEXT,
        context_score=0.8,
        glue="-.",
    ),
)
