"""Small packs with a real graph and a real tokeniser, whose answers follow from the words of a text.

Each word has its logits in a table, so a test can say what a text must give. ``BOOM`` makes the graph ask for memory
that is not there, ``SLOW`` makes it count for a very long time.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
TAGS = ("O", "B-PERSON", "I-PERSON", "B-ORG", "I-ORG")
ATTACKS = ("direct_injection", "jailbreak")
INTENTS = ("summarise", "code")
SURE = 8.0
"""Softmax over five labels gives such a logit 0.999."""
TOKEN_LOGITS = {
    "ana": {"B-PERSON": SURE},
    "silva": {"I-PERSON": SURE},
    "maybe": {"B-PERSON": 1.0},
    "acme": {"B-ORG": SURE},
    "corp": {"I-ORG": SURE},
}
ATTACK_LOGITS = {"ignore": {"direct_injection": 6.0}, "dan": {"jailbreak": 6.0}, "pretend": {"jailbreak": 0.3}}
INTENT_LOGITS = {"summary": {"summarise": 4.0}, "function": {"code": 4.0}}
BOOM, SLOW = "boom", "slow"
WORDS = ("the", "a", "note", "phone", ",", ".", "-", "'", "5550100", BOOM, SLOW)
VOCABULARY = {
    word: index
    for index, word in enumerate(dict.fromkeys((*SPECIAL, *TOKEN_LOGITS, *ATTACK_LOGITS, *INTENT_LOGITS, *WORDS)))
}
_BOOM_BYTES = 1 << 40
_SLOW_ROUNDS = 1 << 40


def write_pack(folder: Path, *, opset: int = 17, **fields) -> Path:
    """A whole pack in ``folder``; ``fields`` replace those of its card."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph(opset).SerializeToString())
    (folder / "tokenizer.json").write_text(tokenizer().to_str(), "utf-8")
    return write_card(folder, opset=opset, **fields)


def write_card(folder: Path, **fields) -> Path:
    """A card for the files that are in ``folder``."""
    names = sorted(path.name for path in folder.iterdir() if path.name != "card.json")
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    card = card_fields() | {"files": digests} | fields
    (folder / "card.json").write_text(json.dumps(card), "utf-8")
    return folder


def card_fields():
    """Everything of the card but ``files``."""
    return {
        "schema_version": "1",
        "name": "tiny",
        "version": "1.0",
        "licence": "Apache-2.0",
        "opset": 17,
        "inputs": ["input_ids", "attention_mask", "shape_ids"],
        "window": {"max_tokens": 16, "overlap_tokens": 4},
        "heads": heads(),
        "training": {"run": "tests"},
    }


def heads():
    """One of each kind."""
    return [
        {
            "name": "entities",
            "output": "entities",
            "kind": "token_classification",
            "labels": list(TAGS),
            "kinds": {"PERSON": "pii.person", "ORG": None},
            "thresholds": {"PERSON": [{"score": 0.7}]},
        },
        {
            "name": "attacks",
            "output": "attacks",
            "kind": "sequence_classification",
            "labels": list(ATTACKS),
            "multi_label": True,
            "kinds": {name: f"attack.{name}" for name in ATTACKS},
            "thresholds": {name: [{"up_to_tokens": 40, "score": 0.5}, {"score": 0.9}] for name in ATTACKS},
        },
        {
            "name": "intent",
            "output": "intent",
            "kind": "sequence_classification",
            "labels": list(INTENTS),
            "aggregate": "mean",
            "kinds": dict.fromkeys(INTENTS),
        },
        {"name": "sentence", "output": "sentence", "kind": "embedding", "width": 2},
        {
            "name": "context",
            "output": "context",
            "kind": "span_check",
            "labels": ["false", "real"],
            "check_kinds": ["pii.phone"],
            "thresholds": {"real": [{"score": 0.5}]},
        },
    ]


def tokenizer() -> Tokenizer:
    """Words, in lower case."""
    made = Tokenizer(WordLevel(VOCABULARY, unk_token="[UNK]"))
    made.normalizer = Lowercase()
    made.pre_tokenizer = BertPreTokenizer()
    made.add_special_tokens(list(SPECIAL))
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, VOCABULARY[name]) for name in ("[CLS]", "[SEP]")]
    )
    return made


