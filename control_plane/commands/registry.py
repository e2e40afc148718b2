"""``outpost`` and ``ca``: who may come in."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from control_plane.commands.shared import (
    ConfigOption,
    DataDirOption,
    JsonOption,
    OrgOption,
    opened,
    org_or_only,
    print_done,
    print_once,
    print_table,
)
from control_plane.outposts import OutpostRecord, OutpostStatus
from pki.files import write_public

outpost_commands = typer.Typer(no_args_is_help=True, help="Register, list and revoke outposts.")
ca_commands = typer.Typer(no_args_is_help=True, help="The certificate authority.")


@outpost_commands.command("create")
def create(
    name: Annotated[str, typer.Argument(help="A name, unique in the org: a-z, 0-9 and hyphens.")],
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register an outpost and print its one-use enrolment token.

    Example: control-plane outpost create berlin-1
    """
    with opened(config, data_dir) as (loaded, installation):
        operations = installation.operations
        lifetime = timedelta(seconds=loaded.token_lifetime_s)
        record, token = operations.create_outpost(org_or_only(operations, org), name, lifetime)
        enrol_url = loaded.enrol_url(installation.server_names)
        _print_token(record.id, token.text, enrol_url, loaded.token_lifetime_s, as_json=as_json)


@outpost_commands.command("token")
def token(
    outpost_id: Annotated[str, typer.Argument(help="The outpost's id; see `outpost list`.")],
    *,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new enrolment token for an outpost whose last one expired.

    Example: control-plane outpost token berlin-1-0a1b2c3d
    """
    with opened(config, data_dir) as (loaded, installation):
        made = installation.operations.create_token(outpost_id, timedelta(seconds=loaded.token_lifetime_s))
        enrol_url = loaded.enrol_url(installation.server_names)
        _print_token(outpost_id, made.text, enrol_url, loaded.token_lifetime_s, as_json=as_json)


@outpost_commands.command("list")
def list_outposts(
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List outposts with what each last reported.

    Example: control-plane outpost list --json
    """
    with opened(config, data_dir) as (_, installation):
        found = installation.operations.outposts(org)
    print_table([_row(record, status) for record, status in found], "There are no outposts yet.", as_json=as_json)


@outpost_commands.command("revoke")
def revoke(
    outpost_id: Annotated[str, typer.Argument(help="The outpost's id; see `outpost list`.")],
    *,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke an outpost for ever; its next request is refused.

    Example: control-plane outpost revoke berlin-1-0a1b2c3d
    """
    with opened(config, data_dir) as (_, installation):
        installation.operations.revoke_outpost(outpost_id)
    print_done({"outpost_id": outpost_id, "revoked": True}, f"Outpost {outpost_id} is revoked.", as_json=as_json)


@ca_commands.command("crl")
def crl(
    *,
    out: Annotated[Path | None, typer.Option("--out", help="Write PEM to this file instead of stdout.")] = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the current certificate revocation list, signed anew if it is due.

    Example: control-plane ca crl --out /etc/nginx/outposts.crl
    """
    with opened(config, data_dir) as (_, installation):
        content = installation.operations.current_crl().content
    pem = x509.load_der_x509_crl(content).public_bytes(Encoding.PEM)
    if out is None:
        typer.echo(pem.decode(), nl=False)
    else:
        write_public(out, pem)


def _print_token(outpost_id: str, text: str, enrol_url: str, lifetime_s: int, *, as_json: bool) -> None:
    register = f"OUTPOST_CONTROL_PLANE_URL={enrol_url} OUTPOST_ENROLMENT_TOKEN=<token> outpost register"
    docker = (
        f"docker run -e OUTPOST_ENROLMENT_TOKEN=<token> -e OUTPOST_CONTROL_PLANE_URL={enrol_url} "
        "-v outpost-data:/data -p 8300:8300 hybrid-outpost"
    )
    print_once(
        {"outpost_id": outpost_id, "token": text, "control_plane_url": enrol_url, "lifetime_s": lifetime_s},
        f"Outpost {outpost_id} is registered. Its token can be used once, within {lifetime_s // 60} minutes.",
        [
            ("token", text),
            ("in a shell", register),
            ("with docker", docker),
        ],
        as_json=as_json,
    )


def _row(record: OutpostRecord, status: OutpostStatus | None) -> dict[str, Any]:
    state = "revoked" if record.revoked_at else "enrolled" if record.enrolled_at else "waiting"
    return {
        "id": record.id,
        "org": record.org_id,
        "state": state,
        "last_seen": _seconds(status.received_at) if status else None,
        "version": status.outpost_version if status else None,
        "bundle": status.snapshot_version if status else None,
        "refused": status.refused_reason if status else None,
        "audit": f"{status.audit_delivered}/{status.audit_size}" if status else None,
    }


def _seconds(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
