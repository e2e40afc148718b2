from pathlib import PurePosixPath

from outpost.protocol.decisions import Action
from outpost.scan import sarif as module
from outpost.scan.results import FileResult, Hit, Problem, Result, Unscannable, Verdict
from outpost.scan.sarif import SarifLog

HIT = Hit("pci.pan", "card/luhn", 0.99, 1, 14, 33, 2, 9, 2, 28, "card ", " x", "4111 1111 1111 1111")


def log(*results) -> dict:
    made = SarifLog("1.0", PurePosixPath("/base"))
    for result in results:
        made.add(result)
    return made.document()["runs"][0]


def test_a_finding_with_its_place_and_without_its_text():
    run = log(Result((FileResult("a b/é.txt", (HIT,)),)))
    (result,) = run["results"]
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "a%20b/%C3%A9.txt"}
    assert physical["region"] == {
        "startLine": 2, "startColumn": 9, "endLine": 2, "endColumn": 28, "charOffset": 14, "charLength": 19,
    }  # fmt: skip
    assert (result["ruleId"], result["level"]) == ("pci.pan", "error")
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["pci.pan"]
    assert run["invocations"][0]["executionSuccessful"]
    assert "4111" not in str(run)


def test_a_member_of_an_archive_has_a_name_and_no_region():
    (result,) = log(Result((FileResult("a.zip!/m/x", (HIT,)),)))["results"]
    (location,) = result["locations"]
    assert location["physicalLocation"] == {"artifactLocation": {"uri": "a.zip"}}
    assert location["logicalLocations"] == [{"fullyQualifiedName": "m/x", "kind": "member"}]


def test_absolute_paths():
    places = [log(Result((FileResult(path, binary=True),))) for path in ("/base/x", "/other/x", "caf\udce9")]
    uris = [run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for run in places]
    assert uris == ["x", "file:///other/x", "caf%E9"]


def test_what_was_not_inspected_is_a_notification():
    run = log(Result(problems=(Problem("f", Unscannable.ARCHIVE, "it is encrypted"),)))
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert invocation["toolExecutionNotifications"][0]["descriptor"] == {"id": "unscannable.archive"}


def test_the_level_follows_the_policy():
    verdicts = [
        Verdict(Action.BLOCK, "r", "", ("pci.pan",)),
        Verdict(Action.REDACT, "r", "", ()),
        Verdict(Action.ALLOW, "r", "", ()),
    ]
    run = log(*(Result((FileResult("f", (HIT,), verdict=verdict),)) for verdict in verdicts))
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note"]


def test_too_many_results_are_counted(monkeypatch):
    monkeypatch.setattr(module, "MAX_RESULTS", 2)
    run = log(Result((FileResult("f", (HIT,) * 3, omitted=4),)))
    assert len(run["results"]) == 2
    assert "5 more" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
