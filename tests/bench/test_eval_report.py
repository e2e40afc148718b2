"""Tables and failures of a small evaluation with known answers; the command's options; peers that are not there."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from bench import eval as command
from bench import eval_report, eval_tools
from bench.eval_metrics import Found, Label, Measured
from bench.eval_sets import LabelledSet, Sample, Sets

CARDS = LabelledSet(
    "cards",
    (Sample("card 4111", (Label("CARD", 5, 9),), "a"), Sample("card 5500", (Label("CARD", 5, 9),), "b")),
    {"CARD": ["pci.pan"], "ZIP": ["pii.address.postcode"]},
    {"PERSON": 2},
)
RULES = {"dev-noseyparker-rules": [Sample("key", (Label("positive", 0, 3),), "np.a.1"), Sample("none", (), "np.a.1")]}
MARKED = {"dev-leaky-repo": [Sample("a\nb\n", (Label("risk", 0, 2), Label("informative", 2, 4)))]}
SETS = Sets([CARDS], {**RULES, **MARKED}, {"dev-xstest": [Sample("hello")] * 4}, {"code": [Sample("int x;")]})
PAN, KEY = Found("pci.pan", 5, 9), Found("secret.jwt", 0, 1)
OURS = Measured(
    "outpost",
    frozenset(),
    {
        "cards": [[PAN], [Found("pci.pan", 0, 4)]],
        "dev-noseyparker-rules": [[KEY], [KEY]],
        "dev-leaky-repo": [[KEY]],
        "dev-xstest": [[PAN, PAN], [], [], []],
        "code": [[]],
    },
    {"dev-xstest": [0.1] * 4, "code": [0.1]},
)
PEER = Measured(
    "peer",
    frozenset({"pci.pan"}),
    {"cards": [[], []], "dev-xstest": [[]] * 4, "code": []},
    {"dev-xstest": [1.0] * 4, "code": []},
)


def table(title: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    one = next(table for table in eval_report.tables(SETS, [OURS, PEER]) if table.title.startswith(title))
    return {row[:2]: row[2:] for row in one.rows}


def test_types_are_counted_per_tool_that_covers_them():
    rows = table("cards")
    recall, precision, *_, prompts, code = rows["CARD", "outpost"]

    assert recall.startswith("0.500 of 2 (")
    assert precision.startswith("0.500 of 2 (")
    assert prompts.startswith("500.00 in 250.00 (")
    assert code.startswith("0.00 in 0.00 (")
    assert rows["CARD", "peer"][:2] == (recall.replace("0.500 of 2 (0.095-0.905)", "0.000 of 2 (0.000-0.658)"), "-")
    assert ("ZIP", "outpost") in rows
    assert ("ZIP", "peer") not in rows


def test_secrets_are_texts_and_lines():
    rows = table("Secrets, flagged")

    assert rows["dev-noseyparker-rules: negative", "outpost"][0] == "1"
    assert rows["dev-leaky-repo: risk lines", "outpost"][0] == "1"
    assert rows["dev-leaky-repo: informative lines", "outpost"][0] == "0"
    assert table("Secrets")["rule examples", "outpost"][1].startswith("0.500 of 2")


def test_cpu_time_is_of_texts_that_all_have_read():
    assert table("CPU time") == {("outpost", "20000.000"): ("1.0",), ("peer", "200000.000"): ("10.0",)}


def test_failures_are_misses_and_false_findings():
    failures = list(eval_report.failures(SETS, OURS))

    assert {"set": "cards", "type": "CARD", "miss": True, "value": "5500", "before": "card ", "after": ""} in failures
    assert {"set": "cards", "type": "CARD", "miss": False, "value": "card", "before": "", "after": " 5500"} in failures
    assert {"set": "dev-noseyparker-rules", "rule": "np.a.1", "miss": False, "text": "none"} in failures
    assert sum(one["set"] == "dev-xstest" for one in failures) == 2


def test_a_markdown_table_has_a_row_for_each():
    markdown = eval_report.tables(SETS, [OURS])[0].markdown()

    assert markdown.startswith("### cards: 2 texts")
    assert markdown.count("\n| ") == 4


def test_ours_counts_a_text_that_it_could_not_inspect():
    tool = eval_tools.Outpost(scan=eval_tools.default_engine().scan)

    assert tool.find(Sample("card 4111 1111 1111 1111"))[0] == [Found("pci.pan", 5, 24)]
    assert tool.find(Sample("\ud800"))[0] == []
    assert tool.refused == 1


def test_a_missing_environment_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(eval_tools, "ENVIRONMENT", tmp_path)
    said = io.StringIO()

    assert command.peers(command.arguments([]), Console(file=said)) == []
    assert "not installed" in said.getvalue()


def test_an_unknown_section_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        command.arguments(["--only", "types,cards"])
    assert "no section cards" in capsys.readouterr().err


def test_the_command_measures_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(eval_tools, "accelerated", eval_tools.default_engine)
    (tmp_path / "dev-xstest").mkdir()
    (tmp_path / "dev-xstest" / "dev.jsonl").write_text(json.dumps({"text": "card 4111 1111 1111 1111"}) + "\n", "utf-8")
    files = ["--markdown", str(tmp_path / "t.md"), "--failures", str(tmp_path / "f.jsonl")]
    command.main(["--data", str(tmp_path), "--no-peers", "--only", "types,secrets,false", *files])
    said = capsys.readouterr()

    assert "dev-presidio-synth is not here" in said.err
    assert "False findings by kind" in said.out
    assert "| pci.pan | outpost | 1000.00 in 1000.00" in (tmp_path / "t.md").read_text("utf-8")
    assert json.loads((tmp_path / "f.jsonl").read_text("utf-8"))["value"] == "4111 1111 1111 1111"


def test_a_table_is_put_below_its_mark_and_nowhere_else():
    one = eval_report.tables(SETS, [OURS])[0]
    document = "# A\n\n<!-- make eval: cards -->\n| old |\n| --- |\n\nafter\n"
    updated = one.put_into(document)

    assert updated.startswith("# A\n\n<!-- make eval: cards -->\n| type | tool |")
    assert updated.endswith("|\n\nafter\n")
    assert "| old |" not in updated
    assert one.put_into(updated) == updated
    assert one.put_into("no mark") == "no mark"


def test_the_documents_marks_are_titles_of_tables():
    titles = {"dev-presidio-synth", "dev-datafog-structured", "Held-out bars", "Second held-out bars"}
    titles |= {table.title for table in eval_report.tables(SETS, [OURS])}
    marks = re.findall(
        "<!-- make eval: (.*) -->", (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text("utf-8")
    )

    assert marks
    assert set(marks) <= titles
