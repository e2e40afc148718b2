import json
import shutil

import pytest
from typer.testing import CliRunner

from outpost.cli import cli
from outpost.models import bench
from outpost.models.pack import open_pack
from tests.fakes.model_pack import write_card


def outpost(*words):
    return CliRunner().invoke(cli, ["models", *map(str, words)])


@pytest.fixture
def copy(tiny, tmp_path):
    return shutil.copytree(tiny, tmp_path / "packs" / "tiny")


def test_packs_are_listed_by_their_cards(copy):
    (row,) = json.loads(outpost("list", copy.parent, "--json").stdout)
    assert (row["name"], row["digest"]) == ("tiny", open_pack(copy).digest)
    assert row["kinds"] == ["attack.direct_injection", "attack.jailbreak", "pii.person"]
    assert "tiny" in outpost("list", copy.parent).stdout
    assert "no pack" in outpost("list", copy.parent.parent).stderr


def test_without_a_folder_the_pack_that_ships_is_listed_and_those_beside(copy, monkeypatch):
    monkeypatch.chdir(copy.parent.parent)
    assert [row["name"] for row in json.loads(outpost("list", "--json").stdout)] == ["default"]
    copy.parent.rename("models")
    assert [row["name"] for row in json.loads(outpost("list", "--json").stdout)] == ["default", "tiny"]


def test_a_card_that_cannot_be_read_is_listed_as_refused(copy):
    (copy / "card.json").write_text("{}", "utf-8")
    done = outpost("list", copy.parent, "--json")
    assert done.exit_code == 1
    assert "Field required" in json.loads(done.stdout)[0]["error"]


def test_a_whole_pack_verifies(copy):
    assert "whole, and runs on cpu" in outpost("verify", copy).stdout
    assert json.loads(outpost("verify", copy, "--json").stdout)["ok"] is True


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda pack: (pack / "model.onnx").write_bytes(b"x"), "not what the card says"),
        (lambda pack: (pack / "extra").write_bytes(b"x"), "does not list extra"),
        (lambda pack: write_card(pack, opset=13), "is of opset 17"),
        (lambda pack: write_card(pack, inputs=["input_ids", "attention_mask"]), "does not name the graph's input"),
    ],
)
def test_what_is_wrong_with_a_pack_is_said(copy, spoil, says):
    spoil(copy)
    done = outpost("verify", copy)
    assert done.exit_code == 1
    assert says in done.stderr
    assert says in json.loads(outpost("verify", copy, "--json").stdout)["error"]


def test_hardware_that_is_not_there_is_said(copy):
    done = outpost("verify", copy, "--provider", "openvino")
    assert (done.exit_code, "no openvino" in done.stderr) == (1, True)


def test_a_pack_is_measured(copy, monkeypatch):
    monkeypatch.setattr(bench, "TEXT_CHARS", (50,))
    monkeypatch.setattr(bench, "_LEAST_RUNS", 1)
    words = ("bench", copy, "--seconds", "0.01", "--batches", "1", "--threads", "1")
    report = json.loads(outpost(*words, "--json").stdout)
    assert report["pack"] == "tiny 1.0"
    assert "tokens/s" in outpost(*words).stdout
    assert outpost("bench", copy, "--batches", "none").exit_code == 2
    assert outpost("bench", copy, "--batches", "0").exit_code == 2
    assert outpost("bench", copy.parent).exit_code == 1


def test_nothing_is_imported_from_a_folder_that_has_nothing(tmp_path):
    done = outpost("import", tmp_path, tmp_path / "pack", "--licence", "MIT")
    assert (done.exit_code, "config.json" in done.stderr) == (1, True)
    assert outpost("import", tmp_path, tmp_path / "pack", "--licence", "MIT", "--map", "PER").exit_code == 2
