import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.engine import default_engine
from outpost.errors import CouldNotInspect
from outpost.models.results import ModelFinding
from outpost.models.tiers import Judged
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding, Tier
from outpost.scan import jsonl as module
from outpost.scan.jsonl import answer_lines, scan_each
from outpost.scan.select import Selection

ENGINE = default_engine()


def scan(texts):
    return scan_each(lambda text: Judged(ENGINE.scan(text)), ENGINE.scan_segments, texts)


def ask(*lines, selection=Selection(), scan=scan):  # noqa: B008 - immutable
    content = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    return list(answer_lines(io.BytesIO(content), scan, selection))


def test_findings_of_a_text():
    ((answer, good),) = ask({"id": 7, "text": "é card 4111 1111 1111 1111", "surface": "user"})
    assert good
    assert answer == {
        "id": 7,
        "findings": [
            {"kind": "pci.pan", "start": 7, "end": 26, "score": 0.99, "detector": "card/luhn", "tier": 1},
        ],
        "labels": {},
    }


def test_segments_are_told_apart_and_order_is_kept():
    answers = ask(
        {"id": "a", "segments": ["x", "a@corp-mail.com"]}, {"id": "b", "text": ""}, b"", {"id": "c", "segments": []}
    )
    assert [answer["id"] for answer, _ in answers] == ["a", "b", "c"]
    assert [(f["segment"], f["start"]) for f in answers[0][0]["findings"]] == [(1, 0)]


def test_a_value_over_segments_is_found_in_each():
    ((answer, good),) = ask({"id": 1, "segments": ["é card 4111 1111", "", " 1111 ", "1111, thanks"]})
    assert good
    assert [(f["kind"], f["segment"], f["start"], f["end"]) for f in answer["findings"]] == [
        ("pci.pan", 0, 7, 16),
        ("pci.pan", 2, 0, 6),
        ("pci.pan", 3, 0, 4),
    ]


def test_a_secret_that_goes_on_is_found_to_its_end():
    key = "sk-ant-api03-" + "Zk7Qw_9xTb3" * 9 + "AA"
    ((answer, _),) = ask({"id": 1, "segments": [f"use {key[:-2]}", f"{key[-2:]} please"]})
    assert {(f["segment"], f["start"], f["end"]) for f in answer["findings"]} >= {(1, 0, 2)}


def test_a_segment_by_itself_is_found_once():
    ((answer, _),) = ask({"id": 1, "segments": ["mail to", "ana@corp-mail.com", "now"]})
    assert [(f["segment"], f["start"], f["end"]) for f in answer["findings"]] == [(1, 0, 17)]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"{", {"error": "the line is not JSON"}),
        (b"\xff\xfe", {"error": "the line is not JSON"}),
        (b"[" * 100_000, {"error": "the line is not JSON"}),
        ([], {"error": "the line is not a JSON object"}),
        ({"text": "x"}, {"error": "id must be a string or an integer"}),
        ({"id": 1}, {"id": 1, "error": "give either text or segments"}),
        ({"id": 1, "text": "a", "segments": []}, {"id": 1, "error": "give either text or segments"}),
        ({"id": 1, "text": 5}, {"id": 1, "error": "text must be a string, segments a list of strings"}),
        ({"id": 1, "segments": ["a", None]}, {"id": 1, "error": "text must be a string, segments a list of strings"}),
        (
            {"id": 1, "text": "", "surface": "chat"},
            {"id": 1, "error": "surface must be one of completion, document, system, tool_result, user"},
        ),
    ],
)
def test_bad_lines(line, answer):
    assert ask(line, {"id": 2, "text": ""})[0] == (answer, False)
    assert ask(line, {"id": 2, "text": ""})[1][1]


def test_a_lone_surrogate_does_not_hide_the_rest():
    ((answer, good),) = ask(b'{"id": "\\ud800", "text": "\\ud83d\\ude00 \\udc00 a@corp-mail.com"}')
    assert good
    assert [(f["start"], f["kind"]) for f in answer["findings"]] == [(4, "pii.email")]
    assert json.loads(json.dumps(answer)) == answer


def test_what_cannot_be_inspected_is_an_error_with_its_id():
    def refuse(texts):
        raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "too long")

    assert ask({"id": 1, "text": "x"}, scan=refuse) == [({"id": 1, "error": "too long"}, False)]


def test_selection_applies():
    assert ask({"id": 1, "text": "a@corp-mail.com"}, selection=Selection(("pci.*",)))[0][0]["findings"] == []


def test_a_line_that_is_too_long_is_skipped(monkeypatch):
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 64)
    answers = ask({"id": 1, "text": "x" * 300}, {"id": 2, "text": ""})
    assert [good for _, good in answers] == [False, True]
    assert answers[1][0]["id"] == 2


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), max_size=5))
def test_any_bytes_give_a_line_each(lines):
    answers = ask(*lines)
    assert len(answers) == sum(bool(line.strip()) for line in lines)
    for answer, _ in answers:
        json.dumps(answer)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=5), st.lists, max_leaves=5
    )
)
def test_any_values_give_a_line(value):
    for row in ({"id": value, "text": "a"}, {"id": 1, "text": value}, {"id": 1, "segments": value}):
        ((answer, _),) = ask(row)
        assert ("findings" in answer) != ("error" in answer)


def test_labels_of_segments_are_joined_and_models_explain():
    finding = Finding("pii.person", 0, 3, 0.9, "tiny/entities", Tier.ENTITY_MODEL)
    reason = ModelFinding(finding, "PERSON", 0.8, 0.7, (0, 9), (("O", 0.1),))

    def looked(texts):
        return [Judged([finding], {"a.x": 0.1 * n, "a.y": 0.5}, {finding: reason}) for n, _ in enumerate(texts, 1)]

    line = json.dumps({"id": 1, "segments": ["Ana", "Ana"]}).encode()
    ((answer, _),) = answer_lines(io.BytesIO(line), looked, Selection(), explain=True)
    assert answer["labels"] == {"a.x": 0.2, "a.y": 0.5}
    assert answer["findings"][1]["explanation"]["alternatives"] == (("O", 0.1),)
    assert answer["findings"][1]["tier"] == 2
