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
