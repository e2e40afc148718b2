import gzip
import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from outpost.cli import cli
from outpost.dlp.dictionary import build_words
from outpost.protocol.list_file import encode_list_key
from outpost.scan.command import _AboveBar, _say
from tests.fakes.model_pack import write_pack
from tests.outpost.dlp.org_lists import KEY

LIST = {"id": "customers", "kind": "org.customers", "form": "words"}
CARD = "4111 1111 1111 1111"
POLICY = {
    "schema_version": "1",
    "packs": [
        {
            "id": "p",
            "sequence": 1,
            "default": "ALLOW",
            "rules": [
                {
                    "id": "in",
                    "sequence": 1,
                    "when": {"findings": ["pci.*"], "directions": ["input"]},
                    "action": "BLOCK",
                },
                {"id": "mail", "sequence": 2, "when": {"findings": ["pii.email"]}, "action": "REDACT"},
            ],
        }
    ],
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("clean.txt").write_text("nothing\n", "utf-8")
    Path("card.txt").write_text(f"my card {CARD} ok\n", "utf-8")
    Path("mail.txt").write_text("mail a@corp-mail.com\n", "utf-8")
    Path("data.bin").write_bytes(b"\0\1")
    Path("policy.json").write_text(json.dumps(POLICY), "utf-8")
    return tmp_path


def run(*arguments, text=None):
    return CliRunner().invoke(cli, ["scan", *arguments], input=text)


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_findings_are_shown_masked_and_end_with_1():
    done = run("card.txt", "clean.txt")
    assert done.exit_code == 1
    assert "card.txt:1:9: pci.pan card/luhn 0.99" in done.stdout
    assert "4111" not in done.output
    assert "1 finding in 1 file, 2 scanned" in done.stderr
    assert CARD in run("card.txt", "--show").stdout


def test_nothing_found_ends_with_0():
    done = run("clean.txt")
    assert (done.exit_code, done.stdout) == (0, "")


def test_this_directory_is_the_default():
    assert {row["path"] for row in rows(run("--json"))} == {"card.txt", "mail.txt", "data.bin"}


def test_json_holds_no_text_unless_asked():
    (row,) = rows(run("card.txt", "--json"))
    assert row == {
        "type": "finding", "path": "card.txt", "line": 1, "column": 9, "start": 8, "end": 27,
        "kind": "pci.pan", "detector": "card/luhn", "score": 0.99, "tier": 1,
    }  # fmt: skip
    (row,) = rows(run("card.txt", "--json", "--show", "--explain"))
    assert (row["text"], row["explanation"]["words"]) == (CARD, ["card"])


def test_standard_input_also_packed():
    assert "<stdin>:1:1: pci.pan" in run("-", text=CARD).stdout
    assert "<stdin>:1:1: pci.pan" in run("-", text=gzip.compress(CARD.encode())).stdout


def test_binary_is_said_and_counts():
    done = run("data.bin")
    assert (done.exit_code, done.stdout) == (1, "data.bin: unscannable.binary not inspected\n")
    assert run("data.bin", "--fail-on", "secret,pii").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--fail-on", "pii"], 0),
        (["--fail-on", "pii,pci.pan"], 1),
        (["--fail-on", "none"], 0),
        (["--kinds", "pii"], 0),
        (["--kinds", "pci.*"], 1),
        (["--min-score", "1"], 0),
        (["--policy", "policy.json"], 1),
        (["--policy", "policy.json", "--direction", "output"], 0),
        (["--policy", "policy.json", "--kinds", "pii"], 1),
        (["--policy", "policy.json", "--direction", "output", "--fail-on", "pci"], 1),
    ],
)
def test_exit_codes(arguments, code):
    assert run("card.txt", *arguments).exit_code == code


def test_a_policy_that_redacts_does_not_fail():
    done = run("mail.txt", "--policy", "policy.json", "--json")
    assert done.exit_code == 0
    assert rows(done)[-1] == {
        "type": "decision", "path": "mail.txt", "action": "REDACT", "rule": "p/mail", "kinds": ["pii.email"],
    }  # fmt: skip


def test_own_detectors():
    custom = [{"id": "falcon", "kind": "custom.project", "keywords": ["operation falcon"]}]
    Path("detectors.json").write_text(json.dumps({"schema_version": "1", "custom": custom}), "utf-8")
    done = run("-", "--detectors", "detectors.json", "--kinds", "custom", text="about Operation  Falcon")
    assert "custom.project custom/falcon" in done.stdout


