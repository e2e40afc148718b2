import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import Root, TargetFile

from outpost.policy import pack as module
from outpost.policy.pack import read_pack, require_whole
from outpost.policy.trusted_metadata import MetadataInvalid
from outpost.protocol.document_set import NO_MODELS
from outpost.protocol.models import CARD_TARGET, ModelsDocument, PackReference
from tests.fakes.model_pack import card_fields

FILES = {"model.onnx": b"graph", "tokenizer.json": b"words", "LICENSE": b"free"}
ROOT = Root(consistent_snapshot=True)


def contents(**fields):
    """A pack's targets by name, and the document that names them."""
    card = card_fields() | {"files": {name: sha256(data).hexdigest() for name, data in FILES.items()}} | fields
    raw = json.dumps(card).encode()
    found = {f"{name}.pack": data for name, data in FILES.items()} | {CARD_TARGET: raw}
    return found, models(raw)


def models(card, name="tiny"):
    return ModelsDocument(schema_version="1", pack=PackReference(name=name, card_sha256=sha256(card).hexdigest()))


def read(found, document, card=None):
    targets = {name: TargetFile.from_data(name, data, ["sha256"]) for name, data in found.items()}
    return read_pack(document, targets, found.get(CARD_TARGET) if card is None else card, ROOT)


def test_a_whole_pack_is_what_its_targets_state():
    found, document = contents()
    pack = read(found, document)
    assert (pack.card.name, pack.digest) == ("tiny", document.pack.card_sha256)
    assert {name: file.size_bytes for name, file in pack.files.items()} == {
        "card.json": len(found[CARD_TARGET]),
        **{name: len(data) for name, data in FILES.items()},
    }
    assert pack.files["model.onnx"].filename == f"{sha256(b'graph').hexdigest()}.model.onnx.pack"
    assert pack.size_bytes == sum(map(len, found.values()))
    assert require_whole(document, found | {"old.bin.pack": b""}) == set(found)


def test_no_pack_is_demanded_without_a_name():
    assert read(contents()[0], NO_MODELS) is None
    assert require_whole(NO_MODELS, contents()[0]) == frozenset()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda found: found.pop(CARD_TARGET), "has no card.json.pack"),
        (lambda found: found.pop("LICENSE.pack"), "lacks LICENSE"),
        (lambda found: found.update({"model.onnx.pack": b"another"}), "another model.onnx"),
        (lambda found: found.update({CARD_TARGET: found[CARD_TARGET] + b" "}), "names another pack"),
        (lambda found: found.update({CARD_TARGET: b"{}"}), "Field required"),
        (lambda found: found.update({CARD_TARGET: b" " * (module.MAX_CARD_BYTES + 1)}), "more than"),
    ],
)
def test_what_does_not_agree_is_refused(spoil, says):
    found, document = contents()
    spoil(found)
    with pytest.raises(MetadataInvalid, match=says):
        read(found, document)
    with pytest.raises(MetadataInvalid):
        require_whole(document, found)


def test_a_name_that_is_not_the_cards_is_refused():
    found, _ = contents()
    with pytest.raises(MetadataInvalid, match="another pack"):
        read(found, models(found[CARD_TARGET], "default"))


def test_a_file_that_no_target_can_be_is_refused():
    found, document = contents(files={"x" * 60: "0" * 64} | dict.fromkeys(FILES, "0" * 64))
    with pytest.raises(MetadataInvalid, match="lacks"):
        read(found, document)


@pytest.mark.parametrize("bound", ["MAX_PACK_FILES", "MAX_PACK_BYTES"])
def test_too_much_is_refused(bound, monkeypatch):
    monkeypatch.setattr(module, bound, 2)
    with pytest.raises(MetadataInvalid, match="more than 2"):
        read(*contents())


@given(st.binary(max_size=200))
def test_any_card_gives_a_pack_or_the_error(raw):
    found, _ = contents()
    with pytest.raises(MetadataInvalid):
        read(found | {CARD_TARGET: raw}, models(raw))
