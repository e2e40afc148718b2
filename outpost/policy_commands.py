"""``outpost policy lint|diff|simulate``: work on files, need no outpost and no control plane.

A document is recognised by its name (``policy.json``), else by what is in it; a directory stands for the documents
in it. Exit codes: 0 ok, 1 the documents are refused or a case fails, 2 usage.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from outpost.errors import BundleRejected, CouldNotInspect, ModelUnavailable, PackInvalid
from outpost.given_lists import lists_beside
from outpost.models.options import SessionOptions
from outpost.models.pack import open_pack
from outpost.models.tiers import TieredScanner
from outpost.policy.compile import Compiled, Lists, compile_documents
from outpost.policy.diff import Change, Effect, diff_documents
from outpost.policy.evaluate import Facts
from outpost.policy.lint import Linted, lint_documents, with_judged_topics
from outpost.policy.model_rules import require_offered
from outpost.policy.problems import Problem, Severity
from outpost.policy.simulate import Scan, Simulation, simulate
from outpost.policy.topic_lint import JudgedTopic
from outpost.protocol.decisions import Action, Direction
from outpost.protocol.detectors import DetectorsDocument
from outpost.protocol.document_set import MODELS, NO_BUDGETS, NO_DETECTORS
from outpost.protocol.documents import (
    DETECTORS_TARGET,
    POLICY_TARGET,
    Document,
    DocumentError,
    PolicyDocument,
    parse_document,
)
from outpost.protocol.findings import Finding
from outpost.protocol.smoke import SmokeCase
from outpost.protocol.topics import TopicSet

# By which member a document under another name is recognised; no two documents have one in common.
_BY_MEMBER: Final = {
    "packs": "policy.json",
    "keys": "keys.json",
    "providers": "routing.json",
    "routes": "routing.json",
    "settings": "detectors.json",
    "allow": "detectors.json",
    "custom": "detectors.json",
    "budgets": "budgets.json",
    "cases": "smoke.json",
    "pack": "models.json",
}
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

policy_cli = typer.Typer(
    help="Check, compare, try and sign policy documents, on files.",
    epilog="Example: outpost policy lint policies/",
    no_args_is_help=True,
    rich_markup_mode=None,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]
ListKeyOption = Annotated[
    list[Path] | None,
    typer.Option("--list-key", help="Key file for the lists that detectors.json names; they lie beside it."),
]
Files = Annotated[list[Path], typer.Argument(help="Documents, or directories that hold them.")]
DocumentsOption = Annotated[
    list[Path] | None,
    typer.Option("--documents", "-d", help="Documents, or directories that hold them; default this directory."),
]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Contents by target name, and the file each came from."""

    contents: dict[str, bytes]
    paths: dict[str, Path]


