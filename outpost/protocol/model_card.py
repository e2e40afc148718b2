"""``card.json``: what a model pack says about itself; strict, because a misread threshold lets data through.

A pack is a folder with ``model.onnx``, ``tokenizer.json`` and this card. Fields, and how scores come from them:
``docs/models.md``. Parse with ``outpost.protocol.documents.parse_document``.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from outpost.protocol.documents import Document, SchemaVersion, require_unique
from outpost.protocol.ids import ID_PATTERN

CARD_FILE = "card.json"
MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
REQUIRED_FILES = (MODEL_FILE, TOKENIZER_FILE)

OUTSIDE = "O"
"""The label of tokens that are nothing (Ramshaw and Marcus 1995)."""
PREFIXES = ("B", "I", "E", "L", "S", "U")
"""Of BIO, BIOES and BILOU; a label without one continues what is before it, as ``I`` does."""

ANY_TOPIC = "topic.*"
"""What a pack offers that can tell topics by examples: any."""
MAX_LABELS = 512
MAX_WINDOW_TOKENS = 8192  # no encoder that fits beside a proxy reads more at once

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$")]
PackName = Annotated[str, Field(pattern=rf"^{ID_PATTERN}$", max_length=40)]
HeadName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,19}$")]
LabelName = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,80}$")]
FindingKind = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+$", max_length=48)  # 48: what a redaction label holds
]
Probability = Annotated[float, Field(ge=0, le=1)]


class Input(StrEnum):
    """What the graph may be given, each int64 ``[batch, tokens]``."""

    INPUT_IDS = "input_ids"
    ATTENTION_MASK = "attention_mask"
    TOKEN_TYPE_IDS = "token_type_ids"  # noqa: S105 - the name of an input; always zeros
    SHAPE_IDS = "shape_ids"
    """``outpost.models.shapes``: how a token was written, which an uncased vocabulary forgets."""


class HeadKind(StrEnum):
    """What a head's output is."""

    TOKEN_CLASSIFICATION = "token_classification"  # noqa: S105 - [batch, tokens, labels]
    SEQUENCE_CLASSIFICATION = "sequence_classification"
    """``[batch, labels]``"""
    EMBEDDING = "embedding"
    """``[batch, width]``, pooled in the graph; the runtime normalises it."""
    SPAN_CHECK = "span_check"
    """``[batch, tokens, 2]``, labels ``false`` and ``real``: whether something is what a pattern took it for."""


class Aggregate(StrEnum):
    """How the windows of one text become one score per label."""

    MAX = "max"
    MEAN = "mean"
    """Weighted by the tokens of each window."""


class Bound(Document):
    """A threshold for texts up to a length."""

    up_to_tokens: int | None = Field(default=None, ge=1)
    """Of the whole text, special tokens not counted; None for all longer ones."""
    score: Probability


class Window(Document):
    """How long texts are cut."""

    max_tokens: int = Field(ge=8, le=MAX_WINDOW_TOKENS)
    """With special tokens."""
    overlap_tokens: int = Field(ge=0)
    """Tokens that a window shares with the one before it."""

    @model_validator(mode="after")
    def _moves_on(self) -> "Window":
        if self.overlap_tokens > self.max_tokens // 2:
            raise ValueError("windows may overlap by half at most")
        return self


