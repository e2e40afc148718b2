"""``policy officers|propose|publish``: policy that officers sign on machines of their own."""

from pathlib import Path
from typing import Annotated, Final

import typer

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
from outpost.errors import BundleRejected, PackInvalid
from outpost.models.pack import open_pack, read_files
from outpost.policy.proposal import MAX_PROPOSAL_BYTES, parse_proposal
from outpost.protocol.document_set import NO_MODELS
from outpost.protocol.documents import MODELS_TARGET, POLICY_TARGET, ROUTING_TARGET, encode_document
from outpost.protocol.models import ModelsDocument, PackReference, pack_target
from outpost.protocol.proposal import Proposal

NO_PACK: Final = "none"
PackOption = Annotated[
    str | None,
    typer.Option("--models-pack", help="Also the model pack of all outposts: its folder, 'default', or 'none'."),
]
OutOption = Annotated[Path, typer.Option("--out", help="Where the proposal goes, for the officers to sign.")]


def appoint(  # noqa: PLR0913 - the options of one command
    key: Annotated[list[Path], typer.Option("--key", help="An officer's public key; repeated for each.")],
    threshold: Annotated[int, typer.Option("--threshold", min=1, help="How many of them must sign a policy.")],
    out: OutOption,
    *,
    root_threshold: Annotated[
        int | None,
        typer.Option("--root-threshold", min=1, help="How many must sign a change of keys; default as many."),
    ] = None,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose that these officers, and not this control plane, sign the org's policy and who may sign it.

    Once it is published, the keys that this control plane held for that are destroyed. To replace officers, propose
    the new set: enough of the old officers and of the new ones sign.

    Example: control-plane policy officers --key a.pub --key b.pub --key c.pub --threshold 2 --out PROPOSAL.json
    """
    pems = [path.read_bytes() for path in key]
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        proposal = operations.policy.appoint_officers(org_id, pems, threshold, root_threshold or threshold)
    sentence = f"{threshold} of {len(pems)} officers are proposed for org {org_id}"
    _write(out, proposal, sentence, "publish", as_json=as_json)


def propose(  # noqa: PLR0913 - the options of one command
    file: Annotated[Path | None, typer.Argument(help="The policy, a policy.json document.")] = None,
    *,
    out: OutOption,
    routing: Annotated[Path | None, typer.Option("--routing", help="Also propose this routing.json.")] = None,
    document: Annotated[
        list[str] | None, typer.Option("--document", help="Also propose NAME=FILE, for example smoke.json=FILE.")
    ] = None,
    models_pack: PackOption = None,
    rotate: Annotated[
        str | None, typer.Option("--rotate", help="A new key for snapshot, timestamp or virtual-keys.")
    ] = None,
    renew_root: Annotated[bool, typer.Option("--renew-root", help="Also renew the root, with the same keys.")] = False,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write down a change for the org's officers to sign. Without a document: what is in force, for longer.

    During a canary that is what all but its members have; signed, `policy roll-forward --proposal` ends the canary.

    Example: control-plane policy propose policy.json --out PROPOSAL.json
    """
    changes = documents_given(file, routing, document) | pack_given(models_pack)
    if rotate is not None and (changes or renew_root):
        raise typer.BadParameter("--rotate is a proposal of its own")
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id, policy = org_or_only(operations, org), operations.policy
        proposal = (
            policy.propose(org_id, changes, renew_root=renew_root)
            if rotate is None
            else policy.propose_rotation(org_id, rotate)
        )
        then = "roll-forward" if policy.canary_under_way(org_id) else "publish"
    _write(out, proposal, f"The proposal for org {org_id} is written", then, as_json=as_json)


def documents_given(policy: Path | None, routing: Path | None, others: list[str] | None) -> dict[str, bytes]:
    """The documents that the options name, read."""
    given = {POLICY_TARGET: policy, ROUTING_TARGET: routing}
    for item in others or []:
        name, equals, path = item.partition("=")
        if not equals or given.get(name) is not None:
            raise typer.BadParameter(f"--document {item}: write NAME=FILE, each name once")
        given[name] = Path(path)
    return {name: path.read_bytes() for name, path in given.items() if path is not None}


def pack_given(value: str | None) -> dict[str, bytes]:
    """``models.json`` for the pack in the folder ``value``, and its files, as documents; ``none`` takes the pack away.

    Raises:
        InvalidRequest: It is no whole pack, or one that no bundle can carry.
    """
    if value is None or value == NO_PACK:
        return {} if value is None else {MODELS_TARGET: encode_document(NO_MODELS)}
    try:
        pack = open_pack(Path(value))
        files = read_files(pack)
        reference = PackReference(name=pack.card.name, card_sha256=pack.digest)
        document = ModelsDocument(schema_version="1", pack=reference)
        return {MODELS_TARGET: encode_document(document)} | {pack_target(name): files[name] for name in files}
    except (PackInvalid, ValueError) as err:
        raise InvalidRequest(f"the model pack cannot be published: {err}") from err


def read_proposals(paths: list[Path]) -> list[Proposal]:
    """Copies of one proposal, as the officers gave them back.

    Raises:
        InvalidRequest: A file is none.
    """
    found = []
    for path in paths:
        with path.open("rb") as file:
            content = file.read(MAX_PROPOSAL_BYTES + 1)
        try:
            found.append(parse_proposal(content))
        except BundleRejected as err:
            raise InvalidRequest(f"{path}: {err}") from err
    return found


def _write(out: Path, proposal: Proposal, sentence: str, then: str, *, as_json: bool) -> None:
    if out.exists():
        raise InvalidRequest(f"{out} exists; choose another name")
    out.write_text(proposal.model_dump_json(exclude_none=True), "utf-8")
    print_done(
        {"org": proposal.org_id, "proposal": str(out)},
        f"{sentence}. Officers: `outpost policy sign {out}`. Then: `control-plane policy {then} --proposal {out}`.",
        as_json=as_json,
    )
