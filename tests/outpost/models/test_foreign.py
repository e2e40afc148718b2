import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import ModelUnavailable, PackInvalid
from outpost.models.foreign import Wishes, import_folder, labels_of
from outpost.models.options import SessionOptions
from outpost.models.pack import open_pack, verify_files
from outpost.models.runners import Loaded
from outpost.protocol.model_card import HeadKind

FOLDERS = Path(__file__).parents[2] / "fixtures" / "huggingface"
"""Small random networks of real architectures; ``make.py`` there made them."""
ARCHITECTURES = {
    "bert-tokens": HeadKind.TOKEN_CLASSIFICATION,
    "xlm-r-tokens": HeadKind.TOKEN_CLASSIFICATION,
    "deberta-v3-sequence": HeadKind.SEQUENCE_CLASSIFICATION,
}
WISHES = Wishes("imported", "MIT", threshold=0.01)


@pytest.fixture
def source(tmp_path):
    return shutil.copytree(FOLDERS / "bert-tokens", tmp_path / "source")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_imported_network_says_what_it_said_where_it_was_made(tmp_path, name):
    card = import_folder(FOLDERS / name, tmp_path / "pack", WISHES)
    assert card.heads[0].kind is ARCHITECTURES[name]
    verify_files(open_pack(tmp_path / "pack"))
    expected = json.loads((FOLDERS / name / "expected.json").read_text("utf-8"))
    loaded = Loaded(tmp_path / "pack", SessionOptions())
    prepared = loaded.inspector.prepare(expected["text"])
    batch = loaded.inspector.batch([(prepared, 0)])
    assert batch["input_ids"][0].tolist() == expected["ids"]
    logits = loaded.session.run(batch)[card.heads[0].output][0]
    assert np.allclose(logits, expected["logits"], atol=1e-4)
    for finding in loaded.inspect(expected["text"] * 20).findings:
        assert finding.finding.kind in card.kinds


def test_padding_changes_nothing(tmp_path):
    for name in ARCHITECTURES:
        import_folder(FOLDERS / name, tmp_path / name, WISHES)
        loaded = Loaded(tmp_path / name, SessionOptions())
        short, long = loaded.inspector.prepare("Ana Silva"), loaded.inspector.prepare("the lead of Acme said it. " * 3)
        output = loaded.inspector.card.heads[0].output
        alone = loaded.session.run(loaded.inspector.batch([(short, 0)]))[output][0]
        padded = loaded.session.run(loaded.inspector.batch([(short, 0), (long, 0)]))[output][0]
        assert np.allclose(alone, padded[: len(alone)] if alone.ndim > 1 else padded, atol=1e-4), name


def test_positions_of_xlm_r_leave_room_for_padding(tmp_path):
    card = import_folder(FOLDERS / "xlm-r-tokens", tmp_path / "pack", WISHES)
    assert card.window.max_tokens == 64
    assert card.training.base == "xlm-roberta"


def test_labels_are_mapped_by_their_names_or_as_one_says(tmp_path, source):
    assert import_folder(source, tmp_path / "one", WISHES).heads[0].kinds == {
        "PER": "pii.person",
        "ORG": "pii.organization",
    }
    wishes = Wishes("imported", "MIT", kinds={"ORG": "confidential.codename"}, window_tokens=32)
    card = import_folder(source, tmp_path / "two", wishes)
    assert card.heads[0].kinds["ORG"] == "confidential.codename"
    assert (card.window.max_tokens, card.window.overlap_tokens) == (32, 8)


def relabel(source, labels):
    config = json.loads((source / "config.json").read_text("utf-8"))
    (source / "config.json").write_text(json.dumps(config | {"id2label": labels}), "utf-8")


WRONG = {
    "no config": (lambda s: (s / "config.json").unlink(), r"config\.json: No such file"),
    "a config that is none": (lambda s: (s / "config.json").write_text("[]"), "not a JSON object"),
    "no graph": (lambda s: (s / "model.onnx").unlink(), r"no model\.onnx"),
    "a graph that is none": (lambda s: (s / "model.onnx").write_bytes(b"x"), "graph is none"),
    "no tokeniser": (lambda s: (s / "tokenizer.json").unlink(), r"no tokenizer\.json.*spm\.model"),
    "a tokeniser that is none": (lambda s: (s / "tokenizer.json").write_text("{}"), "not a tokeniser"),
    "labels with gaps": (lambda s: relabel(s, {"0": "O", "2": "B-PER"}), "does not name every output"),
    "labels that mean nothing": (lambda s: relabel(s, {str(n): f"LABEL_{n}" for n in range(5)}), "say with --map"),
    "too few labels": (lambda s: relabel(s, {"0": "O", "1": "B-PER"}), "form that its card does not say"),
    "a label twice": (lambda s: relabel(s, {str(n): "PER" for n in range(5)}), "no card can be made"),
}


@pytest.mark.parametrize(("spoil", "says"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_and_nothing_is_made(tmp_path, source, spoil, says):
    spoil(source)
    with pytest.raises((PackInvalid, ModelUnavailable), match=says):
        import_folder(source, tmp_path / "pack", WISHES)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_label_that_is_not_there_is_no_wish(tmp_path, source):
    with pytest.raises(PackInvalid, match="no label DOG"):
        import_folder(source, tmp_path / "pack", Wishes("x", "MIT", kinds={"DOG": "pii.dog"}))


def test_what_is_there_stays(tmp_path, source):
    with pytest.raises(PackInvalid, match="there already"):
        import_folder(source, source, WISHES)


@given(
    st.dictionaries(st.text(max_size=3), st.text(max_size=5) | st.integers(), max_size=4) | st.integers() | st.none()
)
def test_any_labels_give_a_list_or_the_typed_error(labels):
    with contextlib.suppress(PackInvalid):
        assert all(isinstance(label, str) for label in labels_of({"id2label": labels}))
