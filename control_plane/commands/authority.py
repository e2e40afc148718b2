"""``ca``: revocation lists, rotation, and the root's key in and out."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from control_plane.authorities import Kind
from control_plane.ceremonies import Ceremonies, RotationStatus, all_crls, ensure_crls
from control_plane.commands.shared import (
    ConfigOption,
    DataDirOption,
    JsonOption,
    opened,
    print_done,
    print_json,
    print_once,
    print_table,
)
from control_plane.errors import InvalidRequest
from control_plane.root_key import BroughtKey, describe, new_passphrase
from control_plane.rotation import Phase, Step
from pki.files import write_public

ca_commands = typer.Typer(no_args_is_help=True, help="The certificate authorities.")
root_commands = typer.Typer(no_args_is_help=True, help="The root's key: export it, remove it, bring it back.")
ca_commands.add_typer(root_commands, name="root")

_PASSPHRASE_LIMIT = 1024

FileArgument = Annotated[Path, typer.Argument(help="The exported root key.")]
PassphraseOption = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File with the export's passphrase; - reads stdin.")
]
RootKeyOption = Annotated[
    Path | None, typer.Option("--root-key", help="The exported root key, for this one operation; it is not stored.")
]
NameOption = Annotated[str | None, typer.Option("--name", help="Which root; default: the one in use.")]


@ca_commands.command("crl")
def crl(
    *,
    out: Annotated[Path | None, typer.Option("--out", help="Write PEM to this file instead of stdout.")] = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the current revocation lists of all authorities that count, signed anew if they are due.

    Example: control-plane ca crl --out /etc/nginx/outposts.crl
    """
    with opened(config, data_dir) as (_, installation):
        for name in ensure_crls(installation.operations):
            typer.echo(f"control-plane: the list of {name} is due; run `control-plane ca root crl`", err=True)
        lists = all_crls(installation.operations)
    _write_pem(out, b"".join(x509.load_der_x509_crl(one.content).public_bytes(Encoding.PEM) for one in lists))


