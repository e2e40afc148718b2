import json

import pytest

from outpost.dlp.taxonomy import documentation
from outpost.models.pack import open_pack
from outpost.protocol.documents import DocumentError
from training import card as cards
from training.row import ATTACKS, ENTITIES

CALIBRATION = {
    "temperature": dict.fromkeys(("entities", "attacks", "intent", "language"), 1.1),
    "entities": {name: [(None, 0.4)] for name in ENTITIES},
    "attacks": {name: [(126, 0.5), (None, 0.9)] for name in ATTACKS},
}


@pytest.fixture
def pack(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    return tmp_path


def test_the_card_is_one_that_the_runtime_reads(pack):
    cards.write(pack, cards.card(pack, CALIBRATION, {"run": "test"}, []))
    card = open_pack(pack).card
    entities, attacks = card.heads[:2]
    assert entities.threshold("PERSON", 10) == 0.4
    assert (attacks.threshold("jailbreak", 126), attacks.threshold("jailbreak", 127)) == (0.5, 0.9)
    assert open_pack(pack).read("model.onnx") == b"graph"


def test_every_kind_is_documented(pack):
    assert all(documentation(kind) for kind in cards.card(pack, CALIBRATION, {"run": "test"}, []).kinds)


def test_a_pack_without_its_graph_has_no_card(pack):
    (pack / "model.onnx").unlink()
    with pytest.raises(DocumentError):
        cards.card(pack, CALIBRATION, {"run": "test"}, [])


def test_the_record_says_where_the_corpus_changed(tmp_path):
    log = [{"step": step, "corpus": corpus} for step, corpus in ((10, "a"), (20, "a"), (30, "b"))]
    (tmp_path / "log.json").write_text(json.dumps(log), "utf-8")
    record = cards.training_record(tmp_path)
    assert record["steps"] == 30
    assert "corpus a until step 20; corpus b until step 30" in record["notes"]


def test_what_thresholds_rest_on_stands_in_the_card(pack):
    notes = ["up to 126 tokens: 4000 messages", "250 tokens, checked across halves: 3 of 900 flagged"]
    made = cards.card(pack, {**CALIBRATION, "notes": notes}, {"run": "test", "notes": "corpus a"}, [])
    assert made.training.notes == "; ".join(("corpus a", *notes))
    long = cards.card(pack, {**CALIBRATION, "notes": ["x" * 3_000]}, {"run": "test"}, [])
    assert len(long.training.notes) == 2_000
