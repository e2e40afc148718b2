"""``bundle export``, ``outpost enrol`` and ``audit import``: files for a site without a network."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from control_plane.air_gap import enrol, export_bundle, take_audit
from control_plane.commands.shared import (
    ConfigOption,
    DataDirOption,
    JsonOption,
    OrgOption,
    opened,
    org_or_only,
    print_done,
)
from control_plane.errors import InvalidRequest
from outpost.protocol.audit_file import AuditFile, ReceiptFile
from outpost.protocol.messages import EnrolRequest
from pki.files import write_private

bundle_commands = typer.Typer(no_args_is_help=True, help="Bundles as files, for sites without a network.")
audit_commands = typer.Typer(no_args_is_help=True, help="Audit logs from sites without a network.")

_MAX_FILE_BYTES = 512 * 1024 * 1024  # an audit file of some 500,000 events


@bundle_commands.command("export")
def export(  # noqa: PLR0913 - the options of one command
    file: Annotated[Path, typer.Argument(help="Where it goes, for example acme.outpost-bundle.")],
    *,
    outpost: Annotated[
        str | None, typer.Option("--outpost", help="For one outpost only; default all of the org.")
    ] = None,
    valid_for_days: Annotated[
        float | None,
        typer.Option("--valid-for-days", min=0.01, help="How long it may be imported; default max_offline."),
    ] = None,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the org's bundle, sealed secrets and revocation lists into one file, to be carried and imported.

    Example: control-plane bundle export acme.outpost-bundle
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        lifetime = None if valid_for_days is None else timedelta(days=valid_for_days)
        content = export_bundle(operations, org_id, outpost, lifetime)
    write_private(file, content)
    sentence = (
        f"The bundle of org {org_id} is in {file} ({len(content)} bytes). Import it: `outpost bundle import {file}`."
    )
    print_done({"org": org_id, "file": str(file), "bytes": len(content)}, sentence, as_json=as_json)


def enrol_offline(
    request: Annotated[Path, typer.Option("--request", help="From `outpost register --request`.")],
    answer: Annotated[Path, typer.Option("--answer", help="Where the answer goes.")],
    *,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol an outpost without a network: its request is a file, and so is the answer.

    Example: control-plane outpost enrol --request request.json --answer answer.json
    """
    try:
        message = EnrolRequest.model_validate_json(_read(request))
    except (ValidationError, RecursionError) as err:
        raise InvalidRequest(f"{request} is not an enrolment request") from err
    with opened(config, data_dir) as (loaded, installation):
        response = enrol(installation.operations, message, loaded.sync_url(installation.server_names))
    write_private(answer, response.model_dump_json().encode())
    sentence = f"Outpost {response.outpost_id} is enrolled. Carry {answer} back: `outpost register --answer {answer}`."
    print_done({"outpost_id": response.outpost_id, "answer": str(answer)}, sentence, as_json=as_json)


@audit_commands.command("import")
def import_audit(
    file: Annotated[Path, typer.Argument(help="From `outpost audit export FILE`.")],
    *,
    receipt: Annotated[Path, typer.Option("--receipt", help="Where the receipt goes, to be carried back.")],
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an outpost's audit log from a file, checked as if it had come over the network, and give a receipt.

    Example: control-plane audit import berlin.outpost-audit --receipt berlin.outpost-receipt
    """
    try:
        log = AuditFile.model_validate_json(_read(file))
    except (ValidationError, RecursionError) as err:
        raise InvalidRequest(f"{file} is not an audit file") from err
    with opened(config, data_dir) as (_, installation):
        receipts = take_audit(installation.operations, log.outpost_id, log.batches)
    newest = receipts[-1] if receipts else None
    content = ReceiptFile(outpost_id=log.outpost_id, receipt=newest).model_dump_json().encode()
    write_private(receipt, content)
    size = newest.size if newest else 0
    sentence = f"The audit log of {log.outpost_id} is here up to event {size}. Carry {receipt} back to it."
    print_done({"outpost_id": log.outpost_id, "size": size, "receipt": str(receipt)}, sentence, as_json=as_json)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise InvalidRequest(f"{path} is larger than {_MAX_FILE_BYTES} bytes")
    return content
