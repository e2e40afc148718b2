"""Virtual keys in the database; implements ``control_plane.keys.KeyStore``."""

from datetime import datetime

from sqlalchemy import Connection, Row, insert, select, update

from control_plane.keys import VirtualKey
from control_plane.store.tables import virtual_keys


class SqlKeyStore:
    """Inside one transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_key(self, key: VirtualKey) -> None:
        """Store a new key."""
        self._connection.execute(
            insert(virtual_keys).values(
                id=key.id,
                org_id=key.org_id,
                name=key.name,
                prefix=key.prefix,
                pepper_id=key.pepper_id,
                digest=key.digest,
                group_name=key.group,
                allowed_models=list(key.allowed_models),
                allowed_networks=None if key.allowed_networks is None else list(key.allowed_networks),
                created_at=key.created_at,
                expires_at=key.expires_at,
                revoked_at=key.revoked_at,
            )
        )

    def keys(self, org_id: str) -> list[VirtualKey]:
        """All keys of the org, oldest first, revoked ones too."""
        columns = virtual_keys.c
        query = select(virtual_keys).where(columns.org_id == org_id).order_by(columns.created_at, columns.id)
        return [_key(row) for row in self._connection.execute(query)]

    def revoke_key(self, org_id: str, key_id: str, at: datetime) -> bool:
        """Mark a key revoked; False if the org has no such unrevoked key."""
        columns = virtual_keys.c
        statement = (
            update(virtual_keys)
            .where(columns.org_id == org_id, columns.id == key_id, columns.revoked_at.is_(None))
            .values(revoked_at=at)
        )
        return self._connection.execute(statement).rowcount == 1


def _key(row: Row[tuple[object, ...]]) -> VirtualKey:
    return VirtualKey(
        id=row.id,
        org_id=row.org_id,
        name=row.name,
        prefix=row.prefix,
        pepper_id=row.pepper_id,
        digest=row.digest,
        group=row.group_name,
        created_at=row.created_at,
        allowed_models=tuple(row.allowed_models),
        allowed_networks=None if row.allowed_networks is None else tuple(row.allowed_networks),
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
