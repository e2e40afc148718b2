"""Orgs, users, secrets and the installation's own record in the database.

Implements ``control_plane.orgs.OrgStore`` and ``control_plane.secrets.SecretStore``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from control_plane.orgs import User
from control_plane.store.tables import installation, org_secrets, orgs, users

_ONLY = 1  # the installation table has one row


@dataclass(frozen=True, slots=True)
class Installation:
    """What ``init`` was given: the trust domain for ever, the server's names until the settings say otherwise."""

    trust_domain: str
    server_names: tuple[str, ...]
    created_at: datetime


class SqlInstallationStore:
    """The one row about this installation."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def load(self) -> Installation | None:
        """The row, or None before ``init``."""
        row = self._connection.execute(select(installation)).one_or_none()
        return None if row is None else Installation(row.trust_domain, tuple(row.server_names), row.created_at)

    def save(self, record: Installation) -> None:
        """Store the row; a second one is an error."""
        self._connection.execute(
            insert(installation).values(
                id=_ONLY,
                trust_domain=record.trust_domain,
                server_names=list(record.server_names),
                created_at=record.created_at,
            )
        )


class SqlOrgStore:
    """Inside one transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def org_ids(self) -> list[str]:
        """All orgs, oldest first."""
        return list(self._connection.execute(select(orgs.c.id).order_by(orgs.c.created_at, orgs.c.id)).scalars())

    def add_org(self, org_id: str, at: datetime) -> None:
        """Store a new org."""
        self._connection.execute(insert(orgs).values(id=org_id, created_at=at, secrets_version=0))

    def user_is_taken(self, name: str) -> bool:
        """True if someone has this sign-in name."""
        return self._connection.execute(select(users.c.id).where(users.c.name == name)).first() is not None

    def add_user(self, user: User) -> None:
        """Store a new user."""
        self._connection.execute(
            insert(users).values(
                id=user.id,
                org_id=user.org_id,
                name=user.name,
                role=user.role,
                password_hash=user.password_hash,
                created_at=user.created_at,
            )
        )


class SqlSecretStore:
    """Inside one transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put_secret(self, org_id: str, name: str, wrapped: bytes, at: datetime) -> None:
        """Store or replace one wrapped secret and raise the org's secrets version by one."""
        where = (org_secrets.c.org_id == org_id, org_secrets.c.name == name)
        self._connection.execute(delete(org_secrets).where(*where))
        self._connection.execute(insert(org_secrets).values(org_id=org_id, name=name, wrapped=wrapped, updated_at=at))
        self._raise_version(org_id)

    def wrapped_secrets(self, org_id: str) -> dict[str, bytes]:
        """All wrapped secrets of the org by name, oldest first."""
        columns = org_secrets.c
        query = (
            select(columns.name, columns.wrapped)
            .where(columns.org_id == org_id)
            .order_by(columns.updated_at, columns.name)
        )
        return {row.name: row.wrapped for row in self._connection.execute(query)}

    def delete_secret(self, org_id: str, name: str) -> None:
        """Delete one secret and raise the org's secrets version by one."""
        self._connection.execute(delete(org_secrets).where(org_secrets.c.org_id == org_id, org_secrets.c.name == name))
        self._raise_version(org_id)

    def rewrap(self, change: Callable[[str, str, bytes], bytes]) -> int:
        """Replace each wrapped secret by ``change(org, name, wrapped)``, and nothing else of it; returns how many."""
        columns = org_secrets.c
        rows = self._connection.execute(select(columns.org_id, columns.name, columns.wrapped).with_for_update()).all()
        for row in rows:
            where = (columns.org_id == row.org_id, columns.name == row.name)
            wrapped = change(row.org_id, row.name, row.wrapped)
            self._connection.execute(update(org_secrets).where(*where).values(wrapped=wrapped))
        return len(rows)

    def _raise_version(self, org_id: str) -> None:
        self._connection.execute(
            update(orgs).where(orgs.c.id == org_id).values(secrets_version=orgs.c.secrets_version + 1)
        )

    def secrets_version(self, org_id: str) -> int:
        """How often the org's secrets changed."""
        return self._connection.execute(select(orgs.c.secrets_version).where(orgs.c.id == org_id)).scalar() or 0
