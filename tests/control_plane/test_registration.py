"""Enrolment over the real database: each state of a token, what it answers and what it leaves behind."""

import os
import threading
from datetime import timedelta

import pytest
from cryptography import x509
from sqlalchemy import select

from control_plane.errors import (
    CsrRejected,
    InvalidRequest,
    OutpostRevoked,
    TokenExpired,
    TokenInvalid,
    TokenUsed,
)
from control_plane.store.tables import certificates, enrolment_tokens
from control_plane.tokens import EnrolmentToken, make_token, parse_token
from pki.names import parse_spiffe_id
from tests.fakes.installation import OutpostKeys

LIFETIME = timedelta(minutes=15)


@pytest.fixture
def issued(operations):
    return operations.create_outpost("acme", "edge", LIFETIME)


def _state(operations):
    with operations.database.read() as connection:
        token = connection.execute(select(enrolment_tokens)).one()
        count = len(connection.execute(select(certificates)).all())
    return token.spent_at is not None, token.replays, count


def test_a_token_buys_one_certificate_for_exactly_this_outpost(operations, issued):
    record, token = issued
    keys = OutpostKeys()
    enrolment, tuf_root = operations.enroll(keys.message(token.text))
    leaf = x509.load_pem_x509_certificate(enrolment.certificate.pem.encode())
    (name,) = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert parse_spiffe_id(name.value).outpost_id == record.id
    assert leaf.public_key() == keys.private_key.public_key()
    assert b'"root"' in tuf_root
    assert _state(operations) == (True, 0, 1)
    assert operations.admit(leaf).id == record.id


def test_the_same_keys_get_the_same_certificate_again(operations, issued, clock):
    keys = OutpostKeys()
    first, _ = operations.enroll(keys.message(issued[1].text))
    clock.advance(timedelta(minutes=1))
    second, _ = operations.enroll(keys.message(issued[1].text))
    assert (second.certificate, second.repeated) == (first.certificate, True)
    assert _state(operations) == (True, 0, 1)


@pytest.mark.parametrize("changed", ["csr_pem", "audit_public_key", "hpke_public_key"])
def test_any_other_key_is_a_replay_and_is_recorded(operations, issued, changed):
    keys, other = OutpostKeys(), OutpostKeys()
    operations.enroll(keys.message(issued[1].text))
    stolen = keys.message(issued[1].text, **{changed: other.request("x")[changed]})
    with pytest.raises(TokenUsed):
        operations.enroll(stolen)
    assert _state(operations) == (True, 1, 1)


def test_an_expired_token_buys_nothing_and_stays_unspent(operations, issued, clock):
    clock.advance(LIFETIME)
    with pytest.raises(TokenExpired):
        operations.enroll(OutpostKeys().message(issued[1].text))
    assert _state(operations) == (False, 0, 0)


def _forged_secret(token):
    return make_token(token.outpost_id, token.anchor_sha256, os.urandom).text


def _other_outpost(token):
    return EnrolmentToken("other", token.secret, token.anchor_sha256).text


def _foreign_anchor(token):
    return EnrolmentToken(token.outpost_id, token.secret, os.urandom(32)).text


@pytest.mark.parametrize("forge", [_forged_secret, _other_outpost, _foreign_anchor, lambda _: "oet1.x.y.z"])
def test_a_forged_foreign_or_malformed_token_buys_nothing(operations, issued, forge):
    with pytest.raises(TokenInvalid):
        operations.enroll(OutpostKeys().message(forge(issued[1])))
    assert _state(operations) == (False, 0, 0)
    operations.enroll(OutpostKeys().message(issued[1].text))


def test_a_revoked_outpost_cannot_enrol(operations, issued):
    operations.revoke_outpost(issued[0].id)
    with pytest.raises(OutpostRevoked):
        operations.enroll(OutpostKeys().message(issued[1].text))
    assert _state(operations) == (False, 0, 0)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"csr_pem": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"}, CsrRejected),
        ({"csr_pem": "nonsense"}, CsrRejected),
        ({"hpke_public_key": "AAAA"}, InvalidRequest),
        ({"hpke_public_key": "A" * 1620 + "AA=="}, InvalidRequest),
        ({"audit_public_key": "AAAA"}, InvalidRequest),
    ],
)
def test_a_bad_key_leaves_the_token_good(operations, issued, change, error):
    keys = OutpostKeys()
    with pytest.raises(error):
        operations.enroll(keys.message(issued[1].text, **change))
    assert _state(operations) == (False, 0, 0)
    operations.enroll(keys.message(issued[1].text))


def test_of_many_simultaneous_uses_exactly_one_wins(operations, issued):
    start, outcomes = threading.Barrier(8), []

    def use():
        message = OutpostKeys().message(issued[1].text)
        start.wait()
        try:
            outcomes.append(operations.enroll(message)[0].certificate.sha256)
        except TokenUsed:
            outcomes.append(None)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([outcome for outcome in outcomes if outcome]) == 1
    assert _state(operations) == (True, 7, 1)


def test_only_the_hash_of_a_secret_is_stored(operations, issued, plane):
    secret = parse_token(issued[1].text).secret
    operations.database.close()
    assert secret not in (plane.path / "control-plane.db").read_bytes()
