"""Every operation of the control plane: one method, one transaction, one rule.

The command line and the HTTP API both stand on this file and hold no rules of their own.
Methods are synchronous and may block on the database; the API calls them in a thread.
"""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from cryptography import x509

from control_plane import bundles
from control_plane.audit import take_batch
from control_plane.errors import CertificateRejected
from control_plane.heartbeat import record_heartbeat
from control_plane.issuance import StoredCrl, current_crl, outpost_issuer
from control_plane.keyring import Keyring, trust_store
from control_plane.keys import KeyRequest, VirtualKey, create_key, keys_document, revoke_key
from control_plane.orgs import OrgStores, User, create_org, create_user, require_org, require_org_id
from control_plane.outposts import (
    OutpostRecord,
    OutpostStatus,
    admit,
    create_outpost,
    create_token,
    revoke_outpost,
)
from control_plane.registration import Enrolment, enroll
from control_plane.secrets import newest_pepper, seal_for, set_secret
from control_plane.store.audit import SqlAuditStore
from control_plane.store.bundles import SqlBundleStore
from control_plane.store.engine import Database
from control_plane.store.keys import SqlKeyStore
from control_plane.store.orgs import SqlOrgStore, SqlSecretStore
from control_plane.store.outposts import SqlCrlStore, SqlRegistrationStore, SqlRegistryStore
from control_plane.tokens import EnrolmentToken
from outpost.protocol.documents import KEYS_TARGET
from outpost.protocol.messages import AuditBatch, AuditReceipt, EnrolRequest, Heartbeat, HeartbeatReply, SealedSecrets
from pki.errors import CertificateInvalid
from pki.keys import certificate_sha256
from pki.verify import verify_outpost


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


