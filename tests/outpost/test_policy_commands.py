import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from outpost.cli import cli
from tests.fakes.model_pack import write_pack

POLICY = {
    "schema_version": "1",
    "packs": [
        {
            "id": "p",
            "sequence": 1,
            "default": "BLOCK",
            "rules": [
                {"id": "mail", "sequence": 1, "when": {"findings": ["pii.email"]}, "action": "REDACT"},
                {"id": "in", "sequence": 2, "when": {"directions": ["input"], "groups": ["it"]}, "action": "ALLOW"},
            ],
        }
    ],
}
MAIL = "a@b.example"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    write("policy.json", POLICY)
    return tmp_path


def write(name, value) -> str:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(value if isinstance(value, str) else json.dumps(value, indent=2), "utf-8")
    return name


def run(*arguments, text=None):
    return CliRunner().invoke(cli, ["policy", *map(str, arguments)], input=text)


def test_lint_says_where_and_shows_the_line(folder):
    write("policy.json", json.dumps(POLICY, indent=2).replace("pii.email", "pii.emial"))
    done = run("lint", "policy.json")
    assert done.exit_code == 0
    assert "policy.json:14:15: warning" in done.stdout
    assert "did you mean pii.email? [unknown-kind]" in done.stdout
    assert '14 |               "pii.emial"\n     |               ^' in done.stdout
    assert done.stdout.endswith("1 warning\n")
    assert run("lint", "policy.json", "--strict").exit_code == 1


def test_lint_of_what_an_outpost_would_refuse(folder):
    write("policy.json", json.dumps(POLICY).replace("REDACT", "MASK"))
    done = run("lint", ".", "--json")
    assert done.exit_code == 1
    (problem,) = json.loads(done.stdout)
    assert (problem["file"], problem["line"], problem["severity"]) == ("policy.json", 1, "error")
    assert problem["path"] == "packs.0.rules.0.action"


def test_lint_of_a_clean_directory(folder):
    done = run("lint", ".")
    assert (done.exit_code, done.stdout) == (0, "1 document(s), nothing to say\n")


def test_documents_are_recognised_by_what_is_in_them(folder):
    write("mine.json", {"schema_version": "1", "custom": [{"id": "c", "kind": "custom.c", "pattern": "a*"}]})
    done = run("lint", "policy.json", "mine.json")
    assert "mine.json:7:7: error custom.0.pattern" in done.stdout


USAGE = [
    (["lint", "missing.json"], "No such file"),
    (["lint", "empty"], "holds none of"),
    (["lint", "other.json"], "cannot tell which document"),
    (["lint", "policy.json", "."], "are both policy.json"),
    (["simulate", "-d", "routing.json"], "no policy.json"),
    (["simulate", "missing.txt"], "No such file"),
    (["simulate", "latin.txt"], "not UTF-8"),
]


@pytest.mark.parametrize(("arguments", "says"), USAGE)
def test_usage(folder, arguments, says):
    (folder / "empty").mkdir()
    (folder / "latin.txt").write_bytes(b"\xff")
    write("other.json", {"schema_version": "1"})
    write("text.json", "{")
    provider = {"id": "o", "surface": "openai", "base_url": "https://llm.example/v1", "models": ["*"]}
    write("routing.json", {"schema_version": "1", "providers": [provider]})
    done = run(*arguments)
    assert done.exit_code == 2
    assert says in done.stderr.replace("\n", " ")


def test_text_that_is_no_json_is_told_by_line_and_column_under_any_name(folder):
    write("text.json", '{\n"packs": [')
    done = run("lint", "text.json")
    assert (done.exit_code, done.stderr) == (1, "text.json:2:11: error not JSON: Expecting value\n")


def test_diff(folder):
    write("new/policy.json", json.dumps(POLICY).replace('"BLOCK"', '"ALLOW"'))
    done = run("diff", "policy.json", "new")
    assert done.exit_code == 0
    assert "loosens  p      default BLOCK → ALLOW" in done.stdout
    assert "1 change(s), 1 that loosen" in done.stdout
    (change,) = json.loads(run("diff", "policy.json", "new", "--json").stdout)
    assert change["effect"] == "loosens"
    assert run("diff", ".", ".").stdout == "Nothing changes.\n"


def test_diff_of_a_document_that_cannot_be_read(folder):
    write("new/policy.json", "{")
    done = run("diff", "policy.json", "new")
    assert done.exit_code == 1
    assert "new/policy.json:1:2: error" in done.stderr


