"""Topics from ten examples: how many of their texts are recognised, and how many others are taken for them.

    python -m bench.topics [--pack default] [--data ../shared/data] [--examples 10]

Requests of CLINC150's training part: examples from those that the pack's training used (without their labels), texts
from those that it held back. 150 narrow topics (intents) and ten broad ones (domains); each text of another topic is
foreign. Text around requests: contexts of ``train-bipia``. Evaluation sets are not read. Intervals are Wilson's, 95 %.
"""

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.eval_metrics import wilson
from outpost.models.options import SessionOptions
from outpost.models.runners import Loaded
from outpost.models.topics import DEFAULT_SIMILARITY, TopicIndex
from outpost.protocol.detectors import TopicRule
from outpost.protocol.topics import TopicSet
from training.split import held_out

SEED = 7
HARMLESS, BURIED = 200, 120
AROUND_CHARS = (0, 100, 300, 1_500)
RATES = (0.01, 0.002)
OUT_OF_SCOPE = "oos"

Row = tuple[str, dict[str, str]]


def rows(data: Path) -> tuple[list[Row], list[Row]]:
    """Requests that training used, and those that it held back."""
    lines = (data / "train-clinc150/train.jsonl").read_text("utf-8").splitlines()
    read = [(raw["text"], raw) for raw in map(json.loads, lines)]
    sides: tuple[list[Row], list[Row]] = ([], [])
    for index, row in enumerate(read):
        sides[held_out(f"clinc/{index}")].append(row)
    return sides


def measured(
    level: str, count: int, known: Sequence[Row], held: Sequence[Row], vectors: dict[str, np.ndarray], default: float
) -> list[TopicRule]:
    """Print the row of one level (``intent`` or ``domain``); returns its topics."""
    rng = random.Random(SEED)
    names = sorted({raw[level] for _, raw in known} - {OUT_OF_SCOPE})
    own: list[float] = []
    foreign: list[float] = []
    areas, topics = [], []
    texts = np.stack([vectors[text] for text, _ in held])
    for name in names:
        examples = rng.sample(sorted({text for text, raw in known if raw[level] == name and len(text) > 2}), count)
        topics.append(TopicRule(id=name.replace("_", "-"), kind=f"topic.{name}", examples=examples))
        middle = np.mean([vectors[text] for text in examples], axis=0)
        near = texts @ (middle / np.linalg.norm(middle))
        mine = np.array([raw[level] == name for _, raw in held])
        own += near[mine].tolist()
        foreign += near[~mine].tolist()
        areas.append(_auc(near[mine], near[~mine]))
    found, wrong = sum(value >= default for value in own), sum(value >= default for value in foreign)
    low, high = wilson(found, len(own))
    recognised = f"{found / len(own):.3f} ({low:.3f}-{high:.3f}, {len(own)})"
    print(
        f"{level}: {len(names)} topics of {count} examples, AUC {np.mean(areas):.3f}; at {default}: recognised "
        f"{recognised}, foreign {wrong / len(foreign):.4f} of {len(foreign)}"
    )
    for rate in RATES:
        limit = float(np.quantile(foreign, 1 - rate))
        print(f"  at {rate:.1%} foreign: {limit:.2f}, recognised {np.mean([value >= limit for value in own]):.3f}")
    return topics


def _auc(own: np.ndarray, foreign: np.ndarray) -> float:
    ranks = np.concatenate([own, foreign]).argsort().argsort() + 1
    return float((ranks[: len(own)].sum() - len(own) * (len(own) + 1) / 2) / (len(own) * len(foreign)))


def _share(found: Sequence[bool]) -> str:
    low, high = wilson(sum(found), len(found))
    return f"{sum(found) / len(found):.3f} ({low:.3f}-{high:.3f}, {len(found)})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, default=Path("default"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--examples", type=int, default=10)
    args = parser.parse_args()
    known, held = rows(args.data)
    loaded = Loaded(args.pack, SessionOptions())
    head = loaded.inspector.card.sentence_head
    if head is None:
        raise SystemExit("the pack has no sentence embedding")
    default = head.similarity or DEFAULT_SIMILARITY
    vectors = {text: np.array(loaded.inspect(text).embeddings[head.name]) for text, _ in (*known, *held)}
    narrow = measured("intent", args.examples, known, held, vectors, default)
    broad = measured("domain", args.examples, known, held, vectors, default)
    lines = (args.data / "train-bipia/contexts_train.jsonl").read_text("utf-8").splitlines()
    contexts = [raw["text"] for raw in map(json.loads, lines)]
    rng = random.Random(SEED)
    rng.shuffle(contexts)
    for name, topics in (("ten narrow", rng.sample(narrow, 10)), ("ten broad", broad)):
        index = loaded.topics(TopicSet(tuple(topics), name))
        flagged = [bool(_kinds(loaded, index, text)) for text in contexts[:HARMLESS]]
        print(f"contexts of train-bipia taken for any of {name} topics: {_share(flagged)}")
    buried(loaded, narrow, held, contexts)


def buried(loaded: Loaded, topics: Sequence[TopicRule], held: Sequence[Row], contexts: Sequence[str]) -> None:
    """Print how many requests are still recognised with other text around them."""
    rng = random.Random(SEED)
    index = loaded.topics(TopicSet(tuple(topics), "narrow"))
    chosen = rng.sample([row for row in held if row[1]["intent"] != OUT_OF_SCOPE], BURIED)
    for chars in AROUND_CHARS:
        found = []
        for text, raw in chosen:
            around = rng.choice(contexts)
            before, after = (part[: chars // 2].strip() for part in (around, around[len(around) // 2 :]))
            stop = ". " if before and before[-1] not in ".!?" else " "
            found.append(
                f"topic.{raw['intent']}" in _kinds(loaded, index, f"{before}{stop}{text}. {after}".strip(" ."))
            )
        print(f"with {chars} characters of other text around it, recognised {_share(found)}")


def _kinds(loaded: Loaded, index: TopicIndex, text: str) -> set[str]:
    found = loaded.inspect(text, topics=index).findings
    return {item.finding.kind for item in found if item.finding.kind.startswith("topic.")}


if __name__ == "__main__":
    main()