class Head(Document):
    """One output of the graph."""

    name: HeadName
    output: Annotated[str, Field(min_length=1, max_length=200)]
    """Name of the graph's output; logits, but for an embedding."""
    kind: HeadKind
    labels: list[LabelName] = Field(default=[], max_length=MAX_LABELS)
    """In the order of the output's last axis."""
    multi_label: bool = False
    """Sequence classification: a sigmoid per label instead of a softmax over all."""
    aggregate: Aggregate = Aggregate.MAX
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Logits are divided by it."""
    kinds: dict[LabelName, FindingKind | None] = Field(default={})
    """Label without prefix to the kind of finding; None for a label that is no finding."""
    thresholds: dict[LabelName, Annotated[list[Bound], Field(min_length=1, max_length=20)]] = Field(default={})
    """For every label that has a kind: by length, ascending, the last without ``up_to_tokens``."""
    width: int | None = Field(default=None, ge=1, le=8192)
    """Of an embedding."""
    similarity: Annotated[float, Field(gt=0, le=1)] | None = None
    """Of an embedding: from which cosine to the middle of a topic's examples a text is of that topic."""
    check_kinds: list[FindingKind] = Field(default=[], max_length=200)
    """Of a span check: the kinds of pattern findings that it may drop."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Head":
        require_unique("label", self.labels)
        if (self.kind is HeadKind.EMBEDDING) != (self.width is not None):
            raise ValueError("an embedding has a width, and nothing else has")
        if (self.kind is HeadKind.EMBEDDING) != (not self.labels):
            raise ValueError("every head but an embedding has labels")
        if self.similarity is not None and self.kind is not HeadKind.EMBEDDING:
            raise ValueError("only an embedding has a similarity")
        if (self.kind is HeadKind.SPAN_CHECK) != bool(self.check_kinds):
            raise ValueError("a span check has check_kinds, and nothing else has")
        if self.kind is HeadKind.SPAN_CHECK and self.labels != ["false", "real"]:
            raise ValueError('the labels of a span check are ["false", "real"]')
        if self.multi_label and self.kind is not HeadKind.SEQUENCE_CLASSIFICATION:
            raise ValueError("only sequence classification has several labels at once")
        return self

    @model_validator(mode="after")
    def _says_all_of_each_label(self) -> "Head":
        if self.kind is HeadKind.SPAN_CHECK:
            wanted = {"real"}
            if self.kinds:
                raise ValueError("a span check makes no findings of its own")
        else:
            names = set(self.names)
            if set(self.kinds) != names:
                raise ValueError(f"kinds must name every label and no other: {_differing(names, set(self.kinds))}")
            wanted = {name for name, kind in self.kinds.items() if kind is not None}
        if set(self.thresholds) != wanted:
            raise ValueError(
                f"thresholds must name every label that counts: {_differing(wanted, set(self.thresholds))}"
            )
        for name, bounds in self.thresholds.items():
            _require_ascending(name, bounds)
        return self

    @property
    def names(self) -> list[str]:
        """What the labels are about: of tokens without prefix and without ``O``, each once, in order."""
        if self.kind is HeadKind.TOKEN_CLASSIFICATION:
            return list(dict.fromkeys(split_label(label)[1] for label in self.labels if label != OUTSIDE))
        return list(self.labels)

    def threshold(self, name: str, tokens: int) -> float:
        """The probability from which ``name`` counts in a text of ``tokens`` tokens."""
        bounds = self.thresholds[name]
        fitting = (bound.score for bound in bounds if bound.up_to_tokens is not None and tokens <= bound.up_to_tokens)
        return next(fitting, bounds[-1].score)


class TrainingRecord(Document):
    """Where the weights come from, as far as whoever made the pack knows."""

    run: Annotated[str, Field(max_length=100)]
    """Id or command of the run."""
    base: Annotated[str, Field(max_length=200)] = ""
    seed: int | None = None
    steps: int | None = None
    data: list[Annotated[str, Field(max_length=200)]] = Field(default=[], max_length=200)
    """Sets and generators it was trained on."""
    notes: Annotated[str, Field(max_length=2000)] = ""


class Measurement(Document):
    """One figure of the evaluation."""

    dataset: Annotated[str, Field(max_length=100)]
    head: HeadName
    label: LabelName | None = None
    metric: Annotated[str, Field(max_length=60)]
    value: float
    low: float | None = None
    """Lower end of the 95 % interval."""
    high: float | None = None
    count: int | None = None
    """Examples it rests on."""


class ModelCard(Document):
    """``card.json``."""

    schema_version: SchemaVersion
    name: PackName
    version: Version
    licence: Annotated[str, Field(min_length=1, max_length=100)]
    """SPDX expression, or where the licence stands."""
    description: Annotated[str, Field(max_length=2000)] = ""
    limits: list[Annotated[str, Field(max_length=500)]] = Field(default=[], max_length=50)
    """What it cannot do, for people."""
    files: dict[FileName, Sha256]
    """Every file of the pack but the card."""
    opset: int = Field(ge=7, le=30)
    """ONNX operator set of the graph."""
    inputs: list[Input] = Field(min_length=1, max_length=4)
    window: Window
    heads: list[Head] = Field(min_length=1, max_length=32)
    training: TrainingRecord
    evaluation: list[Measurement] = Field(default=[], max_length=5000)

    @model_validator(mode="after")
    def _is_whole(self) -> "ModelCard":
        require_unique("head", [head.name for head in self.heads])
        require_unique("output", [head.output for head in self.heads])
        require_unique("input", [item.value for item in self.inputs])
        if Input.INPUT_IDS not in self.inputs or Input.ATTENTION_MASK not in self.inputs:
            raise ValueError("inputs must have input_ids and attention_mask")
        missing = [name for name in REQUIRED_FILES if name not in self.files]
        if missing:
            raise ValueError(f"files lacks {missing[0]}")
        if CARD_FILE in self.files:
            raise ValueError("the card cannot hold its own digest")
        return self

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind of finding that the pack can report."""
        return frozenset(kind for head in self.heads for kind in head.kinds.values() if kind is not None)

    @property
    def judged_whole(self) -> frozenset[str]:
        """Those of ``offered`` about which nothing can be said before a text has ended: means over it, and topics."""
        means = [h for h in self.heads if h.kind is HeadKind.SEQUENCE_CLASSIFICATION and h.aggregate is Aggregate.MEAN]
        kinds = frozenset(kind for head in means for kind in head.kinds.values() if kind is not None)
        return kinds if self.sentence_head is None else kinds | {ANY_TOPIC}

    @property
    def sentence_head(self) -> Head | None:
        """The embedding by which topics are told; None if there is none."""
        return next((head for head in self.heads if head.kind is HeadKind.EMBEDDING), None)

    @property
    def offered(self) -> frozenset[str]:
        """``kinds``, and any topic if it can tell topics."""
        return self.kinds if self.sentence_head is None else self.kinds | {ANY_TOPIC}


def split_label(label: str) -> tuple[str, str]:
    """Prefix (``I`` if there is none) and name of a token label: ``B-PERSON`` is ``("B", "PERSON")``."""
    prefix, dash, name = label.partition("-")
    return (prefix, name) if dash and prefix in PREFIXES and name else ("I", label)


def _differing(wanted: set[str], given: set[str]) -> str:
    lacking, surplus = sorted(wanted - given), sorted(given - wanted)
    return "; ".join(
        [*(f"lacks {name}" for name in lacking[:5]), *(f"has {name} that is none" for name in surplus[:5])]
    )


def _require_ascending(name: str, bounds: list[Bound]) -> None:
    limits = [bound.up_to_tokens for bound in bounds]
    ends = [limit for limit in limits[:-1] if limit is not None]
    if limits[-1] is not None or len(ends) != len(limits) - 1 or ends != sorted(set(ends)):
        raise ValueError(f"thresholds of {name} must ascend by up_to_tokens and end with one that has none")
