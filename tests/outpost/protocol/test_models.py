import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.protocol.document_set import is_readable
from outpost.protocol.documents import DocumentError, parse_document
from outpost.protocol.model_card import REQUIRED_FILES
from outpost.protocol.models import CARD_TARGET, ModelsDocument, file_of_pack, pack_target


@pytest.mark.parametrize("name", [*REQUIRED_FILES, "card.json", "model-fp16.onnx", "LICENSE", "data-card.md"])
def test_a_packs_file_has_a_target_and_is_found_again(name):
    assert file_of_pack(pack_target(name)) == name
    assert is_readable(pack_target(name)) == (name == "card.json")


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "x" * 22, "ü"])
def test_a_name_that_no_target_can_have_is_refused(name):
    with pytest.raises(ValueError, match="cannot carry"):
        pack_target(name)


@pytest.mark.parametrize("name", ["policy.json", "customers.list", ".pack", "a.pack.json", "a/model.onnx.pack"])
def test_other_targets_are_no_files_of_a_pack(name):
    assert file_of_pack(name) is None


@given(st.text(max_size=40))
def test_any_name_is_one_or_is_none(name):
    found = file_of_pack(name)
    assert found is None or pack_target(found) == name


def test_the_document_names_a_pack_wholly_or_not():
    assert parse_document(ModelsDocument, "models.json", b'{"schema_version":"1"}').pack is None
    with pytest.raises(DocumentError, match="card_sha256"):
        parse_document(ModelsDocument, "models.json", b'{"schema_version":"1","pack":{"name":"tiny"}}')
    assert CARD_TARGET == "card.json.pack"
