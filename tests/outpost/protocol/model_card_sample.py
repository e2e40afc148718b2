"""One full card, as what is in its file."""

from typing import Any

HEADS: list[dict[str, Any]] = [
    {
        "name": "entities",
        "output": "entities",
        "kind": "token_classification",
        "labels": ["O", "B-PERSON", "I-PERSON", "B-TITLE", "I-TITLE"],
        "temperature": 1.25,
        "kinds": {"PERSON": "pii.person", "TITLE": None},
        "thresholds": {"PERSON": [{"up_to_tokens": 64, "score": 0.8}, {"score": 0.6}]},
    },
    {
        "name": "attacks",
        "output": "attacks",
        "kind": "sequence_classification",
        "labels": ["jailbreak", "obfuscation"],
        "multi_label": True,
        "kinds": {"jailbreak": "attack.jailbreak", "obfuscation": "attack.obfuscation"},
        "thresholds": {"jailbreak": [{"score": 0.3}], "obfuscation": [{"score": 0.5}]},
    },
    {
        "name": "intent",
        "output": "intent",
        "kind": "sequence_classification",
        "labels": ["summarise", "code"],
        "aggregate": "mean",
        "kinds": {"summarise": None, "code": None},
    },
    {"name": "sentence", "output": "sentence", "kind": "embedding", "width": 4},
    {
        "name": "context",
        "output": "context",
        "kind": "span_check",
        "labels": ["false", "real"],
        "check_kinds": ["pii.phone"],
        "thresholds": {"real": [{"score": 0.1}]},
    },
]

CARD: dict[str, Any] = {
    "schema_version": "1",
    "name": "sample",
    "version": "1.0",
    "licence": "Apache-2.0",
    "description": "Finds nothing.",
    "limits": ["It is a sample."],
    "files": {"model.onnx": "0" * 64, "tokenizer.json": "1" * 64},
    "opset": 17,
    "inputs": ["input_ids", "attention_mask", "shape_ids"],
    "window": {"max_tokens": 128, "overlap_tokens": 32},
    "heads": HEADS,
    "training": {"run": "make train", "base": "none", "seed": 1, "steps": 10, "data": ["generated"]},
    "evaluation": [
        {
            "dataset": "dev",
            "head": "entities",
            "label": "PERSON",
            "metric": "f1",
            "value": 0.9,
            "low": 0.8,
            "high": 0.95,
        }
    ],
}


def changed(**fields: Any) -> dict[str, Any]:
    """The sample with other fields."""
    return CARD | fields
