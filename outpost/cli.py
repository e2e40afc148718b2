"""The ``outpost`` command. Exit codes: 0 ok, 1 refused or failed, 2 usage. Secrets come by file, variable or prompt."""

import asyncio
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from outpost import air_gap_commands
from outpost import app as outpost_app
from outpost.admin.doctor import Check, Status, Surroundings, examine
from outpost.admin.status import gather, running_report
from outpost.admin.status_view import status_table
from outpost.audit.checkpoint import NoteVerifier
from outpost.audit.event import AuditEvent, encode
from outpost.audit.read import read_events
from outpost.audit.verify import VerificationReport, verify_log
from outpost.check_start import check_start
from outpost.config import Config, load_config
from outpost.console import run
from outpost.demo import story
from outpost.doors import Named
from outpost.errors import AlreadyEnrolled, AuditCorrupt, InputUnusable
from outpost.first_start import make_data_dir
from outpost.listen_fds import take
from outpost.lists.command import lists_cli
from outpost.models.command import models_cli
from outpost.officer import commands as officer
from outpost.policy_commands import policy_cli
from outpost.protocol.logs import configure_logs
from outpost.scan.command import SCAN_EPILOG, scan_command
from outpost.sync.enrol import MAX_ANSWER_BYTES, register
from outpost.sync.enrol_offline import make_request, take_answer
from outpost.sync.identity import Identity, load_identity
from outpost.sync.token import parse_token
from outpost.sync.version import outpost_version
from outpost.upgrade import become
from pki.files import write_private

TOKEN_VARIABLE: Final = "OUTPOST_ENROLMENT_TOKEN"  # noqa: S105 - the name of a variable
TAIL_POLL_S: Final = 0.5

