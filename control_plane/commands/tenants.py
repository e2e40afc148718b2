"""``org``, ``user``, ``key`` and ``secret``: what belongs to one org."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

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
from control_plane.defaults import DEFAULT_PROVIDER_URL
from control_plane.errors import InvalidRequest
from control_plane.keys import KeyRequest
from outpost.protocol.list_file import ListKeyInvalid, parse_list_key

_MAX_LIST_KEY_BYTES = 4096  # a key file has some 150

org_commands = typer.Typer(no_args_is_help=True, help="Orgs (tenants).")
user_commands = typer.Typer(no_args_is_help=True, help="People who may sign in.")
key_commands = typer.Typer(no_args_is_help=True, help="Virtual keys of callers.")
secret_commands = typer.Typer(no_args_is_help=True, help="Provider keys, peppers and list keys, sealed to outposts.")


@org_commands.command("create")
def create_org(
    org_id: Annotated[str, typer.Argument(help="The org's id: a-z, 0-9 and hyphens.")],
    *,
    provider_url: Annotated[str, typer.Option("--provider-url", help="Where its requests go.")] = DEFAULT_PROVIDER_URL,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an org with its own keys and a safe default bundle.

    Example: control-plane org create globex
    """
    with opened(config, data_dir) as (_, installation):
        version = installation.operations.create_org(org_id, provider_url)
    print_done({"org": org_id, "snapshot_version": version}, f"Org {org_id} is created.", as_json=as_json)


@org_commands.command("list")
def list_orgs(*, data_dir: DataDirOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List orgs.

    Example: control-plane org list
    """
    with opened(config, data_dir) as (_, installation):
        org_ids = installation.operations.org_ids()
    print_table([{"id": org_id} for org_id in org_ids], "There are no orgs yet.", as_json=as_json)


@user_commands.command("create")
def create_user(
    name: Annotated[str, typer.Argument(help="Sign-in name, for example an e-mail address.")],
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an admin and print the password once.

    Example: control-plane user create ops@example.com
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        user, password = operations.create_user(org_or_only(operations, org), name)
    print_once(
        {"user": user.name, "org": user.org_id, "role": user.role, "password": password},
        f"Admin {user.name} of org {user.org_id} is created.",
        [("password", password)],
        as_json=as_json,
    )


@key_commands.command("create")
def create_key(  # noqa: PLR0913 - the options of one command
    *,
    name: Annotated[str, typer.Option("--name", help="What the key is for.")] = "key",
    group: Annotated[str, typer.Option("--group", help="Group that policy rules may name.")] = "default",
    env: Annotated[str, typer.Option("--env", help="Part of the key's text: sk-op-<env>-…")] = "live",
    model: Annotated[list[str] | None, typer.Option("--model", help="Allowed model; may be repeated.")] = None,
    network: Annotated[list[str] | None, typer.Option("--network", help="Allowed CIDR; may be repeated.")] = None,
    expires: Annotated[str | None, typer.Option("--expires", help="RFC 3339 time with an offset.")] = None,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a virtual key, print it once and publish its digest.

    Example: control-plane key create --name "team search" --group engineering --model gpt-4o-mini
    """
    request = KeyRequest(
        name=name,
        group=group,
        env=env,
        allowed_models=tuple(model or ["*"]),
        allowed_networks=tuple(network) if network else None,
        expires_at=_parse_time(expires),
    )
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        key, text, version = operations.create_key(org_or_only(operations, org), request)
    print_once(
        {"id": key.id, "org": key.org_id, "virtual_key": text, "snapshot_version": version},
        f"Virtual key {key.id} ({key.name}) is published in bundle {version}.",
        [("virtual key", text)],
        as_json=as_json,
    )


@key_commands.command("list")
def list_keys(
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List virtual keys by prefix; the keys themselves are kept nowhere.

    Example: control-plane key list
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        keys = operations.keys(org_or_only(operations, org))
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "prefix": key.prefix,
            "group": key.group,
            "models": ",".join(key.allowed_models),
            "expires": key.expires_at,
            "state": "revoked" if key.revoked_at else "active",
        }
        for key in keys
    ]
    print_table(rows, "There are no keys yet.", as_json=as_json)


@key_commands.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The key's id; see `key list`.")],
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a virtual key and publish that.

    Example: control-plane key revoke key-0a1b2c3d4e5f6071
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        version = operations.revoke_key(org_or_only(operations, org), key_id)
    print_done(
        {"id": key_id, "snapshot_version": version}, f"Key {key_id} is revoked with bundle {version}.", as_json=as_json
    )


