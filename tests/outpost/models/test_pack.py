import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import PackInvalid
from outpost.models.pack import find_packs, open_pack, pack_folder, verify_files
from tests.fakes.model_pack import write_card


@pytest.fixture
def copy(tiny, tmp_path):
    return shutil.copytree(tiny, tmp_path / "copy")


def test_a_whole_pack_verifies_and_is_named_by_its_card(tiny, copy):
    pack = open_pack(tiny)
    verify_files(pack)
    assert open_pack(copy).digest == pack.digest
    assert pack.label == f"tiny 1.0 ({pack.digest[:12]})"


def test_default_is_the_pack_that_ships_and_a_path_is_a_path(tmp_path):
    pack = open_pack(Path("default"))
    verify_files(pack)
    assert (pack.card.name, find_packs(Path("default"))) == ("default", [pack.folder])
    assert pack_folder(tmp_path / "default") == tmp_path / "default"


def test_another_card_is_another_pack(copy):
    before = open_pack(copy).digest
    write_card(copy, version="1.1")
    assert open_pack(copy).digest != before


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_changed_byte_refuses_the_pack(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(PackInvalid, match="not what the card says"):
        open_pack(copy).read(name)
    with pytest.raises(PackInvalid):
        verify_files(open_pack(copy))


@pytest.mark.parametrize("name", ["model.onnx", "card.json"])
def test_a_missing_file_refuses_the_pack(copy, name):
    (copy / name).unlink()
    with pytest.raises(PackInvalid, match="No such file"):
        verify_files(open_pack(copy))


def test_a_file_that_the_card_does_not_list_refuses_the_pack(copy):
    (copy / "extra.bin").write_bytes(b"")
    with pytest.raises(PackInvalid, match=r"does not list extra\.bin"):
        verify_files(open_pack(copy))
    with pytest.raises(PackInvalid, match="does not list"):
        open_pack(copy).read("extra.bin")


def test_a_pipe_or_a_folder_is_no_file(copy):
    (copy / "card.json").unlink()
    os.mkfifo(copy / "card.json")
    with pytest.raises(PackInvalid, match="not a plain file"):
        open_pack(copy)
    (copy / "card.json").unlink()
    (copy / "card.json").mkdir()
    with pytest.raises(PackInvalid):
        open_pack(copy)


def test_a_card_that_is_too_large_is_not_read(copy):
    with (copy / "card.json").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(PackInvalid, match="larger"):
        open_pack(copy)


@given(
    content=st.binary(max_size=300) | st.builds(lambda d: json.dumps(d).encode(), st.dictionaries(st.text(), st.text()))
)
def test_any_card_gives_a_pack_or_the_typed_error(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    (folder / "card.json").write_bytes(content)
    with pytest.raises(PackInvalid):
        open_pack(folder)


def test_packs_are_found_by_their_cards(tiny, copy, tmp_path):
    (tmp_path / "partial").mkdir()
    assert find_packs(tmp_path) == [copy]
    assert find_packs(copy) == [copy]
    assert find_packs(tmp_path / "absent") == []
