"""Enrolment over real TLS, as a first contact would do it."""

import asyncio
import hashlib
import json
import ssl
from datetime import timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from control_plane.operations_core import utc_now
from control_plane.tokens import parse_token
from pki.keys import generate_private_key
from tests.fakes.installation import OutpostKeys, recover_message


async def test_first_contact_is_authenticated_by_the_tokens_fingerprint(serving):
    async with serving() as site:
        record, token = site.operations.create_outpost("acme", "edge", timedelta(minutes=15))
        blind = ssl.create_default_context()
        blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
        async with httpx.AsyncClient(base_url=site.server.urls["platform"], verify=blind, trust_env=False) as client:
            (pem,) = (await client.get("/enroll/v1/anchors")).json()["anchors_pem"]
        der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
        assert hashlib.sha256(der).digest() == parse_token(token.text).anchor_sha256
        async with site.platform() as client:
            answer = await client.post("/enroll/v1/outposts", json=OutpostKeys().request(token.text))
        body = answer.json()
        assert (answer.status_code, body["outpost_id"], body["org_id"]) == (200, record.id, "acme")
        assert body["sync_url"] == "https://127.0.0.1:8443"
        assert body["receipt_vkey"].startswith("outpost.test/receipts+")
        assert body["anchors_pem"] == [pem]


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", {}, 400, "invalid_request"),
        (b"{", {}, 400, "invalid_request"),
        (b"[" * 10_000, {}, 400, "invalid_request"),
        (b"\xff\xfe", {}, 400, "invalid_request"),
        (b'{"token": 1}', {}, 400, "invalid_request"),
        (b"x" * 70_000, {}, 413, "request_too_large"),
        (b"\x1f\x8b\x08", {"Content-Encoding": "gzip"}, 415, "unsupported_encoding"),
        (
            json.dumps(
                {
                    "token": "oet1.a.b.c",
                    "csr_pem": "x",
                    "hpke_public_key": "",
                    "audit_public_key": "",
                    "outpost_version": "",
                }
            ).encode(),
            {},
            401,
            "token_invalid",
        ),
    ],
)
async def test_bad_input_gets_a_stable_code_and_nothing_internal(serving, content, headers, status, code):
    async with serving() as site, site.platform() as client:
        answer = await client.post("/enroll/v1/outposts", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert "Traceback" not in answer.text
        assert answer.headers["X-Request-Id"]


async def test_a_body_without_end_is_cut_at_the_limit(serving):
    async def endless():
        while True:
            yield b"x" * 65_536
            await asyncio.sleep(0)

    async with serving() as site, site.platform() as client:
        try:
            answer = await client.post("/enroll/v1/outposts", content=endless())
        except httpx.TransportError:
            return  # the server hung up before the client had finished sending: as good
        assert answer.status_code == 413


async def test_unknown_routes_and_methods(serving):
    async with serving() as site, site.platform() as client:
        assert (await client.get("/nope")).json()["code"] == "not_found"
        wrong = await client.get("/enroll/v1/outposts")
        assert (wrong.status_code, wrong.json()["code"], wrong.headers["Allow"]) == (405, "method_not_allowed", "POST")
        assert (await client.get("/outpost/v1/crl")).status_code == 404
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json() == {"status": "ready"}


async def test_logs_never_hold_a_token_or_a_body(serving):
    with capture_logs() as logs:
        async with serving() as site:
            _, token = site.operations.create_outpost("acme", "edge", timedelta(minutes=15))
            request = OutpostKeys().request(token.text)
            async with site.platform() as client:
                await client.post("/enroll/v1/outposts", json=request)
                await client.post("/enroll/v1/outposts", json=request | {"csr_pem": "planted"})
                await client.get(f"/enroll/{token.text}")
    text = json.dumps(logs, default=str)
    assert "request" in {entry["event"] for entry in logs}
    assert token.text not in text
    assert request["csr_pem"] not in text
    assert "planted" not in text


async def test_of_simultaneous_requests_with_one_token_one_wins(serving):
    async with serving() as site, site.platform() as client:
        _, token = site.operations.create_outpost("acme", "edge", timedelta(minutes=15))
        requests = [OutpostKeys().request(token.text) for _ in range(6)]
        answers = await asyncio.gather(*(client.post("/enroll/v1/outposts", json=request) for request in requests))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5


async def test_an_ended_certificate_recovers_where_only_the_server_shows_one(serving):
    async with serving() as site, site.platform() as client:
        outpost, key = site.enrol(), generate_private_key()
        site.operations.clock = lambda: utc_now() + timedelta(days=10)
        message = recover_message(outpost.certificate, outpost.keys.private_key, key)
        answer = await client.post("/enroll/v1/recover", content=message.model_dump_json())
        assert (answer.status_code, answer.json()["trust"]["generation"]) == (200, 1)
        stranger = recover_message(outpost.certificate, key, generate_private_key())
        refused = await client.post("/enroll/v1/recover", content=stranger.model_dump_json())
        assert (refused.status_code, refused.json()["code"]) == (403, "recovery_invalid")
        site.operations.revoke_outpost(outpost.id)
        refused = await client.post("/enroll/v1/recover", content=message.model_dump_json())
        assert (refused.status_code, refused.json()["code"]) == (403, "outpost_revoked")


async def test_one_address_is_slowed_down_and_told_for_how_long(serving):
    async with serving(enrol_burst=3, enrol_rate_per_minute=6) as site, site.platform() as client:
        for path in ("/enroll/v1/outposts", "/enroll/v1/recover", "/enroll/v1/outposts"):
            assert (await client.post(path, content=b"{}")).status_code == 400
        for path in ("/enroll/v1/outposts", "/enroll/v1/recover"):
            limited = await client.post(path, content=b"{}")
            assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
            assert 1 <= int(limited.headers["Retry-After"]) <= 10
        assert (await client.get("/enroll/v1/crl")).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