def test_simulate_reads_standard_input_and_explains(folder):
    done = run("simulate", "--group", "it", text=f"write to {MAIL}")
    assert done.exit_code == 0
    assert done.stdout.startswith("REDACT by p/mail\n")
    assert "found pii.email" in done.stdout
    assert f"pii.email  9-20  0.95   email     {MAIL}" in done.stdout
    assert "write to [REDACTED:pii.email]" in done.stdout


def test_simulate_for_programs(folder):
    write("text.txt", MAIL)
    done = run("simulate", "text.txt", "--direction", "output", "--json")
    said = json.loads(done.stdout)
    assert (said["action"], said["rule"], said["text"]) == ("BLOCK", "p/default", None)
    assert said["findings"][0] == {
        "kind": "pii.email",
        "start": 0,
        "end": 11,
        "score": 0.95,
        "detector": "email",
        "tier": 1,
    }
    assert said["rules"][1]["why"] == "direction is output, not input"
    assert MAIL not in done.stdout


def test_many_cases(folder):
    good = {"id": "good", "text": "hi", "direction": "input", "group": "it", "expect": {"action": "ALLOW"}}
    bad = good | {"id": "bad", "text": MAIL, "expect": {"action": "REDACT", "kinds": []}}
    path = write("cases.jsonl", f"{json.dumps(good)}\n\n{json.dumps(bad)}\n")
    done = run("simulate", "--cases", path)
    assert done.exit_code == 1
    assert "2 case(s), 1 failed" in done.stdout
    assert [row["outcome"] for row in json.loads(run("simulate", "--cases", path, "--json").stdout)] == ["ok", "failed"]
    assert run("simulate", "--cases", write("one.jsonl", json.dumps(good))).exit_code == 0
    write("broken.jsonl", f"{json.dumps(good)}\n{{}}\n")
    done = run("simulate", "--cases", "broken.jsonl")
    assert done.exit_code == 1
    assert "broken.jsonl:2: id: Field required" in done.stderr


def test_documents_that_do_not_compile_simulate_nothing(folder):
    write("detectors.json", {"schema_version": "1", "custom": [{"id": "c", "kind": "custom.c", "pattern": "a*"}]})
    done = run("simulate", text="x")
    assert done.exit_code == 1
    assert "custom rule c" in done.stderr


def test_simulate_with_models_says_what_led_to_their_findings(folder, tmp_path):
    pack = write_pack(tmp_path / "pack")
    rule = {"id": "r", "sequence": 1, "when": {"findings": ["pii.person"]}, "action": "REDACT"}
    packs = [{"id": "p", "sequence": 1, "default": "ALLOW", "rules": [rule]}]
    documents = write("people.json", json.dumps({"schema_version": "1", "packs": packs}))
    words = ("simulate", "-d", documents, "--models", pack)
    outcome = json.loads(run(*words, "--json", text="the note of Ana Silva").stdout)
    assert (outcome["action"], outcome["text"]) == ("REDACT", "the note of [REDACTED:pii.person]")
    (finding,) = outcome["findings"]
    assert (finding["tier"], finding["explanation"]["label"], finding["explanation"]["threshold"]) == (2, "PERSON", 0.7)
    assert "PERSON 1.00, counts from 0.70" in run(*words, text="the note of Ana Silva").stdout
    case = {"id": "c", "text": "Ana", "direction": "input", "expect": {"action": "REDACT", "kinds": ["pii.person"]}}
    assert run(*words, "--cases", write("case.jsonl", json.dumps(case))).exit_code == 0
    assert "card.json" in run("simulate", "-d", documents, "--models", tmp_path, text="x").stderr


def test_simulate_says_who_would_serve_it(folder):
    rule = {
        "id": "inside",
        "sequence": 0,
        "when": {"findings": ["pii.email"], "directions": ["input"]},
        "action": "ROUTE_TO",
        "route_to": {"provider": "in-house", "model": "llama"},
    }
    write("policy.json", {"schema_version": "1", "packs": [POLICY["packs"][0] | {"rules": [rule], "default": "ALLOW"}]})
    assert "served by" not in run("simulate", "-d", ".", text="hello").stdout
    providers = [
        {"id": name, "surface": "openai", "base_url": "https://llm.example/v1", "models": [models]}
        for name, models in (("cloud", "*"), ("in-house", "llama"))
    ]
    write("routing.json", {"schema_version": "1", "providers": providers})
    routed = run("simulate", "-d", ".", text=f"to {MAIL}")
    assert "found pii.email: goes to provider in-house, model llama" in routed.stdout
    assert "served by in-house (llama), order 0, weight 1" in routed.stdout
    said = json.loads(run("simulate", "-d", ".", "--model", "gpt", "--json", text="hello").stdout)
    assert said["served_by"] == [{"provider": "cloud", "model": "gpt", "order": 0, "weight": 1}]
    assert said["destination"] is None
