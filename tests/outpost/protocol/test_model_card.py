import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.protocol.documents import DocumentError, encode_document, parse_document
from outpost.protocol.model_card import ModelCard, split_label
from tests.outpost.protocol.golden import check_golden
from tests.outpost.protocol.model_card_sample import CARD, HEADS, changed


def parse(card) -> ModelCard:
    return parse_document(ModelCard, "card.json", json.dumps(card).encode())


def head(name, **fields):
    """The sample with one head changed; None takes a field away."""
    heads = [h | fields if h["name"] == name else h for h in HEADS]
    return changed(heads=[{key: value for key, value in h.items() if value is not None} for h in heads])


def test_the_exact_bytes_are_pinned():
    check_golden("model_card", encode_document(parse(CARD)))


def test_it_reads_back_as_itself():
    card = parse(CARD)
    assert parse_document(ModelCard, "card.json", encode_document(card)) == card


def test_it_says_which_kinds_it_reports():
    assert parse(CARD).kinds == {"pii.person", "attack.jailbreak", "attack.obfuscation"}


def test_names_are_the_labels_without_prefix():
    entities, attacks, *_ = parse(CARD).heads
    assert entities.names == ["PERSON", "TITLE"]
    assert attacks.names == ["jailbreak", "obfuscation"]


@pytest.mark.parametrize(("tokens", "score"), [(1, 0.8), (64, 0.8), (65, 0.6), (10_000, 0.6)])
def test_the_threshold_goes_by_length(tokens, score):
    assert parse(CARD).heads[0].threshold("PERSON", tokens) == score


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("B-PERSON", ("B", "PERSON")),
        ("I-ID-NUMBER", ("I", "ID-NUMBER")),
        ("PERSON", ("I", "PERSON")),
        ("X-RAY", ("I", "X-RAY")),
        ("B-", ("I", "B-")),
    ],
)
def test_labels_split_into_prefix_and_name(label, parts):
    assert split_label(label) == parts


WRONG = {
    "an unknown field": changed(wieghts="x"),
    "an unknown input": changed(inputs=["input_ids", "attention_mask", "pixels"]),
    "no mask": changed(inputs=["input_ids"]),
    "an input twice": changed(inputs=["input_ids", "attention_mask", "input_ids"]),
    "no model": changed(files={"tokenizer.json": "0" * 64}),
    "its own digest": changed(files=CARD["files"] | {"card.json": "0" * 64}),
    "a path for a name": changed(files=CARD["files"] | {"../x": "0" * 64}),
    "a short digest": changed(files=CARD["files"] | {"model.onnx": "00"}),
    "windows that stand still": changed(window={"max_tokens": 16, "overlap_tokens": 9}),
    "no heads": changed(heads=[]),
    "a head twice": changed(heads=[HEADS[0], HEADS[0] | {"output": "other"}]),
    "an output twice": changed(heads=[HEADS[0], HEADS[0] | {"name": "other"}]),
    "a label without kind": head("entities", kinds={"PERSON": "pii.person"}),
    "a kind without label": head("entities", kinds=HEADS[0]["kinds"] | {"DOG": "pii.dog"}),
    "a kind that is none": head("entities", kinds=HEADS[0]["kinds"] | {"PERSON": "person"}),
    "a kind with a star": head("entities", kinds=HEADS[0]["kinds"] | {"PERSON": "pii.*"}),
    "no threshold": head("entities", thresholds={}),
    "a threshold for no finding": head("entities", thresholds=HEADS[0]["thresholds"] | {"TITLE": [{"score": 0.5}]}),
    "no last threshold": head("entities", thresholds={"PERSON": [{"up_to_tokens": 4, "score": 0.5}]}),
    "thresholds in disorder": head(
        "entities",
        thresholds={"PERSON": [{"up_to_tokens": 9, "score": 0.5}, {"up_to_tokens": 4, "score": 0.5}, {"score": 0.5}]},
    ),
    "a threshold above one": head("entities", thresholds={"PERSON": [{"score": 1.5}]}),
    "a label twice": head("entities", labels=["O", "B-PERSON", "B-PERSON"]),
    "no temperature": head("entities", temperature=0),
    "tokens with several labels": head("entities", multi_label=True),
    "an embedding with labels": head("sentence", labels=["a"]),
    "an embedding without width": head("sentence", width=None),
    "a width without embedding": head("entities", width=4),
    "a check of nothing": head("context", check_kinds=None),
    "a check with other labels": head("context", labels=["no", "yes"]),
    "a check that finds": head("context", kinds={"real": "pii.person"}),
    "another major version": changed(schema_version="2"),
}


@pytest.mark.parametrize("card", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_refused(card):
    with pytest.raises(DocumentError):
        parse(card)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_card_or_the_typed_error(content):
    with pytest.raises(DocumentError):
        parse_document(ModelCard, "card.json", content)


def test_what_is_said_about_whole_texts_only():
    assert parse(changed()).judged_whole == {"topic.*"}
    heads = [head for head in HEADS if head["name"] != "sentence"]
    assert parse(changed(heads=heads)).judged_whole == frozenset()
    means = {"kinds": {"code": "intent.code", "mail": None}, "thresholds": {"code": [{"score": 0.5}]}}
    intent = next(one for one in heads if one["name"] == "intent") | means | {"labels": ["code", "mail"]}
    assert parse(changed(heads=[intent])).judged_whole == {"intent.code"}
    assert parse(changed(heads=[intent | {"aggregate": "max"}])).judged_whole == frozenset()