cli = typer.Typer(
    name="outpost",
    help="A gateway in your network: people use cloud language models, nothing confidential leaves.",
    epilog="Example: outpost register --control-plane https://cp.example:8100 && outpost run",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
audit_cli = typer.Typer(
    help="Look at the audit log and prove it.",
    epilog="Example: outpost audit verify",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(audit_cli, name="audit")
audit_cli.command("import-receipt", epilog="Example: outpost audit import-receipt berlin.outpost-receipt")(
    air_gap_commands.import_receipt_command
)
bundle_cli = typer.Typer(
    help="Bundles as files, for a site without a network.",
    epilog="Example: outpost bundle import acme.outpost-bundle",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(bundle_cli, name="bundle")
bundle_cli.command("import", epilog="Example: outpost bundle import acme.outpost-bundle")(
    air_gap_commands.import_command
)
cli.add_typer(policy_cli, name="policy")
cli.add_typer(lists_cli, name="lists")
cli.add_typer(models_cli, name="models")
cli.command("scan", epilog=SCAN_EPILOG)(scan_command)
policy_cli.command("keygen", epilog="Example: outpost policy keygen officer1.key")(officer.keygen)
policy_cli.command("show", epilog="Example: outpost policy show PROPOSAL.json")(officer.show)
policy_cli.command("sign", epilog="Example: outpost policy sign PROPOSAL.json --key officer1.key")(officer.sign)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file (TOML); default outpost.toml if it is there.")
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where identity, cache and audit log lie; default from the settings.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]


def main() -> None:
    """Run the command that the arguments name."""
    run(cli)


@cli.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(outpost_version())
        raise typer.Exit


@cli.command("register", epilog="Example: outpost register --control-plane https://cp.example:8100 --token-file token")
def register_command(  # noqa: PLR0913, PLR0917 - the options of one command
    control_plane: Annotated[
        str | None, typer.Option("--control-plane", help="Enrolment URL; default control_plane_url of the settings.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="File with the enrolment token; '-' reads standard input.")
    ] = None,
    request: Annotated[
        Path | None, typer.Option("--request", help="Without a network: write the request into this file instead.")
    ] = None,
    answer: Annotated[
        Path | None,
        typer.Option("--answer", help="Without a network: take the answer from `control-plane outpost enrol`."),
    ] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol this outpost with a one-use token from `control-plane outpost create`.

    The token is read from --token-file, from OUTPOST_ENROLMENT_TOKEN, or asked for; never from the command line.
    Running it twice is safe: an outpost that is enrolled stays as it is.
    """
    settings = _settings(config, data_dir)
    if request is not None and answer is not None:
        raise typer.BadParameter("--request first; --answer when the answer has come back")
    if request is not None:
        make_data_dir(settings)
        message = make_request(_read_token(settings, token_file), settings.data_dir)
        write_private(request, message.model_dump_json().encode())
        typer.echo(
            f"Carry {request} to the control plane: control-plane outpost enrol --request {request} --answer FILE"
        )
        return
    if answer is not None:
        with answer.open("rb") as file:
            identity = take_answer(file.read(MAX_ANSWER_BYTES), settings.data_dir)
        _print_enrolled(identity, settings, as_json=as_json, news="Enrolled")
        return
    url = control_plane or settings.control_plane_url
    if url is None:
        raise typer.BadParameter("say where the control plane is: --control-plane https://HOST:8100")
    token = _read_token(settings, token_file)
    make_data_dir(settings)
    try:
        identity = register(url, token, settings.data_dir)
    except AlreadyEnrolled:
        identity = load_identity(settings.data_dir, datetime.now(UTC))
        if parse_token(token).outpost_id != identity.outpost_id:
            raise
        _print_enrolled(identity, settings, as_json=as_json, news="This outpost is enrolled already")
        return
    _print_enrolled(identity, settings, as_json=as_json, news="Enrolled")


@cli.command("run", epilog="Example: OUTPOST_LISTEN_PORT=8300 outpost run --config /etc/outpost/outpost.toml")
def run_command(
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=64, help="Processes that serve; default from the settings.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only find out whether it would start; works beside a running outpost.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Serve the proxy until SIGTERM. Registers first if a token is configured and there is no identity yet.

    Logs are JSON lines on standard output. SIGUSR2 goes on with the program and the settings that are there now, in the
    same process: who connects meanwhile waits. SIGHUP reads the settings and replaces each worker by a new process;
    with one process it is SIGUSR2. Neither turns a client away. Sockets of systemd named "proxy" and "admin" are used.
    """
    given = {"data_dir": data_dir, "workers": workers}

    def read() -> Config:
        return load_config(config, {name: value for name, value in given.items() if value is not None})

    settings = read()
    if check:
        outlook = check_start(settings)
        typer.echo(json.dumps(outlook.to_json()) if as_json else outlook)
        return
    inherited = take(os.environ, os.getpid())
    configure_logs(settings.log_level)
    uvloop.run(_run(settings, inherited, read))


async def _run(settings: Config, inherited: Sequence[Named], read: Callable[[], Config]) -> None:
    handover = await outpost_app.run(settings, inherited=inherited, read=read)
    if handover is not None:
        become(handover.command, handover.sockets)  # here: nothing is to be waited for any more


@cli.command("status", epilog="Example: outpost status --json")
def status_command(config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Show versions, freshness, the three times of the policy, certificate, clock and audit queue.

    Asks the running outpost; without one it reads what lies on disk, changes nothing, and says so. Exit code 1 if
    requests are not being served.
    """
    settings = _settings(config, data_dir)
    status = gather(settings, datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps(status, indent=2, default=str))
    else:
        Console(highlight=False).print(status_table(status, datetime.now(UTC)))
    if not status["running"] or not status["ready"]:
        raise typer.Exit(1)


@cli.command("doctor", epilog="Example: outpost doctor --json")
def doctor_command(config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Check everything an outpost depends on and say how to repair it; exit code 1 if anything fails.

    Works beside a running outpost and without one.
    """
    settings = _settings(config, data_dir)
    around = Surroundings(clock=lambda: datetime.now(UTC), running=running_report(settings))
    checks = asyncio.run(examine(settings, around))
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        _print_checks(checks)
    if any(check.status is Status.FAIL for check in checks):
        raise typer.Exit(1)


@cli.command("demo", epilog="Example: outpost demo --once")
def demo_command(
    once: Annotated[bool, typer.Option("--once", help="End after the last line instead of staying up to try.")] = False,
) -> None:
    """Show the whole path with real processes: allow, block, redact, outage, restart, tampering.

    With OUTPOST_PROVIDER_URL and OUTPOST_PROVIDER_KEY set, requests go to that provider instead of the stand-in.
    """
    raise typer.Exit(story.run(once=once))


@audit_cli.command("verify", epilog="Example: outpost audit verify --data-dir /var/lib/outpost")
def audit_verify_command(
    file: Annotated[Path | None, typer.Option("--file", help="A copy of audit.db; needs --vkey.")] = None,
    vkey: Annotated[str | None, typer.Option("--vkey", help="The outpost's note verifier key, for --file.")] = None,
    receipt_vkey: Annotated[str | None, typer.Option("--receipt-vkey", help="The control plane's, for --file.")] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove the audit log: every event, checkpoint and receipt. Exit code 1 names what was altered.

    Works beside a running outpost, and offline on a copy of the file.
    """
    if file is not None:
        if vkey is None:
            raise typer.BadParameter("--file needs --vkey (printed by `outpost status`)")
        verifier = _verifier(vkey)
        receipts = _verifier(receipt_vkey) if receipt_vkey else None
        path = file
    else:
        settings = _settings(config, data_dir)
        identity = load_identity(settings.data_dir, datetime.now(UTC))
        verifier, receipts = identity.audit_signer().verifier, identity.receipt_verifier()
        path = settings.data_dir / outpost_app.AUDIT_FILE
    with _progress("verifying") as advance:
        report = verify_log(path, verifier, receipts, on_progress=advance)
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=2))
    else:
        _print_report(report)
    if not report.ok:
        raise typer.Exit(1)


@audit_cli.command("tail", epilog="Example: outpost audit tail --follow")
def audit_tail_command(
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the newest events.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events are written.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest audit events."""
    path = _settings(config, data_dir).data_dir / outpost_app.AUDIT_FILE
    newest: deque[tuple[int, AuditEvent]] = deque(maxlen=lines)
    last = None
    for last, event in read_events(path):
        newest.append((last, event))
    for seq, event in newest:
        _print_event(seq, event, as_json=as_json)
    while follow:
        time.sleep(TAIL_POLL_S)
        for seq, event in read_events(path, last):
            _print_event(seq, event, as_json=as_json)
            last = seq


@audit_cli.command("export", epilog="Example: outpost audit export --after 1000 > audit.jsonl")
def audit_export_command(
    file: Annotated[
        Path | None, typer.Argument(help="For `control-plane audit import`: what no receipt covers, signed.")
    ] = None,
    after: Annotated[int | None, typer.Option("--after", help="Only events after this sequence number.")] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write events as JSON lines to standard output, each with its sequence number; or signed batches to a FILE."""
    if file is not None:
        air_gap_commands.export_audit_file(file, config, data_dir)
        return
    path = _settings(config, data_dir).data_dir / outpost_app.AUDIT_FILE
    for seq, event in read_events(path, after):
        _print_event(seq, event, as_json=True)


def _settings(config: Path | None, data_dir: Path | None) -> Config:
    return load_config(config, {"data_dir": data_dir} if data_dir is not None else None)


def _read_token(settings: Config, token_file: Path | None) -> str:
    path = token_file or (settings.enrolment_token_file if settings.enrolment_token is None else None)
    if path is not None:
        try:
            return (sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")).strip()
        except (OSError, UnicodeDecodeError) as err:
            raise InputUnusable(f"the token file {path} cannot be read") from err
    if settings.enrolment_token is not None:
        return settings.enrolment_token.get_secret_value().strip()
    if not sys.stdin.isatty():
        raise InputUnusable(f"there is no enrolment token: use --token-file or {TOKEN_VARIABLE}")
    return str(typer.prompt("Enrolment token", hide_input=True)).strip()


def _print_enrolled(identity: Identity, settings: Config, *, as_json: bool, news: str) -> None:
    if as_json:
        facts = {"org_id": identity.org_id, "outpost_id": identity.outpost_id, "data_dir": str(settings.data_dir)}
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"{news}: {identity.outpost_id} of {identity.org_id}, in {settings.data_dir}.")
    typer.echo(f"Start it with: outpost run --data-dir {settings.data_dir}")


def _print_checks(checks: list[Check]) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    for check in checks:
        table.add_row(check.status.value, check.name, check.detail)
        if check.fix:
            table.add_row("", "", f"fix: {check.fix}")
    Console().print(table)


def _print_report(report: VerificationReport) -> None:
    if report.ok:
        checked = f"{report.checkpoints_checked} checkpoints and {report.receipts_checked} receipts agree"
        typer.echo(f"The audit log is whole: {report.size} events; {checked}; root {report.root_b64}.")
        return
    typer.echo("The audit log has been altered or damaged:", err=True)
    for problem in report.problems:
        if problem.first_seq is None:
            where = "log"
        elif problem.first_seq == problem.last_seq:
            where = f"event {problem.first_seq}"
        else:
            where = f"events {problem.first_seq} to {problem.last_seq}"
        typer.echo(f"  {where}: {problem.message}", err=True)


def _print_event(seq: int, event: AuditEvent, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"seq": seq, **json.loads(encode(event))}, ensure_ascii=False))
        return
    kinds = ", ".join(sorted({finding.kind for finding in event.findings}))
    parts = [event.kind, event.action, event.outcome, event.code, event.rule_id, event.model, kinds]
    typer.echo(f"{seq:>7}  {event.at:%Y-%m-%d %H:%M:%S}  " + "  ".join(part for part in parts if part))


def _verifier(vkey: str) -> NoteVerifier:
    try:
        return NoteVerifier.from_vkey(vkey)
    except (AuditCorrupt, ValueError) as err:
        raise typer.BadParameter("not a note verifier key") from err


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error if somebody looks, for work that takes long enough to show one."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance
