"""``init``, ``serve`` and ``migrate``."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from control_plane.app import serve as serve_forever
from control_plane.commands.shared import ConfigOption, DataDirOption, JsonOption, print_done, print_once, settings
from control_plane.config import Config
from control_plane.defaults import DEFAULT_PROVIDER_URL
from control_plane.initialise import (
    DEFAULT_SERVER_NAMES,
    DEFAULT_TRUST_DOMAIN,
    FirstSecrets,
    FirstSettings,
    initialise,
    is_initialised,
    require_initialised,
)
from control_plane.store.engine import Database
from outpost.protocol.logs import configure_logs
from pki.files import write_private
from pki.shares import DEFAULT_SHARES, DEFAULT_THRESHOLD, MAX_SHARES

SECRETS_FILE = "initial-secrets.json"

TrustDomainOption = Annotated[str | None, typer.Option(help="SPIFFE trust domain; fixed for ever.")]
ServerNameOption = Annotated[
    list[str] | None, typer.Option("--server-name", help="DNS name or IP address of this server; may be repeated.")
]
FirstOrgOption = Annotated[str, typer.Option("--org", help="The first org's id.")]
AdminOption = Annotated[str, typer.Option("--admin", help="The first admin's name.")]
OfflineRootOption = Annotated[
    Path | None,
    typer.Option("--offline-root", help="Write the root's key to this new file, encrypted, and keep it nowhere else."),
]
ShamirOption = Annotated[
    bool, typer.Option("--shamir", help="Put the authorities' keys under a passphrase that exists in shares only.")
]
SharesOption = Annotated[
    int | None, typer.Option("--shares", min=2, max=MAX_SHARES, help=f"With --shamir: how many; {DEFAULT_SHARES}.")
]
ThresholdOption = Annotated[
    int | None,
    typer.Option("--threshold", min=2, max=MAX_SHARES, help=f"With --shamir: how many open it; {DEFAULT_THRESHOLD}."),
]
ProviderUrlOption = Annotated[str, typer.Option("--provider-url", help="Where the first org's requests go.")]


def init(  # noqa: PLR0913 - the options of one command
    *,
    org: FirstOrgOption = "acme",
    trust_domain: TrustDomainOption = None,
    server_name: ServerNameOption = None,
    admin: AdminOption = "admin",
    provider_url: ProviderUrlOption = DEFAULT_PROVIDER_URL,
    offline_root: OfflineRootOption = None,
    shamir: ShamirOption = False,
    shares: SharesOption = None,
    threshold: ThresholdOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new installation: keys, authorities, database, first org, admin and virtual key.

    Example: control-plane init --org acme --server-name control.example.com
    """
    loaded = settings(config, data_dir)
    first = _first_settings(loaded, org, trust_domain, server_name, admin, provider_url)
    first = replace(first, root_export=offline_root, split=_split(shares, threshold, shamir=shamir))
    secrets = _initialise(loaded, first)
    print_once(
        {**asdict(secrets), "data_dir": str(loaded.data_dir.resolve())},
        f"The control plane of org {secrets.org_id} is ready in {loaded.data_dir}. Next: {_next_step(first)}",
        [
            ("admin", secrets.admin_name),
            ("admin password", secrets.admin_password),
            ("virtual key", secrets.virtual_key),
            ("trust domain", secrets.trust_domain),
            ("anchor SHA-256", secrets.anchor_sha256),
            ("authority keys", secrets.key_store),
            *([("root passphrase", secrets.root_passphrase)] if secrets.root_passphrase else []),
            *((f"share {number}", share) for number, share in enumerate(secrets.shares, 1)),
        ],
        as_json=as_json,
    )


def serve(  # noqa: PLR0913 - likewise
    *,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    init_if_missing: Annotated[
        bool, typer.Option("--init-if-missing", help=f"First make an installation; its secrets go to {SECRETS_FILE}.")
    ] = False,
    org: FirstOrgOption = "acme",
    trust_domain: TrustDomainOption = None,
    server_name: ServerNameOption = None,
    provider_url: ProviderUrlOption = DEFAULT_PROVIDER_URL,
) -> None:
    """Serve outposts until SIGTERM.

    Example: control-plane serve --data-dir /var/lib/control-plane
    """
    loaded = settings(config, data_dir)
    configure_logs(loaded.log_level)
    if init_if_missing and not is_initialised(loaded.data_dir):
        first = _first_settings(loaded, org, trust_domain, server_name, "admin", provider_url)
        _keep_secrets(loaded.data_dir, _initialise(loaded, first))
    serve_forever(loaded, _announce)


def migrate(*, data_dir: DataDirOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Bring the database's schema to this version.

    Example: control-plane migrate
    """
    loaded = settings(config, data_dir)
    require_initialised(loaded.data_dir)
    database = Database(loaded.resolved_database_url())
    try:
        changed = not database.is_current()
        database.migrate()
    finally:
        database.close()
    print_done(
        {"changed": changed}, "The schema was brought up to date." if changed else "Nothing to do.", as_json=as_json
    )


def _next_step(first: FirstSettings) -> str:
    if first.split is None:
        return "control-plane serve"
    return (
        "give each share to another person, then control-plane serve;\n"
        f"it serves once {first.split[1]} of them have run control-plane unseal"
    )


def _split(shares: int | None, threshold: int | None, *, shamir: bool) -> tuple[int, int] | None:
    if not shamir:
        if (shares, threshold) != (None, None):
            raise typer.BadParameter("--shares and --threshold say how --shamir splits; add --shamir")
        return None
    split = shares or DEFAULT_SHARES, threshold or DEFAULT_THRESHOLD
    if split[1] > split[0]:
        raise typer.BadParameter(f"{split[1]} of {split[0]} shares can never be given")
    return split


def _first_settings(
    loaded: Config,
    org: str,
    trust_domain: str | None,
    server_names: list[str] | None,
    admin: str,
    provider_url: str,
) -> FirstSettings:
    return FirstSettings(
        org_id=org,
        trust_domain=trust_domain or loaded.trust_domain or DEFAULT_TRUST_DOMAIN,
        server_names=tuple(server_names or loaded.server_names or DEFAULT_SERVER_NAMES),
        admin_name=admin,
        provider_url=provider_url,
    )


def _initialise(loaded: Config, first: FirstSettings) -> FirstSecrets:
    return initialise(loaded.data_dir, first, database_url=loaded.database_url, key_store=loaded.key_store_choice())


def _keep_secrets(data_dir: Path, secrets: FirstSecrets) -> None:
    path = data_dir / SECRETS_FILE
    write_private(path, json.dumps(asdict(secrets), indent=2).encode() + b"\n")
    typer.echo(f"control-plane: read {path} once, then delete it", err=True)


def _announce(urls: dict[str, str]) -> None:
    if sys.stderr.isatty():
        for name, url in urls.items():
            typer.echo(f"control-plane: {name} listener on {url}", err=True)
