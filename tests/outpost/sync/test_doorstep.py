from dataclasses import replace

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from outpost.errors import ControlPlaneUnavailable, ControlPlaneUntrusted, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import RecoverRequest
from outpost.protocol.recovery import recovery_statement
from outpost.sync.doorstep import Doorstep, enrolment_url, recover_request
from pki.keys import generate_private_key, spki_sha256


@pytest.mark.parametrize(
    ("configured", "enrolled", "sync", "expected"),
    [
        ("https://a:1/", "https://b:2", "https://c:3", "https://a:1"),
        (None, "https://b:2", "https://c:3", "https://b:2"),
        (None, None, "https://c:3", "https://c:8100"),
        (None, None, "https://[::1]:3", "https://[::1]:8100"),
    ],
)
def test_where_to_recover(identity, configured, enrolled, sync, expected):
    assert enrolment_url(replace(identity, enrol_url=enrolled, sync_url=sync), configured) == expected


def test_an_enrolled_outpost_remembers_where(identity):
    assert identity.enrol_url == "https://control-plane.test:8100"


def test_the_proof_is_by_the_old_key_over_both(identity):
    request = RecoverRequest.model_validate_json(recover_request(identity, generate_private_key()).model_dump_json())
    csr_der = x509.load_pem_x509_csr(request.csr_pem.encode()).public_bytes(Encoding.DER)
    statement = recovery_statement(identity.certificate.public_bytes(Encoding.DER), csr_der)
    identity.certificate.public_key().verify(request.proof, statement, ec.ECDSA(hashes.SHA256()))


async def test_recovery_gives_a_certificate_for_the_new_key(identity, plane):
    key = generate_private_key()
    door = Doorstep(enrolment_url(identity, None), transport=plane.transport_for)
    response = await door.recover(identity, key)
    certificate = x509.load_pem_x509_certificate(response.certificate_pem.encode())
    assert spki_sha256(certificate.public_key()) == spki_sha256(key.public_key())


async def test_a_proof_by_another_key_is_refused(identity, plane):
    thief = replace(identity, keys=replace(identity.keys, tls=generate_private_key()))
    with pytest.raises(Rejected) as caught:
        await Doorstep("https://cp", transport=plane.transport_for).recover(thief, generate_private_key())
    assert caught.value.code is ErrorCode.RECOVERY_INVALID


async def test_the_unverified_date_is_a_hint_or_nothing(identity, plane):
    door = Doorstep("https://cp", transport=plane.transport_for)
    assert await door.unverified_date(identity) == plane.clock()
    plane.down = True
    assert await door.unverified_date(identity) is None


@pytest.mark.parametrize("date", ["", "tomorrow", "Mon, 99 Foo 2026", "Mon, 01 Jun 2026 12:00:00"])
async def test_a_date_that_is_none_is_no_hint(identity, date):
    answer = httpx.MockTransport(lambda _request: httpx.Response(200, headers={"Date": date}))
    assert await Doorstep("https://cp", transport=answer).unverified_date(identity) is None


async def test_too_much_is_untrusted_and_trouble_is_unavailable(identity):
    def door(response):
        return Doorstep("https://cp", transport=httpx.MockTransport(lambda _request: response))

    with pytest.raises(ControlPlaneUnavailable) as caught:
        await door(httpx.Response(429, headers={"Retry-After": "7"})).fetch_crl(identity)
    assert caught.value.retry_after_s == 7
    with pytest.raises(ControlPlaneUntrusted):
        await door(httpx.Response(200, content=b"x")).recover(identity, generate_private_key())
