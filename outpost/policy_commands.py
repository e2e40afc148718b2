"""``outpost policy lint|diff|simulate``: work on files, need no outpost and no control plane.

A document is recognised by its name (``policy.json``), else by what is in it; a directory stands for the documents
in it. Exit codes: 0 ok, 1 the documents are refused or a case fails, 2 usage.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from pydantic import ValidationError

from outpost.errors import BundleRejected, CouldNotInspect, ModelUnavailable, PackInvalid
from outpost.given_lists import lists_beside
from outpost.models.options import SessionOptions
from outpost.models.pack import open_pack
from outpost.models.tiers import TieredScanner
from outpost.policy.compile import Compiled, Lists, compile_documents
from outpost.policy.diff import diff_documents
from outpost.policy.evaluate import Facts
from outpost.policy.lint import Linted, lint_documents, with_judged_topics
from outpost.policy.model_rules import require_offered
from outpost.policy.problems import Severity
from outpost.policy.routing import routing_table
from outpost.policy.simulate import Scan, Simulation, served_by, simulate
from outpost.policy.topic_lint import JudgedTopic
from outpost.policy_view import (
    CaseOutcome,
    print_cases,
    print_changes,
    print_problems,
    print_simulation,
    simulation_as_json,
    target_line,
)
from outpost.protocol.decisions import Direction
from outpost.protocol.detectors import DetectorsDocument
from outpost.protocol.document_set import MODELS, NO_BUDGETS, NO_DETECTORS
from outpost.protocol.documents import (
    DETECTORS_TARGET,
    POLICY_TARGET,
    ROUTING_TARGET,
    Document,
    DocumentError,
    PolicyDocument,
    parse_document,
)
from outpost.protocol.routing import RoutingDocument
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
        print_problems(linted, loaded.contents, loaded.paths)
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
        print_changes(changes)


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
    facts = Facts(surface, model, group, direction)
    try:
        outcome = simulate(compiled, facts, text, scan)
    except CouldNotInspect as err:
        _refuse(f"{err.code}: {err.message}")
    served = _served(_parsed(loaded), facts, outcome)
    if as_json:
        typer.echo(
            json.dumps(simulation_as_json(outcome, tiered) | {"served_by": served}, indent=2, ensure_ascii=False)
        )
    else:
        print_simulation(outcome, text)
        if served is not None:
            typer.echo(f"served by {'; '.join(map(target_line, served)) or 'nobody'}")
        for line in _reasons(outcome, tiered):
            typer.echo(line)


def _served(documents: Mapping[str, Document], facts: Facts, outcome: Simulation) -> list[dict[str, Any]] | None:
    """Who may serve it; None if that cannot be said (no ``routing.json``) or nothing is to be served."""
    routing = documents.get(ROUTING_TARGET)
    if not isinstance(routing, RoutingDocument) or facts.direction is Direction.OUTPUT or outcome.text is None:
        return None
    return [
        {
            "provider": target.provider.id,
            "model": target.model or facts.model,
            "order": target.order,
            "weight": target.weight,
        }
        for target in served_by(routing_table(routing), facts, outcome.decision)
    ]


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
                "outcome": CaseOutcome.OK if good else CaseOutcome.FAILED,
                "expected": case.expect.action,
                "action": decision.action,
                "rule": decision.rule_id,
                "kinds": list(decision.kinds),
            }
        )
    failed = [row for row in rows if row["outcome"] is CaseOutcome.FAILED]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        print_cases(rows, len(failed))
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
        print_problems(Linted(errors, {}), loaded.contents, loaded.paths, stderr=True)
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
