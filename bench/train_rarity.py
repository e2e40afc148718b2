"""Makes the table of ``outpost/dlp/rarity.py`` from the training sets.

    python -m bench.train_rarity [--data ../shared/data]

Sources: sentences of CLINC150 (CC-BY-3.0), BANKING77 (CC-BY-4.0) and GUM, and the words of source code in Linguist's
samples. Only pair frequencies are kept. Prints how far words, identifiers and random strings lie apart.
"""

import argparse
import gzip
import json
import math
import random
import re
import statistics
import string
from collections.abc import Iterator
from pathlib import Path

from outpost.dlp import rarity

_SIZE = len(rarity.CLASSES)
_INDEX = {c: i for i, c in enumerate(rarity.CLASSES)} | dict.fromkeys("123456789", 1)
_WORD = re.compile(r"[A-Za-z0-9_]{2,40}")
# Longer runs of digits and letters mixed are digests and keys, which the model must not learn.
_MIXED = re.compile(r"(?:[A-Za-z]+[0-9]+){2}")
_MODULE = Path(__file__).resolve().parents[1] / "outpost" / "dlp" / "rarity.py"


def _texts(data: Path) -> Iterator[str]:
    for name in ("train-clinc150/train.jsonl", "train-banking77/train.jsonl", "train-ner-gum/train.jsonl"):
        for line in (data / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield row.get("text") or " ".join(row.get("tokens", ()))
    with gzip.open(data / "train-linguist-code" / "train.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def words(data: Path) -> list[str]:
    """All words and identifiers."""
    found = (word for text in _texts(data) for word in _WORD.findall(text))
    return [word for word in found if not _MIXED.search(word)]


def table(sample: list[str]) -> str:
    """Costs of pairs in half bits, base 36, with add-one smoothing."""
    counts = [[1.0] * _SIZE for _ in range(_SIZE)]
    for word in sample:
        before = 0
        for sign in word.lower():
            at = _INDEX.get(sign, 0)
            counts[before][at] += 1
            before = at
    digits = string.digits + string.ascii_lowercase
    costs = []
    for row in counts:
        total = sum(row)
        costs += [digits[min(35, round(-2 * math.log2(count / total)))] for count in row]
    return "".join(costs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    sample = words(parser.parse_args().data)
    made = table(sample)
    rows = "\n".join(f'    "{made[at : at + _SIZE]}"' for at in range(0, len(made), _SIZE))
    source = _MODULE.read_text(encoding="utf-8")
    head, _, rest = source.partition("TABLE-BEGIN\n")
    _, _, tail = rest.partition("  # TABLE-END")
    _MODULE.write_text(f"{head}TABLE-BEGIN\n_TABLE = (\n{rows}\n)  # TABLE-END{tail}", encoding="utf-8")
    rarity._HALF_BITS[:] = [int(digit, 36) / 2 for digit in made]  # noqa: SLF001 - measures what it has just made
    rng = random.Random(7)
    for length in (8, 12, 16, 24, 32):
        of_words = [rarity.bits_per_sign(w) for w in sample if len(w) == length][:20_000]
        lines = [f"{length} signs: words {_spread(of_words)}"]
        for name, alphabet in (("base62", string.ascii_letters + string.digits), ("hex", "0123456789abcdef")):
            made_up = ("".join(rng.choice(alphabet) for _ in range(length)) for _ in range(5000))
            lines.append(f"{name} {_spread([rarity.bits_per_sign(w) for w in made_up])}")
        print("; ".join(lines))


def _spread(values: list[float]) -> str:
    cuts = statistics.quantiles(values, n=100) if len(values) > 1 else [0.0] * 99
    return f"p1 {cuts[0]:.2f} p50 {cuts[49]:.2f} p99 {cuts[98]:.2f} (n={len(values)})"


if __name__ == "__main__":
    main()
