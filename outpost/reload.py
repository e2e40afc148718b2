"""What SIGHUP changes: settings read anew, of which workers that are born now take theirs. Pure but for the files.

What only the first process uses cannot change while it runs; it is named, and waits for an upgrade or a restart.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from outpost.config import Config
from outpost.local_keys import local_list_keys, local_provider_keys
from outpost.proxy.client_tls import server_context
from outpost.proxy.port import tls_files

WITH_NEW_WORKERS: Final = frozenset(
    {
        "tls_certificate_file", "tls_key_file", "tls_client_ca_file", "cors_origins",
        "provider_keys", "provider_key_files",
        "max_chat_bytes", "max_document_bytes", "max_answer_bytes",
        "max_concurrent_requests", "max_connections", "max_header_bytes",
        "header_timeout_s", "body_timeout_s", "keepalive_timeout_s",
        "realtime_max_event_bytes", "realtime_idle_timeout_s", "realtime_ping_s", "realtime_stall_timeout_s",
        "provider_connect_timeout_s", "provider_read_timeout_s", "provider_total_timeout_s",
        "shutdown_delay_s", "shutdown_grace_s", "log_level",
    }
)  # fmt: skip
"""Settings that take effect as workers are replaced; ``shutdown_*`` in the first process too."""

# Compiled policies, the identity, the audit log, models and both ports belong to the first process, or to all together.
WITH_AN_UPGRADE: Final = frozenset(
    {
        "data_dir", "listen_host", "listen_port", "admin_host", "admin_port", "workers",
        "control_plane_url", "enrolment_token", "enrolment_token_file", "list_key_files", "clock_tolerance_s",
        "models_pack", "models_provider", "models_threads", "models_memory_mb", "models_timeout_s",
        "models_queue_tokens", "models_batch", "models_cache_entries",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What was read; ``repr`` shows no key.

    Attributes:
        config: In use from now on: what may change as read, the rest as before.
        provider_keys: Local ones, from their files as they are now.
        list_keys: Local ones, which the first process has compiled into its policy.
        changed: Settings that take effect.
        waiting: Settings that were changed and wait for an upgrade.
    """

    config: Config
    provider_keys: Mapping[str, str]
    list_keys: Mapping[str, bytes]
    changed: tuple[str, ...]
    waiting: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Reloaded(changed={self.changed}, waiting={self.waiting})"


def reload(now: Config, read: Callable[[], Config]) -> Reloaded:
    """Read the settings and the files that they name.

    Raises:
        ConfigError: One of them cannot be used; nothing is to be changed.
    """
    wanted = read()
    different = sorted(name for name in type(now).model_fields if getattr(now, name) != getattr(wanted, name))
    changed = tuple(name for name in different if name in WITH_NEW_WORKERS)
    config = now.model_copy(update={name: getattr(wanted, name) for name in changed})
    files = tls_files(config)
    if files is not None:
        server_context(files)
    waiting = tuple(name for name in different if name not in WITH_NEW_WORKERS)
    return Reloaded(config, local_provider_keys(config), local_list_keys(now), changed, waiting)
