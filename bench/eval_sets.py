"""The public sets that detection is measured on, each read into the same shapes.

They are evaluation sets (``train-linguist-code`` is a training set, of code that should have no finding): no threshold,
word or pattern may be chosen by their misses. A set that is not there is ``None``: the command says so and goes on.
"""

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.eval_metrics import Label, Span

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Sample:
    """A text with what is labelled in it, code points counted from 0.

    ``group`` is the same for texts that are not independent; ``name`` is a file name for tools that look at it.
    """

    text: str
    labels: tuple[Label, ...] = ()
    group: str = ""
    name: str = "prompt.txt"


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Texts with labelled spans, and for each label that tier 1 covers our kinds that say the same."""

    name: str
    samples: tuple[Sample, ...]
    kinds: Mapping[str, Sequence[str]]
    not_covered: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sets:
    """What is measured on. ``secrets`` are rule examples and marked lines; nothing should be found in the rest."""

    labelled: Sequence[LabelledSet] = ()
    secrets: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    benign: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    code: Mapping[str, Sequence[Sample]] = field(default_factory=dict)


PRESIDIO = {
    "CREDIT_CARD": ["pci.pan"],
    "IBAN_CODE": ["fin.iban"],
    "US_SSN": ["pii.national_id.us"],
    "EMAIL_ADDRESS": ["pii.email"],
    "PHONE_NUMBER": ["pii.phone"],
    "IP_ADDRESS": ["pii.ip"],
    "US_DRIVER_LICENSE": ["pii.driver_license"],
    "ZIP_CODE": ["pii.address.postcode"],
    "STREET_ADDRESS": ["pii.address"],
}
DATAFOG = {
    "CREDIT_CARD": ["pci.pan"],
    "DE_IBAN": ["fin.iban"],
    "DE_VAT_ID": ["pii.tax_id.de"],
    "SSN": ["pii.national_id.us"],
    "EMAIL": ["pii.email"],
    "PHONE": ["pii.phone"],
    "IP_ADDRESS": ["pii.ip"],
    "ZIP_CODE": ["pii.address.postcode"],
}
SECRET = ("secret", "credential_leak")
BENIGN = ("dev-arena-hard", "dev-clinc150", "dev-cyberseceval-frr", "dev-notinject-one", "dev-xstest")
LABELLED = ("dev-presidio-synth", "dev-datafog-structured")
RULES, MARKED = "dev-noseyparker-rules", "dev-leaky-repo"
CODE = "train-linguist-code"
# Positive examples of rules that name no secret: resource names, buckets, client numbers, public keys.
IDENTIFIER_RULES = re.compile(
    r"np\.(?:arn|s3|gcs)\.|np\.(?:google|shopify|linkedin|age|reactapp|mapbox|twitter)\.1$|"
    r"np\.aws\.3$|np\.github\.5$|np\.azure\.3$"
)


def rows(path: Path) -> Iterator[dict]:
    """The rows of a JSON lines file, compressed or not.

    Raises:
        ValueError: A line is no JSON object.
    """
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"{path.name}:{number} is no JSON object")  # noqa: TRY004 - of the file, not of a type
            yield row


def dev(data: Path, name: str) -> list[dict] | None:
    """The rows of a development set, ``None`` if it is not there."""
    path = data / name / "dev.jsonl"
    return list(rows(path)) if path.is_file() else None


def labelled(data: Path, name: str) -> LabelledSet | None:
    """``dev-presidio-synth`` or ``dev-datafog-structured``."""
    table = dev(data, name)
    if table is None:
        return None
    kinds = PRESIDIO if name == "dev-presidio-synth" else DATAFOG
    samples, others = [], {}
    for index, row in enumerate(table):
        labels = tuple(Label(span["type"], span["start"], span["end"]) for span in row["spans"])
        samples.append(Sample(row["text"], labels, str(row.get("template_id", index))))
        for label in labels:
            if label.label not in kinds:
                others[label.label] = others.get(label.label, 0) + 1
    return LabelledSet(name, tuple(samples), kinds, dict(sorted(others.items())))


def rule_examples(data: Path, name: str) -> list[Sample] | None:
    """``dev-noseyparker-rules``: a positive example is labelled as a whole, a negative one not at all."""
    table = dev(data, name)
    if table is None:
        return None
    return [
        Sample(row["text"], (Label("positive", 0, len(row["text"])),) * (row["label"] == "positive"), row["rule"])
        for row in table
    ]


def marked_lines(data: Path, name: str) -> list[Sample] | None:
    """``dev-leaky-repo``: each place is labelled ``risk`` or ``informative``, whole lines."""
    table = dev(data, name)
    if table is None:
        return None
    samples = []
    for row in table:
        ends = [0, *(match.end() for match in re.finditer("\n", row["text"])), len(row["text"])]
        labels = tuple(
            Label(label, *_lines(ends, first, last))
            for label in ("risk", "informative")
            for first, last in row[f"{label}_lines"]
        )
        samples.append(Sample(row["text"], labels, row["path"], Path(row["path"]).name))
    return samples


def _lines(ends: Sequence[int], first: int, last: int) -> Span:
    """Where the lines begin and end, counted from 1."""
    return ends[first - 1], ends[last]


def benign(data: Path, name: str) -> list[Sample] | None:
    """One of ``BENIGN``: prompts that should have no finding."""
    table = dev(data, name)
    return None if table is None else [Sample(row["text"]) for row in table]


def code(data: Path) -> list[Sample] | None:
    """Pieces of files of code in a fixed order of chance, so that the first ones are a sample."""
    path = data / CODE / "train.jsonl.gz"
    if not path.is_file():
        return None
    files = [Sample(row["text"], group=row["language"], name=Path(row["file"]).name) for row in rows(path)]
    random.Random(7).shuffle(files)
    return files


def read(data: Path, sections: Sequence[str], missing: Callable[[str], None]) -> Sets:
    """The sets of ``sections`` (``types``, ``secrets``, ``false``); ``missing`` is told each that is not there."""

    def found(names: Sequence[str], reader: Callable[[Path, str], Any]) -> dict[str, Any]:
        result = {name: reader(data, name) for name in names}
        for name in [name for name, one in result.items() if one is None]:
            missing(name)
            del result[name]
        return result

    types = found(LABELLED, labelled) if "types" in sections else {}
    examples = {**found([RULES], rule_examples), **found([MARKED], marked_lines)} if "secrets" in sections else {}
    prompts = found(BENIGN, benign) if "false" in sections else {}
    files = found([CODE], lambda folder, _: code(folder)) if "false" in sections else {}
    return Sets(tuple(types.values()), examples, prompts, files)