@policy_cli.command("lint", epilog="Example: outpost policy lint policy.json detectors.json --strict")
def lint_command(
    files: Files,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors, too.")] = False,
    list_key: ListKeyOption = None,
    models: Annotated[
        Path | None, typer.Option("--models", help="Also say what this model pack makes of topics; or 'default'.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what an outpost would refuse and what is probably a mistake, with line and column.

    Errors refuse the bundle; warnings are legal but suspicious; notes are worth knowing. Documents that are given
    together are checked against each other: groups against keys.json, models against routing.json, smoke cases against
    all. Exit code 1 if there are errors.
    """
    loaded = _load(files)
    linted = lint_documents(loaded.contents, _lists(loaded, list_key))
    if models is not None:
        linted = with_judged_topics(linted, loaded.contents, _topics_as_judged(linted, models))
    if as_json:
        problems = [asdict(problem) | {"file": str(loaded.paths[problem.document])} for problem in linted.problems]
        typer.echo(json.dumps(problems, indent=2))
    else:
        _print_problems(linted, loaded)
    fatal = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    if any(problem.severity in fatal for problem in linted.problems):
        raise typer.Exit(1)


@policy_cli.command("diff", epilog="Example: outpost policy diff published/ proposed/")
def diff_command(
    old: Annotated[Path, typer.Argument(help="A document, or a directory that holds several.")],
    new: Annotated[Path, typer.Argument(help="Likewise, after the change.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what changes between two versions, rule by rule, and what it does.

    "loosens" and "tightens" are said where they follow from the change alone. Exit code 0 also if something changed.
    """
    changes = diff_documents(_parsed(_load([old])), _parsed(_load([new])))
    if as_json:
        typer.echo(json.dumps([asdict(change) for change in changes], indent=2))
    else:
        _print_changes(changes)


@policy_cli.command(
    "simulate", epilog='Example: echo "card 4012 8888 8888 1881" | outpost policy simulate -d policies/'
)
def simulate_command(  # noqa: PLR0913 - a command line
    file: Annotated[Path, typer.Argument(help="The text; '-' reads standard input.")] = Path("-"),
    *,
    documents: DocumentsOption = None,
    list_key: ListKeyOption = None,
    direction: Annotated[Direction, typer.Option(help="A prompt is input, a completion is output.")] = Direction.INPUT,
    model: Annotated[str, typer.Option(help="The model that is asked.")] = "",
    group: Annotated[str, typer.Option(help="The group of the virtual key.")] = "",
    surface: Annotated[str, typer.Option(help="The API that is used.")] = "openai.chat_completions",
    cases: Annotated[
        Path | None, typer.Option("--cases", help="Many texts instead: JSON lines, each like a case of smoke.json.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option("--models", help="Also look by a model pack: its folder, or 'default'.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Decide about a text as an outpost would, and explain what every rule had to say.

    Calls the code that enforces. Values that are allowed by digest are found here, because their key is secret.
    """
    loaded = _load(documents or [Path()])
    compiled = _compiled(_parsed(loaded), _lists(loaded, list_key))
    tiered = None if models is None else _tiered(compiled, models)
    scan = None if tiered is None else tiered.scan
    if cases is not None:
        _run_cases(compiled, cases, scan, as_json=as_json)
        return
    text = sys.stdin.read() if str(file) == "-" else _text(file)
    try:
        outcome = simulate(compiled, Facts(surface, model, group, direction), text, scan)
    except CouldNotInspect as err:
        _refuse(f"{err.code}: {err.message}")
    if as_json:
        typer.echo(json.dumps(_as_json(outcome, tiered), indent=2, ensure_ascii=False))
    else:
        _print_simulation(outcome, text)
        for line in _reasons(outcome, tiered):
            typer.echo(line)


class _Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"


def _run_cases(compiled: Compiled, path: Path, scan: Scan | None, *, as_json: bool) -> None:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            case = SmokeCase.model_validate_json(line)
        except ValidationError as err:
            first = err.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            _refuse(f"{path}:{number}: {where}: {first['msg']}")
        facts = Facts(case.surface or "", case.model or "", case.group or "", case.direction)
        try:
            decision = simulate(compiled, facts, case.text, scan).decision
        except CouldNotInspect as err:
            _refuse(f"{path}:{number}: {err.code}: {err.message}")
        kinds = case.expect.kinds
        good = decision.action is case.expect.action and (kinds is None or set(kinds) == set(decision.kinds))
        rows.append(
            {
                "id": case.id,
                "outcome": _Outcome.OK if good else _Outcome.FAILED,
                "expected": case.expect.action,
                "action": decision.action,
                "rule": decision.rule_id,
                "kinds": list(decision.kinds),
            }
        )
    failed = [row for row in rows if row["outcome"] is _Outcome.FAILED]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print_cases(rows, len(failed))
    if failed:
        raise typer.Exit(1)


def _load(files: Sequence[Path]) -> _Loaded:
    """Read documents from files and directories.

    Raises:
        typer.BadParameter: One cannot be read, is no document, or is given twice.
    """
    contents: dict[str, bytes] = {}
    paths: dict[str, Path] = {}
    for file in files:
        inside = [file / name for name in MODELS if (file / name).is_file()] if file.is_dir() else [file]
        if not inside:
            raise typer.BadParameter(f"{file} holds none of {', '.join(MODELS)}")
        for path in inside:
            try:
                content = path.read_bytes()
            except OSError as err:
                raise typer.BadParameter(f"{path}: {err.strerror}") from err
            name = path.name if path.name in MODELS else _recognise(path, content)
            if name in contents:
                raise typer.BadParameter(f"{paths[name]} and {path} are both {name}")
            contents[name], paths[name] = content, path
    return _Loaded(contents, paths)


def _recognise(path: Path, content: bytes) -> str:
    try:
        members = json.loads(content)
    except json.JSONDecodeError as err:
        _refuse_line(f"{path}:{err.lineno}:{err.colno}: error not JSON: {err.msg}")
    except (ValueError, RecursionError) as err:
        raise typer.BadParameter(f"{path}: cannot tell which document this is: not JSON ({err})") from err
    names = {_BY_MEMBER[member] for member in members if member in _BY_MEMBER} if isinstance(members, dict) else set()
    if len(names) != 1:
        raise typer.BadParameter(f"{path}: cannot tell which document this is; name it like one of {', '.join(MODELS)}")
    return names.pop()


def _parsed(loaded: _Loaded) -> dict[str, Document]:
    """The documents; ends the program with the errors if one cannot be read."""
    linted = lint_documents(loaded.contents)
    errors = tuple(problem for problem in linted.problems if problem.severity is Severity.ERROR)
    if len(linted.documents) < len(loaded.contents):
        _print_problems(Linted(errors, {}), loaded, stderr=True)
        raise typer.Exit(1)
    return linted.documents


def _lists(loaded: _Loaded, key_files: list[Path] | None) -> Lists:
    """The lists beside detectors.json, and keys; none if there is no such document or it cannot be read."""
    content = loaded.contents.get(DETECTORS_TARGET)
    try:
        detectors = NO_DETECTORS if content is None else parse_document(DetectorsDocument, DETECTORS_TARGET, content)
    except DocumentError:
        detectors = NO_DETECTORS
    return lists_beside(detectors, loaded.paths.get(DETECTORS_TARGET, Path()), key_files or [])


def _compiled(documents: Mapping[str, Document], lists: Lists) -> Compiled:
    policy, detectors = documents.get(POLICY_TARGET), documents.get(DETECTORS_TARGET, NO_DETECTORS)
    if not isinstance(policy, PolicyDocument) or not isinstance(detectors, DetectorsDocument):
        raise typer.BadParameter("there is no policy.json among the documents")
    try:
        return compile_documents(policy, detectors, NO_BUDGETS, {}, lists)
    except BundleRejected as err:
        _refuse(str(err))


def _tiered(compiled: Compiled, folder: Path) -> TieredScanner:
    from outpost.models.runners import looker  # noqa: PLC0415 - half a second that others need not wait

    try:
        require_offered(compiled.policy, compiled.models.offered(open_pack(folder).card.offered))
        loaded = looker(folder, SessionOptions(), compiled.models.topics)
    except (PackInvalid, ModelUnavailable, BundleRejected) as err:
        _refuse(str(err))
    return TieredScanner(compiled.engine.scan, loaded, compiled.models.counting)


def _topics_as_judged(linted: Linted, folder: Path) -> list[JudgedTopic]:
    """What a pack makes of the topics in detectors.json."""
    from outpost.models.runners import Loaded  # noqa: PLC0415 - as above

    document = linted.documents.get(DETECTORS_TARGET)
    topics = TopicSet.of(document) if isinstance(document, DetectorsDocument) else None
    if topics is None:
        return []
    try:
        return [JudgedTopic(**asdict(one)) for one in Loaded(folder, SessionOptions()).topics(topics).recognised()]
    except (PackInvalid, ModelUnavailable) as err:
        _refuse(str(err))


def _reasons(outcome: Simulation, tiered: TieredScanner | None) -> Iterator[str]:
    """A line for each finding of a model: what led to it."""
    for finding in outcome.findings if tiered else ():
        reason = tiered.reasons.get(finding) if tiered else None
        if reason is not None:
            others = ", ".join(f"{label} {probability:.2f}" for label, probability in reason.alternatives)
            yield (
                f"{finding.kind} {finding.start}-{finding.end}: {reason.label} {reason.probability:.2f}, counts from "
                f"{reason.threshold:.2f}; read {reason.window[0]}-{reason.window[1]}; else {others or 'nothing'}"
            )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "is not UTF-8 text"
        raise typer.BadParameter(f"{path}: {reason}") from err


def _refuse(message: str) -> NoReturn:
    _refuse_line(f"outpost: {message}")


def _refuse_line(line: str) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(1)


# What people see


def _print_problems(linted: Linted, loaded: _Loaded, *, stderr: bool = False) -> None:
    console = Console(stderr=stderr, highlight=False, soft_wrap=True)
    for problem in linted.problems:
        colour = _COLOURS[problem.severity]
        place = f"{loaded.paths[problem.document]}:{problem.line}:{problem.column}"
        where = f"{problem.path}: " if problem.path else ""
        console.print(
            f"[bold]{escape(place)}[/]: [{colour}]{problem.severity}[/] {escape(where + problem.message)} "
            f"[dim]\\[{problem.code}][/]"
        )
        _print_line(console, loaded.contents[problem.document], problem, colour)
    counts = {severity: sum(problem.severity is severity for problem in linted.problems) for severity in Severity}
    total = ", ".join(f"{count} {severity}{'s' if count != 1 else ''}" for severity, count in counts.items() if count)
    console.print(total or f"[green]{len(loaded.contents)} document(s), nothing to say[/]")


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


def _print_changes(changes: Sequence[Change]) -> None:
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


def _print_simulation(outcome: Simulation, text: str) -> None:
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


def _print_cases(rows: Sequence[dict[str, Any]], failed: int) -> None:
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("", "case", "expected", "decided", "by"):
        table.add_column(title, overflow="fold")
    for row in rows:
        colour = "green" if row["outcome"] is _Outcome.OK else "bold red"
        table.add_row(
            f"[{colour}]{row['outcome']}[/]", row["id"], row["expected"].value, row["action"].value, escape(row["rule"])
        )
    console.print(table)
    console.print(f"[dim]{len(rows)} case(s), {failed} failed[/]")


def _as_json(outcome: Simulation, tiered: TieredScanner | None) -> dict[str, Any]:
    """Everything but the inspected text itself; what is passed on is what the caller asked to see."""
    return {
        "action": outcome.decision.action,
        "rule": outcome.decision.rule_id,
        "reason": outcome.decision.reason,
        "message": outcome.decision.message,
        "kinds": list(outcome.decision.kinds),
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
