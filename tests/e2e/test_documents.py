"""Optional documents with real processes: what applies, what is refused, and who learns of it."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from outpost.demo.stage import Stage

PATIENCE_S = 30.0


PROJECT = {"custom": [{"id": "p", "kind": "custom.project", "keywords": ["Operation Nightjar"]}]}
BLOCKS = {
    "packs": [
        {
            "id": "p",
            "sequence": 1,
            "default": "ALLOW",
            "rules": [
                {
                    "id": "project",
                    "sequence": 1,
                    "when": {"findings": ["custom.project"]},
                    "action": "BLOCK",
                    "messages": {"user": "Not that name, please."},
                }
            ],
        }
    ]
}
CASE = {"id": "nightjar", "text": "About operation nightjar", "direction": "input"}


def wait_for(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.2)
    return found


def publish(stage: Stage, **documents: dict[str, Any]) -> int:
    arguments = []
    for name, content in {"policy": BLOCKS, **documents}.items():
        path = stage.directory / f"{name}.json"
        path.write_text(json.dumps({"schema_version": "1"} | content), "utf-8")
        arguments += [str(path)] if name == "policy" else ["--document", f"{name}.json={path}"]
    return int(json.loads(stage.control_plane("policy", "publish", *arguments, "--json"))["snapshot_version"])


@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_detectors_apply_and_a_failing_smoke_case_is_refused_and_told(stage: Stage) -> None:
    def in_force() -> int:
        return int(stage.health()["bundle"]["snapshot_version"])

    good = publish(stage, detectors=PROJECT, smoke={"cases": [CASE | {"expect": {"action": "BLOCK"}}]})
    wait_for(lambda: in_force() == good)
    refused = stage.ask("Tell me about Operation Nightjar.")
    assert refused.status_code == 403
    assert "Not that name, please" in refused.json()["error"]["message"]
    assert stage.ask("Tell me about birds.").status_code == 200

    bad = publish(stage, smoke={"cases": [CASE | {"expect": {"action": "ALLOW"}}]})
    report = wait_for(lambda: stage.health()["sync"].get("refused_reason") and stage.health())
    assert report["bundle"]["snapshot_version"] == good
    assert report["sync"]["refused_version"] == bad
    assert "case nightjar expects ALLOW, got BLOCK by p/project" in report["sync"]["refused_reason"]
    assert stage.ask("Tell me about Operation Nightjar.").status_code == 403

    def told() -> bool:
        (row,) = json.loads(stage.control_plane("outpost", "list", "--json"))
        return row["refused_version"] == bad and "case nightjar" in row["refused"] and row["bundle"] == good

    wait_for(told)
    shown = stage.outpost("status")
    assert f"version {bad}: smoke.json: case nightjar" in " ".join(shown.split())

    better = publish(stage, smoke={"cases": []})
    wait_for(lambda: in_force() == better and not stage.health()["sync"].get("refused_reason"))


@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_a_list_is_made_offline_published_and_enforced_and_a_spoilt_one_is_refused(stage: Stage) -> None:
    key, names, made = (stage.directory / name for name in ("list-key.json", "names.txt", "customers.list"))
    names.write_text("Quxley Holdings\nOperation Nightjar\n", "utf-8")
    stage.outpost("lists", "keygen", str(key))
    arguments = ("words", str(names), "--id", "customers", "--key", str(key), "--out", str(made), "--json")
    table, paper = stage.directory / "crm.csv", stage.directory / "plan.txt"
    table.write_text("first,phone\nAna,+44 20 7946 0958\nJoe,+44 20 7946 0111\n", "utf-8")
    paper.write_text(" ".join(f"word{number}" for number in range(100)), "utf-8")
    rows = ("records", str(table), "--id", "crm", "--column", "first", "--column", "phone:number")
    passages = ("passages", str(paper), "--id", "plans")
    rules = [json.loads(stage.outpost("lists", *arguments))["rule"]]
    for extra in (rows, passages):
        into = ("--key", str(key), "--out", str(stage.directory / f"{extra[3]}.list"), "--json")
        rules.append(json.loads(stage.outpost("lists", *extra, *into))["rule"])
    detectors = stage.directory / "detectors.json"
    detectors.write_text(json.dumps({"schema_version": "1", "lists": rules}), "utf-8")
    policy = stage.directory / "policy.json"
    policy.write_text(json.dumps({"schema_version": "1"} | BLOCKS).replace("custom.project", "org.*"), "utf-8")
    documents = ("--document", f"detectors.json={detectors}", "--document", f"customers.list={made}")
    for name in ("crm.list", "plans.list"):
        documents += ("--document", f"{name}={stage.directory / name}")

    def in_force() -> int:
        return int(stage.health()["bundle"]["snapshot_version"])

    def refused() -> str:
        return str(stage.health()["sync"].get("refused_reason") or "")

    # Without the key the bundle is refused; with it, the same bundle applies.
    before = in_force()
    published = json.loads(stage.control_plane("policy", "publish", str(policy), *documents, "--json"))
    wait_for(lambda: "which is not here" in refused())
    assert in_force() == before
    stage.control_plane("secret", "add-list-key", str(key))
    good = json.loads(stage.control_plane("policy", "publish", str(policy), "--json"))["snapshot_version"]
    assert good > published["snapshot_version"]
    wait_for(lambda: in_force() == good)
    assert stage.ask("A letter to QUXLEY-Holdings, please").status_code == 403
    assert stage.ask("A letter to Quxley, please").status_code == 200
    assert stage.ask("Call Ana, her number is 442079460958").status_code == 403
    assert stage.ask("Call Ana, her number is 442079460111").status_code == 200
    assert stage.ask(f"Summarise: {' '.join(paper.read_text('utf-8').split()[20:60])}").status_code == 403

    # Made with another key: refused, the last good one stays.
    other = stage.directory / "other.json"
    stage.outpost("lists", "keygen", str(other))
    content = json.loads(other.read_bytes()) | {"id": json.loads(key.read_bytes())["id"]}
    other.write_text(json.dumps(content), "utf-8")
    stage.outpost("lists", *(str(other) if part == str(key) else part for part in arguments))
    stage.control_plane("policy", "publish", str(policy), *documents)
    wait_for(lambda: "made with another key" in refused())
    assert in_force() == good
    assert stage.ask("A letter to Quxley Holdings, please").status_code == 403
