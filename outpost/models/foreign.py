"""Makes a pack of a folder as Hugging Face exports it: config.json, tokenizer.json and an ONNX graph.

The graph must take ``input_ids`` and ``attention_mask`` (and may take ``token_type_ids``) and give logits per token or
per text: DeBERTa-v2 and v3, BERT, XLM-R and their relatives do. Labels come from ``id2label``; which of them count, as
which kind and from which probability, is for the importer to say. The pack is whole or not there.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from outpost.errors import PackInvalid
from outpost.models.graph import opset
from outpost.models.options import SessionOptions
from outpost.models.runners import Loaded
from outpost.models.session import described
from outpost.protocol.documents import encode_document
from outpost.protocol.model_card import (
    CARD_FILE,
    MODEL_FILE,
    OUTSIDE,
    TOKENIZER_FILE,
    Bound,
    Head,
    HeadKind,
    Input,
    ModelCard,
    TrainingRecord,
    Window,
    split_label,
)
from outpost.protocol.model_provider import Provider

GRAPHS: Final = (
    MODEL_FILE,
    "onnx/model.onnx",
    "model_quantized.onnx",
    "onnx/model_quantized.onnx",
    "onnx/model_int8.onnx",
)
_MAX_CONFIG_BYTES: Final = 1 << 20
_TOKEN_AXES: Final = 3
# RoBERTa counts positions from one after its padding, so two of them are no tokens.
_SHIFTED: Final = frozenset({"roberta", "xlm-roberta", "camembert"})
KNOWN_LABELS: Final = {
    "PER": "pii.person", "PERSON": "pii.person", "ORG": "pii.organization", "ORGANIZATION": "pii.organization",
    "LOC": "pii.location", "GPE": "pii.location", "LOCATION": "pii.location", "INJECTION": "attack.direct_injection",
    "JAILBREAK": "attack.jailbreak",
}  # fmt: skip
"""What is meant by these names wherever they are used; others need ``kinds``."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the folder does not say.

    Attributes:
        name: Of the pack.
        licence: SPDX expression.
        kinds: Label without prefix to kind; they win over ``KNOWN_LABELS``.
        threshold: From which probability a label counts.
        window_tokens: Most tokens read at once; less if the network takes less.
    """

    name: str
    licence: str
    version: str = "1"
    kinds: Mapping[str, str] = field(default_factory=dict)
    threshold: float = 0.5
    window_tokens: int = 256


def import_folder(source: Path, target: Path, wishes: Wishes) -> ModelCard:
    """Make the pack ``target``, which does not exist yet, and run it once.

    Raises:
        PackInvalid: The folder lacks something, or says something else than its graph does; nothing was made.
        ModelUnavailable: The graph does not run here; nothing was made.
    """
    if target.exists():
        raise PackInvalid(f"{target} is there already")
    config = _config(source)
    graph = next((source / name for name in GRAPHS if (source / name).is_file()), None)
    if graph is None:
        raise PackInvalid(f"{source} has no {MODEL_FILE}; export one, for example with `optimum-cli export onnx`")
    if not (source / TOKENIZER_FILE).is_file():
        raise PackInvalid(
            f"{source} has no {TOKENIZER_FILE}. Where transformers is installed, make it with "
            "AutoTokenizer.from_pretrained(FOLDER, use_fast=True).save_pretrained(FOLDER); it converts spm.model too"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".importing-") as directory:
            made = Path(directory, "pack")
            made.mkdir()
            shutil.copyfile(graph, made / MODEL_FILE)
            shutil.copyfile(source / TOKENIZER_FILE, made / TOKENIZER_FILE)
            card = _card(made, config, wishes)
            (made / CARD_FILE).write_bytes(encode_document(card) + b"\n")
            Loaded(made, SessionOptions(Provider.CPU))
            made.rename(target)
    except OSError as err:
        raise PackInvalid(f"{target}: {err.strerror or type(err).__name__}") from err
    return card


def _config(source: Path) -> dict[str, Any]:
    path = source / "config.json"
    try:
        content = path.read_bytes() if path.stat().st_size <= _MAX_CONFIG_BYTES else b""
        config = json.loads(content)
    except OSError as err:
        raise PackInvalid(f"{path}: {err.strerror}") from err
    except (ValueError, RecursionError) as err:
        raise PackInvalid(f"{path}: not JSON") from err
    if not isinstance(config, dict):
        raise PackInvalid(f"{path}: not a JSON object")
    return config


def labels_of(config: Mapping[str, Any]) -> list[str]:
    """The labels of ``config.json`` in the order of the output.

    Raises:
        PackInvalid: There are none, or with gaps.
    """
    given = config.get("id2label")
    try:
        labels = {int(number): name for number, name in (given or {}).items()}
    except (AttributeError, TypeError, ValueError) as err:
        raise PackInvalid("config.json: id2label is not a table of numbers and names") from err
    if not labels or sorted(labels) != list(range(len(labels))):
        raise PackInvalid("config.json: id2label does not name every output")
    if not all(isinstance(name, str) for name in labels.values()):
        raise PackInvalid("config.json: id2label is not a table of numbers and names")
    return [labels[number] for number in range(len(labels))]


def _card(folder: Path, config: Mapping[str, Any], wishes: Wishes) -> ModelCard:
    content = (folder / MODEL_FILE).read_bytes()
    inputs, outputs = described(content)
    output, axes = next(((name, n) for name, n in outputs.items() if name == "logits"), next(iter(outputs.items())))
    unknown = sorted(set(inputs) - {Input.INPUT_IDS, Input.ATTENTION_MASK, Input.TOKEN_TYPE_IDS})
    if unknown:
        raise PackInvalid(f"the graph wants {unknown[0]}, which nobody here can give it")
    labels = labels_of(config)
    names = list(dict.fromkeys(split_label(label)[1] for label in labels if label != OUTSIDE))
    kind = HeadKind.TOKEN_CLASSIFICATION if axes == _TOKEN_AXES else HeadKind.SEQUENCE_CLASSIFICATION
    if kind is HeadKind.SEQUENCE_CLASSIFICATION:
        names = labels
    kinds = {name: wishes.kinds.get(name, KNOWN_LABELS.get(name.upper())) for name in names}
    unmapped = sorted(set(wishes.kinds) - set(names))
    if unmapped or not any(kinds.values()):
        raise PackInvalid(
            f"{f'there is no label {unmapped[0]}' if unmapped else 'no label has a kind'}; "
            f"the labels are {', '.join(names)}: say with --map LABEL=KIND which of them are what"
        )
    window = _window(config, wishes)
    try:
        head = Head(
            name="imported",
            output=output,
            kind=kind,
            labels=labels,
            multi_label=config.get("problem_type") == "multi_label_classification" and names is labels,
            kinds=kinds,
            thresholds={name: [Bound(score=wishes.threshold)] for name, of in kinds.items() if of is not None},
        )
        return ModelCard(
            schema_version="1",
            name=wishes.name,
            version=wishes.version,
            licence=wishes.licence,
            description="Imported; its scores are those of the network, not calibrated here.",
            files={
                name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (MODEL_FILE, TOKENIZER_FILE)
            },
            opset=opset(content),
            inputs=[item for item in Input if item in inputs],
            window=window,
            heads=[head],
            training=TrainingRecord(run="imported", base=str(config.get("model_type", ""))[:200]),
        )
    except ValueError as err:
        first = str(err).splitlines()
        raise PackInvalid(f"no card can be made of it: {'; '.join(first[1:3]).strip() or first[0]}") from err


def _window(config: Mapping[str, Any], wishes: Wishes) -> Window:
    most = config.get("max_position_embeddings")
    room = most if isinstance(most, int) and most > 0 else wishes.window_tokens
    if config.get("model_type") in _SHIFTED:
        room -= 2
    tokens = min(room, wishes.window_tokens)
    return Window(max_tokens=tokens, overlap_tokens=tokens // 4)
