import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from outpost.cli import cli
from outpost.dlp.allow import allow_digest
from outpost.dlp.lists import list_finder
from outpost.errors import InputUnusable
from outpost.protocol.detectors import AllowEntry, ListRule
from outpost.protocol.list_file import parse_list_key
from tests.outpost.dlp.org_lists import engine, found


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        done = CliRunner().invoke(cli, ["lists", *arguments])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done

    return run


@pytest.fixture
def key(run):
    assert "control-plane secret add-list-key key.json" in run("keygen", "key.json").stdout
    assert Path("key.json").stat().st_mode & 0o77 == 0
    return parse_list_key(Path("key.json").read_bytes())


def finder(facts, key):
    rule = ListRule.model_validate_json(json.dumps(facts["rule"]))
    return list_finder(rule, Path(facts["file"]).read_bytes(), {key.id: key.value})


def test_a_key_is_never_replaced(run, key):
    with pytest.raises(InputUnusable, match="exists"):
        run("keygen", "key.json")


def test_words_of_texts_and_columns(run, key):
    Path("a.txt").write_text("# projects\nOperation Nightjar\nab\nEmail\nThe Company\n", "utf-8")
    Path("b.csv").write_text("id,name,alias\n1,Quxley Holdings,QXH\n2,,\n", "utf-8")
    Path("common.txt").write_text("the COMPANY\n", "utf-8")
    made = ("words", "a.txt", "--id", "project-names", "--key", "key.json", "--leave-out", "common.txt")
    done = run(*made, "--show-skipped", "--json")
    facts = json.loads(done.stdout)
    assert facts["rule"] == {"id": "project-names", "kind": "org.project_names", "form": "words", "score": 0.9}
    assert (facts["entries"], facts["skipped"], facts["key_id"]) == (1, 3, key.id)
    assert re.findall("skipped: (.*)", done.stderr) == ["ab", "Email", "The Company"]
    assert found(engine(finder(facts, key)), "the company's OPERATION NIGHTJAR") == ["OPERATION NIGHTJAR"]

    columns = ("--column", "name", "--column", "alias", "--kind", "org.names", "--out", "n.list", "--score", "0.7")
    facts = json.loads(run("words", "b.csv", "--id", "names", "--key", "key.json", *columns, "--json").stdout)
    (finding,) = engine(finder(facts, key)).scan("QXH")
    assert (finding.kind, finding.score) == ("org.names", 0.7)


def test_nothing_of_the_entries_is_printed_or_written(run, key):
    Path("a.txt").write_text("Operation Nightjar\nxy\n", "utf-8")
    done = run("words", "a.txt", "--id", "p", "--key", "key.json")
    assert "--document p.list=p.list" in done.stdout
    assert "nightjar" not in (done.stdout + done.stderr).lower()
    assert b"nightjar" not in Path("p.list").read_bytes().lower()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("words", "b.csv", "--id", "p", "--key", "key.json"), "say which columns"),
        (("words", "a.txt", "--id", "P!", "--key", "key.json"), "id: "),
        (("words", "a.txt", "--id", "p", "--key", "a.txt"), "not a list key"),
        (("words", "empty.txt", "--id", "p", "--key", "key.json"), "no entries"),
        (("show", "a.txt"), "this is not a list file"),
        (("allow", "a.txt", "--kind", "No Kind", "--key", "key.json"), "kinds"),
    ],
)
def test_what_cannot_be_made_is_refused(run, key, arguments, why):
    Path("a.txt").write_text("Nightjar\n", "utf-8")
    Path("b.csv").write_text("name\nNightjar\n", "utf-8")
    Path("empty.txt").write_text("\n", "utf-8")
    with pytest.raises(InputUnusable, match=why) as refused:
        run(*arguments)
    assert "Nightjar" not in str(refused.value)


def test_a_list_says_what_it_is_and_whose(run, key):
    Path("a.txt").write_text("Nightjar\n", "utf-8")
    facts = json.loads(run("words", "a.txt", "--id", "p", "--key", "key.json", "--json").stdout)
    shown = json.loads(run("show", "p.list", "--key", "key.json", "--json").stdout)
    assert (shown["list_id"], shown["form"], shown["sha256"]) == ("p", "words", facts["sha256"])
    assert "sha256" in run("show", "p.list").stdout
    run("keygen", "other.json")
    with pytest.raises(InputUnusable, match="another key"):
        run("show", "p.list", "--key", "other.json")


def test_allowed_values_are_digests_under_the_list_key(run, key):
    Path("a.txt").write_text("4012 8888 8888 1881\n4012888888881881\n", "utf-8")
    entry = AllowEntry.model_validate_json(run("allow", "a.txt", "--kind", "pci.pan", "--key", "key.json").stdout)
    assert entry.digests.hmac_sha256 == [allow_digest(key.value, "4012888888881881")]
    assert entry.digests.pepper_id == key.id


def test_records_of_a_table(run, key):
    Path("crm.csv").write_text(
        "first,last,phone\nAna,Silva,+44 20 7946 0958\nZoe,Unal,650 253 0000\nJoe,,12\n", "utf-8"
    )
    columns = ("--column", "first", "--column", "last", "--column", "phone:number")
    made = ("records", "crm.csv", "--id", "crm", "--key", "key.json", *columns, "--min-columns", "2", "--json")
    facts = json.loads(run(*made).stdout)
    assert facts["rule"] == {"id": "crm", "kind": "org.crm", "form": "records", "score": 0.9, "min_columns": 2}
    assert (facts["entries"], facts["rows"], facts["anchors"], facts["skipped"]) == (7, 3, 7, 1)
    assert found(engine(finder(facts, key)), "ZOE: 650-253-0000") == ["ZOE", "650-253-0000"]
    with pytest.raises(InputUnusable, match="two columns"):
        run("records", "crm.csv", "--id", "crm", "--key", "key.json", "--column", "first")
    with pytest.raises(InputUnusable, match="text or number"):
        run("records", "crm.csv", "--id", "crm", "--key", "key.json", "--column", "first:date", "--column", "last")


def test_passages_of_documents(run, key):
    words = [f"word{number}" for number in range(200)]
    Path("papers").mkdir()
    Path("papers/plan.txt").write_text(" ".join(words[:120]), "utf-8")
    Path("papers/empty.md").write_text("nothing", "utf-8")
    Path("papers/picture.png").write_bytes(b"\xff")
    Path("template.txt").write_text(" ".join(words[:60]), "utf-8")
    made = ("passages", "papers", "--id", "plans", "--key", "key.json", "--without", "template.txt", "--json")
    facts = json.loads(run(*made).stdout)
    assert facts["rule"] == {"id": "plans", "kind": "org.plans", "form": "passages", "score": 0.9, "min_shared": 2}
    assert (facts["sources"], facts["skipped"]) == (1, 1)
    scanned = engine(finder(facts, key))
    assert found(scanned, " ".join(words[70:110])) != []
    assert found(scanned, " ".join(words[:50])) == []
    for wrong, why in ((("papers/picture.png",), "not UTF-8 text"), (("nowhere",), "there is no nowhere")):
        with pytest.raises(InputUnusable, match=why):
            run("passages", *wrong, "--id", "plans", "--key", "key.json")
