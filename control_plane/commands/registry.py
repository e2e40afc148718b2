"""``outpost``: who may come in."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from control_plane.canary import parse_label
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

outpost_commands = typer.Typer(no_args_is_help=True, help="Register, list and revoke outposts.")


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
        operations = installation.operations
        found, (replays, recoveries) = operations.outposts(org), operations.registry_notes()
    rows = [
        _row(record, status) | {"replays": replays.get(record.id, 0), "recovery": recoveries.get(record.id)}
        for record, status in found
    ]
    print_table(rows, "There are no outposts yet.", as_json=as_json)


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
        is_sealed = installation.operations.keyring.authority_keys.is_sealed
    later = " `control-plane serve` signs the revocation list once it is unsealed." if is_sealed else ""
    print_done({"outpost_id": outpost_id, "revoked": True}, f"Outpost {outpost_id} is revoked.{later}", as_json=as_json)


@outpost_commands.command("label")
def label(
    outpost_id: Annotated[str, typer.Argument(help="The outpost's id; see `outpost list`.")],
    text: Annotated[str, typer.Argument(help="name=value; with --remove the name alone.")],
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Take the label away.")] = False,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Label an outpost, for `policy publish --canary-label`.

    Example: control-plane outpost label berlin-1-0a1b2c3d ring=first
    """
    name, value = (text, None) if remove else parse_label(text)
    with opened(config, data_dir) as (_, installation):
        installation.operations.policy.set_label(outpost_id, name, value)
    sentence = f"Outpost {outpost_id} has no label {name}." if remove else f"Outpost {outpost_id} is labelled {text}."
    print_done({"outpost_id": outpost_id, "label": name, "value": value}, sentence, as_json=as_json)


@outpost_commands.command("approve-recovery")
def approve_recovery(
    outpost_id: Annotated[str, typer.Argument(help="The outpost's id; see `outpost list`.")],
    *,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an outpost whose certificate has ended recover once, where the settings ask for an operator's word.

    Example: control-plane outpost approve-recovery berlin-1-0a1b2c3d
    """
    with opened(config, data_dir) as (_, installation):
        installation.operations.approve_recovery(outpost_id)
    sentence = f"Outpost {outpost_id} may recover once; it asks again by itself."
    print_done({"outpost_id": outpost_id, "recovery_approved": True}, sentence, as_json=as_json)


@outpost_commands.command("events")
def events(
    outpost_id: Annotated[str | None, typer.Argument(help="Only of this outpost.")] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 50,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happened to identities: enrolments, renewals, recoveries, revocations, clones, rotations.

    Example: control-plane outpost events berlin-1-0a1b2c3d
    """
    with opened(config, data_dir) as (_, installation):
        found = installation.operations.events(limit, outpost_id)
    rows = [
        {"at": _seconds(event.at), "kind": event.kind, "outpost": event.outpost_id, "detail": event.detail}
        for event in found
    ]
    print_table(rows, "Nothing has happened yet.", as_json=as_json)


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
        "refused_version": status.refused_version if status else None,
        "refused": status.refused_reason if status else None,
        "audit": f"{status.audit_delivered}/{status.audit_size}" if status else None,
        "authority": status.authority if status else None,
        "trust": status.trust_generation if status else None,
        "cloned": _seconds(status.cloned_at) if status and status.cloned_at else None,
    }


def _seconds(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
