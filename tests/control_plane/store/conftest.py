from datetime import UTC, datetime

import pytest

from control_plane.store.engine import Database
from control_plane.store.orgs import SqlOrgStore

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def connection(database):
    """One write transaction with the orgs acme and globex in it."""
    with database.write() as connection:
        for org_id in ("acme", "globex"):
            SqlOrgStore(connection).add_org(org_id, AT)
        yield connection