class Operations:
    """The control plane's operations over one database and one set of keys."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        trust_domain: str,
        *,
        timestamp_lifetime: timedelta = bundles.TIMESTAMP_LIFETIME,
        clock: Callable[[], datetime] = utc_now,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.database = database
        self.keyring = keyring
        self.trust_domain = trust_domain
        self.clock = clock
        self._timestamp_lifetime = timestamp_lifetime
        self._random_bytes = random_bytes
        self._trust = trust_store(keyring)

    # Orgs, people, keys, policy: what an operator does

    def create_org(self, org_id: str, provider_url: str) -> int:
        """Create an org with its default bundle; returns the snapshot version. See ``orgs.create_org``."""
        signers = self.keyring.ensure_org_keys(require_org_id(org_id))
        with self.database.write() as connection:
            return create_org(
                OrgStores(SqlOrgStore(connection), SqlSecretStore(connection), SqlBundleStore(connection)),
                org_id,
                signers=signers,
                wrapper=self.keyring.wrapper,
                at=self.clock(),
                random_bytes=self._random_bytes,
                provider_url=provider_url,
                timestamp_lifetime=self._timestamp_lifetime,
            )

    def org_ids(self) -> list[str]:
        """All orgs, oldest first."""
        with self.database.read() as connection:
            return SqlOrgStore(connection).org_ids()

    def create_user(self, org_id: str, name: str) -> tuple[User, str]:
        """Create an admin; returns the password, to be shown once."""
        with self.database.write() as connection:
            store = SqlOrgStore(connection)
            return create_user(store, require_org(store, org_id), name, self.clock(), self._random_bytes)

    def create_key(self, org_id: str, request: KeyRequest) -> tuple[VirtualKey, str, int]:
        """Create a virtual key and publish it; returns the record, the key (shown once) and the snapshot version."""
        signers = self.keyring.signers(self._known_org(org_id))
        with self.database.write() as connection:
            pepper_id, pepper = newest_pepper(SqlSecretStore(connection), self.keyring.wrapper, org_id)
            key, text = create_key(
                SqlKeyStore(connection),
                org_id,
                request,
                pepper_id=pepper_id,
                pepper=pepper,
                at=self.clock(),
                random_bytes=self._random_bytes,
            )
            documents = {KEYS_TARGET: keys_document(SqlKeyStore(connection).keys(org_id))}
            version = bundles.publish(
                SqlBundleStore(connection), org_id, documents, signers, self.clock(), self._timestamp_lifetime
            )
            return key, text, version

    def revoke_key(self, org_id: str, key_id: str) -> int:
        """Revoke a virtual key and publish that; returns the snapshot version."""
        signers = self.keyring.signers(self._known_org(org_id))
        with self.database.write() as connection:
            revoke_key(SqlKeyStore(connection), org_id, key_id, self.clock())
            documents = {KEYS_TARGET: keys_document(SqlKeyStore(connection).keys(org_id))}
            return bundles.publish(
                SqlBundleStore(connection), org_id, documents, signers, self.clock(), self._timestamp_lifetime
            )

    def keys(self, org_id: str) -> list[VirtualKey]:
        """All virtual keys of an org, revoked ones too."""
        with self.database.read() as connection:
            return SqlKeyStore(connection).keys(require_org(SqlOrgStore(connection), org_id))

    def publish(self, org_id: str, changes: Mapping[str, bytes]) -> int:
        """Publish changed documents; returns the snapshot version. See ``bundles.publish``."""
        signers = self.keyring.signers(self._known_org(org_id))
        with self.database.write() as connection:
            return bundles.publish(
                SqlBundleStore(connection), org_id, changes, signers, self.clock(), self._timestamp_lifetime
            )

    def set_secret(self, org_id: str, name: str, value: str) -> None:
        """Set a provider's key. See ``secrets.set_secret``."""
        with self.database.write() as connection:
            require_org(SqlOrgStore(connection), org_id)
            set_secret(SqlSecretStore(connection), self.keyring.wrapper, org_id, name, value, self.clock())

    # The registry

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
        """Revoke an outpost and sign a CRL that says so, both or neither."""
        with self.database.write() as connection:
            revoke_outpost(SqlRegistryStore(connection), outpost_id, self.clock())
            current_crl(SqlCrlStore(connection), self.keyring.intermediate, self.clock())

    # What outposts ask for

    def enroll(self, request: EnrolRequest) -> tuple[Enrolment, bytes]:
        """Enrol an outpost; returns the enrolment and the org's first root metadata. See ``registration.enroll``."""
        with self.database.write() as connection:
            result = enroll(
                request,
                store=SqlRegistrationStore(connection),
                issuer=outpost_issuer(self.keyring.intermediate, self.trust_domain),
                anchor_sha256=self.keyring.anchor_sha256,
                at=self.clock(),
            )
            if isinstance(result, Enrolment):
                store, org_id = SqlBundleStore(connection), result.outpost.org_id
                version = store.latest_version(org_id, "root")
                return result, bundles.metadata_by_filename(store, org_id, f"{version}.root.json")
        raise result

    def admit(self, certificate: x509.Certificate) -> OutpostRecord:
        """Which outpost presents this certificate: the whole chain again, then the registry. On every request.

        Raises:
            CertificateRejected, UnknownOutpost, OutpostRevoked: It may not come in.
        """
        try:
            spiffe_id = verify_outpost(certificate, trust=self._trust, at=self.clock(), trust_domain=self.trust_domain)
        except CertificateInvalid as err:
            raise CertificateRejected(f"the client certificate is refused: {err.message}", err.reason.value) from err
        with self.database.read() as connection:
            store = SqlRegistryStore(connection)
            return admit(store, spiffe_id.org_id, spiffe_id.outpost_id, certificate_sha256(certificate))

    def heartbeat(self, outpost: OutpostRecord, beat: Heartbeat, interval_s: int) -> HeartbeatReply:
        """Record a heartbeat."""
        with self.database.write() as connection:
            return record_heartbeat(SqlRegistryStore(connection), outpost, beat, self.clock(), interval_s)

    def take_batch(self, outpost: OutpostRecord, batch: AuditBatch) -> AuditReceipt:
        """Take an audit batch. See ``audit.take_batch``."""
        with self.database.write() as connection:
            return take_batch(
                SqlAuditStore(connection),
                outpost,
                batch,
                trust_domain=self.trust_domain,
                signer=self.keyring.receipts,
                at=self.clock(),
            )

    def seal_secrets(self, outpost: OutpostRecord) -> SealedSecrets:
        """The org's secrets sealed to this outpost."""
        with self.database.read() as connection:
            return seal_for(SqlSecretStore(connection), self.keyring.wrapper, outpost)

    def current_crl(self) -> StoredCrl:
        """The newest CRL, signed anew if it is due."""
        with self.database.write() as connection:
            return current_crl(SqlCrlStore(connection), self.keyring.intermediate, self.clock())

    def metadata(self, org_id: str, filename: str) -> bytes:
        """One TUF metadata file."""
        with self.database.read() as connection:
            return bundles.metadata_by_filename(SqlBundleStore(connection), org_id, filename)

    def target(self, org_id: str, filename: str) -> bytes:
        """One TUF target."""
        with self.database.read() as connection:
            return bundles.target_by_filename(SqlBundleStore(connection), org_id, filename)

    def snapshot_versions(self, org_ids: list[str]) -> dict[str, int]:
        """The newest snapshot version of each of these orgs."""
        with self.database.read() as connection:
            return SqlBundleStore(connection).snapshot_versions(org_ids)

    # The schedule

    def renew_bundles(self, resign_after: timedelta) -> dict[str, tuple[str, ...]]:
        """Re-sign what is due in every org's repository; returns what was. See ``bundles.renew``."""
        renewed = {}
        for org_id in self.org_ids():
            signers = self.keyring.signers(org_id)
            with self.database.write() as connection:
                store = SqlBundleStore(connection)
                roles = bundles.renew(store, org_id, signers, self.clock(), self._timestamp_lifetime, resign_after)
            if roles:
                renewed[org_id] = roles
        return renewed

    def _known_org(self, org_id: str) -> str:
        with self.database.read() as connection:
            return require_org(SqlOrgStore(connection), org_id)

    def _token(self, store: SqlRegistryStore, outpost_id: str, lifetime: timedelta) -> EnrolmentToken:
        return create_token(
            store,
            outpost_id,
            anchor_sha256=self.keyring.anchor_sha256,
            lifetime=lifetime,
            at=self.clock(),
            random_bytes=self._random_bytes,
        )
