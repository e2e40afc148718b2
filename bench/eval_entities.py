"""What a pack finds of persons, places, organizations and the like: per type, by overlap and by exact ends.

Sentences of presidio-research (beside tier 1, both tiers, and the pattern recognisers of ``presidio-analyzer`` if they
are installed: `make peers`), news and tweets (GUM, BTC), and prompts written by hand. Recall and precision have
Wilson's intervals, F scores percentiles of a bootstrap over groups (templates, documents, prompts); all 95 %.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from bench import eval_tools
from bench.eval_figures import Figure, rows, share
from bench.eval_metrics import Counts, Found, Label, bootstrap_f, by_group, count, exact, overlaps
from bench.eval_sets import Sample
from bench.handwritten.reading import prompts
from outpost.dlp.engine import Engine, default_engine
from outpost.dlp.merge import merge
from outpost.models.results import TextResult
from outpost.protocol.findings import Finding

ZIP = "pii.zip"
"""What a finding of an address is called where it meets a postcode that is marked alone."""
APART = {"ZIP_CODE": ZIP, "GPE": "pii.location"}
# The labels of presidio-research and the kinds that count as right for them.
PRESIDIO = {
    "PERSON": ["pii.person"],
    "STREET_ADDRESS": ["pii.address"],
    "GPE": ["pii.location"],
    "ORGANIZATION": ["pii.organization"],
    "DATE_TIME": ["pii.date", "pii.dob"],
    "TITLE": ["pii.title"],
    "AGE": ["pii.age"],
    "NRP": ["pii.affiliation"],
    "ZIP_CODE": [ZIP],
    "CREDIT_CARD": ["pci.pan"],
    "IBAN_CODE": ["fin.iban"],
    "US_SSN": ["pii.national_id.us"],
    "EMAIL_ADDRESS": ["pii.email"],
    "PHONE_NUMBER": ["pii.phone"],
    "IP_ADDRESS": ["pii.ip"],
    "US_DRIVER_LICENSE": ["pii.driver_license", "pii.id_number"],
    "DOMAIN_NAME": ["pii.url"],
}
CONTEXTUAL = ("PERSON", "STREET_ADDRESS", "GPE", "ORGANIZATION", "DATE_TIME", "TITLE", "AGE", "NRP", "ZIP_CODE")
NEWS = {"PERSON": ["pii.person"], "LOCATION": ["pii.location", "pii.address"], "ORG": ["pii.organization"]}
BY_HAND = {
    "PERSON": ["pii.person"],
    "ADDRESS": ["pii.address"],
    "LOCATION": ["pii.location"],
    "ORG": ["pii.organization"],
}
NAMES = {"person": "PERSON", "place": "LOCATION", "organization": "ORG", "PER": "PERSON", "LOC": "LOCATION"}


class Reads(Protocol):
    """A pack that inspects a text."""

    def __call__(self, text: str) -> TextResult: ...


def entities(model: Reads, data: Path) -> list[Figure]:
    """Every set."""
    engine = default_engine()
    return [
        *presidio(model, engine, data),
        *(figure for name in ("train-ner-gum", "train-ner-btc") for figure in news(model, data, name)),
        *by_hand(model, engine),
    ]


def presidio(model: Reads, engine: Engine, data: Path) -> Iterator[Figure]:
    texts = rows(data / "dev-presidio-synth/dev.jsonl")
    groups = [str(row["template_id"]) for row in texts]
    rules, mine = tiers(model, engine, texts)
    for name, found, kinds in (
        ("model alone", list(map(named, mine)), {label: PRESIDIO[label] for label in CONTEXTUAL}),
        ("tier 1 alone", list(map(named, rules)), PRESIDIO),
        ("tiers 1 and 2", list(map(both, rules, mine)), PRESIDIO),
        ("presidio-analyzer's patterns", of_peer(texts), PRESIDIO),
    ):
        if found:
            yield from table(f"dev-presidio-synth, {name}", texts, found, kinds, groups)


def news(model: Reads, data: Path, name: str) -> Iterator[Figure]:
    """Handles count for nothing: they are marked as persons about half of the time, and are user names here."""
    texts, mine, groups = [], [], []
    for number, row in enumerate(rows(data / name / "dev.jsonl")):
        handles = [(s["start"], s["end"]) for s in row["spans"] if is_handle(row["text"], s["start"])]
        texts.append({**row, "spans": [s for s in row["spans"] if (s["start"], s["end"]) not in handles]})
        found = named([one.finding for one in model(row["text"]).findings])
        mine.append([one for one in found if not overlaps((one.start, one.end), handles)])
        groups.append(str(row.get("id", number)).rpartition("-")[0] or str(number))
    yield from table(f"{name}/dev", texts, mine, NEWS, groups)


def is_handle(text: str, start: int) -> bool:
    """Whether what begins at ``start`` is an @ or stands after one (and perhaps a tokeniser's blank)."""
    return text[start] == "@" or text[:start].rstrip().endswith("@")


def by_hand(model: Reads, engine: Engine) -> Iterator[Figure]:
    """Prompts written by hand; and how many of those without any name have a finding of these types."""
    texts = prompts()
    groups = [str(row["id"]) for row in texts]
    rules, mine = tiers(model, engine, texts)
    for name, found in (
        ("model alone", list(map(named, mine))),
        ("tier 1 alone", list(map(named, rules))),
        ("tiers 1 and 2", list(map(both, rules, mine))),
    ):
        yield from table(f"prompts written by hand, {name}", texts, found, BY_HAND, groups)
    wanted = tuple(kind for kinds in BY_HAND.values() for kind in kinds)
    clean = [found for row, found in zip(texts, mine, strict=True) if not row["spans"]]
    flagged = sum(any(one.kind.startswith(wanted) for one in found) for found in clean)
    yield share("prompts written by hand, without names", "entities", "false_positive_rate", flagged, len(clean))


def tiers(model: Reads, engine: Engine, texts: Sequence[dict]) -> tuple[list[list[Finding]], list[list[Finding]]]:
    """What tier 1 and the model find in each text."""
    rules = [list(engine.scan(row["text"])) for row in texts]
    return rules, [[found.finding for found in model(row["text"]).findings] for row in texts]


def of_peer(texts: Sequence[dict]) -> list[list[Found]]:
    """Nothing where its environment was not built."""
    if not eval_tools.installed():
        return []
    with eval_tools.presidio() as peer:
        return [peer.find(Sample(row["text"]))[0] for row in texts]


def both(rules: Sequence[Finding], mine: Sequence[Finding]) -> list[Found]:
    """The product's list of both tiers; of one family's findings inside each other the outer one."""
    made = merge(rules, mine)
    return [
        Found(one.kind, one.start, one.end)
        for one in made
        if not any(
            family(other.kind) == family(one.kind)
            and other.start <= one.start
            and one.end <= other.end
            and (other.start, other.end) != (one.start, one.end)
            for other in made
        )
    ]


def family(kind: str) -> str:
    """``pii.address`` of ``pii.address.postcode``."""
    return ".".join(kind.split(".")[:2])


def named(findings: Sequence[Finding]) -> list[Found]:
    return [Found(one.kind, one.start, one.end) for one in findings]


def table(
    dataset: str,
    texts: Sequence[dict],
    found: Sequence[list[Found]],
    kinds: Mapping[str, Sequence[str]],
    groups: Sequence[str],
) -> Iterator[Figure]:
    """Per label and over all, by overlap and by exact ends.

    A finding of a kind that no label stands for is not counted.
    """
    for matching, matches in (("overlap", overlaps), ("exact", exact)):
        counted = []
        for row, findings in zip(texts, found, strict=True):
            labels = [Label(NAMES.get(s["type"], s["type"]), s["start"], s["end"]) for s in row["spans"]]
            counts = count(labels, told_apart(labels, findings), kinds, matches)
            counts["all"] = sum(counts.values(), Counts())
            counted.append(counts)
        parts = by_group(counted, groups)
        for label in (*kinds, "all"):
            total = sum((part.get(label, Counts()) for part in parts.values()), Counts())
            yield share(dataset, "entities", f"recall_{matching}", total.found, total.labelled, label)
            yield share(dataset, "entities", f"precision_{matching}", total.right, total.reported, label)
            for beta in (1, 2):
                low, high = bootstrap_f(parts, label, beta)
                value = total.f(beta) if total.labelled or total.reported else math.nan
                yield Figure(dataset, "entities", label, f"f{beta}_{matching}", value, low, high, total.labelled)


def told_apart(labels: Sequence[Label], findings: Sequence[Found]) -> list[Found]:
    """Findings by the set's convention, which marks street, place and postcode of one address apart.

    A finding of an address is one of a place or of a postcode too where it meets one, and no more than that unless it
    meets a street.
    """
    marked = {name: [(one.start, one.end) for one in labels if one.label == name] for name in APART}
    streets = [(one.start, one.end) for one in labels if one.label == "STREET_ADDRESS"]
    made = []
    for one in findings:
        span = (one.start, one.end)
        parts = [kind for name, kind in APART.items() if overlaps(span, marked[name])]
        if one.kind.startswith("pii.address"):
            made += [one._replace(kind=kind) for kind in parts]
            if parts and not overlaps(span, streets):
                continue
        made.append(one)
    return made
