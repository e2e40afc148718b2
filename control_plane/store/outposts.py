"""Outposts, tokens, certificates and CRLs in the database.

Implements ``control_plane.outposts.RegistryStore``, ``control_plane.registration.RegistrationStore`` and
``control_plane.issuance.CrlStore``.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, select, update

from control_plane.issuance import IssuedCertificate, StoredCrl
from control_plane.outposts import OutpostRecord, OutpostStatus
from control_plane.registration import TokenRecord
from control_plane.store.tables import certificates, crls, enrolment_tokens, outpost_status, outposts
from control_plane.tokens import EnrolmentToken
from pki.revocation import Revoked


class SqlRegistryStore:
    """Inside one transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def outpost(self, outpost_id: str) -> OutpostRecord | None:
        """One outpost, or None."""
        return _outpost(self._connection, outpost_id)

    def outposts(self, org_id: str | None = None) -> list[tuple[OutpostRecord, OutpostStatus | None]]:
        """All outposts (of one org) by name, with what each last reported."""
        query = select(outposts).order_by(outposts.c.org_id, outposts.c.name)
        if org_id is not None:
            query = query.where(outposts.c.org_id == org_id)
        records = [_outpost_record(row) for row in self._connection.execute(query)]
        statuses = {row.outpost_id: _status(row) for row in self._connection.execute(select(outpost_status))}
        return [(record, statuses.get(record.id)) for record in records]

    def name_is_taken(self, org_id: str, name: str) -> bool:
        """True if the org has an outpost of this name."""
        query = select(outposts.c.id).where(outposts.c.org_id == org_id, outposts.c.name == name)
        return self._connection.execute(query).first() is not None

    def add_outpost(self, record: OutpostRecord) -> None:
        """Store a new outpost."""
        self._connection.execute(insert(outposts).values(**asdict(record)))

    def add_token(self, token: EnrolmentToken, created_at: datetime, expires_at: datetime) -> None:
        """Store a token's hash and lifetime."""
        self._connection.execute(
            insert(enrolment_tokens).values(
                secret_sha256=token.secret_sha256,
                outpost_id=token.outpost_id,
                created_at=created_at,
                expires_at=expires_at,
                replays=0,
            )
        )

    def mark_revoked(self, outpost_id: str, at: datetime) -> bool:
        """Revoke an outpost and its certificates; False if it was revoked already."""
        where = and_(outposts.c.id == outpost_id, outposts.c.revoked_at.is_(None))
        changed = self._connection.execute(update(outposts).where(where).values(revoked_at=at)).rowcount == 1
        live = and_(certificates.c.outpost_id == outpost_id, certificates.c.revoked_at.is_(None))
        self._connection.execute(update(certificates).where(live).values(revoked_at=at))
        return changed

    def certificate_is_live(self, outpost_id: str, certificate_sha256: bytes) -> bool:
        """True if this certificate was issued to this outpost and not revoked."""
        columns = certificates.c
        query = select(columns.sha256).where(
            columns.sha256 == certificate_sha256, columns.outpost_id == outpost_id, columns.revoked_at.is_(None)
        )
        return self._connection.execute(query).first() is not None

    def save_status(self, outpost_id: str, status: OutpostStatus) -> None:
        """Replace what the outpost last reported."""
        values = asdict(status)
        changed = self._connection.execute(
            update(outpost_status).where(outpost_status.c.outpost_id == outpost_id).values(**values)
        )
        if changed.rowcount == 0:
            self._connection.execute(insert(outpost_status).values(outpost_id=outpost_id, **values))


