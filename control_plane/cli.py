"""The ``control-plane`` command. Exit codes: 0 ok, 1 refused or failed, 2 usage.

The only place that exits. Every typed error becomes one line on stderr that says what to do; a traceback is a bug.
"""

import sys

import typer

from control_plane.commands import air_gap, installation, officers, publishing
from control_plane.commands.authority import ca_commands
from control_plane.commands.policy import policy_commands
from control_plane.commands.registry import outpost_commands, revoke
from control_plane.commands.sealing import seal, unseal
from control_plane.commands.tenants import (
    key_commands,
    org_commands,
    secret_commands,
    user_commands,
)
from control_plane.errors import ConfigError, ControlPlaneError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a pretty traceback shows local variables, and those hold keys
    help="The control plane of Hybrid Outpost: enrols outposts, publishes signed policy, collects audit metadata.",
)
app.command("init")(installation.init)
app.command("serve")(installation.serve)
app.command("migrate")(installation.migrate)
app.command("unseal")(unseal)
app.command("seal")(seal)
app.add_typer(org_commands, name="org")
app.add_typer(user_commands, name="user")
app.add_typer(outpost_commands, name="outpost")
outpost_commands.command("enrol")(air_gap.enrol_offline)
app.add_typer(air_gap.bundle_commands, name="bundle")
app.add_typer(air_gap.audit_commands, name="audit")
app.add_typer(key_commands, name="key")
policy_commands.command("publish")(publishing.publish_policy)
policy_commands.command("promote")(publishing.promote)
policy_commands.command("roll-forward")(publishing.roll_forward)
policy_commands.command("canary")(publishing.show_canary)
policy_commands.command("officers")(officers.appoint)
policy_commands.command("propose")(officers.propose)
app.add_typer(policy_commands, name="policy")
app.add_typer(secret_commands, name="secret")
# The authority's own words for two of them: an installation begins with its authorities, and a revocation is theirs.
ca_commands.command(
    "init",
    help="Make a new installation, its authorities first: the same command as `control-plane init`.\n\n"
    "Example: control-plane ca init --offline-root",
)(installation.init)
ca_commands.command(
    "revoke",
    help="Revoke an outpost for ever: the same command as `control-plane outpost revoke`.\n\n"
    "Example: control-plane ca revoke 019a8c3e-7f2b-7d1c-9a4e-2f6b8c1d3e5f",
)(revoke)
app.add_typer(ca_commands, name="ca")


def main() -> None:
    """Run the command line and exit."""
    try:
        app()
    except ConfigError as err:
        for problem in err.problems:
            typer.echo(f"control-plane: {problem}", err=True)
    except ControlPlaneError as err:
        typer.echo(f"control-plane: {err.message}", err=True)
    except OSError as err:
        where = f"{err.filename}: " if err.filename else ""
        typer.echo(f"control-plane: {where}{err.strerror or err}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