@ca_commands.command("anchors")
def anchors(
    *,
    out: Annotated[Path | None, typer.Option("--out", help="Write PEM to this file instead of stdout.")] = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the trust anchors that count now: what an ingress verifies outposts with.

    Example: control-plane ca anchors --out /etc/nginx/outposts-anchors.pem
    """
    with opened(config, data_dir) as (_, installation):
        trust = installation.operations.trust()
    _write_pem(out, "".join(trust.anchors_pem).encode())


@ca_commands.command("ingress")
def ingress(
    *,
    name: Annotated[list[str], typer.Option("--name", help="DNS name or address that outposts use; may be repeated.")],
    out: Annotated[Path, typer.Option("--out", help="Write key and chain to this file, mode 0600.")],
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Issue a key and certificate for an ingress in front of the outpost listener.

    Example: control-plane ca ingress --name control.example.com --out /etc/nginx/outposts/server.pem
    """
    with opened(config, data_dir) as (loaded, installation):
        certificate = Ceremonies(installation.operations, loaded.heartbeat_interval_s).issue_ingress(name, out)
    until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
    sentence = f"{out} holds the key and certificate of {', '.join(name)}, good until {until}."
    print_done({"file": str(out), "names": name, "not_after": until}, sentence, as_json=as_json)


@ca_commands.command("rotate")
def rotate(  # noqa: PLR0913 - the options of one command
    kind: Annotated[Kind, typer.Argument(help="What to rotate.")],
    *,
    prepare: Annotated[bool, typer.Option("--prepare", help="Make the new authority and publish it.")] = False,
    activate: Annotated[bool, typer.Option("--activate", help="Issue from the new authority.")] = False,
    retire: Annotated[bool, typer.Option("--retire", help="Trust the old authority no longer.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Undo the last step.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Show who has confirmed.")] = False,
    override: Annotated[bool, typer.Option("--override", help="Do not wait for live outposts.")] = False,
    reason: Annotated[str, typer.Option(help="Why the override; it is recorded.")] = "",
    root_key: RootKeyOption = None,
    passphrase_file: PassphraseOption = None,
    new_root_export: Annotated[
        Path | None,
        typer.Option("--new-root-export", help="Where the new root's key goes, encrypted, instead of here."),
    ] = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rotate an authority: prepare, activate, retire; rollback undoes the last step before retire.

    Example: control-plane ca rotate intermediate --prepare
    """
    flags = {Step.PREPARE: prepare, Step.ACTIVATE: activate, Step.RETIRE: retire, Step.ROLLBACK: rollback}
    steps = [step for step, asked in flags.items() if asked]
    if len(steps) + status != 1:
        raise typer.BadParameter("say exactly one of --prepare, --activate, --retire, --rollback, --status")
    with opened(config, data_dir, to_issue=False) as (loaded, installation):
        ceremonies = Ceremonies(installation.operations, loaded.heartbeat_interval_s)
        passphrase = None
        if prepare:
            brought = _brought(root_key, passphrase_file)
            export = None
            if new_root_export is not None:
                passphrase = new_passphrase(os.urandom)
                export = BroughtKey(new_root_export, passphrase.encode())
            ceremonies.prepare(kind, brought, export)
        elif steps:
            ceremonies.advance(kind, steps[0], override=override, reason=reason)
        now = ceremonies.status()
    if passphrase is None:
        _print_status(now, as_json=as_json)
    else:
        _print_passphrase(new_root_export, passphrase, as_json=as_json)


@root_commands.command("status")
def root_status(*, data_dir: DataDirOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show every root and where its key is.

    Example: control-plane ca root status
    """
    with opened(config, data_dir, to_issue=False) as (_, installation):
        keyring = installation.operations.newest_trust()
        roots = [record for record in keyring.state.authorities if record.kind is Kind.ROOT]
        print_table(describe(keyring.authority_keys, roots), "There is no root.", as_json=as_json)


@root_commands.command("export")
def root_export(
    file: FileArgument,
    *,
    name: NameOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the root's key to a new file under a passphrase that is shown once. The key stays here too.

    Example: control-plane ca root export /media/usb/root-key.pem
    """
    passphrase = new_passphrase(os.urandom)
    with opened(config, data_dir, to_issue=False) as (loaded, installation):
        ceremonies = Ceremonies(installation.operations, loaded.heartbeat_interval_s)
        ceremonies.export(BroughtKey(file, passphrase.encode()), name)
    _print_passphrase(file, passphrase, as_json=as_json)


@root_commands.command("remove")
def root_remove(
    file: FileArgument,
    *,
    passphrase_file: PassphraseOption = None,
    name: NameOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the root's key here, once its export has been opened and compared.

    Example: control-plane ca root remove /media/usb/root-key.pem --passphrase-file -
    """
    brought = _require_brought(file, passphrase_file)
    with opened(config, data_dir, to_issue=False) as (loaded, installation):
        root = Ceremonies(installation.operations, loaded.heartbeat_interval_s).remove(brought, name)
    print_done({"root": root, "key": "offline"}, f"The key of {root} is no longer here.", as_json=as_json)


@root_commands.command("import")
def root_import(
    file: FileArgument,
    *,
    passphrase_file: PassphraseOption = None,
    name: NameOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep the root's key here again for good. For one operation use --root-key there instead.

    Example: control-plane ca root import /media/usb/root-key.pem --passphrase-file -
    """
    brought = _require_brought(file, passphrase_file)
    with opened(config, data_dir, to_issue=False) as (loaded, installation):
        root = Ceremonies(installation.operations, loaded.heartbeat_interval_s).bring_back(brought, name)
    print_done({"root": root, "key": "here"}, f"The key of {root} is here again.", as_json=as_json)


@root_commands.command("crl")
def root_crl(
    *,
    root_key: RootKeyOption = None,
    passphrase_file: PassphraseOption = None,
    name: NameOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign the root's next revocation list: once a year, and after an intermediate was retired.

    Example: control-plane ca root crl --root-key /media/usb/root-key.pem --passphrase-file -
    """
    brought = _brought(root_key, passphrase_file)
    with opened(config, data_dir, to_issue=False) as (loaded, installation):
        signed = Ceremonies(installation.operations, loaded.heartbeat_interval_s).sign_root_crl(brought, name)
    values = {"root": signed.authority, "number": signed.number, "next_update": f"{signed.next_update:%Y-%m-%d}"}
    sentence = f"List {signed.number} of {signed.authority} is signed; it lasts until {values['next_update']}."
    print_done(values, sentence, as_json=as_json)


def _brought(path: Path | None, passphrase_file: Path | None) -> BroughtKey | None:
    return None if path is None else _require_brought(path, passphrase_file)


def _require_brought(path: Path, passphrase_file: Path | None) -> BroughtKey:
    if passphrase_file is None:
        raise InvalidRequest("the export has a passphrase: give it by --passphrase-file FILE, or - for stdin")
    if str(passphrase_file) == "-":
        content = sys.stdin.buffer.read(_PASSPHRASE_LIMIT)
    else:
        with passphrase_file.open("rb") as file:
            content = file.read(_PASSPHRASE_LIMIT)
    if not content.strip():
        raise InvalidRequest("the passphrase is empty")
    return BroughtKey(path, content.strip())


def _print_passphrase(path: Path | None, passphrase: str, *, as_json: bool) -> None:
    print_once(
        {"file": str(path), "passphrase": passphrase},
        f"The root's key is in {path}, encrypted. Keep file and passphrase apart.",
        [("passphrase", passphrase)],
        as_json=as_json,
    )


def _print_status(status: RotationStatus, *, as_json: bool) -> None:
    values: dict[str, Any] = {
        "phase": status.phase.value,
        "rotating": status.kind.value if status.kind else None,
        "generation": status.generation,
        "next_step": status.next_step.value if status.next_step else None,
        "confirmed": list(status.confirmed),
        "unconfirmed": list(status.unconfirmed),
        "offline": list(status.offline),
        "authorities": [
            {
                "name": one.name,
                "kind": one.kind.value,
                "state": one.state.value,
                "not_after": f"{one.certificate.not_valid_after_utc:%Y-%m-%d}",
            }
            for one in status.authorities
        ],
    }
    if as_json:
        print_json(values)
        return
    print_table(values["authorities"], "There is no authority.", as_json=False)
    if status.phase is Phase.IDLE:
        typer.echo(f"No rotation is under way (generation {status.generation}).")
        return
    waiting, offline = (", ".join(ids) or "nobody" for ids in (status.unconfirmed, status.offline))
    typer.echo(f"Rotation of the {status.kind} is {status.phase} (generation {status.generation}).")
    typer.echo(f"Confirmed: {len(status.confirmed)}. Waiting for: {waiting}. Offline: {offline}.")
    typer.echo(f"Next: --{status.next_step}")


def _write_pem(out: Path | None, pem: bytes) -> None:
    if out is None:
        typer.echo(pem.decode(), nl=False)
    else:
        write_public(out, pem)
