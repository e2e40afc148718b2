import json
import sys

import pytest

from outpost.errors import BundleRejected
from outpost.policy.evaluate import Facts
from outpost.protocol.decisions import Action, Direction
from outpost.protocol.documents import DocumentError
from outpost.scan import pool as module
from outpost.scan.pool import Plan, default_jobs, inspect_all
from outpost.scan.walk import Found

POLICY = {
    "schema_version": "1",
    "packs": [
        {
            "id": "p",
            "sequence": 1,
            "default": "ALLOW",
            "rules": [{"id": "r", "sequence": 1, "when": {"findings": ["pci.*"]}, "action": "BLOCK"}],
        }
    ],
}
DETECTORS = {"schema_version": "1", "settings": [{"kind": "pii.email", "enabled": False}]}
PLAN = Plan(
    policy=json.dumps(POLICY).encode(),
    detectors=json.dumps(DETECTORS).encode(),
    facts=Facts("s", "m", "g", Direction.INPUT),
)


def test_processes_give_what_one_gives_in_order(tmp_path):
    found = []
    for number in range(40):
        path = tmp_path / f"{number}.txt"
        path.write_text("mail a@corp-mail.com card 4111 1111 1111 1111" if number % 3 == 0 else "nothing", "utf-8")
        found.append(Found(path, path.stat().st_size))
    found.insert(5, Found(tmp_path / "gone", 3))
    task = PLAN.compile()
    alone = list(inspect_all(PLAN, task, found, 1))
    assert list(inspect_all(PLAN, task, found, 2)) == alone
    assert [hit.kind for hit in alone[0].files[0].hits] == ["pci.pan"]
    assert alone[0].files[0].verdict.action is Action.BLOCK
    assert alone[1].files[0].verdict.action is Action.ALLOW
    assert alone[5].problems[0].message == "No such file or directory"


def test_a_process_that_dies_fails_what_it_had(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_start", sys.exit)
    path = tmp_path / "a"
    path.write_text("x", "utf-8")
    results = list(inspect_all(Plan(), Plan().compile(), [Found(path, 1)] * 3, 2))
    assert [result.problems[0].message for result in results] == ["the process that inspected it has died"] * 3


@pytest.mark.parametrize("content", [b"{", b'{"schema_version": "9"}'])
def test_a_document_that_is_none(content):
    with pytest.raises(DocumentError):
        Plan(detectors=content).compile()
    with pytest.raises(DocumentError):
        Plan(policy=content).compile()


def test_a_rule_that_does_not_compile():
    custom = [{"id": "c", "kind": "custom.c", "pattern": "(a"}]
    with pytest.raises(BundleRejected):
        Plan(detectors=json.dumps({"schema_version": "1", "custom": custom}).encode()).compile()


def test_jobs():
    assert default_jobs(1000) == 1
    assert 1 <= default_jobs(1 << 40) <= module.MAX_DEFAULT_JOBS


@pytest.mark.parametrize(
    ("size_bytes", "times"), [(module.WORTH_PROCESSES_BYTES - 1, 0), (module.WORTH_PROCESSES_BYTES, 1)]
)
def test_much_text_is_worth_the_faster_prefilter(tmp_path, monkeypatch, size_bytes, times):
    path = tmp_path / "a.txt"
    path.write_text("nothing")
    task, asked = Plan().compile(), []
    monkeypatch.setattr(task.engine, "accelerate", lambda: asked.append(1))
    (result,) = inspect_all(Plan(), task, [Found(path, size_bytes)], 1)
    assert (result.problems, len(asked)) == ((), times)
