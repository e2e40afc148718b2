"""``outpost bundle import`` and the audit log's way out and back in files, for a site without a network."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from outpost.air_gap import export_audit, import_bundle, import_receipt
from outpost.config import load_config
from outpost.errors import InputUnusable
from outpost.protocol.audit_file import ReceiptFile
from outpost.protocol.logs import configure_logs
from outpost.sync.bundle_file import open_bundle_file
from pki.files import write_private

_MAX_RECEIPT_BYTES = 64 * 1024  # a receipt has about 1 KB

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file (TOML); default outpost.toml if it is there.")
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where identity, cache and audit log lie; default from the settings.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]


def import_command(
    file: Annotated[Path, typer.Argument(help="From `control-plane bundle export`.")],
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Take policy, secrets and revocation lists from a file, verified exactly as from the network.

    Stop the outpost first and start it again afterwards: it answers with what is in force then.
    """
    settings = load_config(config, {"data_dir": data_dir} if data_dir is not None else None)
    configure_logs("error", sys.stderr)  # what the synchronisation warns of is about networks; the outcome is printed
    found = asyncio.run(import_bundle(settings, open_bundle_file(file)))
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    elif found.revoked:
        typer.echo("This outpost is revoked: it will refuse every request.")
    else:
        typer.echo(
            f"Bundle {found.snapshot_version} and secrets {found.secrets_version} are in force from the next start."
        )
    if found.revoked:
        raise typer.Exit(1)


def export_audit_file(file: Path, config: Path | None, data_dir: Path | None) -> None:
    """Write what no receipt covers into a file for `control-plane audit import`."""
    settings = load_config(config, {"data_dir": data_dir} if data_dir is not None else None)
    log = export_audit(settings)
    write_private(file, log.model_dump_json().encode())
    count = sum(len(batch.events) for batch in log.batches)
    typer.echo(f"{count} events are in {file}. Import them: `control-plane audit import {file} --receipt FILE`.")


def import_receipt_command(
    file: Annotated[Path, typer.Argument(help="From `control-plane audit import`.")],
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Take the control plane's receipt: the events it covers count as delivered."""
    settings = load_config(config, {"data_dir": data_dir} if data_dir is not None else None)
    with file.open("rb") as opened:
        content = opened.read(_MAX_RECEIPT_BYTES)
    try:
        receipt = ReceiptFile.model_validate_json(content)
    except (ValidationError, RecursionError) as err:
        raise InputUnusable(f"{file} is not a receipt file") from err
    typer.echo(f"The control plane has the first {import_receipt(settings, receipt)} events of this outpost.")
