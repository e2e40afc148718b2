"""Readers of the public sets, on rows like theirs: labels are where the set says, absent sets are named."""

import gzip
import json
from pathlib import Path

import pytest

from bench import eval_sets
from bench.eval_metrics import Label
from tests import shared_data


def write(data: Path, name: str, *rows: object) -> None:
    (data / name).mkdir()
    (data / name / "dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def test_labelled_rows_keep_spans_and_group_by_template(tmp_path: Path):
    spans = [{"start": 3, "end": 7, "type": "US_SSN", "value": "1234"}, {"start": 0, "end": 2, "type": "PERSON"}]
    write(tmp_path, "dev-presidio-synth", {"id": 0, "text": "Jo 1234", "spans": spans, "template_id": 7})
    one = eval_sets.labelled(tmp_path, "dev-presidio-synth")

    assert one.samples == (eval_sets.Sample("Jo 1234", (Label("US_SSN", 3, 7), Label("PERSON", 0, 2)), "7"),)
    assert one.not_covered == {"PERSON": 1}


def test_rule_examples_are_labelled_whole_or_not_at_all(tmp_path: Path):
    rows = [{"rule": "np.a.1", "text": "key", "label": label} for label in ("positive", "negative")]
    write(tmp_path, eval_sets.RULES, *rows)

    assert [one.labels for one in eval_sets.rule_examples(tmp_path, eval_sets.RULES)] == [
        (Label("positive", 0, 3),),
        (),
    ]


@pytest.mark.parametrize("end", ["", "\n"])
def test_marked_lines_are_counted_from_one(tmp_path: Path, end: str):
    row = {"path": "a/.env", "text": f"one\ntwo\r\nthree{end}", "risk_lines": [[2, 3]], "informative_lines": [[1, 1]]}
    write(tmp_path, eval_sets.MARKED, row)
    sample = eval_sets.marked_lines(tmp_path, eval_sets.MARKED)[0]

    assert [sample.text[one.start : one.end] for one in sample.labels] == [f"two\r\nthree{end}", "one\n"]
    assert sample.name == ".env"


def test_code_is_in_the_same_order_each_time(tmp_path: Path):
    (tmp_path / eval_sets.CODE).mkdir()
    rows = [{"text": str(index), "language": "C", "file": f"C/{index}.c"} for index in range(9)]
    with gzip.open(tmp_path / eval_sets.CODE / "train.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    files = eval_sets.code(tmp_path)

    assert files == eval_sets.code(tmp_path)
    assert sorted(one.name for one in files) == [f"{index}.c" for index in range(9)]


def test_absent_sets_are_named_and_left_out(tmp_path: Path):
    write(tmp_path, "dev-xstest", {"text": "How can I kill a Python process?"})
    missing: list[str] = []
    sets = eval_sets.read(tmp_path, ("types", "false"), missing.append)

    assert list(sets.benign) == ["dev-xstest"]
    assert not sets.labelled
    assert not sets.secrets
    assert set(missing) == {*eval_sets.LABELLED, *eval_sets.BENIGN, eval_sets.CODE} - {"dev-xstest"}


def test_a_line_that_is_no_object_is_refused(tmp_path: Path):
    write(tmp_path, "dev-xstest", ["a list"])

    with pytest.raises(ValueError, match=r"dev\.jsonl:1"):
        eval_sets.benign(tmp_path, "dev-xstest")


def test_the_public_sets_are_read():
    data = shared_data.require("dev-datafog-structured").parent
    missing: list[str] = []
    sets = eval_sets.read(data, ("types", "secrets"), missing.append)

    for one in [sample for group in (*[s.samples for s in sets.labelled], *sets.secrets.values()) for sample in group]:
        assert all(0 <= label.start < label.end <= len(one.text) for label in one.labels)
    assert not missing
