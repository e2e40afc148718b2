from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import IntegrityError

from control_plane.store.orgs import Installation, SqlInstallationStore, SqlOrgStore, SqlSecretStore

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_there_is_one_installation(connection):
    store = SqlInstallationStore(connection)
    assert store.load() is None
    record = Installation("outpost.test", ("localhost", "::1"), AT)
    store.save(record)
    assert store.load() == record
    with pytest.raises(IntegrityError):
        store.save(record)


def test_secrets_are_versioned_per_org(connection):
    store = SqlSecretStore(connection)
    for name, value in (("a", b"1"), ("b", b"2"), ("a", b"3")):
        store.put_secret("acme", name, value, AT)
    assert (store.wrapped_secrets("acme"), store.secrets_version("acme")) == ({"a": b"3", "b": b"2"}, 3)
    assert (store.wrapped_secrets("globex"), store.secrets_version("globex")) == ({}, 0)


def test_orgs_are_listed(connection):
    assert SqlOrgStore(connection).org_ids() == ["acme", "globex"]
    assert not SqlOrgStore(connection).user_is_taken("ops")
