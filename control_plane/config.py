"""Settings: one TOML file, ``CONTROL_PLANE_*`` variables override it, nothing unknown is tolerated (design §3).

``load_config`` gives a whole valid ``Config`` or one ``ConfigError`` that lists every problem. It is read once, in
``cli``; below that, functions get the values they need. ``deploy/control-plane.toml`` shows every key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from control_plane.authority_keys import StoreChoice, choose
from control_plane.errors import ConfigError
from outpost.protocol.settings import ProgramSettings, SettingsInvalid, load_settings

Port = Annotated[int, Field(ge=0, le=65_535)]


class Config(ProgramSettings):
    """Every setting of the control plane."""

    model_config = SettingsConfigDict(env_prefix="CONTROL_PLANE_")

    default_file: ClassVar[Path] = Path("control-plane.toml")

    data_dir: Path = Field(
        default=Path("./control-plane-data"), description="Keys, certificates and (by default) the database; mode 0700."
    )
    database_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL; absent means SQLite in data_dir. Set it by variable if it carries a password.",
        repr=False,
    )
    key_store: str | None = Field(
        default=None,
        min_length=1,
        description="URI of the key store of the authorities' keys (docs/pki.md); absent: files in data_dir/ca.",
    )
    key_store_secret_file: Path | None = Field(
        default=None,
        description="File, mode 0600, with the key store's passphrase, PIN or token. Without it and the variable, "
        "keys in files are not encrypted.",
    )
    key_store_secret: str | None = Field(
        default=None,
        min_length=1,
        description="The key store's passphrase, PIN or token itself. Set it by variable only, or use the file.",
        repr=False,
    )
    trust_domain: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9](?:[a-z0-9.-]{0,253}[a-z0-9])?$",
        description="SPIFFE trust domain; `init` fixes it for ever (default outpost.internal), later it must agree.",
    )
    server_names: list[str] | None = Field(
        default=None,
        min_length=1,
        description="DNS names and IP addresses by which outposts reach this server; they go into its certificate. "
        "Absent: those that `init` was given.",
    )
    public_enrol_url: str | None = Field(
        default=None,
        pattern=r"^https://[^/\s]+$",
        description="Base URL for enrolment as outposts see it; default: the first server name and platform_port.",
    )
    public_sync_url: str | None = Field(
        default=None,
        pattern=r"^https://[^/\s]+$",
        description="Base URL of the mutual-TLS surface as outposts see it; default: first server name, outpost_port.",
    )
    platform_host: str = Field(default="0.0.0.0", description="Address of the platform and enrolment listener.")  # noqa: S104 - the design's default; it authenticates every call
    platform_port: Port = Field(default=8100, description="Port of the platform and enrolment listener (server TLS).")
    outpost_host: str = Field(default="0.0.0.0", description="Address of the outpost listener.")  # noqa: S104 - likewise, mutual TLS
    outpost_port: Port = Field(default=8443, description="Port of the outpost listener (mutual TLS).")
    token_lifetime_s: int = Field(
        default=900, ge=30, le=86_400, description="How long an enrolment token can be used, in seconds."
    )
    ingress_listen: str | None = Field(
        default=None,
        pattern=r"^(?:unix:/.+|(?:[^\s/:]+|\[[0-9a-f:]+\]):[0-9]{1,5})$",
        description="Where a trusted ingress hands requests on in clear: unix:/path, or host:port. Absent: nowhere. "
        "See deploy/nginx/outpost-ingress.conf.",
    )
    trusted_ingress: list[str] = Field(
        default=["127.0.0.1", "::1"],
        description="Addresses and networks of the ingress, where ingress_listen is host:port.",
    )
    enrol_rate_per_minute: float = Field(
        default=60.0,
        gt=0,
        le=60_000,
        description="How often one address may enrol or recover, per minute, once enrol_burst is used up.",
    )
    enrol_burst: int = Field(
        default=100, ge=1, le=100_000, description="How many enrolments and recoveries one address may ask for at once."
    )
    certificate_backdate_s: int = Field(
        default=300,
        ge=0,
        le=86_400,
        description="How long before their issue certificates begin, in seconds: how far behind a clock may be.",
    )
    recovery_window_s: int = Field(
        default=30 * 86_400,
        ge=0,
        le=365 * 86_400,
        description="How long after its certificate ended an outpost can still recover, in seconds.",
    )
    recovery_approval: str = Field(
        default="automatic",
        pattern="^(automatic|operator)$",
        description="Whether recovery needs `control-plane outpost approve-recovery` (operator) or not (automatic).",
    )
    timestamp_lifetime_s: int = Field(
        default=86_400, ge=300, le=7 * 86_400, description="How long bundle timestamp metadata is fresh, in seconds."
    )
    timestamp_resign_s: int = Field(
        default=3_600, ge=10, le=86_400, description="Age at which `serve` signs the timestamp again, in seconds."
    )
    heartbeat_interval_s: int = Field(
        default=30, ge=1, le=86_400, description="How often an outpost is asked to report, in seconds."
    )
    watch_timeout_s: float = Field(
        default=25.0, gt=0, le=30, description="How long a watch request is held open, in seconds; proxies cut at 30."
    )
    watch_poll_s: float = Field(
        default=1.0,
        gt=0,
        le=30,
        description="How often the database is asked for news while outposts watch, in seconds.",
    )
    max_requests: int = Field(
        default=2048,
        ge=1,
        le=100_000,
        description="Requests of outposts worked on at once; more are told when to come back.",
    )
    max_watchers: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Outposts that may wait for news at once, each on a connection; more are told when to come back.",
    )
    shutdown_grace_s: float = Field(
        default=10.0, ge=0, le=120, description="How long requests may finish after SIGTERM, in seconds."
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="Least severe level that is logged."
    )

    @field_validator("trusted_ingress")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for entry in value:
            ip_network(entry)
        return value

    def resolved_database_url(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'control-plane.db'}"

    def key_store_choice(self) -> StoreChoice:
        """The key store of the authorities, its secret read.

        Raises:
            ConfigError: There are two secrets, or the secret's file cannot be used.
        """
        choice = choose(self.key_store, self.key_store_secret, self.key_store_secret_file)
        own = f"file:{(self.data_dir / 'ca').absolute()}"  # `init` makes it elsewhere first
        return replace(choice, uri=None) if choice.uri == own else choice

    def enrol_url(self, names: Sequence[str]) -> str:
        """Where outposts enrol; ``names`` are the server's."""
        return self.public_enrol_url or f"https://{_url_host(names[0])}:{self.platform_port}"

    def sync_url(self, names: Sequence[str]) -> str:
        """Where enrolled outposts talk to; ``names`` are the server's."""
        return self.public_sync_url or f"https://{_url_host(names[0])}:{self.outpost_port}"


def load_config(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read settings from ``path`` (or the default file if it is there), the environment, then ``overrides``.

    Raises:
        ConfigError: The file cannot be read, or any key or variable is unknown or invalid; lists all of them.
    """
    try:
        return load_settings(Config, path, overrides)
    except SettingsInvalid as err:
        raise ConfigError(err.problems) from err


def _url_host(name: str) -> str:
    return f"[{name}]" if ":" in name else name
