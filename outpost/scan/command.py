"""``outpost scan``: what the outpost would find, on files. Needs no outpost and no control plane.

Exit codes: 0 nothing found, or nothing that counts; 1 findings that count, a file that the policy blocks, or something
that could not be inspected; 2 usage. Matched text is printed with ``--show`` only.
"""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from outpost.errors import BundleRejected, ModelUnavailable, PackInvalid
from outpost.given_lists import lists_beside
from outpost.models.pack import open_pack
from outpost.policy.compile import NO_LISTS, Lists
from outpost.policy.evaluate import Facts
from outpost.protocol.decisions import Direction
from outpost.protocol.detectors import DetectorsDocument
from outpost.protocol.documents import DETECTORS_TARGET, DocumentError, parse_document
from outpost.scan.inspect import Task, inspect
from outpost.scan.jsonl import answer_lines, scan_each
from outpost.scan.people import Painter, Summary
from outpost.scan.pool import Plan, default_jobs, inspect_all
from outpost.scan.results import BINARY, Problem, Result, Unscannable
from outpost.scan.sarif import SarifLog
from outpost.scan.select import NONE, KindUnknown, Selection, fails, parse_kinds
from outpost.scan.walk import Found, Walk

SCAN_EPILOG: Final = "Example: git diff | outpost scan - --fail-on secret"
_STDIN: Final = "-"
_STDIN_SHOWN: Final = "<stdin>"

Paths = Annotated[
    list[Path] | None,
    typer.Argument(help="Files and directories; '-' is standard input. Default: this directory.", show_default=False),
]
KindsOption = Annotated[
    list[str] | None, typer.Option("--kinds", help="List only these kinds: secret.*,pii.email (may be repeated).")
]


def scan_command(  # noqa: PLR0913 - a command line
    paths: Paths = None,
    *,
    jsonl: Annotated[
        Path | None,
        typer.Option("--jsonl", help="Instead of files: lines {id, text | segments, surface?}; '-' is standard input."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Judge each file by this policy.json; exit 1 if one is blocked.")
    ] = None,
    detectors: Annotated[
        Path | None, typer.Option("--detectors", help="Settings, allow-list and own rules: a detectors.json.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option("--models", help="Also look by a model pack: its folder, or 'default'.")
    ] = None,
    list_key: Annotated[
        list[Path] | None,
        typer.Option("--list-key", help="Key file for lists that --detectors names; they lie beside it."),
    ] = None,
    kinds: KindsOption = None,
    min_score: Annotated[float, typer.Option("--min-score", min=0, max=1, help="List only findings as sure.")] = 0.0,
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", help="Exit 1 for these kinds only; 'none' for no kind. Default: all that is listed."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print what was found instead of masking it.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each finding has its score.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line for programs.")] = False,
    sarif: Annotated[
        Path | None, typer.Option("--sarif", help="Also write the findings to this file as SARIF 2.1.0.")
    ] = None,
    no_ignore: Annotated[bool, typer.Option("--no-ignore", help="Scan what .gitignore and .ignore leave out.")] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, max=256, help="Processes; default by how much there is.")
    ] = None,
    direction: Annotated[Direction, typer.Option(help="For --policy: a prompt is input.")] = Direction.INPUT,
    model: Annotated[str, typer.Option(help="For --policy: the model that is asked.")] = "",
    group: Annotated[str, typer.Option(help="For --policy: the group of the virtual key.")] = "",
    surface: Annotated[str, typer.Option(help="For --policy: the API.")] = "openai.chat_completions",
) -> None:
    """Find card numbers, personal identifiers and credentials in files, archives and streams.

    Looks into zip, tar, gzip, bzip2 and xz, one archive inside another. Binary content is reported as
    unscannable.binary. Exit code 1 if something was found, is blocked by --policy, or could not be inspected.
    """
    facts = Facts(surface, model, group, direction) if policy else None
    content = _content(detectors)
    lists = _lists(detectors, content, list_key or [])
    plan = Plan(Selection(), _content(policy), content, facts, show, explain, models, lists)
    task = _compiled(plan)
    known = {detector.kind for detector in task.engine.detectors} | {BINARY}
    known |= {finder.report.kind for finder in task.engine.finders}
    if models is not None:
        known |= task.rules.offered(open_pack(models).card.offered)
    selection = Selection(_kinds(kinds, known, "--kinds"), min_score)
    plan, task = replace(plan, selection=selection), replace(task, selection=selection)
    if jsonl is not None:
        if paths or policy or sarif:
            options = "--kinds, --min-score, --detectors, --list-key, --models and --explain"
            raise typer.BadParameter(f"--jsonl goes with {options} only")
        raise typer.Exit(_answer(task, jsonl))
    counts = () if fail_on == [NONE] else _kinds(fail_on, known, "--fail-on")
    outputs = _Outputs(as_json=as_json, sarif=sarif)
    walk = Walk(no_ignore)
    for result in _results(plan, task, walk, paths or [Path()], jobs):
        outputs.add(result, failed=fails(result, counts))
    outputs.finish(walk.ignored)
    raise typer.Exit(outputs.exit_code)


