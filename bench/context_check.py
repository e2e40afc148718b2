"""The context check of a pack's graph: which weak pattern findings it would drop, and how it tells numbers apart.

    python -m bench.context_check [--pack default] [--data ../shared/data] [--rows 6000]

Held-back rows of the training mixture, in which numbers are marked as somebody's or as only looking like it; findings
of tier 1 below 0.75 that touch such a mark are judged by the output ``context``, as ``outpost.models.inspector`` does.
No evaluation set is read. Needs what training needs (``make train``).
"""

import argparse
import collections
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.eval_metrics import wilson
from outpost.dlp.engine import Engine, default_engine
from outpost.dlp.merge import is_weak
from outpost.models.options import SessionOptions
from outpost.models.pack import open_pack
from outpost.models.runners import Loaded
from outpost.models.scores import softmax
from outpost.protocol.findings import Finding
from outpost.protocol.model_card import CARD_FILE
from training.mixture import Mixture, Sources
from training.row import Row
from training.template import Span

SEED = 9_101  # not that of the calibration
THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
TRUE, FALSE = "+", "-"
NUMBER, SURE = "number", "sure "
_HEAD = {
    "name": "context",
    "output": "context",
    "kind": "span_check",
    "labels": ["false", "real"],
    "thresholds": {"real": [{"score": 0.5}]},
    "check_kinds": ["pii.phone"],
}


def with_check(pack: Path, folder: Path) -> Path:
    """A copy of ``pack`` whose card has the check; of which kinds does not matter here."""
    opened = open_pack(pack)
    shutil.copytree(opened.folder, folder)
    card = json.loads((folder / CARD_FILE).read_text("utf-8"))
    card["heads"] = [head for head in card["heads"] if head["kind"] != "span_check"]
    card["heads"].append(_HEAD)
    (folder / CARD_FILE).write_text(json.dumps(card), "utf-8")
    return folder


def judged(rows: Iterator[Row], engine: Engine, loaded: Loaded) -> Iterator[tuple[str, str, float]]:
    """Each marked number, and each weak finding on one: what it is, its mark, and the probability that it is real."""
    for row in rows:
        marks = [span for span in row.spans or () if span.label in (TRUE, FALSE)]
        if not marks:
            continue
        for mark in marks:
            yield NUMBER, mark.label, probability(loaded, row.text, mark)
        for finding in engine.scan(row.text):
            label = next((s.label for s in marks if s.start < finding.end and finding.start < s.end), None)
            if label is not None:
                kind = finding.kind if is_weak(finding) else f"{SURE}{finding.kind}"
                yield kind, label, probability(loaded, row.text, finding)


def probability(loaded: Loaded, text: str, finding: "Finding | Span") -> float:
    """The mean over the tokens of ``finding``, in the first window that has them all; 1 if nothing covers it."""
    prepared = loaded.inspector.prepare(text)
    for number, window in enumerate(prepared.windows):
        places = prepared.tokens.offsets[window.start : window.end]
        rows = [at for at, (start, end) in enumerate(places) if start < finding.end and end > finding.start]
        if rows and places[-1][1] >= finding.end:
            output = loaded.session.run(loaded.inspector.batch([(prepared, number)]))["context"][0]
            return float(softmax(output[np.array(rows) + 1], 1.0)[:, 1].mean())
    return 1.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, default=Path("default"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=6_000)
    args = parser.parse_args()
    engine = default_engine()
    with tempfile.TemporaryDirectory() as folder:
        loaded = Loaded(with_check(args.pack, Path(folder) / "pack"), SessionOptions())
        rows = Mixture(Sources(args.data), SEED, development=True).rows(args.rows)
        found = list(judged(iter(rows), engine, loaded))
    counts = collections.Counter((mark, kind) for kind, mark, _ in found)
    for mark, word in ((TRUE, "somebody's"), (FALSE, "lookalikes")):
        numbers = counts.pop((mark, NUMBER), 0)
        most = ", ".join(f"{kind} {count}" for (m, kind), count in counts.most_common() if m == mark)
        print(f"{word}: {numbers} numbers; found by tier 1: {most or 'none'}")
    show("numbers", [(mark, p) for kind, mark, p in found if kind == NUMBER])
    show("weak findings", [(mark, p) for kind, mark, p in found if kind != NUMBER and not kind.startswith(SURE)])


def show(what: str, judged_so: Sequence[tuple[str, float]]) -> None:
    """Print what each threshold would drop."""
    for limit in THRESHOLDS:
        parts = []
        for mark, word in ((FALSE, "lookalikes"), (TRUE, "somebody's")):
            values = [p for m, p in judged_so if m == mark]
            dropped = sum(p < limit for p in values)
            low, high = wilson(dropped, len(values)) if values else (0.0, 1.0)
            parts.append(f"{word} {dropped} of {len(values)} ({low:.2f}-{high:.2f})")
        print(f"{what}, real < {limit}: " + ", ".join(parts))


if __name__ == "__main__":
    main()
