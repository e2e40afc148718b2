"""Outposts, tokens, certificates and CRLs in the database.

Implements ``control_plane.outposts.RegistryStore``, ``control_plane.registration.RegistrationStore`` and
``control_plane.issuance.CrlStore``.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, select, tuple_, update

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

    def certificate_is_live(self, outpost_id: str, certificate_sha256: bytes, at: datetime) -> bool:
        """True if this certificate was issued to this outpost, has not ended at ``at`` and is not revoked."""
        columns = certificates.c
        query = select(columns.sha256).where(
            columns.sha256 == certificate_sha256,
            columns.outpost_id == outpost_id,
            columns.revoked_at.is_(None),
            columns.not_after > at,
        )
        return self._connection.execute(query).first() is not None

    def forget_certificates(self, ended_before: datetime) -> int:
        """Delete what ended before, but for each outpost's newest and what was revoked; returns how many."""
        columns = certificates.c
        newest = select(columns.outpost_id, func.max(columns.issued_at)).group_by(columns.outpost_id)
        forgotten = delete(certificates).where(
            columns.not_after < ended_before,
            columns.revoked_at.is_(None),
            tuple_(columns.outpost_id, columns.issued_at).not_in(newest),
        )
        return self._connection.execute(forgotten).rowcount

    def live_outposts(self, certificate_sha256s: Sequence[bytes], at: datetime) -> dict[bytes, OutpostRecord]:
        """By certificate, the outposts that are not revoked and whose certificate here is live at ``at``."""
        query = (
            select(certificates.c.sha256.label("presented"), outposts)
            .join(outposts, outposts.c.id == certificates.c.outpost_id)
            .where(
                certificates.c.sha256.in_(certificate_sha256s),
                certificates.c.revoked_at.is_(None),
                certificates.c.not_after > at,
                outposts.c.revoked_at.is_(None),
            )
        )
        found: dict[bytes, OutpostRecord] = {}
        for row in self._connection.execute(query):
            values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
            presented = values.pop("presented")
            found[presented] = OutpostRecord(**values)
        return found

    def authority_of(self, certificate_sha256: bytes) -> str | None:
        """The name of the authority that issued a recorded certificate."""
        query = select(certificates.c.authority).where(certificates.c.sha256 == certificate_sha256)
        return self._connection.execute(query).scalar()

    def status(self, outpost_id: str) -> OutpostStatus | None:
        """What the outpost last reported."""
        query = select(outpost_status).where(outpost_status.c.outpost_id == outpost_id)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _status(row)

    def set_recovery_approval(self, outpost_id: str, at: datetime | None) -> None:
        """Set or clear an operator's approval of a recovery."""
        _approve(self._connection, outpost_id, at)

    def replays(self) -> dict[str, int]:
        """How often tokens were used after they were spent, by outpost; those with none are left out."""
        columns = enrolment_tokens.c
        query = select(columns.outpost_id, func.sum(columns.replays)).group_by(columns.outpost_id)
        return {outpost_id: int(count) for outpost_id, count in self._connection.execute(query) if count}

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
        return _issued(row)

    def certificate_of_key(self, spki_sha256: bytes) -> IssuedCertificate | None:
        """The newest certificate issued for this key, or None."""
        columns = certificates.c
        query = select(certificates).where(columns.spki_sha256 == spki_sha256).order_by(columns.issued_at.desc())
        row = self._connection.execute(query.limit(1)).one_or_none()
        return None if row is None else _issued(row)

    def issued_since(self, outpost_id: str, since: datetime) -> int:
        """How many certificates the outpost got after ``since``."""
        columns = certificates.c
        query = select(func.count()).where(columns.outpost_id == outpost_id, columns.issued_at > since)
        return self._connection.execute(query).scalar() or 0

    def set_recovery_approval(self, outpost_id: str, at: datetime | None) -> None:
        """Set or clear an operator's approval of a recovery."""
        _approve(self._connection, outpost_id, at)

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

    def newest_crl(self, authority: str) -> StoredCrl | None:
        """The authority's CRL of the highest number, or None."""
        query = select(crls).where(crls.c.authority == authority).order_by(crls.c.number.desc()).limit(1)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return StoredCrl(row.number, row.content, row.issued_at, row.revoked_count, row.authority)

    def last_number(self) -> int:
        """The highest number of any CRL; 0 if there is none."""
        return self._connection.execute(select(func.max(crls.c.number))).scalar() or 0

    def add_crl(self, crl: StoredCrl) -> None:
        """Store a new CRL; its number must be new."""
        self._connection.execute(insert(crls).values(**asdict(crl)))

    def revoked_count(self, authority: str) -> int:
        """How many certificates of this authority were ever revoked."""
        columns = certificates.c
        query = select(func.count()).where(columns.revoked_at.is_not(None), columns.authority == authority)
        return self._connection.execute(query).scalar() or 0

    def revoked(self, authority: str, unexpired_at: datetime) -> list[Revoked]:
        """The authority's revoked certificates that are not past their own end (RFC 5280 §3.3 lets the others go)."""
        columns = certificates.c
        query = select(columns.serial, columns.revoked_at).where(
            columns.revoked_at.is_not(None), columns.authority == authority, columns.not_after >= unexpired_at
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
    values["earlier_instances"] = tuple(values["earlier_instances"])
    return OutpostStatus(**values)


def _issued(row: Row[Any]) -> IssuedCertificate:
    return IssuedCertificate(**row._mapping)  # noqa: SLF001 - likewise


def _approve(connection: Connection, outpost_id: str, at: datetime | None) -> None:
    connection.execute(update(outposts).where(outposts.c.id == outpost_id).values(recovery_approved_at=at))
