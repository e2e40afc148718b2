"""What every operation of the control plane stands on: the database, the keys at the newest trust, a clock.

Operations are cut by feature over ``tenant_operations``, ``registry_operations`` and ``operations``, which puts them
together. Each is one method, one transaction, one rule; synchronous, and may block on the database.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from control_plane.admission import Verifier
from control_plane.keyring import Keyring, at_state
from control_plane.orgs import require_org
from control_plane.policy_operations import PolicyOperations
from control_plane.recovery import RecoveryPolicy
from control_plane.secret_operations import SecretOperations
from control_plane.signing import TIMESTAMP_LIFETIME
from control_plane.store.authorities import SqlAuthorityStore
from control_plane.store.engine import Database
from control_plane.store.orgs import SqlOrgStore


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


class OperationsCore:
    """The control plane's operations over one database and one set of keys."""

    def __init__(  # noqa: PLR0913 - what a test exchanges
        self,
        database: Database,
        keyring: Keyring,
        trust_domain: str,
        *,
        timestamp_lifetime: timedelta = TIMESTAMP_LIFETIME,
        recovery: RecoveryPolicy = RecoveryPolicy(),  # noqa: B008 - immutable
        clock: Callable[[], datetime] = utc_now,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.database = database
        self.keyring = keyring
        self.trust_domain = trust_domain
        self.clock = clock
        self._timestamp_lifetime = timestamp_lifetime
        self._random_bytes = random_bytes
        self._recovery = recovery
        self.secrets = SecretOperations(database, keyring, timestamp_lifetime, clock, random_bytes)
        self.policy = PolicyOperations(database, keyring, timestamp_lifetime, clock)
        self._verifier = Verifier(trust_domain)

    def newest_trust(self) -> Keyring:
        """The keys at the newest generation of trust; another process may have moved it on."""
        with self.database.read() as connection:
            return self.at_newest_trust(connection)

    def at_newest_trust(self, connection: Connection) -> Keyring:
        """The keys at the newest generation of trust, inside a transaction of the caller's."""
        store = SqlAuthorityStore(connection)
        generation = store.generation()
        if generation is not None and generation != self.keyring.state.generation:
            state = store.load()
            if state is not None:
                self.keyring = at_state(self.keyring, state)
        return self.keyring

    def _known_org(self, org_id: str) -> str:
        with self.database.read() as connection:
            return require_org(SqlOrgStore(connection), org_id)