def _results(plan: Plan, task: Task, walk: Walk, paths: list[Path], jobs: int | None) -> Iterator[Result]:
    """One result per input, with a progress bar on standard error if somebody looks."""
    missing = [path for path in paths if str(path) != _STDIN and not (path.exists() or path.is_symlink())]
    if missing:
        raise typer.BadParameter(f"there is no {missing[0]}")
    if _STDIN in map(str, paths):
        yield inspect(task, sys.stdin.buffer, _STDIN_SHOWN, None)
    named = [path for path in dict.fromkeys(paths) if str(path) != _STDIN]
    found: dict[Path, Found] = {file.path: file for path in named for file in walk.files(path)}
    for path, reason in walk.unreadable:
        yield Result(problems=(Problem(str(path), Unscannable.UNREADABLE, reason),))
    total_bytes = sum(file.size_bytes for file in found.values())
    processes = min(jobs or default_jobs(total_bytes), max(1, len(found)))
    with _progress(total_bytes) as advance:
        for result in inspect_all(plan, task, found.values(), processes):
            yield result
            advance(result.size_bytes)


class _Outputs:
    """Says each result in every way that was asked for."""

    def __init__(self, *, as_json: bool, sarif: Path | None) -> None:
        console = Console()
        self._painter = Painter(colour=console.is_terminal and not console.no_color)
        self._as_json, self._sarif_path = as_json, sarif
        self._sarif = SarifLog(version("hybrid-outpost"), Path.cwd()) if sarif else None
        self._summary = Summary()
        self.exit_code = 0

    def add(self, result: Result, *, failed: bool) -> None:
        if failed:
            self.exit_code = 1
        self._summary.add(result)
        if self._sarif is not None:
            self._sarif.add(result)
        if str(self._sarif_path) == _STDIN:
            return
        lines = list(map(json.dumps, as_rows(result)) if self._as_json else self._painter.lines(result))
        if lines:
            _say("\n".join(lines))

    def finish(self, ignored: int) -> None:
        if self._sarif is not None:
            content = json.dumps(self._sarif.document(), indent=2)
            if str(self._sarif_path) == _STDIN:
                typer.echo(content)
            elif self._sarif_path is not None:
                self._sarif_path.write_text(content + "\n", "utf-8")
        if not self._as_json:
            typer.echo(self._summary.line(ignored), err=True)


