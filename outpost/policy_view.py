"""What ``outpost policy lint|diff|simulate`` show to people, and a simulation as JSON for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from outpost.models.tiers import TieredScanner
from outpost.policy.diff import Change, Effect
from outpost.policy.lint import Linted
from outpost.policy.problems import Problem, Severity
from outpost.policy.simulate import Simulation
from outpost.protocol.decisions import Action
from outpost.protocol.documents import POLICY_TARGET
from outpost.protocol.findings import Finding

_COLOURS: Final = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "yellow",
    Severity.NOTE: "cyan",
    Effect.LOOSENS: "bold red",
    Effect.TIGHTENS: "green",
    Effect.CHANGES: "yellow",
    Effect.TEXT: "dim",
    Action.BLOCK: "bold red",
    Action.REDACT: "yellow",
    Action.ROUTE_TO: "cyan",
    Action.ALLOW: "green",
}


class CaseOutcome(StrEnum):
    """How one case came out."""

    OK = "ok"
    FAILED = "failed"


def print_problems(
    linted: Linted, contents: Mapping[str, bytes], paths: Mapping[str, Path], *, stderr: bool = False
) -> None:
    """What the linter says, each with its line."""
    console = Console(stderr=stderr, highlight=False, soft_wrap=True)
    for problem in linted.problems:
        colour = _COLOURS[problem.severity]
        place = f"{paths[problem.document]}:{problem.line}:{problem.column}"
        where = f"{problem.path}: " if problem.path else ""
        console.print(
            f"[bold]{escape(place)}[/]: [{colour}]{problem.severity}[/] {escape(where + problem.message)} "
            f"[dim]\\[{problem.code}][/]"
        )
        _print_line(console, contents[problem.document], problem, colour)
    counts = {severity: sum(problem.severity is severity for problem in linted.problems) for severity in Severity}
    total = ", ".join(f"{count} {severity}{'s' if count != 1 else ''}" for severity, count in counts.items() if count)
    console.print(total or f"[green]{len(contents)} document(s), nothing to say[/]")


def _print_line(console: Console, content: bytes, problem: Problem, colour: str) -> None:
    lines = content.decode("utf-8", "replace").splitlines()
    if problem.line > len(lines):
        return
    width = 100  # a document without line ends would fill the screen
    start = max(0, problem.column - 1 - width // 2)
    line = lines[problem.line - 1][start : start + width].replace("\t", " ")
    number = str(problem.line)
    console.print(f"  [dim]{number} |[/] {escape(line)}")
    console.print(f"  [dim]{' ' * len(number)} |[/] {' ' * (problem.column - 1 - start)}[{colour}]^[/]")


def print_changes(changes: Sequence[Change]) -> None:
    """What changes, and what that does."""
    console = Console(highlight=False)
    if not changes:
        console.print("Nothing changes.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("effect", "where", "what"):
        table.add_column(title, overflow="fold")
    for change in changes:
        where = change.where if change.document == POLICY_TARGET else f"{change.document}: {change.where}"
        table.add_row(f"[{_COLOURS[change.effect]}]{change.effect}[/]", escape(where), escape(change.what))
    console.print(table)
    loosening = sum(change.effect is Effect.LOOSENS for change in changes)
    console.print(f"[dim]{len(changes)} change(s), {loosening} that loosen[/]")


def print_simulation(outcome: Simulation, text: str) -> None:
    """What was decided, by which rules, on what findings."""
    console = Console(highlight=False)
    decision = outcome.decision
    console.print(f"[{_COLOURS[decision.action]}]{decision.action}[/] by [bold]{escape(decision.rule_id)}[/]")
    for told in (decision.reason, decision.message):
        if told:
            console.print(f"  {escape(told)}")
    rules = Table(box=None, pad_edge=False, header_style="dim", title="rules", title_justify="left")
    for title in ("", "rule", "action", "why"):
        rules.add_column(title, overflow="fold")
    for step in outcome.steps:
        mark, style = ("•", "") if step.decided else ("·", "dim")
        rules.add_row(mark, escape(step.rule_id), step.action.value, escape(step.why), style=style)
    console.print(rules)
    findings = Table(box=None, pad_edge=False, header_style="dim", title="findings", title_justify="left")
    for title in ("kind", "span", "score", "detector", "text"):
        findings.add_column(title, overflow="fold")
    for finding in outcome.findings:
        span = f"{finding.start}-{finding.end}"
        shown = escape(text[finding.start : finding.end])
        findings.add_row(finding.kind, span, f"{finding.score:.2f}", finding.detector, shown)
    if outcome.findings:
        console.print(findings)
    if outcome.text is not None and outcome.text != text:
        console.print("[dim]passed on as[/]")
        console.print(escape(outcome.text), soft_wrap=True)


def print_cases(rows: Sequence[dict[str, Any]], failed: int) -> None:
    """How many texts came out."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("", "case", "expected", "decided", "by"):
        table.add_column(title, overflow="fold")
    for row in rows:
        colour = "green" if row["outcome"] is CaseOutcome.OK else "bold red"
        table.add_row(
            f"[{colour}]{row['outcome']}[/]", row["id"], row["expected"].value, row["action"].value, escape(row["rule"])
        )
    console.print(table)
    console.print(f"[dim]{len(rows)} case(s), {failed} failed[/]")


def simulation_as_json(outcome: Simulation, tiered: TieredScanner | None) -> dict[str, Any]:
    """Everything but the inspected text itself; what is passed on is what the caller asked to see."""
    return {
        "action": outcome.decision.action,
        "rule": outcome.decision.rule_id,
        "reason": outcome.decision.reason,
        "message": outcome.decision.message,
        "kinds": list(outcome.decision.kinds),
        "destination": None if outcome.decision.destination is None else str(outcome.decision.destination),
        "findings": [
            {
                "kind": finding.kind,
                "start": finding.start,
                "end": finding.end,
                "score": finding.score,
                "detector": finding.detector,
                "tier": int(finding.tier),
            }
            | _explained(finding, tiered)
            for finding in outcome.findings
        ],
        "rules": [asdict(step) for step in outcome.steps],
        "text": outcome.text,
    }


def _explained(finding: Finding, tiered: TieredScanner | None) -> dict[str, Any]:
    reason = tiered.reasons.get(finding) if tiered else None
    if reason is None:
        return {}
    row = asdict(reason)
    del row["finding"]
    return {"explanation": row}


def target_line(target: Mapping[str, Any]) -> str:
    """Who may serve a request, in one line."""
    model = f" ({target['model']})" if target["model"] else ""
    return f"{target['provider']}{model}, order {target['order']}, weight {target['weight']}"