@secret_commands.command("set")
def set_secret(
    name: Annotated[str, typer.Argument(help="provider/<provider id>, for example provider/openai.")],
    *,
    file: Annotated[Path | None, typer.Option("--file", help="Read the value from this file, not from stdin.")] = None,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set a provider's key from a file or stdin, never from the command line.

    Example: control-plane secret set provider/openai --file ./openai.key
    """
    value = file.read_bytes() if file is not None else _read_stdin()
    try:
        text = value.decode("ascii").strip()
    except UnicodeDecodeError as err:
        raise InvalidRequest("a provider key is ASCII text") from err
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        operations.set_secret(org_id, name, text)
    print_done({"org": org_id, "name": name}, f"Secret {name} of org {org_id} is set.", as_json=as_json)


@secret_commands.command("rotate-pepper")
def rotate_pepper(
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the org a new pepper: keys made from now on use it, older keys stay valid under theirs.

    Example: control-plane secret rotate-pepper
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        pepper_id = operations.secrets.rotate_pepper(org_id)
    sentence = f"New keys of org {org_id} use {pepper_id}. Replace older keys, then retire the pepper before it."
    print_done({"org": org_id, "pepper_id": pepper_id}, sentence, as_json=as_json)


@secret_commands.command("peppers")
def peppers(
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the org's peppers with how many active keys need each; their values are shown nowhere.

    Example: control-plane secret peppers
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        found = operations.secrets.peppers(org_or_only(operations, org))
    rows = [{"id": one.id, "active_keys": one.keys, "for_new_keys": one.newest} for one in found]
    print_table(rows, "There are no peppers.", as_json=as_json)


@secret_commands.command("retire-pepper")
def retire_pepper(
    pepper_id: Annotated[str, typer.Argument(help="See `secret peppers`.")],
    *,
    revoke_keys: Annotated[bool, typer.Option("--revoke-keys", help="Also revoke the keys that need it.")] = False,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete an older pepper, here and on every outpost.

    Example: control-plane secret retire-pepper pepper-0a1b2c3d
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        count = operations.secrets.retire_pepper(org_id, pepper_id, revoke_keys=revoke_keys)
    print_done(
        {"org": org_id, "pepper_id": pepper_id, "revoked_keys": count},
        f"Pepper {pepper_id} of org {org_id} is gone; {count} keys were revoked with it.",
        as_json=as_json,
    )


@secret_commands.command("add-list-key")
def add_list_key(
    file: Annotated[Path, typer.Argument(help="The key file, from `outpost lists keygen`.")],
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Seal a list key to the org's outposts, so that they can read lists made with it.

    Whoever holds the key and a list can try whether a name is in it. Where this control plane must not be able to, put
    the file on the outposts instead: setting list_key_files.

    Example: control-plane secret add-list-key list-key.json
    """
    with file.open("rb") as opened_file:
        content = opened_file.read(_MAX_LIST_KEY_BYTES)
    try:
        key = parse_list_key(content)
    except ListKeyInvalid as err:
        raise InvalidRequest(f"{file}: {err}") from err
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        added = operations.secrets.add_list_key(org_id, key)
    sentence = f"Outposts of org {org_id} get list key {key.id}." if added else f"They have list key {key.id} already."
    print_done({"org": org_id, "list_key_id": key.id, "added": added}, sentence, as_json=as_json)


@secret_commands.command("list-keys")
def show_list_keys(
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the org's list keys with the published lists that need each; their values are shown nowhere.

    Example: control-plane secret list-keys
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        found = operations.secrets.list_keys(org_or_only(operations, org))
    rows = [{"id": one.id, "lists": ",".join(one.lists)} for one in found]
    print_table(rows, "There are no list keys.", as_json=as_json)


@secret_commands.command("retire-list-key")
def retire_list_key(
    key_id: Annotated[str, typer.Argument(help="See `secret list-keys`.")],
    *,
    org: OrgOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a list key that no published list needs, here and on every outpost.

    Example: control-plane secret retire-list-key list-0a1b2c3d
    """
    with opened(config, data_dir) as (_, installation):
        operations = installation.operations
        org_id = org_or_only(operations, org)
        operations.secrets.retire_list_key(org_id, key_id)
    print_done({"org": org_id, "list_key_id": key_id}, f"List key {key_id} of org {org_id} is gone.", as_json=as_json)


@secret_commands.command("rewrap")
def rewrap(*, data_dir: DataDirOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Replace the key under which all secrets rest in the database. Older backups need the old keys/kek.

    Example: control-plane secret rewrap
    """
    with opened(config, data_dir) as (_, installation):
        count = installation.operations.secrets.rewrap()
    print_done({"secrets": count}, f"{count} secrets are encrypted under a new key.", as_json=as_json)


def _read_stdin() -> bytes:
    if os.isatty(0):
        typer.echo("Type or paste the secret, then Enter and Ctrl-D:", err=True)
    return sys.stdin.buffer.read()


def _parse_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as err:
        raise typer.BadParameter("--expires: not an RFC 3339 time, for example 2030-01-31T00:00:00Z") from err
    if at.tzinfo is None:
        raise typer.BadParameter("--expires: the time needs an offset, for example Z")
    return at
