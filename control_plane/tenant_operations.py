"""Operations on orgs, their people, virtual keys, secrets and documents: what an operator does for a tenant."""

from collections.abc import Mapping

from sqlalchemy import Connection

from control_plane import bundles
from control_plane.keys import KeyRequest, VirtualKey, create_key, keys_document, revoke_key
from control_plane.operations_core import OperationsCore
from control_plane.orgs import OrgStores, User, create_org, create_user, require_org, require_org_id
from control_plane.policy_operations import publishing
from control_plane.secrets import newest_pepper, set_secret
from control_plane.store.bundles import SqlBundleStore
from control_plane.store.keys import SqlKeyStore
from control_plane.store.orgs import SqlOrgStore, SqlSecretStore
from outpost.protocol.documents import KEYS_TARGET


class TenantOperations(OperationsCore):
    """See the module."""

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

        def work(connection: Connection) -> tuple[VirtualKey, str, int]:
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

        return publishing(self.database, work)

    def revoke_key(self, org_id: str, key_id: str) -> int:
        """Revoke a virtual key and publish that; returns the snapshot version."""
        signers = self.keyring.signers(self._known_org(org_id))

        def work(connection: Connection) -> int:
            revoke_key(SqlKeyStore(connection), org_id, key_id, self.clock())
            documents = {KEYS_TARGET: keys_document(SqlKeyStore(connection).keys(org_id))}
            return bundles.publish(
                SqlBundleStore(connection), org_id, documents, signers, self.clock(), self._timestamp_lifetime
            )

        return publishing(self.database, work)

    def keys(self, org_id: str) -> list[VirtualKey]:
        """All virtual keys of an org, revoked ones too."""
        with self.database.read() as connection:
            return SqlKeyStore(connection).keys(require_org(SqlOrgStore(connection), org_id))

    def publish(self, org_id: str, changes: Mapping[str, bytes]) -> int:
        """Publish changed documents; returns the snapshot version. See ``bundles.publish``."""
        signers = self.keyring.signers(self._known_org(org_id))

        def work(connection: Connection) -> int:
            return bundles.publish(
                SqlBundleStore(connection), org_id, changes, signers, self.clock(), self._timestamp_lifetime
            )

        return publishing(self.database, work)

    def set_secret(self, org_id: str, name: str, value: str) -> None:
        """Set a provider's key. See ``secrets.set_secret``."""
        with self.database.write() as connection:
            require_org(SqlOrgStore(connection), org_id)
            set_secret(SqlSecretStore(connection), self.keyring.wrapper, org_id, name, value, self.clock())
