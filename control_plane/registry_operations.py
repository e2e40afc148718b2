"""Operations on the registry of outposts: what an operator does, and what happened to identities."""

from datetime import timedelta
from functools import partial

from control_plane.authorities import Kind
from control_plane.events import IdentityEvent
from control_plane.issuance import current_crl
from control_plane.operations_core import OperationsCore
from control_plane.orgs import require_org
from control_plane.outposts import (
    OutpostRecord,
    OutpostStatus,
    approve_recovery,
    create_outpost,
    create_token,
    revoke_outpost,
)
from control_plane.recovery import APPROVED
from control_plane.recovery import EVENTS as RECOVERY_EVENTS
from control_plane.store.events import SqlEventStore
from control_plane.store.orgs import SqlOrgStore
from control_plane.store.outposts import SqlCrlStore, SqlRegistryStore
from control_plane.tokens import EnrolmentToken


class RegistryOperations(OperationsCore):
    """See the module."""

    def create_outpost(self, org_id: str, name: str, lifetime: timedelta) -> tuple[OutpostRecord, EnrolmentToken]:
        """Register an outpost and make its first token, both or neither."""
        with self.database.write() as connection:
            require_org(SqlOrgStore(connection), org_id)
            store = SqlRegistryStore(connection)
            record = create_outpost(store, org_id, name, self.clock(), self._random_bytes)
            return record, self._token(store, record.id, lifetime)

    def create_token(self, outpost_id: str, lifetime: timedelta) -> EnrolmentToken:
        """A new token for a registered outpost."""
        with self.database.write() as connection:
            return self._token(SqlRegistryStore(connection), outpost_id, lifetime)

    def outposts(self, org_id: str | None) -> list[tuple[OutpostRecord, OutpostStatus | None]]:
        """All outposts (of one org) with what each last reported."""
        with self.database.read() as connection:
            if org_id is not None:
                require_org(SqlOrgStore(connection), org_id)
            return SqlRegistryStore(connection).outposts(org_id)

    def revoke_outpost(self, outpost_id: str) -> None:
        """Revoke an outpost and sign CRLs that say so, all or nothing.

        Where the authorities' keys are sealed nobody is asked for shares: ``serve`` signs when a list is next asked
        for, and within a minute at the latest.
        """
        with self.database.write() as connection:
            keyring, at = self.at_newest_trust(connection), self.clock()
            revoke_outpost(SqlRegistryStore(connection), outpost_id, at)
            SqlEventStore(connection).record(IdentityEvent(at, "revoked", outpost_id))
            if keyring.authority_keys.is_sealed:
                return
            for record in keyring.state.authorities:
                if record.kind is Kind.INTERMEDIATE and keyring.authority_keys.find(record):
                    current_crl(SqlCrlStore(connection), partial(keyring.authority, record.name), record.name, at)

    def approve_recovery(self, outpost_id: str) -> None:
        """Let an outpost recover once, where settings ask for an operator's word."""
        with self.database.write() as connection:
            approve_recovery(SqlRegistryStore(connection), outpost_id, self.clock())
            SqlEventStore(connection).record(IdentityEvent(self.clock(), APPROVED, outpost_id))

    def registry_notes(self) -> tuple[dict[str, int], dict[str, str]]:
        """By outpost: how often spent tokens were tried again, and what came of the newest attempt to recover."""
        with self.database.read() as connection:
            replays = SqlRegistryStore(connection).replays()
            return replays, SqlEventStore(connection).newest_of_kinds(RECOVERY_EVENTS)

    def events(self, limit: int, outpost_id: str | None = None) -> list[IdentityEvent]:
        """The newest identity events (of one outpost), newest first."""
        with self.database.read() as connection:
            return SqlEventStore(connection).newest(limit, outpost_id)

    def _token(self, store: SqlRegistryStore, outpost_id: str, lifetime: timedelta) -> EnrolmentToken:
        return create_token(
            store,
            outpost_id,
            anchor_sha256=self.keyring.anchor_sha256,
            lifetime=lifetime,
            at=self.clock(),
            random_bytes=self._random_bytes,
        )
