"""``policy``: what outposts are shown, who signs it, and with which keys."""

from typing import Annotated, Any

import typer

from control_plane.commands.shared import (
    ConfigOption,
    DataDirOption,
    JsonOption,
    OrgOption,
    opened,
    org_or_only,
    print_done,
    print_table,
)
from control_plane.role_rotation import RoleStatus

policy_commands = typer.Typer(no_args_is_help=True, help="Signed policy bundles.")


@policy_commands.command("rotate-key")
def rotate_key(
    role: Annotated[str, typer.Option("--role", help="root, targets, snapshot, timestamp or virtual-keys.")],
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a role of the org's repository a new key and destroy the old one; outposts follow by themselves.

    Example: control-plane policy rotate-key --role timestamp
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        status = operations.policy.rotate_key(org_id, role)
    sentence = f"Role {role} of org {org_id} has a new key, {status.keyids[0][:16]}…; the old one is destroyed."
    print_done({"org": org_id, **_role(status)}, sentence, as_json=as_json)


@policy_commands.command("status")
def show_status(
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show each role of the org's repository: its version, when it expires, and who holds its keys.

    Example: control-plane policy status
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        roles = operations.policy.status(org_or_only(operations, org))
    print_table([_role(status) for status in roles], "Nothing is published yet.", as_json=as_json)


def _role(status: RoleStatus) -> dict[str, Any]:
    held = status.held >= status.threshold
    return {
        "role": status.role,
        "version": status.version,
        "expires": f"{status.expires_at:%Y-%m-%dT%H:%M:%SZ}",
        "signatures": f"{status.threshold} of {len(status.keyids)}",
        "signed_by": "this control plane" if held else "officers",
        "keys": " ".join(keyid[:16] for keyid in status.keyids),
    }
