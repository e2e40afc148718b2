"""Revocation lists over HTTP, and how soon a revocation counts."""

import asyncio
import subprocess
import time

import httpx
from cryptography import x509

from control_plane.api.crl import MAX_AGE_S, authority_key_id
from control_plane.authorities import Kind
from control_plane.ceremonies import Ceremonies
from control_plane.rotation import Step
from pki.revocation import is_revoked, parse_crl

MAX_REVOCATION_LATENCY_S = 1.0  # measured about 10 ms; room for a busy machine


async def test_anybody_can_read_the_list_and_caches_know_for_how_long(serving):
    async with serving() as site, site.platform() as client:
        first = await client.get("/enroll/v1/crl")
        assert first.headers["Content-Type"] == "application/pkix-crl"
        assert first.headers["Cache-Control"] == f"public, max-age={MAX_AGE_S}"
        again = await client.get("/enroll/v1/crl", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        site.operations.revoke_outpost(site.enrol().id)
        news = await client.get("/enroll/v1/crl", headers={"If-None-Match": first.headers["ETag"]})
        assert (news.status_code, parse_crl(news.content).last_update_utc <= site.operations.clock()) == (200, True)
        assert _number(news) > _number(first)
        assert (await client.get("/enroll/v1/crl?issuer=00")).json()["code"] == "not_found"


def _number(answer):
    return parse_crl(answer.content).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


async def test_openssl_reads_the_list(serving, tmp_path):
    async with serving() as site, site.platform() as client:
        site.operations.revoke_outpost(site.enrol().id)
        (tmp_path / "crl.der").write_bytes((await client.get("/enroll/v1/crl")).content)
    issuer = site.plane.path / "ca" / "intermediate.pem"
    command = ["openssl", "crl", "-inform", "DER", "-in", tmp_path / "crl.der", "-CAfile", issuer, "-noout", "-text"]
    read = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert "verify OK" in read.stderr
    assert "X509v3 CRL Number" in read.stdout
    assert "Revocation Date" in read.stdout


async def test_a_revoked_outpost_reads_the_signed_word_where_it_may_still_go(serving):
    async with serving() as site, site.platform() as public:
        outpost = site.enrol()
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            assert (await client.get("/outpost/v1/crl")).status_code == 200
            started = time.perf_counter()
            site.operations.revoke_outpost(outpost.id)
            refused = await client.get("/outpost/v1/crl")
            latency_s = time.perf_counter() - started
        assert (refused.status_code, refused.json()["code"]) == (403, "outpost_revoked")
        assert latency_s < MAX_REVOCATION_LATENCY_S
        print(f"revocation latency on an open connection, signing included: {1000 * latency_s:.1f} ms")
        crl = parse_crl((await public.get("/enroll/v1/crl")).content)
        assert is_revoked(crl, outpost.certificate.serial_number)


async def test_each_outpost_gets_the_list_of_its_own_issuer(serving):
    async with serving() as site, site.platform() as public:
        old = site.enrol("old")
        ceremonies = Ceremonies(site.operations, 30)
        ceremonies.prepare(Kind.INTERMEDIATE)
        ceremonies.advance(Kind.INTERMEDIATE, Step.ACTIVATE)
        new = site.enrol("new")
        names = {}
        for outpost in (old, new):
            async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
                answer: httpx.Response = await client.get("/outpost/v1/crl")
            names[outpost.id] = parse_crl(answer.content).issuer
            assert names[outpost.id] == outpost.certificate.issuer
            key_id = authority_key_id(outpost.certificate)
            direct = await public.get(f"/enroll/v1/crl?issuer={key_id}")
            assert parse_crl(direct.content).issuer == outpost.certificate.issuer
        assert parse_crl((await public.get("/enroll/v1/crl")).content).issuer == new.certificate.issuer
