"""Results as SARIF 2.1.0 (OASIS), for code scanning services. No content of any file is in it. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from outpost.protocol.decisions import Action
from outpost.scan.results import BINARY, FileResult, Hit, Problem, Result, Verdict

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MAX_RESULTS: Final = 25_000
"""GitHub reads no more of one run; the rest is counted in a notification."""


@dataclass(frozen=True, slots=True)
class _Place:
    uri: str
    member: str


class SarifLog:
    """Collects results; ``document`` is the log."""

    def __init__(self, version: str, base: PurePath) -> None:
        """``base``: absolute; paths below it are written relative to it."""
        self._version, self._base = version, base
        self._results: list[dict[str, Any]] = []
        self._problems: list[dict[str, Any]] = []
        self._kinds: set[str] = set()
        self._left_out = 0

    def add(self, result: Result) -> None:
        """Add what was found in one input."""
        for file in result.files:
            place = self._located(file.path)
            for hit in file.hits:
                self._append(_of_hit(hit, place, file.verdict))
            if file.binary:
                self._append(_of_binary(file, place))
            self._left_out += file.omitted
        self._problems += [self._of_problem(problem) for problem in result.problems]

    def document(self) -> dict[str, Any]:
        """The log as JSON has it."""
        notices = list(self._problems)
        if self._left_out:
            text = f"{self._left_out} more findings are not listed"
            notices.append({"level": "warning", "message": {"text": text}})
        rules = [{"id": kind, "shortDescription": {"text": f"Content of kind {kind}"}} for kind in sorted(self._kinds)]
        driver = {"name": "outpost scan", "version": self._version, "rules": rules}
        run = {
            "tool": {"driver": driver},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": not self._problems, "toolExecutionNotifications": notices}],
            "results": self._results,
        }
        return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}

    def _append(self, result: dict[str, Any]) -> None:
        if len(self._results) >= MAX_RESULTS:
            self._left_out += 1
            return
        self._kinds.add(result["ruleId"])
        self._results.append(result)

    def _located(self, path: str) -> _Place:
        name, _, member = path.partition("!/")
        pure = PurePath(name)
        if pure.is_absolute():
            absolute = pure
            relative = absolute.relative_to(self._base) if absolute.is_relative_to(self._base) else None
            uri = "file://" + _quoted(absolute) if relative is None else _quoted(relative)
        else:
            uri = _quoted(pure)
        return _Place(uri, member)

    def _of_problem(self, problem: Problem) -> dict[str, Any]:
        return {
            "level": "error",
            "descriptor": {"id": problem.kind.value},
            "message": {"text": problem.message},
            "locations": [_location(self._located(problem.path))],
        }


def _quoted(path: PurePath) -> str:
    return quote(path.as_posix().encode("utf-8", "surrogateescape"))


def _location(place: _Place, region: dict[str, Any] | None = None) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": place.uri}}
    # Lines of a member are not lines of the archive.
    if region is not None and not place.member:
        physical["region"] = region
    location: dict[str, Any] = {"physicalLocation": physical}
    if place.member:
        location["logicalLocations"] = [{"fullyQualifiedName": place.member, "kind": "member"}]
    return location


def _level(verdict: Verdict | None, kind: str) -> str:
    if verdict is None or (verdict.action is Action.BLOCK and (not verdict.kinds or kind in verdict.kinds)):
        return "error"
    return "warning" if verdict.action is not Action.ALLOW else "note"


def _of_hit(hit: Hit, place: _Place, verdict: Verdict | None) -> dict[str, Any]:
    region = {
        "startLine": hit.line,
        "startColumn": hit.column,
        "endLine": hit.end_line,
        "endColumn": hit.end_column,
        "charOffset": hit.start,
        "charLength": hit.end - hit.start,
    }
    return {
        "ruleId": hit.kind,
        "level": _level(verdict, hit.kind),
        "message": {"text": f"{hit.kind}, found by {hit.detector} with score {hit.score:.2f}"},
        "locations": [_location(place, region)],
        # Of what is shown masked, never of the value: a card number could be guessed from its digest.
        "partialFingerprints": {
            "outpostContext/v1": _digest((place.uri, place.member, hit.kind, hit.detector, hit.before, hit.after))
        },
    }


def _of_binary(file: FileResult, place: _Place) -> dict[str, Any]:
    return {
        "ruleId": BINARY,
        "level": _level(file.verdict, BINARY),
        "message": {"text": "Content that is no text was not inspected"},
        "locations": [_location(place)],
        "partialFingerprints": {"outpostContext/v1": _digest((place.uri, place.member, BINARY))},
    }


def _digest(parts: Iterable[str] | Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