class SqlRegistrationStore:
    """Inside one write transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def token(self, secret_sha256: bytes) -> TokenRecord | None:
        """The token with this secret's hash, or None."""
        columns = enrolment_tokens.c
        row = self._connection.execute(
            select(enrolment_tokens).where(columns.secret_sha256 == secret_sha256)
        ).one_or_none()
        if row is None:
            return None
        return TokenRecord(row.secret_sha256, row.outpost_id, row.expires_at, row.spent_at, row.certificate_sha256)

    def outpost(self, outpost_id: str) -> OutpostRecord | None:
        """One outpost, or None."""
        return _outpost(self._connection, outpost_id)

    def certificate(self, sha256: bytes) -> IssuedCertificate | None:
        """A recorded certificate, or None."""
        row = self._connection.execute(select(certificates).where(certificates.c.sha256 == sha256)).one_or_none()
        if row is None:
            return None
        return IssuedCertificate(
            sha256=row.sha256,
            outpost_id=row.outpost_id,
            serial=row.serial,
            spki_sha256=row.spki_sha256,
            der=row.der,
            not_after=row.not_after,
            issued_at=row.issued_at,
        )

    def add_certificate(self, certificate: IssuedCertificate) -> None:
        """Record a certificate before it is given out."""
        self._connection.execute(insert(certificates).values(**asdict(certificate)))

    def spend_token(self, secret_sha256: bytes, certificate_sha256: bytes, at: datetime) -> bool:
        """Mark an unspent token spent; False if it was spent in the meantime."""
        columns = enrolment_tokens.c
        statement = (
            update(enrolment_tokens)
            .where(columns.secret_sha256 == secret_sha256, columns.spent_at.is_(None))
            .values(spent_at=at, certificate_sha256=certificate_sha256)
        )
        return self._connection.execute(statement).rowcount == 1

    def record_keys(self, outpost_id: str, hpke_public_key: bytes, audit_public_key: bytes, at: datetime) -> None:
        """Store the keys an outpost enrolled with."""
        self._connection.execute(
            update(outposts)
            .where(outposts.c.id == outpost_id)
            .values(hpke_public_key=hpke_public_key, audit_public_key=audit_public_key, enrolled_at=at)
        )

    def record_replay(self, secret_sha256: bytes, at: datetime) -> None:
        """Count a use of a token after it was spent on another key."""
        columns = enrolment_tokens.c
        self._connection.execute(
            update(enrolment_tokens)
            .where(columns.secret_sha256 == secret_sha256)
            .values(replays=columns.replays + 1, last_replay_at=at)
        )


class SqlCrlStore:
    """Inside one write transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest_crl(self) -> StoredCrl | None:
        """The CRL of the highest number, or None."""
        row = self._connection.execute(select(crls).order_by(crls.c.number.desc()).limit(1)).one_or_none()
        return None if row is None else StoredCrl(row.number, row.content, row.issued_at, row.revoked_count)

    def add_crl(self, crl: StoredCrl) -> None:
        """Store a new CRL; its number must be new."""
        self._connection.execute(insert(crls).values(**asdict(crl)))

    def revoked_count(self) -> int:
        """How many certificates were ever revoked."""
        query = select(func.count()).select_from(certificates).where(certificates.c.revoked_at.is_not(None))
        return self._connection.execute(query).scalar() or 0

    def revoked(self, unexpired_at: datetime) -> list[Revoked]:
        """Revoked certificates that are not past their own end (RFC 5280 §3.3 lets the others go)."""
        columns = certificates.c
        query = select(columns.serial, columns.revoked_at).where(
            columns.revoked_at.is_not(None), columns.not_after >= unexpired_at
        )
        return [Revoked(int(row.serial, 16), row.revoked_at) for row in self._connection.execute(query)]


def _outpost(connection: Connection, outpost_id: str) -> OutpostRecord | None:
    row = connection.execute(select(outposts).where(outposts.c.id == outpost_id)).one_or_none()
    return None if row is None else _outpost_record(row)


def _outpost_record(row: Row[Any]) -> OutpostRecord:
    return OutpostRecord(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping


def _status(row: Row[Any]) -> OutpostStatus:
    values = dict(row._mapping)  # noqa: SLF001 - likewise
    del values["outpost_id"]
    return OutpostStatus(**values)
