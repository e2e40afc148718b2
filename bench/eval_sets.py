"""The public sets that detection is measured on, as rows of ``text`` and, where they are labelled, ``spans``.

They are evaluation sets (``train-*`` ones training sets): no threshold, word or pattern may be chosen by their misses.
"""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"

# Label → our kind, of the types that tier 1 covers.
PRESIDIO = {
    "CREDIT_CARD": "pci.pan",
    "IBAN_CODE": "fin.iban",
    "US_SSN": "pii.national_id.us",
    "EMAIL_ADDRESS": "pii.email",
    "PHONE_NUMBER": "pii.phone",
    "IP_ADDRESS": "pii.ip",
    "US_DRIVER_LICENSE": "pii.driver_license",
    "ZIP_CODE": "pii.address.postcode",
    "STREET_ADDRESS": "pii.address.street",
}
DATAFOG = {
    "CREDIT_CARD": "pci.pan",
    "DE_IBAN": "fin.iban",
    "DE_VAT_ID": "pii.tax_id.de",
    "SSN": "pii.national_id.us",
    "EMAIL": "pii.email",
    "PHONE": "pii.phone",
    "IP_ADDRESS": "pii.ip",
    "ZIP_CODE": "pii.address.postcode",
}
# Our kind → Presidio's, where its pattern recognisers have one.
PRESIDIO_ENTITIES = {
    "pci.pan": "CREDIT_CARD",
    "fin.iban": "IBAN_CODE",
    "pii.national_id.us": "US_SSN",
    "pii.email": "EMAIL_ADDRESS",
    "pii.phone": "PHONE_NUMBER",
    "pii.ip": "IP_ADDRESS",
    "pii.driver_license": "US_DRIVER_LICENSE",
}
BENIGN = ("dev-arena-hard", "dev-clinc150", "dev-xstest", "dev-notinject-one", "dev-cyberseceval-frr")
CODE = "train-linguist-code"
# The slowest tool takes a minute for so much code; ours is measured on all of it.
CODE_SAMPLE = 400


def rows(path: Path) -> Iterator[dict]:
    """The rows of a JSON lines file, compressed or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def dev(data: Path, name: str) -> list[dict]:
    """A development set."""
    return list(rows(data / name / "dev.jsonl"))


def code(data: Path) -> list[dict]:
    """Files of code in a fixed order of chance, so that the first ones are a sample."""
    files = list(rows(data / CODE / "train.jsonl.gz"))
    random.Random(7).shuffle(files)
    return files
