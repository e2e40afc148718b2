"""Operations that replace secrets: peppers, and the key under which all of them rest.

A pepper is replaced with an overlap: keys made from now on use the new one, older keys stay valid under theirs until
they are revoked and it is retired. The wrapping key is replaced in three steps, each of which may be the last before a
crash: the next key is on disk, everything is wrapped under it in one transaction, it takes the old key's place.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from control_plane import bundles
from control_plane.keyring import Keyring
from control_plane.keys import keys_document, revoke_key
from control_plane.orgs import require_org
from control_plane.policy_operations import publishing
from control_plane.secrets import add_list_key, add_pepper, list_keys, retire_list_key, retire_pepper, rewrap
from control_plane.store.bundles import SqlBundleStore
from control_plane.store.engine import Database
from control_plane.store.keys import SqlKeyStore
from control_plane.store.orgs import SqlOrgStore, SqlSecretStore
from control_plane.wrapping import KEK_BYTES
from outpost.protocol.documents import KEYS_TARGET
from outpost.protocol.list_file import ListKey
from outpost.protocol.sealing import PEPPER_PREFIX
from pki.files import write_private


@dataclass(frozen=True, slots=True)
class UsedListKey:
    """One list key, without its value."""

    id: str
    lists: tuple[str, ...]
    """Published lists that need it."""


@dataclass(frozen=True, slots=True)
class Pepper:
    """One pepper, without its value."""

    id: str
    keys: int
    """Active virtual keys that need it."""
    newest: bool
    """New keys use it."""


class SecretOperations:
    """See the module."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        timestamp_lifetime: timedelta,
        clock: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._timestamp_lifetime = timestamp_lifetime
        self._clock = clock
        self._random_bytes = random_bytes

    def rotate_pepper(self, org_id: str) -> str:
        """Give the org a new pepper beside the others; returns its id."""
        with self._database.write() as connection:
            require_org(SqlOrgStore(connection), org_id)
            store, wrapper = SqlSecretStore(connection), self._keyring.wrapper
            return add_pepper(store, wrapper, org_id, self._clock(), self._random_bytes)

    def peppers(self, org_id: str) -> list[Pepper]:
        """The org's peppers, oldest first."""
        with self._database.read() as connection:
            require_org(SqlOrgStore(connection), org_id)
            names = [name for name in SqlSecretStore(connection).wrapped_secrets(org_id) if _is_pepper(name)]
            used = _used(connection, org_id)
        ids = [name.removeprefix(PEPPER_PREFIX) for name in names]
        return [Pepper(pepper_id, used[pepper_id], pepper_id == ids[-1]) for pepper_id in ids]

    def retire_pepper(self, org_id: str, pepper_id: str, *, revoke_keys: bool) -> int:
        """Take away a pepper, and with ``revoke_keys`` the keys that need it; returns how many those were."""

        def work(connection: Connection) -> int:
            signers = self._keyring.signers(require_org(SqlOrgStore(connection), org_id))
            keys, at = SqlKeyStore(connection), self._clock()
            mine = [key for key in keys.keys(org_id) if key.pepper_id == pepper_id and key.revoked_at is None]
            retire_pepper(SqlSecretStore(connection), org_id, pepper_id, 0 if revoke_keys else len(mine))
            for key in mine:
                revoke_key(keys, org_id, key.id, at)
            if mine:
                documents = {KEYS_TARGET: keys_document(keys.keys(org_id))}
                store = SqlBundleStore(connection)
                bundles.publish(store, org_id, documents, signers, at, self._timestamp_lifetime)
            return len(mine)

        return publishing(self._database, work)

    def add_list_key(self, org_id: str, key: ListKey) -> bool:
        """Give the org's outposts a list key; False if they have it already. See ``secrets.add_list_key``."""
        with self._database.write() as connection:
            require_org(SqlOrgStore(connection), org_id)
            return add_list_key(SqlSecretStore(connection), self._keyring.wrapper, org_id, key, self._clock())

    def list_keys(self, org_id: str) -> list[UsedListKey]:
        """The org's list keys, oldest first."""
        with self._database.read() as connection:
            require_org(SqlOrgStore(connection), org_id)
            used = bundles.published_lists(SqlBundleStore(connection), org_id)
            ids = list_keys(SqlSecretStore(connection), org_id)
        return [UsedListKey(key_id, tuple(sorted(used.get(key_id, ())))) for key_id in ids]

    def retire_list_key(self, org_id: str, key_id: str) -> None:
        """Take away a list key that no published list needs. See ``secrets.retire_list_key``."""
        with self._database.write() as connection:
            require_org(SqlOrgStore(connection), org_id)
            used = bundles.published_lists(SqlBundleStore(connection), org_id)
            retire_list_key(SqlSecretStore(connection), org_id, key_id, used.get(key_id, ()))

    def rewrap(self) -> int:
        """Replace the wrapping key and wrap every secret under the new one; returns how many.

        Secrets in older backups of the database open with the old key alone, which is gone from here.
        """
        files = self._keyring.files
        if not files.next_kek.exists():
            write_private(files.next_kek, self._random_bytes(KEK_BYTES))
        with self._database.write() as connection:
            count = rewrap(SqlSecretStore(connection), self._keyring.wrapper)
        files.next_kek.replace(files.kek)
        descriptor = os.open(files.keys, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return count


def _is_pepper(name: str) -> bool:
    return name.startswith(PEPPER_PREFIX)


def _used(connection: Connection, org_id: str) -> Counter[str]:
    return Counter(key.pepper_id for key in SqlKeyStore(connection).keys(org_id) if key.revoked_at is None)
