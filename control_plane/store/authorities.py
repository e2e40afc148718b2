"""The trust state in the database: replaced whole, in the caller's transaction. Empty means: what ``init`` made."""

from dataclasses import asdict

from sqlalchemy import Connection, delete, insert, select

from control_plane.authorities import AuthorityRecord, Kind, State, TrustState
from control_plane.store.tables import authorities, trust

_ROW = 1  # there is one trust state


class SqlAuthorityStore:
    """Inside one transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def generation(self) -> int | None:
        """The newest generation, or None while there is only what ``init`` made."""
        return self._connection.execute(select(trust.c.generation)).scalar()

    def load(self) -> TrustState | None:
        """The trust state, or None while there is only what ``init`` made."""
        generation = self.generation()
        if generation is None:
            return None
        rows = self._connection.execute(select(authorities).order_by(authorities.c.position))
        return TrustState(
            generation,
            tuple(
                AuthorityRecord(
                    name=row.name,
                    kind=Kind(row.kind),
                    state=State(row.state),
                    issuer=row.issuer,
                    certificate_der=row.certificate_der,
                    created_at=row.created_at,
                    cross_der=row.cross_der,
                    retired_at=row.retired_at,
                )
                for row in rows
            ),
        )

    def save(self, state: TrustState) -> None:
        """Replace the trust state."""
        self._connection.execute(delete(authorities))
        for position, record in enumerate(state.authorities):
            self._connection.execute(insert(authorities).values(**asdict(record), position=position))
        self._connection.execute(delete(trust))
        self._connection.execute(insert(trust).values(id=_ROW, generation=state.generation))
