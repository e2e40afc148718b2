import json

import pytest

from outpost.policy.evaluate import Facts, compile_policy
from outpost.protocol.decisions import Action, Direction
from outpost.protocol.documents import PolicyDocument
from outpost.protocol.findings import Finding
from outpost.scan.results import BINARY, FileResult, Hit, Problem, Result, Unscannable, Verdict
from outpost.scan.select import KindUnknown, Selection, fails, judge, parse_kinds

KNOWN = {"pii.email", "pii.phone", "pci.pan", "secret.aws", BINARY}
HIT = Hit("pii.email", "email", 0.9, 1, 0, 1, 1, 1, 1, 2)


@pytest.mark.parametrize(
    ("given", "patterns"),
    [
        (["pii.email,pci.pan"], ("pii.email", "pci.pan")),
        (["pii", " secret.* ", ""], ("pii.*", "secret.*")),
        (["*"], ("*",)),
        (["unscannable"], ("unscannable.*",)),
    ],
)
def test_kinds(given, patterns):
    assert parse_kinds(given, KNOWN) == patterns


@pytest.mark.parametrize(
    ("name", "hint"),
    [("pii.emial", "pii.email"), ("emial", "pii.email"), ("secrets", "secret.*"), ("???", None), ("x.*", None)],
)
def test_a_kind_that_is_none(name, hint):
    with pytest.raises(KindUnknown) as caught:
        parse_kinds([name], KNOWN)
    assert (hint in str(caught.value)) if hint else ("did you mean" not in str(caught.value))


def test_selection():
    finding = Finding("pii.email", 0, 1, 0.7, "email")
    assert Selection().lists(finding)
    assert Selection(("pii.*",), 0.7).lists(finding)
    assert not Selection(("pci.*",)).lists(finding)
    assert not Selection(None, 0.71).lists(finding)


def policy(action, kinds):
    rule = {"id": "r", "sequence": 1, "when": {"findings": kinds}, "action": action, "reason": "no"}
    pack = {"id": "p", "sequence": 1, "default": "ALLOW", "rules": [rule]}
    return compile_policy(PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": [pack]})))


def test_a_policy_judges_findings_and_binary_content():
    facts, found = Facts("s", "m", "g", Direction.INPUT), [Finding("pii.email", 0, 1, 0.9, "email")]
    blocked = judge(policy("BLOCK", ["pii.*"]), facts, found, binary=False)
    assert blocked == Verdict(Action.BLOCK, "p/r", "no", ("pii.email",))
    assert judge(policy("BLOCK", ["unscannable.*"]), facts, [], binary=True).action is Action.BLOCK
    assert judge(policy("BLOCK", ["unscannable.*"]), facts, found, binary=False).action is Action.ALLOW


BLOCKED, ALLOWED = Verdict(Action.BLOCK, "r", "", ()), Verdict(Action.ALLOW, "r", "", ())


@pytest.mark.parametrize(
    ("file", "fail_on", "failed"),
    [
        (FileResult("f"), None, False),
        (FileResult("f", (HIT,)), None, True),
        (FileResult("f", binary=True), None, True),
        (FileResult("f", (HIT,)), (), False),
        (FileResult("f", (HIT,)), ("pci.*",), False),
        (FileResult("f", (HIT,)), ("pii.*",), True),
        (FileResult("f", binary=True), ("unscannable.*",), True),
        (FileResult("f", omitted=1), ("pii.*",), True),
        (FileResult("f", omitted=1), (), False),
        (FileResult("f", (HIT,), verdict=ALLOWED), None, False),
        (FileResult("f", (HIT,), verdict=ALLOWED), ("pii.*",), True),
        (FileResult("f", verdict=BLOCKED), (), True),
    ],
)
def test_what_fails(file, fail_on, failed):
    assert fails(Result((file,)), fail_on) is failed


def test_what_could_not_be_inspected_always_fails():
    assert fails(Result(problems=(Problem("f", Unscannable.TEXT, "m"),)), ())
