from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from control_plane.issuance import IssuedCertificate, StoredCrl
from control_plane.outposts import OutpostRecord, OutpostStatus
from control_plane.store.outposts import SqlCrlStore, SqlRegistrationStore, SqlRegistryStore
from control_plane.tokens import EnrolmentToken

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
TOKEN = EnrolmentToken("edge-1", b"s" * 32, b"a" * 32)
CERTIFICATE = IssuedCertificate(b"c" * 32, "edge-1", "ff", b"k" * 32, b"der", AT + timedelta(7), AT)


@pytest.fixture
def registry(connection):
    store = SqlRegistryStore(connection)
    store.add_outpost(OutpostRecord("edge-1", "acme", "edge", AT))
    store.add_token(TOKEN, AT, AT + timedelta(minutes=15))
    return store


def test_a_token_is_spent_once(connection, registry):
    store = SqlRegistrationStore(connection)
    assert store.token(b"x" * 32) is None
    store.add_certificate(CERTIFICATE)
    assert store.certificate(CERTIFICATE.sha256) == CERTIFICATE
    assert store.spend_token(TOKEN.secret_sha256, CERTIFICATE.sha256, AT)
    assert not store.spend_token(TOKEN.secret_sha256, CERTIFICATE.sha256, AT)
    assert store.token(TOKEN.secret_sha256).certificate_sha256 == CERTIFICATE.sha256
    store.record_keys("edge-1", b"hpke", b"audit", AT)
    assert store.outpost("edge-1").hpke_public_key == b"hpke"


def test_a_certificate_is_live_for_its_own_outpost_until_revoked(connection, registry):
    registry.add_outpost(OutpostRecord("edge-2", "acme", "other", AT))
    SqlRegistrationStore(connection).add_certificate(CERTIFICATE)
    assert registry.certificate_is_live("edge-1", CERTIFICATE.sha256, AT)
    assert not registry.certificate_is_live("edge-2", CERTIFICATE.sha256, AT)
    assert not registry.certificate_is_live("edge-1", b"x" * 32, AT)
    assert registry.mark_revoked("edge-1", AT)
    assert not registry.mark_revoked("edge-1", AT)
    assert not registry.certificate_is_live("edge-1", CERTIFICATE.sha256, AT)
    crls = SqlCrlStore(connection)
    assert crls.revoked_count("intermediate") == 1
    assert [entry.serial for entry in crls.revoked("intermediate", AT)] == [255]
    assert crls.revoked("intermediate", AT + timedelta(8)) == []


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda c: SqlRegistryStore(c).mark_revoked("edge-1", AT), "ix_certificates_outpost_id"),
        (lambda c: SqlRegistrationStore(c).issued_since("edge-1", AT), "ix_certificates_outpost_id"),
        (lambda c: SqlRegistrationStore(c).certificate_of_key(b"k" * 32), "ix_certificates_spki_sha256"),
    ],
    ids=["revocation", "rate of renewals", "renewal asked for again"],
)
def test_no_question_about_one_outpost_reads_every_certificate(connection, registry, ask, index):
    asked = []

    def note(_connection, _cursor, statement, parameters, *_):
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    ask(connection)
    event.remove(connection, "before_cursor_execute", note)
    plans = [
        row[3]
        for statement, parameters in asked
        for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    ]
    assert any(index in plan for plan in plans), plans
    assert not any(plan.startswith("SCAN") for plan in plans), plans


def test_crl_numbers_are_used_once(connection):
    store = SqlCrlStore(connection)
    assert store.newest_crl("intermediate") is None
    for number in (9, 10):
        store.add_crl(StoredCrl(number, b"crl", AT, 0))
    assert store.newest_crl("intermediate").number == 10
    with pytest.raises(IntegrityError):
        store.add_crl(StoredCrl(10, b"other", AT, 0))


def test_a_status_replaces_the_one_before(registry):
    assert registry.name_is_taken("acme", "edge")
    for size in (1, 2):
        registry.save_status("edge-1", OutpostStatus(AT, AT, "1", None, None, None, None, size, 0))
    ((_, status),) = registry.outposts()
    assert status.audit_size == 2