def _say(lines: str) -> None:
    """Print where ``sys.stdout`` leads now: above the progress bar, which ``typer.echo`` would overwrite."""
    encoding = sys.stdout.encoding or "utf-8"
    # A file's name need not be UTF-8; what cannot be written is escaped.
    sys.stdout.write(lines.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def as_rows(result: Result) -> Iterator[dict[str, Any]]:
    """The lines of ``--json``: findings, then what a policy decided, then what could not be inspected."""
    for file in result.files:
        for hit in file.hits:
            row: dict[str, Any] = {
                "type": "finding",
                "path": file.path,
                "line": hit.line,
                "column": hit.column,
                "start": hit.start,
                "end": hit.end,
                "kind": hit.kind,
                "detector": hit.detector,
                "score": hit.score,
                "tier": hit.tier,
            }
            if hit.text is not None:
                row["text"] = hit.text
            if hit.explanation is not None:
                row["explanation"] = asdict(hit.explanation)
            yield row
        if file.binary:
            yield {"type": "finding", "path": file.path, "kind": BINARY, "detector": "content", "score": 1.0}
        if file.omitted:
            yield {"type": "omitted", "path": file.path, "findings": file.omitted}
        if file.verdict is not None:
            verdict = file.verdict
            row = {"type": "decision", "path": file.path, "action": verdict.action.value, "rule": verdict.rule_id}
            yield row | {"kinds": list(verdict.kinds)}
    for problem in result.problems:
        error = {"code": problem.kind.value, "message": problem.message}
        yield {"type": "error", "path": problem.path, "error": error}


def _answer(task: Task, path: Path) -> int:
    """Answer each line of ``path``; the exit code."""
    exit_code = 0
    source = sys.stdin.buffer if str(path) == _STDIN else _opened(path)
    with source:
        scan = partial(scan_each, task.scan, task.engine.scan_segments)
        for answer, good in answer_lines(source, scan, task.selection, explain=task.explain):
            typer.echo(json.dumps(answer, separators=(",", ":")))  # flushes: a program can ask line by line
            exit_code = exit_code if good else 1
    return exit_code


def _compiled(plan: Plan) -> Task:
    try:
        return plan.compile()
    except (DocumentError, BundleRejected, PackInvalid, ModelUnavailable) as err:
        raise typer.BadParameter(str(err)) from err


def _lists(path: Path | None, content: bytes | None, key_files: list[Path]) -> Lists:
    if path is None or content is None:
        return NO_LISTS
    try:
        return lists_beside(parse_document(DetectorsDocument, DETECTORS_TARGET, content), path, key_files)
    except DocumentError as err:
        raise typer.BadParameter(str(err)) from err


def _kinds(given: list[str] | None, known: set[str], option: str) -> tuple[str, ...] | None:
    if given is None:
        return None
    try:
        return parse_kinds(given, known)
    except KindUnknown as err:
        raise typer.BadParameter(f"{option}: {err}") from err


def _content(path: Path | None) -> bytes | None:
    if path is None:
        return None
    with _opened(path) as file:
        return file.read()


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as err:
        raise typer.BadParameter(f"{path}: {err.strerror}") from err


@contextmanager
def _progress(total_bytes: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("scanning"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console, shown = Console(stderr=True), sys.stderr.isatty()
    # What is printed meanwhile goes above the bar, unless it goes to a file.
    above = redirect_stdout(_AboveBar(console)) if shown and sys.stdout.isatty() else nullcontext()
    with Progress(*columns, console=console, transient=True, disable=not shown, redirect_stdout=False) as bar, above:
        task = bar.add_task("scanning", total=total_bytes or None)
        yield lambda size_bytes: bar.update(task, advance=size_bytes)


class _AboveBar(io.TextIOBase):
    """Standard output while a bar is shown on the same terminal: whole lines, not broken at its width."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._console.encoding

    def write(self, text: str, /) -> int:
        self._console.print(Text.from_ansi(text.removesuffix("\n")), soft_wrap=True)
        return len(text)


# The command by itself, with the name it has among the others.
scan_cli = typer.Typer(name="outpost", rich_markup_mode=None, pretty_exceptions_enable=False)
scan_cli.callback()(lambda: None)
scan_cli.command("scan", epilog=SCAN_EPILOG)(scan_command)
