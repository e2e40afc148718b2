"""What every command shares: its options, opening the installation, and printing for people or for programs."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from control_plane.app import Opened, open_for
from control_plane.config import Config, load_config
from control_plane.errors import InvalidRequest, ShareRefused
from control_plane.operations import Operations
from control_plane.seal import Seal, Unsealing

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file; default ./control-plane.toml if it is there.")
]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help="Where the installation lies.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
OrgOption = Annotated[str | None, typer.Option("--org", help="The org; may be left out while there is only one.")]


_FILE_WIDTH = 200  # columns when the output goes to a file or a pipe
_MAX_SHARE_CHARS = 4096  # as pki.shares takes
_WHOLE = ("id", "prefix")  # what people copy must not be broken


def settings(config: Path | None, data_dir: Path | None) -> Config:
    """The settings, with ``--data-dir`` laid over them."""
    return load_config(config, {} if data_dir is None else {"data_dir": data_dir})


@contextmanager
def opened(config: Path | None, data_dir: Path | None, *, to_issue: bool = True) -> Iterator[tuple[Config, Opened]]:
    """The settings and the opened installation, closed afterwards. ``to_issue=False``: see ``open_for``."""
    loaded = settings(config, data_dir)
    installation = open_for(loaded, to_issue=to_issue, shares=ask_for_shares)
    try:
        yield loaded, installation
    finally:
        installation.close()


def ask_for_shares(seal: Seal) -> bytes:
    """The passphrase of sealed keys: enough shares, typed unseen one after the other, or one per line on stdin.

    Raises:
        ShareRefused: stdin ended too early or had a wrong one. Whoever types may try again.
    """
    typer.echo(f"control-plane: the authorities' keys are needed for this ({seal.described})", err=True)
    unsealing = Unsealing(seal)
    while True:
        try:
            passphrase = unsealing.give(read_share(f"Share {unsealing.given + 1} of {seal.threshold}"))
        except ShareRefused as err:
            if not sys.stdin.isatty():
                raise
            typer.echo(f"control-plane: {err.message}", err=True)
        else:
            if passphrase is not None:
                return passphrase


def read_share(prompt: str) -> str:
    """One share: typed unseen, or the next line of stdin. Never an argument, which every process could read.

    Raises:
        ShareRefused: stdin has no more.
    """
    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=True, err=True))
    line = sys.stdin.readline(_MAX_SHARE_CHARS)
    if not line.strip():
        raise ShareRefused("stdin has no more shares; nothing was done")
    return line


def org_or_only(operations: Operations, org_id: str | None) -> str:
    """``org_id``, or the only org there is."""
    if org_id is not None:
        return org_id
    org_ids = operations.org_ids()
    if len(org_ids) != 1:
        raise InvalidRequest(f"there are {len(org_ids)} orgs; say which with --org")
    return org_ids[0]


def print_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(value, default=str))


def print_done(values: Mapping[str, Any], sentence: str, *, as_json: bool) -> None:
    """An outcome: the values for a program, the sentence for a person."""
    if as_json:
        print_json(values)
    else:
        typer.echo(sentence)


def print_once(values: Mapping[str, Any], title: str, lines: Sequence[tuple[str, str]], *, as_json: bool) -> None:
    """Secrets that are shown this one time."""
    if as_json:
        print_json(values)
        return
    console = Console()
    console.print(Panel.fit(f"{escape(title)}\n[dim]Shown once. Nothing can show it again.[/dim]"))
    width = max(len(label) for label, _ in lines)
    for label, value in lines:  # outside the frame and unwrapped, so that a long secret can be copied as one line
        console.print(f"  [bold]{escape(label.ljust(width))}[/bold]  {escape(value)}", highlight=False, soft_wrap=True)


def print_table(rows: Sequence[Mapping[str, Any]], empty: str, *, as_json: bool) -> None:
    """A list of things."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        typer.echo(empty)
        return
    table = Table()
    for name in rows[0]:
        table.add_column(escape(name), overflow="fold", no_wrap=name in _WHOLE)
    for row in rows:
        table.add_row(*["" if value is None else escape(str(value)) for value in row.values()])
    console = Console()
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    console.print(table)