def test_own_lists():
    Path("detectors.json").write_text(json.dumps({"schema_version": "1", "lists": [LIST]}), "utf-8")
    Path("customers.list").write_bytes(build_words(["Quxley Holdings"], "customers", KEY))
    Path("key.json").write_bytes(encode_list_key(KEY))
    arguments = ("-", "--detectors", "detectors.json", "--kinds", "org")
    done = run(*arguments, "--list-key", "key.json", text="about QUXLEY holdings")
    assert "org.customers list/customers" in done.stdout
    done = run(*arguments, text="about QUXLEY holdings")
    assert (done.exit_code, "list key list-1, which is not here" in " ".join(done.output.split())) == (2, True)


def test_what_cannot_be_inspected_ends_with_1():
    Path("broken.zip").write_bytes(b"PK\x03\x04 and nothing")
    done = run("broken.zip", "--fail-on", "none", "--json")
    assert done.exit_code == 1
    (row,) = rows(done)
    assert (row["type"], row["error"]["code"]) == ("error", "unscannable.archive")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere"],
        ["card.txt", "--kinds", "nothing"],
        ["card.txt", "--fail-on", "pi.email"],
        ["--policy", "nowhere"],
        ["--policy", "card.txt"],
        ["--detectors", "policy.json"],
        ["--min-score", "2"],
        ["--jobs", "0"],
        ["--jsonl", "nowhere"],
        ["card.txt", "--jsonl", "card.txt"],
    ],
)
def test_usage(arguments):
    done = run(*arguments)
    assert done.exit_code == 2
    assert "4111" not in done.output


def test_sarif_beside_and_instead_of_the_rest():
    assert "card.txt:1:9" in run("card.txt", "--sarif", "out.sarif").stdout
    written = json.loads(Path("out.sarif").read_text("utf-8"))
    assert written == json.loads(run("card.txt", "--sarif", "-").stdout)
    assert written["runs"][0]["results"][0]["ruleId"] == "pci.pan"


def test_several_processes():
    assert run("--jobs", "2", "--json").stdout == run("--jobs", "1", "--json").stdout


def test_jsonl_answers_each_line():
    Path("set.jsonl").write_text(
        json.dumps({"id": "a", "text": CARD}) + "\n{\n" + json.dumps({"id": "b", "text": ""}), "utf-8"
    )
    done = run("--jsonl", "set.jsonl")
    assert done.exit_code == 1
    assert [row.get("id") for row in rows(done)] == ["a", None, "b"]
    good = run("--jsonl", "-", text=json.dumps({"id": "a", "segments": [CARD]}))
    assert good.exit_code == 0
    assert rows(good)[0]["findings"][0]["segment"] == 0


def test_what_the_terminal_cannot_write_is_escaped():
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    with redirect_stdout(out):
        _say("ö\udcff.txt")
    out.seek(0)
    assert out.read() == "\\xf6\\udcff.txt\n"


def test_lines_above_the_bar_are_whole():
    shown = io.StringIO()
    with redirect_stdout(_AboveBar(Console(file=shown, width=10))):
        _say("a path of many words.txt:1:1: [bold]\nnext")
    assert shown.getvalue() == "a path of many words.txt:1:1: [bold]\nnext\n"


def test_jsonl_finds_what_lies_in_two_segments():
    line = json.dumps({"id": 1, "segments": ["card 4111 1111", " 1111 1111"]})
    result = run("--jsonl", "-", text=line)
    assert [one["segment"] for one in json.loads(result.stdout)["findings"]] == [0, 1]


def test_a_model_pack_adds_its_kinds(folder):
    pack = str(write_pack(folder / "pack"))
    Path("name.txt").write_text("the note of Ana Silva\n", "utf-8")
    answer = CliRunner().invoke(
        cli, ["scan", "name.txt", "--models", pack, "--kinds", "pii.person", "--explain", "--json"]
    )
    row = json.loads(answer.stdout)
    assert (row["kind"], row["tier"], row["explanation"]["label"]) == ("pii.person", 2, "PERSON")
    refused = CliRunner().invoke(cli, ["scan", "name.txt", "--models", str(folder)])
    assert refused.exit_code == 2
    assert "card.json" in refused.stderr
