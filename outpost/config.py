"""Settings of the outpost. ``deploy/outpost.toml`` shows every key; the meaning of each is its ``description``.

Secrets come by variable or by file (``*_file``), never on a command line.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from outpost.errors import ConfigError
from outpost.protocol.model_provider import Provider
from outpost.protocol.settings import ProgramSettings, SettingsInvalid, load_settings

ENV_PREFIX = "OUTPOST_"

# scheme://host[:port] in the form in which browsers send it: no path, lower case.
ORIGIN = r"https?://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?"

Port = Annotated[int, Field(ge=0, le=65_535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Config(ProgramSettings):
    """Every setting of the outpost."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX)
    default_file: ClassVar[Path] = Path("outpost.toml")

    data_dir: Path = Field(
        default=Path("./outpost-data"), description="Identity, configuration cache and audit log; mode 0700."
    )
    listen_host: str = Field(
        default="::",  # design §3: the proxy serves the customer's network; every call is authenticated
        description="Address of the proxy. '::' is every interface, IPv6 and IPv4; '0.0.0.0' is IPv4 only.",
    )
    listen_port: Port = Field(default=8300, description="Port of the proxy.")
    tls_certificate_file: Path | None = Field(
        default=None,
        description="Certificate chain (PEM) with which the proxy speaks TLS; without one, none. Read again on change.",
    )
    tls_key_file: Path | None = Field(
        default=None, description="Private key (PEM, no password) of that certificate; by default in the same file."
    )
    tls_client_ca_file: Path | None = Field(
        default=None,
        description="Authorities (PEM): clients of the proxy must present a certificate of theirs; without, none.",
    )
    cors_origins: list[Annotated[str, Field(pattern=f"^{ORIGIN}$")]] = Field(
        default=[],
        description="Origins of web pages that may call the proxy, exactly as browsers send them.",
    )
    admin_host: str = Field(default="127.0.0.1", description="Address of the local admin port; keep it on loopback.")
    admin_port: Port = Field(default=8301, description="Port for health, metrics and local administration.")
    control_plane_url: str | None = Field(
        default=None,
        pattern=r"^https://[^/\s]+$",
        description="Enrolment URL of the control plane, needed only to register on first start.",
    )
    enrolment_token: SecretStr | None = Field(
        default=None, description="One-use enrolment token for registering on first start. Ignored once enrolled."
    )
    enrolment_token_file: Path | None = Field(
        default=None, description="File that holds the enrolment token; waited for on first start."
    )
    provider_keys: dict[str, SecretStr] = Field(
        default={},
        description="API key by its id, which is the provider's unless it has several; JSON in the variable. Wins over "
        "keys from the control plane.",
    )
    provider_key_files: dict[str, Path] = Field(
        default={}, description="File with the API key by its id. Wins over provider_keys."
    )
    list_key_files: list[Path] = Field(
        default=[],
        description="List key files (`outpost lists keygen`) that the control plane shall not have. Win over its own.",
    )
    clock_tolerance_s: Seconds = Field(
        default=300, description="How far this machine's clock may be off before it is not trusted, in seconds."
    )
    max_chat_bytes: int = Field(
        default=1_048_576, ge=1_024, le=33_554_432, description="Largest chat request body, decoded, in bytes."
    )
    max_document_bytes: int = Field(
        default=26_214_400, ge=1_024, le=104_857_600, description="Largest upload to /v1/files, decoded, in bytes."
    )
    max_answer_bytes: int = Field(
        default=33_554_432, ge=1_024, le=1 << 30, description="Largest provider answer that is not streamed, in bytes."
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that serve the proxy port, about one per processor; one more writes and synchronises.",
    )
    max_concurrent_requests: int = Field(
        default=1_000, ge=1, le=100_000, description="Requests served at once; more are refused as overloaded."
    )
    max_connections: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Client connections open at once; more are refused.",
    )
    max_header_bytes: int = Field(
        default=32_768, ge=4_096, le=1_048_576, description="Largest head of a request: line and headers, in bytes."
    )
    header_timeout_s: Seconds = Field(
        default=10,
        description="How long a request's headers may take to arrive once begun, and a TLS handshake, in seconds.",
    )
    body_timeout_s: Seconds = Field(default=30, description="How long a request body may take to arrive, in seconds.")
    keepalive_timeout_s: Seconds = Field(
        default=75, description="How long an idle client connection stays open, in seconds."
    )
    provider_connect_timeout_s: Seconds = Field(
        default=5, description="Wait for a connection to a provider, in seconds."
    )
    provider_read_timeout_s: Seconds = Field(default=300, description="Wait for a provider's next bytes, in seconds.")
    provider_total_timeout_s: Seconds = Field(
        default=900, description="Wait for a provider's whole answer, in seconds."
    )
    realtime_max_event_bytes: int = Field(
        default=1_048_576,
        ge=4_096,
        le=16_777_216,
        description="Largest event of a realtime connection, in either direction, in bytes.",
    )
    realtime_idle_timeout_s: Seconds = Field(
        default=900, description="How long a realtime connection may stay open without an event, in seconds."
    )
    realtime_ping_s: float = Field(
        default=30,
        ge=1,
        le=600,
        description="How often either side of a realtime connection is asked for a sign of life, in seconds; "
        "half of it later it is gone.",
    )
    realtime_stall_timeout_s: float = Field(
        default=60,
        ge=1,
        le=3_600,
        description="How long one side of a realtime connection may take nothing of what is sent to it, in seconds.",
    )
    shutdown_delay_s: float = Field(
        default=0,
        ge=0,
        le=600,
        description="How long the port stays open after SIGTERM while /readyz says no, for load balancers, in seconds.",
    )
    shutdown_grace_s: float = Field(
        default=10,
        ge=0,
        le=3_600,
        description="How long requests in flight may then finish, in seconds; a second SIGTERM ends them at once.",
    )
    models_pack: Path | None = Field(
        default=None,
        description="Model pack that looks at every text where the bundle names none: a folder, or 'default' for the "
        "one that ships; without either, patterns alone look (docs/models.md).",
    )
    models_provider: Provider = Field(
        default=Provider.AUTO,
        description="Where models run: 'cpu', 'cuda', 'tensorrt', 'openvino', or 'auto' for CUDA if it is there.",
    )
    models_threads: int = Field(
        default=0, ge=0, le=1_024, description="Processors that models use; 0 means as many as this container may."
    )
    models_memory_mb: int = Field(
        default=1_024,
        ge=0,
        le=1_048_576,
        description="Most private memory of the inference process, in MiB; 0 means no limit.",
    )
    models_timeout_s: Seconds = Field(
        default=10, description="How long models may take for one text before it is refused, in seconds."
    )
    models_queue_tokens: int = Field(
        default=262_144,
        ge=1_024,
        le=1 << 30,
        description="Tokens that may wait for the models; what comes on top is refused.",
    )
    models_batch: int = Field(
        default=0, ge=0, le=1_024, description="Most windows that run together; 0 means 1 on a CPU, 32 on a GPU."
    )
    models_cache_entries: int = Field(
        default=20_000, ge=0, le=10_000_000, description="Texts whose findings are remembered, by a keyed digest."
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "Config":
        if self.tls_certificate_file is None and (self.tls_key_file or self.tls_client_ca_file):
            raise ValueError("tls_key_file and tls_client_ca_file need tls_certificate_file")
        return self

    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="Least severe level that is logged."
    )


def load_config(path: Path | None = None, overrides: dict[str, Any] | None = None) -> Config:
    """The whole valid configuration.

    Raises:
        ConfigError: Lists every bad key and variable.
    """
    try:
        return load_settings(Config, path, overrides)
    except SettingsInvalid as err:
        raise ConfigError(err.problems) from err
