"""Whether this program would start with these settings, found out beside one that runs: `outpost run --check`.

Nothing is written, no port is opened, nobody is asked. It reads what a start reads: settings, identity, key and TLS
files, and the cached policy, which it compiles; and it imports what a start imports. An upgrade begins with it
(ADR 0013).
"""

import importlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from outpost.app import DATABASE_FILE, utc_now
from outpost.cache.bundles import BundleStore, SecretStore
from outpost.cache.db import open_read_only
from outpost.config import Config
from outpost.errors import CacheUnavailable, ConfigError
from outpost.first_start import HOW_TO_ENROL
from outpost.proxy.client_tls import server_context
from outpost.proxy.enforcement import Admission
from outpost.proxy.port import tls_files
from outpost.restore import make_in_force, restore
from outpost.sync.identity import is_enrolled, load_identity
from outpost.sync.version import outpost_version

_WORKER: Final = "outpost.worker"


@dataclass(frozen=True, slots=True)
class Outlook:
    """How it would start.

    Attributes:
        version: Of this program.
        proxy: Host and port of the proxy, by the settings.
        admin: Of the admin port.
        workers: Processes that would serve.
        policy: Why the cached policy would not be in force; None if it would, or if there is none to look at.
    """

    version: str
    proxy: tuple[str, int]
    admin: tuple[str, int]
    workers: int
    policy: str | None

    def __str__(self) -> str:
        (proxy_host, proxy_port), (admin_host, admin_port) = self.proxy, self.admin
        where = f"proxy on {proxy_host} port {proxy_port}, admin on {admin_host} port {admin_port}"
        lines = [f"Version {self.version} would start: {where}, workers: {self.workers}."]
        lines += [] if self.policy is None else [f"The cached policy would not be in force: {self.policy}"]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def check_start(config: Config, clock: Callable[[], datetime] = utc_now) -> Outlook:
    """How the outpost would start.

    Raises:
        ConfigError: It would not: settings, or files that they name.
        OutpostError: It would not: what lies in the data directory.
    """
    files = tls_files(config)
    if files is not None:
        server_context(files)
    importlib.import_module(_WORKER)
    policy = _policy_problem(config, clock)
    at = (config.listen_host, config.listen_port), (config.admin_host, config.admin_port)
    return Outlook(outpost_version(), *at, config.workers, policy)


def _policy_problem(config: Config, clock: Callable[[], datetime]) -> str | None:
    if not is_enrolled(config.data_dir):
        if config.enrolment_token is None and config.enrolment_token_file is None:
            raise ConfigError([f"this outpost is not enrolled and there is no enrolment token: {HOW_TO_ENROL}"])
        return None
    identity = load_identity(config.data_dir, clock())
    in_force = make_in_force(config, identity, Admission(audit_is_healthy=lambda: True), clock)
    try:
        with open_read_only(config.data_dir / DATABASE_FILE) as database:
            return restore(in_force, identity, SecretStore(database), BundleStore(database))
    except CacheUnavailable:
        return None  # it has never run, or another version wrote it, which a start would bring up to date
