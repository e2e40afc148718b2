"""Temperatures and thresholds of every head from held-back templates and documents, and the card with them.

    python -m training.calibrate --data ../shared/data --run build/model --out build/pack

Attacks: for one window the lowest threshold at which at most the stated parts of ordinary held-back messages and of
look-alikes of attacks are flagged with any label; for longer texts what the windows of held-back documents say
(``training.bounds``). Entities: for each label the one of a grid with the best F2 among those that report at most
``ENTITY_RATE`` spans per token where nothing is marked; F2, because what is missed leaves the company and what is found
by mistake is at worst redacted. Persons, organizations and places are judged by held-back texts that people wrote.
Evaluation sets are never read.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from outpost.models.decode import Labels, find_spans
from outpost.models.inspector import Inspector, Prepared
from outpost.models.pack import open_pack
from outpost.models.scores import sigmoid, softmax
from outpost.models.session import Session, SessionOptions
from outpost.models.windows import cut
from outpost.protocol.model_card import ModelCard
from training import card as cards
from training.bounds import LENGTHS, checks, long_thresholds
from training.encode import IGNORED, tags
from training.fit import (
    Tally,
    best_limit,
    best_temperature,
    binary_loss,
    class_loss,
    reliability,
    reliability_svg,
    threshold,
)
from training.mixture import Mixture, Sources
from training.row import ATTACKS, ENTITIES, Row

SEED = 9_001
ROWS = 4_000
ENTITY_RATE = 0.001
NATURAL = ("gum", "btc")  # texts that people wrote, some of their names replaced by ours
NATURAL_LABELS = ("PERSON", "ORG", "LOCATION")  # what is marked in them
LOOK_ALIKE_RATE = 0.02  # of honest messages with an attack's words; of ordinary ones as ``training.bounds`` says
MESSAGES, WINDOWS = 2_000, 6_000
_WINDOW_CHARS = 400  # a window's own part of a text, about
_GRID = tuple(round(0.25 + 0.05 * step, 2) for step in range(12))  # below that "nothing" is far likelier
_UNSET: dict[str, Any] = {
    "temperature": dict.fromkeys(("entities", "attacks", "intent", "language"), 1.0),
    "entities": {name: [(None, 0.5)] for name in ENTITIES},
    "attacks": {name: [(None, 0.5)] for name in ATTACKS},
}


@dataclass(slots=True)
class Seen:
    """A text and the logits of its tokens (stitched) and of its windows."""

    row: Row
    prepared: Prepared
    tokens: dict[str, np.ndarray]
    windows: dict[str, np.ndarray]


class Runner:
    """The packed graph on whole texts."""

    def __init__(self, pack: Path, threads: int) -> None:
        opened = open_pack(pack)
        self.card: ModelCard = opened.card
        self.inspector = Inspector(opened)
        self._session = Session(opened, SessionOptions(threads=threads))

    def windows(self, tokens: int) -> int:
        """How many windows a text of so many tokens has."""
        size = self.card.window
        return len(cut(tokens, size.max_tokens - 2, size.overlap_tokens))

    def __call__(self, rows: Sequence[Row]) -> Iterator[Seen]:
        """Each row with its logits; windows of like length run together."""
        prepared = [self.inspector.prepare(row.text) for row in rows]
        todo = sorted(
            ((item, index) for item in range(len(rows)) for index in range(len(prepared[item].windows))),
            key=lambda place: prepared[place[0]].sizes[place[1]],
        )
        answers: dict[tuple[int, int], dict[str, np.ndarray]] = {}
        for first in range(0, len(todo), 16):
            places = todo[first : first + 16]
            outputs = self._session.run(self.inspector.batch([(prepared[item], index) for item, index in places]))
            for number, place in enumerate(places):
                answers[place] = {name: value[number] for name, value in outputs.items()}
        for item, row in enumerate(rows):
            mine = [answers[item, index] for index in range(len(prepared[item].windows))]
            if mine:
                yield Seen(row, prepared[item], _stitched(prepared[item], mine), _stacked(mine))


def _stitched(prepared: Prepared, answers: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    parts = [
        answer["entities"][1 + w.keep_start - w.start : 1 + w.keep_end - w.start]
        for w, answer in zip(prepared.windows, answers, strict=True)
    ]
    return {"entities": np.concatenate(parts)}


def _stacked(answers: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([answer[name] for answer in answers]) for name in ("attacks", "intent", "language")}


def temperatures(seen: Sequence[Seen]) -> tuple[dict[str, float], dict[str, Any]]:
    """The temperature of each head, and its reliability with it."""
    logits, truths = [], []
    for text in seen:
        if text.row.spans is not None:
            wanted = np.array(tags(text.prepared.tokens.offsets, text.row.spans))
            known = wanted != IGNORED
            logits.append(text.tokens["entities"][known])
            truths.append(wanted[known])
    x, y = np.concatenate(logits).astype(float), np.concatenate(truths)
    made = {"entities": best_temperature(class_loss(x, y))}
    p = softmax(x.astype(np.float32), made["entities"])
    named = y > 0  # how sure it is of "nothing" would hide everything else
    likeliest = p[named].argmax(-1)
    plots = {"entities": reliability(p[named].max(-1).astype(float), (likeliest == y[named]).astype(float))}
    known_attacks = [text for text in seen if text.row.attacks is not None]
    x = np.stack([text.windows["attacks"].max(0) for text in known_attacks]).astype(float)
    y = np.array(
        [
            [i in (t.row.attacks or ()) or (i == 0 and bool(t.row.attacks)) for i in range(len(ATTACKS))]
            for t in known_attacks
        ]
    )
    made["attacks"] = best_temperature(binary_loss(x, y))
    plots["attacks"] = reliability(
        sigmoid(x[:, 0].astype(np.float32), made["attacks"]).astype(float), y[:, 0].astype(float)
    )
    for name in ("intent", "language"):
        mine = [text for text in seen if getattr(text.row, name) is not None]
        x = np.stack([text.windows[name].mean(0) for text in mine]).astype(float)
        y = np.array([getattr(text.row, name) for text in mine])
        made[name] = best_temperature(class_loss(x, y))
        p = softmax(x.astype(np.float32), made[name])
        plots[name] = reliability(p.max(-1).astype(float), (p.argmax(-1) == y).astype(float))
    return made, plots


def attack_thresholds(
    run: Runner, sources: Sources, temperature: float, messages: int, windows: int
) -> tuple[dict[str, Any], list[str]]:
    """Thresholds by length, the same for each label, and for the record what they rest on."""
    found = [_highest(text, temperature) for text in run(list(documents(sources, windows, SEED + 2)))]
    firsts = []
    for seed, kind, rate in ((1, Mixture.ordinary, LENGTHS[0][1]), (3, Mixture.look_alike, LOOK_ALIKE_RATE)):
        mixture = Mixture(sources, SEED + seed, development=True)
        alone = [_highest(text, temperature).max() for text in run([kind(mixture) for _ in range(messages)])]
        firsts.append(threshold(list(sigmoid(np.array(alone, np.float32), 1.0).astype(float)), rate))
    first = max(firsts)
    made = long_thresholds(np.concatenate(found), first, run.windows)
    notes = [
        f"up to {LENGTHS[0][0]} tokens: {messages} messages ask for {firsts[0]}, as many look-alikes for {firsts[1]}",
        f"longer: {sum(map(len, found))} windows of {len(found)} documents",
        *checks(found, first, run.windows),
    ]
    return dict.fromkeys(ATTACKS, made), notes


def _highest(text: Seen, temperature: float) -> np.ndarray:
    """Per window the highest logit of any kind of attack."""
    return np.asarray(text.windows["attacks"][:, 1:].max(1) / temperature, dtype=float)


def documents(sources: Sources, windows: int, seed: int) -> Iterator[Row]:
    """Held-back documents without an attack, each at most once, until they make about so many windows or end."""
    left = windows * _WINDOW_CHARS
    for row in Mixture(sources, seed, development=True).long_documents():
        if left <= 0:
            break
        left -= len(row.text)
        yield row


def entity_thresholds(seen: Sequence[Seen], head: Any, temperature: float) -> tuple[dict[str, Any], list[str]]:
    """For each label the threshold of the grid with the best F2 that keeps other words free, and what it rests on.

    For labels that others marked in texts of people (``NATURAL``) these texts decide: the network is far surer of
    itself on generated ones, so that a threshold from them misses much elsewhere. Which spans lie where nothing is
    marked is asked of generated texts only, because people leave names unmarked.
    """
    labels = Labels(head)
    texts = [text for text in seen if text.row.spans is not None]
    tokens = sum(len(text.prepared.tokens.ids) for text in texts)
    counts = {(name, limit): Tally() for name in ENTITIES for limit in _GRID}
    natural = {(name, limit): Tally() for name in NATURAL_LABELS for limit in _GRID}
    for text in texts:
        p = softmax(text.tokens["entities"], temperature)
        places = [(s.start, s.end, s.label) for s in text.row.spans or ()]
        size = len(text.prepared.tokens.ids)
        for limit in _GRID:
            found = find_spans(text.row.text, text.prepared.tokens.offsets, p, labels, lambda _, t=limit: t)
            spans = [(span.start, span.end, span.name) for span in found]
            tallies, names = (natural, NATURAL_LABELS) if text.row.genre in NATURAL else (counts, ENTITIES)
            for name in names:
                tallies[name, limit].add(places, spans, name, size)
    made, notes = {}, []
    for name in ENTITIES:
        by_limit = {limit: counts[name, limit] for limit in _GRID}
        judged = {limit: natural[name, limit] for limit in _GRID} if name in NATURAL_LABELS else by_limit
        limit = best_limit(by_limit, judged, ENTITY_RATE)
        tally = judged[limit]
        made[name] = [(None, limit)]
        notes.append(
            f"{name} {limit}: F2 {tally.f(2):.3f} of {tally.marked}, {tally.reported - tally.right} wrong spans, "
            f"{by_limit[limit].astray} of {by_limit[limit].reported} where nothing is marked"
        )
    return made, [f"entities, {tokens} tokens of {len(texts)} texts", *notes]


def main() -> None:
    """Calibrate, and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--windows", type=int, default=WINDOWS)
    args = parser.parse_args()
    (args.out / "card.json").unlink(missing_ok=True)
    cards.write(args.out, cards.card(args.out, _UNSET, {"run": "not calibrated"}, []))
    sources = Sources(args.data)
    run = Runner(args.out, args.threads)
    rows = list(Mixture(sources, SEED, development=True).rows(args.rows))
    seen = list(run(rows))
    found, plots = temperatures(seen)
    head = next(head for head in run.card.heads if head.name == "entities")
    attacks, notes = attack_thresholds(run, sources, found["attacks"], args.messages, args.windows)
    entities, entity_notes = entity_thresholds(seen, head, found["entities"])
    calibration = {
        "temperature": found,
        "entities": entities,
        "attacks": attacks,
        "notes": notes + entity_notes,
        "reliability": plots,
    }
    (args.run / "calibration.json").write_text(json.dumps(calibration, indent=1) + "\n", encoding="utf-8")
    (args.run / "reliability.svg").write_text(reliability_svg(plots), encoding="utf-8")
    cards.write(args.out, cards.card(args.out, calibration, cards.training_record(args.run), []))
    print(json.dumps({key: calibration[key] for key in ("temperature", "entities", "attacks", "notes")}, indent=1))


if __name__ == "__main__":
    main()