def graph(opset: int = 17) -> onnx.ModelProto:
    """Looks up each token's logits; sequences get the highest of their tokens'."""
    ids = ("batch", "tokens")
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.INT64, ids) for n in ("input_ids", "attention_mask", "shape_ids")
    ]
    outputs = [
        helper.make_tensor_value_info("entities", TensorProto.FLOAT, (*ids, len(TAGS))),
        helper.make_tensor_value_info("attacks", TensorProto.FLOAT, ("batch", len(ATTACKS))),
        helper.make_tensor_value_info("intent", TensorProto.FLOAT, ("batch", len(INTENTS))),
        helper.make_tensor_value_info("sentence", TensorProto.FLOAT, ("batch", 2)),
        helper.make_tensor_value_info("context", TensorProto.FLOAT, (*ids, 2)),
    ]
    tables = {
        "entity_table": _table(TAGS, TOKEN_LOGITS, other=("O", 4.0)),
        "attack_table": _table(ATTACKS, ATTACK_LOGITS, least=-6.0),
        "intent_table": _table(INTENTS, INTENT_LOGITS, least=0.0),
        "context_table": _table(("false", "real"), {"note": {"false": 6.0}, "5550100": {"false": 2.0}}),
        "cost_table": np.array([_BOOM_BYTES if word == BOOM else 1 for word in VOCABULARY], np.int64),
        "round_table": np.array([_SLOW_ROUNDS if word == SLOW else 1 for word in VOCABULARY], np.int64),
        "zero_axis": np.array([0], np.int64),
        "true": np.array(True),
        "nothing": np.array(0.0, np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["entity_table", "input_ids"], ["looked_up"]),
        helper.make_node("Gather", ["attack_table", "input_ids"], ["attack_tokens"]),
        helper.make_node("Gather", ["intent_table", "input_ids"], ["intent_tokens"]),
        helper.make_node("Gather", ["context_table", "input_ids"], ["context"]),
        helper.make_node("ReduceMax", ["attack_tokens"], ["attacks"], axes=[1], keepdims=0),
        helper.make_node("ReduceMax", ["intent_tokens"], ["intent"], axes=[1], keepdims=0),
        helper.make_node("ReduceMax", ["context"], ["sentence"], axes=[1], keepdims=0),
        # What the words cost: memory, then rounds.
        helper.make_node("Gather", ["cost_table", "input_ids"], ["costs"]),
        helper.make_node("ReduceMax", ["costs"], ["cost"], axes=[0, 1], keepdims=0),
        helper.make_node("Unsqueeze", ["cost", "zero_axis"], ["cost_shape"]),
        helper.make_node("ConstantOfShape", ["cost_shape"], ["memory"]),
        helper.make_node("ReduceSum", ["memory"], ["memory_sum"], keepdims=0),
        helper.make_node("Gather", ["round_table", "input_ids"], ["rounds_each"]),
        helper.make_node("ReduceMax", ["rounds_each"], ["rounds"], axes=[0, 1], keepdims=0),
        helper.make_node("Loop", ["rounds", "true", "nothing"], ["counted"], body=_counting()),
        helper.make_node("Cast", ["shape_ids"], ["shapes_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMin", ["shapes_float"], ["least_shape"], keepdims=0),  # 0 is there: special tokens
        helper.make_node("Cast", ["attention_mask"], ["mask_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMin", ["mask_float"], ["least_mask"], keepdims=0),
        helper.make_node("Mul", ["least_mask", "least_shape"], ["no_mask"]),
        helper.make_node("Sum", ["looked_up", "memory_sum", "counted", "no_mask"], ["entities"]),
    ]
    initializers = [numpy_helper.from_array(array, name) for name, array in tables.items()]
    made = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8  # of opset 17; older runtimes read it too
    onnx.checker.check_model(model)
    return model


def _counting() -> onnx.GraphProto:
    return helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["still"]), helper.make_node("Identity", ["before"], ["after"])],
        "count",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, ()),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, ()),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, ()),
        ],
    )


def _table(labels, logits, other=None, least: float = 0.0):
    table = np.full((len(VOCABULARY), len(labels)), least, np.float32)
    for word, row in VOCABULARY.items():
        given = logits.get(word, {other[0]: other[1]} if other else {})
        for label, value in given.items():
            table[row, labels.index(label)] = value
    return table
