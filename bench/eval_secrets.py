"""Detection of secrets on rule examples, on files with marked secrets, and on texts and code without any.

    python -m bench.eval_secrets [--data ../shared/data]

The sets are evaluation sets (``train-*`` ones training sets): no row, word or threshold may be chosen by their misses.
A text is flagged if a finding is of a ``secret.*`` kind or ``credential_leak``. Intervals are Wilson's, 95 %.

A negative example of a rule may hold a secret of another rule's (its README says so), so its share is an upper bound.
Identifiers are positive examples of rules that name no secret: resource names, buckets, client numbers, public keys.
"""

import argparse
import gzip
import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from bench.eval_dlp import wilson
from outpost.dlp.engine import default_engine
from outpost.protocol.findings import Finding

_IDENTIFIERS = re.compile(
    r"np\.(?:arn|s3|gcs)\.|np\.(?:google|shopify|linkedin|age|reactapp|mapbox|twitter)\.1$|"
    r"np\.aws\.3$|np\.github\.5$|np\.azure\.3$"
)
_BENIGN = (
    "dev-arena-hard/dev.jsonl", "dev-cyberseceval-frr/dev.jsonl", "dev-clinc150/dev.jsonl", "dev-xstest/dev.jsonl",
    "dev-notinject-one/dev.jsonl", "train-banking77/train.jsonl", "train-ner-gum/train.jsonl",
    "train-ner-btc/train.jsonl",
)  # fmt: skip


def rows(path: Path) -> Iterator[dict]:
    """The rows of a JSON lines file, compressed or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def secrets(text: str) -> list[Finding]:
    """The findings that are secrets."""
    found = default_engine().scan(text)
    return [f for f in found if f.kind.startswith("secret.") or f.kind == "credential_leak"]


def _share(name: str, flags: list[bool]) -> str:
    low, high = wilson(sum(flags), len(flags))
    share = sum(flags) / max(1, len(flags))
    return f"| {name} | {sum(flags)} / {len(flags)} | {share:.3f} | {low:.3f}-{high:.3f} |"


def _rule_examples(path: Path) -> Iterator[str]:
    flags: dict[str, list[bool]] = {"positive": [], "positive, without identifiers": [], "negative": []}
    for row in rows(path):
        flagged = bool(secrets(row["text"]))
        flags[row["label"]].append(flagged)
        if row["label"] == "positive" and _IDENTIFIERS.match(row["rule"]) is None:
            flags["positive, without identifiers"].append(flagged)
    for label, values in flags.items():
        yield _share(f"{path.parent.name}: {label}", values)


def _marked_lines(path: Path) -> Iterator[str]:
    flags: dict[str, list[bool]] = {"risk": [], "informative": []}
    for row in rows(path):
        starts = [0, *(match.end() for match in re.finditer("\n", row["text"]))]
        spans = [(bisect_right(starts, f.start), bisect_right(starts, f.end - 1)) for f in secrets(row["text"])]
        for label, values in flags.items():
            values += [any(a <= last and first <= b for a, b in spans) for first, last in row[f"{label}_lines"]]
    for label, values in flags.items():
        yield _share(f"{path.parent.name}: {label} lines", values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    data = parser.parse_args().data
    print("| set | flagged | share | 95 % |\n|---|---|---|---|")
    for name in ("dev-noseyparker-rules/dev.jsonl", "train-kingfisher-rules/train.jsonl"):
        print(*_rule_examples(data / name), sep="\n")
    print(*_marked_lines(data / "dev-leaky-repo" / "dev.jsonl"), sep="\n")
    for name in ("train-linguist-code/train.jsonl.gz", *_BENIGN):
        print(_share(name.partition("/")[0], [bool(secrets(row["text"])) for row in rows(data / name)]))


if __name__ == "__main__":
    main()
