"""What the packed model finds: entities, attacks, intent, topics and calibration, on sets that it never saw.

    python -m bench.eval_models [--pack DIR] [--data ../shared/data] [--json FILE] [--only SECTION ...]

Runs the pack's ONNX graph through ``outpost.models``, thresholds as in its card. Evaluation sets only; where there is
none (jailbreaks, source-code language, injections of our own wording) the held-back side of the training pipeline is
used if ``training`` can be imported, and the row says so. Intervals are Wilson's, 95 %, and those of entities' F scores
from a bootstrap (``bench/eval_entities.py``).
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bench.eval_buried import buried
from bench.eval_entities import entities
from bench.eval_figures import Figure, auc, recall_at, rows, share
from outpost.models.inspector import Inspector
from outpost.models.pack import open_pack
from outpost.models.results import TextResult
from outpost.models.session import Session, SessionOptions

DEFAULT_PACK = Path(__file__).parents[1] / "outpost/models/packs/default"
_BATCH = 16


class Model:
    """A pack that inspects texts one after another. ``scores`` of attacks leave out the label that sums them up."""

    def __init__(self, folder: Path, threads: int) -> None:
        pack = open_pack(folder)
        self.card = pack.card
        self.inspector = Inspector(pack)
        self._session = Session(pack, SessionOptions(threads=threads))

    def __call__(self, text: str) -> TextResult:
        prepared = self.inspector.prepare(text)
        answers = []
        for first in range(0, len(prepared.windows), _BATCH):
            places = [(prepared, index) for index in range(first, min(first + _BATCH, len(prepared.windows)))]
            outputs = self._session.run(self.inspector.batch(places))
            answers += [{name: value[row] for name, value in outputs.items()} for row in range(len(places))]
        return self.inspector.conclude(prepared, answers)

    def attacked(self, text: str) -> tuple[float, bool]:
        """The highest score of any attack, and whether one is a finding."""
        result = self(text)
        score = (
            max(
                value
                for name, value in result.labels.items()
                if name.startswith("attacks.") and name != "attacks.attack"
            )
            if result.labels
            else 0.0
        )
        return score, any(found.finding.kind.startswith("attack.") for found in result.findings)


# Attacks


def benign(data: Path) -> dict[str, list[str]]:
    return {
        "dev-notinject-one": [row["text"] for row in rows(data / "dev-notinject-one/dev.jsonl")],
        "dev-xstest, safe": [r["text"] for r in rows(data / "dev-xstest/dev.jsonl") if r["label"] == "safe"],
        "dev-xstest, unsafe (harmful, no attack)": [
            r["text"] for r in rows(data / "dev-xstest/dev.jsonl") if r["label"] != "safe"
        ],
        "dev-arena-hard": [row["text"] for row in rows(data / "dev-arena-hard/dev.jsonl")],
        "dev-cyberseceval-frr": [row["text"] for row in rows(data / "dev-cyberseceval-frr/dev.jsonl")],
        "dev-clinc150": [row["text"] for row in rows(data / "dev-clinc150/dev.jsonl")],
        "dev-presidio-synth": [row["text"] for row in rows(data / "dev-presidio-synth/dev.jsonl")],
    }  # fmt: skip


def attacks(model: Model, data: Path) -> list[Figure]:
    made, negatives = [], []
    for name, texts in benign(data).items():
        seen = [model.attacked(text) for text in texts]
        negatives += [score for score, _ in seen] if "unsafe" not in name else []
        made.append(share(name, "attacks", "false_positive_rate", sum(flag for _, flag in seen), len(seen)))
    texts = rows(data / "dev-cyberseceval-pi/dev.jsonl")
    seen = [model.attacked(row["text"]) for row in texts]
    made.append(share("dev-cyberseceval-pi", "attacks", "recall", sum(flag for _, flag in seen), len(seen)))
    for field in ("injection_type", "injection_variant"):
        for value in sorted({row[field] for row in texts}):
            flags = [flag for row, (_, flag) in zip(texts, seen, strict=True) if row[field] == value]
            made.append(share("dev-cyberseceval-pi", "attacks", "recall", sum(flags), len(flags), value))
    positives = [score for score, _ in seen]
    made.append(
        Figure("dev-cyberseceval-pi against all benign sets", "attacks", None, "auc", auc(positives, negatives))
    )
    made.append(
        recall_at(positives, negatives, 0.01, "dev-cyberseceval-pi against all benign sets", "recall_at_1_percent")
    )
    scored = [(score, True) for score in positives] + [(score, False) for score in negatives]
    made.append(Figure("dev-cyberseceval-pi and all benign sets", "attacks", None, "calibration_error", error(scored)))
    return made


def depth(model: Model, data: Path) -> list[Figure]:
    return buried(model.attacked, data)


def held_back(model: Model, data: Path) -> list[Figure]:
    """What there is no evaluation set for: held-back templates, documents and clusters of the training pipeline."""
    try:
        from training.mixture import Mixture, Sources  # noqa: PLC0415 - needs the training environment
        from training.public import wild_jailbreaks  # noqa: PLC0415
        from training.row import LANGUAGES  # noqa: PLC0415
        from training.split import held_out  # noqa: PLC0415
    except ImportError:
        return []
    made = []
    jailbreaks = [row.text for row in wild_jailbreaks(data) if held_out(row.group)]
    for limit in (2_000, 10**9):
        mine = [text for text in jailbreaks if (len(text) <= 2_000) == (limit == 2_000)]
        flags = [model.attacked(text)[1] for text in mine]
        name = "held-back jailbreaks in the wild, " + ("up to 2,000 characters" if limit == 2_000 else "longer")
        made.append(share(name, "attacks", "recall", sum(flags), len(flags)))
    mixture = Mixture(Sources(data), 77, development=True)
    for kind, maker, metric in (
        ("attacks", mixture.attack, "recall"),
        ("harmless texts", mixture.harmless, "false_positive_rate"),
    ):
        flags = [model.attacked(maker().text)[1] for _ in range(500)]
        made.append(share(f"held-back templates, {kind}", "attacks", metric, sum(flags), len(flags)))
    right = total = 0
    for _ in range(200):
        row = mixture.language()
        labels = model(row.text).labels
        best = max(LANGUAGES, key=lambda name: labels[f"language.{name}"])
        right += best == LANGUAGES[row.language or 0]
        total += 1
    made.append(share("held-back samples of Linguist and Python's library", "language", "accuracy", right, total))
    return made


# Intent and topics


def intent(model: Model, data: Path) -> list[Figure]:
    """Domains of CLINC150; and topics from 10 examples each, by the nearest mean of sentence embeddings."""
    texts = rows(data / "dev-clinc150/dev.jsonl")
    results = [model(row["text"]) for row in texts]
    right, binned = 0, []
    for row, result in zip(texts, results, strict=True):
        scores = {name.partition(".")[2]: value for name, value in result.labels.items() if name.startswith("intent.")}
        best = max(scores, key=lambda name: scores[name])
        good = best == ("other" if row["domain"] == "oos" else row["domain"])
        binned.append((scores[best], good))
        if row["domain"] != "oos":
            right += good
    inside = [row for row in texts if row["domain"] != "oos"]
    made = [share("dev-clinc150, ten domains", "intent", "accuracy", right, len(inside))]
    made.append(
        Figure("dev-clinc150 with out of scope", "intent", None, "calibration_error", error(binned), count=len(binned))
    )
    if any(head.name == "sentence" for head in model.card.heads):
        examples: dict[str, list[str]] = {}
        for row in rows(data / "train-clinc150/train.jsonl"):
            examples.setdefault(row["intent"], []).append(row["text"])
        names = sorted({row["intent"] for row in inside})
        means = np.stack(
            [np.mean([model(text).embeddings["sentence"] for text in examples[name][:10]], axis=0) for name in names]
        )
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        hits = 0
        for row, result in zip(texts, results, strict=True):
            if row["domain"] != "oos":
                hits += names[int((means @ np.array(result.embeddings["sentence"])).argmax())] == row["intent"]
        made.append(share("dev-clinc150, 150 topics from 10 examples each", "sentence", "accuracy", hits, len(inside)))
    return made


def error(pairs: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error in ten bins."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for pair in pairs:
        bins.setdefault(min(int(pair[0] * 10), 9), []).append(pair)
    return sum(abs(sum(p for p, _ in some) - sum(t for _, t in some)) for some in bins.values()) / len(pairs)


# Speed


def speed(model: Model, data: Path) -> list[Figure]:
    """Milliseconds of processor time for one text, all heads."""
    sentences = [row["text"] for row in rows(data / "dev-presidio-synth/dev.jsonl")]
    made = []
    for name, tokens in (("one window of 128 tokens", 126), ("1 KB", None)):
        text = " ".join(sentences)
        ends = model.inspector.prepare(text[:4_000]).tokens.offsets
        text = text[: ends[tokens - 1][1]] if tokens else text[:1024]
        for _ in range(3):
            model(text)
        times = []
        for _ in range(40):
            begun, wall = time.process_time(), time.perf_counter()
            model(text)
            times.append(((time.process_time() - begun) * 1e3, (time.perf_counter() - wall) * 1e3))
        made.append(Figure(name, "entities", None, "cpu_ms_p50", statistics.median(t for t, _ in times)))
        made.append(Figure(name, "entities", None, "wall_ms_p50", statistics.median(t for _, t in times)))
    return made


SECTIONS: dict[str, Callable[[Model, Path], list[Figure]]] = {
    "entities": entities, "attacks": attacks, "depth": depth, "held_back": held_back, "intent": intent, "speed": speed,
}  # fmt: skip


def markdown(figures: Sequence[Figure]) -> str:
    lines = ["| set | head | label | metric | value | 95 % | n |", "|---|---|---|---|---|---|---|"]
    for f in figures:
        interval = f"{f.low:.3f}-{f.high:.3f}" if f.low is not None and f.high is not None else ""
        lines.append(
            f"| {f.dataset} | {f.head} | {f.label or ''} | {f.metric} | {f.value:.3f} | {interval} | {f.count or ''} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, default=DEFAULT_PACK)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=list(SECTIONS), default=list(SECTIONS))
    args = parser.parse_args()
    model = Model(args.pack, args.threads)
    figures: list[Figure] = []
    for name in args.only:
        mine = SECTIONS[name](model, args.data)
        print(markdown(mine), flush=True)
        figures += [figure for figure in mine if math.isfinite(figure.value)]
    if args.json:
        args.json.write_text(json.dumps([asdict(f) for f in figures], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
