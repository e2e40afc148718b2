"""``policy publish|promote|roll-forward|canary``: new documents, signed here or by officers, for all or a few first."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

import typer

from control_plane.canary import Selection, parse_label
from control_plane.commands.officers import PackOption, documents_given, pack_given, read_proposals
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
from outpost.protocol.document_set import is_readable
from outpost.protocol.list_file import list_of_target, read_list_file
from outpost.protocol.models import file_of_pack


def publish_policy(  # noqa: PLR0913 - the options of one command
    file: Annotated[Path | None, typer.Argument(help="The policy, a policy.json document.")] = None,
    *,
    routing: Annotated[Path | None, typer.Option("--routing", help="Also publish this routing.json.")] = None,
    document: Annotated[
        list[str] | None,
        typer.Option("--document", help="Also publish NAME=FILE: smoke.json=FILE, customers.list=FILE."),
    ] = None,
    models_pack: PackOption = None,
    proposal: Annotated[
        list[Path] | None, typer.Option("--proposal", help="Instead: what officers signed; repeated for each copy.")
    ] = None,
    canary_percent: Annotated[
        float | None, typer.Option("--canary-percent", min=0.01, max=100, help="Show it to so many outposts first.")
    ] = None,
    canary_label: Annotated[
        str | None, typer.Option("--canary-label", help="Show it to outposts with this label first: name=value.")
    ] = None,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check, sign and publish a policy (and routing, and a model pack); outposts apply it within seconds.

    Example: control-plane policy publish policy.json --routing routing.json
    """
    selection = _selection(canary_percent, canary_label)
    changes, pack = documents_given(file, routing, document), pack_given(models_pack)
    copies = read_proposals(proposal or [])
    if not (changes or pack or copies) or (copies and any(is_readable(name) for name in changes)):
        message = "give a policy FILE, --routing FILE, or both; or --proposal FILE, with its lists and pack alone"
        raise typer.BadParameter(message)
    # What a proposal holds itself is the officers' word; of a pack beside it, only what no proposal carries counts.
    changes |= {name: content for name, content in pack.items() if not copies or not is_readable(name)}
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        members: list[str] = []
        if copies:
            version, members = operations.policy.publish_proposal(org_id, copies, selection, changes)
        elif selection is not None:
            version, members = operations.policy.begin_canary(org_id, changes, selection)
        else:
            version = operations.publish(org_id, changes)
        keyless = _keyless(changes, {key.id for key in operations.secrets.list_keys(org_id)})
    for name, key_id in keyless.items():
        where = "in their list_key_files, or `control-plane secret add-list-key`"
        typer.echo(f"control-plane: outposts refuse {name} without list key {key_id}: {where}", err=True)
    shown = sorted(name for name in changes if file_of_pack(name) is None)
    what = "what the officers signed" if copies else " and ".join(shown)
    whom = (
        f"org {org_id}"
        if selection is None
        else f"{len(members)} outpost{'s' * (len(members) != 1)} of org {org_id} first"
    )
    print_done(
        {"org": org_id, "snapshot_version": version, "documents": shown}
        | ({} if selection is None else {"canary_members": members}),
        f"Published {what} for {whom} as bundle {version}.",
        as_json=as_json,
    )


def _keyless(changes: Mapping[str, bytes], key_ids: Collection[str]) -> dict[str, str]:
    """The lists that were made with a key that this control plane does not have, and its id."""
    needed = {
        name: read_list_file(content).header.key_id
        for name, content in changes.items()
        if list_of_target(name) is not None
    }
    return {name: key_id for name, key_id in needed.items() if key_id not in key_ids}


def promote(
    *,
    override: Annotated[
        bool, typer.Option("--override", help="Although a member has refused it; is recorded.")
    ] = False,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the canary to every outpost of the org.

    Example: control-plane policy promote
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        version = operations.policy.promote(org_id, override=override)
    sentence = f"Bundle {version} is shown to every outpost of org {org_id}."
    print_done({"org": org_id, "snapshot_version": version}, sentence, as_json=as_json)


def roll_forward(
    *,
    proposal: Annotated[
        list[Path] | None,
        typer.Option("--proposal", help="Where officers sign: what is in force, proposed anew and signed."),
    ] = None,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a canary: show every outpost what the others have, under a higher version.

    Example: control-plane policy roll-forward
    """
    copies = read_proposals(proposal or [])
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        version = operations.policy.roll_forward(org_id, copies)
    sentence = f"The canary of org {org_id} is over; everybody is shown bundle {version}, " + (
        "with what the officers signed." if copies else "with the content from before it."
    )
    print_done({"org": org_id, "snapshot_version": version}, sentence, as_json=as_json)


def show_canary(
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest canary: each member, whether it was shown it, what it applied or refused.

    Example: control-plane policy canary
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        canary, members = operations.policy.canary(org_id)
    if not as_json:
        typer.echo(f"Canary {canary.version} of org {org_id} ({canary.audience}) is {canary.state}.")
    rows = [
        {
            "canary": canary.version,
            "state": canary.state.value,
            "id": member,
            "shown": None if shown_at is None else f"{shown_at:%Y-%m-%dT%H:%M:%SZ}",
            "applied": status is not None and (status.snapshot_version or 0) >= canary.version,
            "refused": status.refused_reason if status and (status.refused_version or 0) >= canary.version else None,
        }
        for member, shown_at, status in members
    ]
    print_table(rows, "It has no members.", as_json=as_json)


def _selection(percent: float | None, label: str | None) -> Selection | None:
    if percent is not None and label is not None:
        raise typer.BadParameter("--canary-percent or --canary-label, not both")
    if percent is None and label is None:
        return None
    return Selection(percent, None if label is None else parse_label(label))
