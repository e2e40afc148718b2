"""``policy publish``: new documents, signed here or by officers."""

from pathlib import Path
from typing import Annotated

import typer

from control_plane.commands.officers import documents_given, read_proposals
from control_plane.commands.shared import (
    ConfigOption,
    DataDirOption,
    JsonOption,
    OrgOption,
    opened,
    org_or_only,
    print_done,
)


def publish_policy(  # noqa: PLR0913 - the options of one command
    file: Annotated[Path | None, typer.Argument(help="The policy, a policy.json document.")] = None,
    *,
    routing: Annotated[Path | None, typer.Option("--routing", help="Also publish this routing.json.")] = None,
    document: Annotated[
        list[str] | None, typer.Option("--document", help="Also publish NAME=FILE, for example smoke.json=FILE.")
    ] = None,
    proposal: Annotated[
        list[Path] | None, typer.Option("--proposal", help="Instead: what officers signed; repeated for each copy.")
    ] = None,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check, sign and publish a policy (and routing); outposts apply it within seconds.

    Example: control-plane policy publish policy.json --routing routing.json
    """
    changes = documents_given(file, routing, document)
    copies = read_proposals(proposal or [])
    if bool(changes) == bool(copies):
        raise typer.BadParameter("give a policy FILE, --routing FILE, or both; or --proposal FILE alone")
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        version = operations.policy.publish_proposal(org_id, copies) if copies else operations.publish(org_id, changes)
    what = " and ".join(sorted(changes)) or "what the officers signed"
    print_done(
        {"org": org_id, "snapshot_version": version, "documents": sorted(changes)},
        f"Published {what} for org {org_id} as bundle {version}.",
        as_json=as_json,
    )
