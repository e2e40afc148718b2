"""Ended certificates are forgotten once nothing can be bought with them, and never one that still means something."""

from datetime import timedelta

import pytest
from cryptography import x509

from control_plane.app import Opened, Server
from control_plane.config import Config
from control_plane.errors import RecoveryExpired
from control_plane.pruning import forget_ended_before
from pki.csr import make_csr
from pki.keys import generate_private_key
from tests.fakes.clock import NOON
from tests.fakes.installation import OutpostKeys, recover_message

DAY = timedelta(days=1)
LIFETIME = timedelta(minutes=15)


def _enrolled(operations, name="edge"):
    record, token = operations.create_outpost("acme", name, LIFETIME)
    keys = OutpostKeys()
    return record, keys, operations.enroll(keys.message(token.text))[0].certificate


def _count(operations):
    with operations.database.read() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM certificates").scalar()


def _renew(operations, record, certificate):
    operations.renew(record, make_csr(generate_private_key()).decode(), certificate.sha256)


def test_the_window_and_a_margin_are_kept():
    assert NOON - forget_ended_before(NOON, 30 * DAY) == 60 * DAY


def test_only_what_ended_long_ago_and_has_a_successor_is_forgotten(operations, clock):
    record, _, first = _enrolled(operations)
    clock.advance(3 * DAY)
    _renew(operations, record, first)
    clock.advance(first.not_after + 60 * DAY - clock())
    assert operations.forget_certificates() == 0
    clock.advance(timedelta(seconds=1))
    assert operations.forget_certificates() == 1
    clock.advance(3650 * DAY)
    assert (operations.forget_certificates(), _count(operations)) == (0, 1)


def test_who_comes_back_after_years_is_told_that_it_is_too_late(operations, clock):
    _, keys, certificate = _enrolled(operations)
    clock.advance(400 * DAY)
    assert operations.forget_certificates() == 0
    presented = x509.load_der_x509_certificate(certificate.der)
    with pytest.raises(RecoveryExpired):
        operations.recover(recover_message(presented, keys.private_key, generate_private_key()))


def test_revocations_stay_counted_so_that_no_list_is_taken_for_complete(operations, clock):
    for name in ("one", "two"):
        record, _, certificate = _enrolled(operations, name)
        clock.advance(DAY)
        _renew(operations, record, certificate)
    operations.revoke_outpost(record.id)
    number = operations.current_crl().number
    clock.advance(400 * DAY)
    assert operations.forget_certificates() == 1  # the other outpost's first
    assert _count(operations) == 3
    assert operations.current_crl().revoked_count == 2
    assert operations.current_crl().number == number + 1  # only because a year has passed


async def test_the_schedule_does_it_once_a_day(plane, clock):
    config = Config(
        data_dir=plane.path, platform_host="127.0.0.1", outpost_host="127.0.0.1", platform_port=0, outpost_port=0
    )
    operations, calls = plane.operations, []
    forget = operations.forget_certificates
    operations.forget_certificates = lambda: calls.append(clock()) or forget()
    server = Server(config, Opened(operations, ("localhost",)))
    for _ in range(48):
        server._refresh()
        clock.advance(timedelta(hours=1))
    assert [at - calls[0] for at in calls] == [0 * DAY, DAY]
