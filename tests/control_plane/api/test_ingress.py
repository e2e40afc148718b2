"""Ingress mode with a real NGINX in front, and everybody who would like to be one."""

import asyncio
from contextlib import asynccontextmanager
from ipaddress import ip_network
from urllib.parse import quote

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from control_plane.api.ingress import HEADER, TrustedHops, header_certificate, parse_hops
from control_plane.authorities import Kind
from control_plane.ceremonies import Ceremonies
from control_plane.errors import CertificateRejected
from control_plane.rotation import Step
from tests.fakes.nginx import Nginx, needs_nginx
from tests.fakes.pki import test_authority


def _escaped(certificate):
    return quote(certificate.public_bytes(Encoding.PEM).decode(), safe="")


def test_the_header_is_read_as_nginx_writes_it():
    leaf = test_authority().outpost().certificate
    assert header_certificate([_escaped(leaf)]) == leaf
    assert header_certificate([]) is header_certificate([""]) is None


@pytest.mark.parametrize("values", [["a", "b"], ["nonsense"], ["%"], ["%0A"], ["ü"], ["twice"]])
def test_anything_else_in_the_header_is_refused(values):
    if values == ["twice"]:
        values = [_escaped(test_authority().outpost().certificate) * 2]
    with pytest.raises(CertificateRejected):
        header_certificate(values)


@given(st.lists(st.text(max_size=100), max_size=3))
def test_any_header_is_a_certificate_or_the_typed_refusal(values):
    try:
        assert header_certificate(values) is None
    except CertificateRejected:
        return


def test_hops_are_networks_or_whoever_may_open_the_socket():
    hops = parse_hops("127.0.0.1:8444", ["192.0.2.0/24", "::1"])
    assert hops == TrustedHops((ip_network("192.0.2.0/24"), ip_network("::1")))
    trusted = {"192.0.2.7": True, "::ffff:192.0.2.7": True, "::1": True, "198.51.100.1": False, "": False, None: False}
    assert {address: hops.has(address) for address in trusted} == trusted
    assert parse_hops("unix:/x", []).has("")


async def test_on_the_mutual_tls_listener_a_header_is_a_refusal(serving):
    async with serving() as site:
        outpost, other = site.enrol("edge"), site.enrol("other")
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            for value in (_escaped(other.certificate), "", "x"):
                refused = await client.get("/outpost/v1/crl", headers={HEADER: value})
                assert (refused.status_code, refused.json()["code"]) == (403, "certificate_invalid")


@pytest.mark.parametrize(("trusted", "status"), [(["127.0.0.1"], 200), (["192.0.2.0/24"], 403), ([], 403)])
async def test_the_header_counts_from_a_trusted_address_only(serving, trusted, status):
    async with serving(ingress_listen="127.0.0.1:0", trusted_ingress=trusted) as site:
        outpost = site.enrol()
        async with httpx.AsyncClient(base_url=site.server.urls["ingress"], trust_env=False) as hop:
            headers = {HEADER: _escaped(outpost.certificate)}
            assert (await hop.get("/outpost/v1/trust", headers=headers)).status_code == status
            assert (await hop.get("/outpost/v1/trust")).status_code == 403


async def test_what_a_trusted_hop_hands_on_is_verified_again(serving):
    async with serving(ingress_listen="127.0.0.1:0") as site:
        outpost, stranger = site.enrol(), test_authority().outpost(at=site.operations.clock())
        async with httpx.AsyncClient(base_url=site.server.urls["ingress"], trust_env=False) as hop:

            async def code(*values):
                headers = [(HEADER, value) for value in values]
                return (await hop.get("/outpost/v1/trust", headers=headers)).json().get("code")

            ours = _escaped(outpost.certificate)
            assert await code(ours) is None
            assert await code(_escaped(stranger.certificate)) == "certificate_invalid"
            assert await code(_escaped(site.operations.keyring.anchor)) == "certificate_invalid"
            assert await code(ours, ours) == "certificate_invalid"
            site.operations.revoke_outpost(outpost.id)
            assert await code(ours) == "outpost_revoked"


@pytest.fixture
def behind_nginx(serving, tmp_path_factory):
    """``async with behind_nginx() as (site, nginx)``; ``nginx.running()`` starts it."""
    folder = tmp_path_factory.mktemp("ng")  # short: a Unix socket's path has at most 107 bytes

    @asynccontextmanager
    async def start():
        async with serving(ingress_listen=f"unix:{folder}/ingress.sock") as site:
            assert (folder / "ingress.sock").stat().st_mode & 0o777 == 0o660
            yield site, await asyncio.to_thread(Nginx, folder, site, "outpost-ingress.conf")

    return start


@needs_nginx
async def test_outposts_come_in_through_nginx_each_as_itself(behind_nginx):
    async with behind_nginx() as (site, nginx), nginx.running():
        outpost, other = site.enrol("edge"), site.enrol("other")
        async with nginx.client(outpost) as client:
            spoofed = {HEADER: _escaped(other.certificate)}
            batch = outpost.keys.batch(outpost.id, ["{}"]).model_dump_json()
            assert (await client.post("/outpost/v1/audit", content=batch, headers=spoofed)).status_code == 200
            theirs = other.keys.batch(other.id, ["{}"]).model_dump_json()
            refused = await client.post("/outpost/v1/audit", content=theirs, headers=spoofed)
            assert (refused.status_code, refused.json()["code"]) == (403, "audit_invalid")
            assert (await client.get("/enroll/v1/anchors")).status_code == 404
        async with nginx.client() as nobody:
            assert (await nobody.get("/outpost/v1/trust")).status_code == 400
        async with nginx.client(other) as client:
            assert (await client.get("/outpost/v1/trust")).status_code == 200


@needs_nginx
async def test_a_revocation_counts_at_once_behind_nginx_and_by_the_list_in_front(behind_nginx):
    async with behind_nginx() as (site, nginx):
        outpost, other = site.enrol("edge"), site.enrol("other")
        async with nginx.running(), nginx.client(outpost) as client:
            assert (await client.get("/outpost/v1/trust")).status_code == 200
            site.operations.revoke_outpost(outpost.id)
            refused = await client.get("/outpost/v1/trust")
            assert (refused.status_code, refused.json()["code"]) == (403, "outpost_revoked")
        await asyncio.to_thread(nginx.refresh)
        async with nginx.running(), nginx.client(outpost) as client, nginx.client(other) as good:
            stopped = await client.get("/outpost/v1/trust")
            assert (stopped.status_code, "certificate" in stopped.text) == (400, True)
            assert (await good.get("/outpost/v1/trust")).status_code == 200
        assert "certificate revoked" in (nginx.folder / "error.log").read_text()


@needs_nginx
async def test_nginx_reads_the_lists_of_two_issuers_in_a_rotation_of_the_root(behind_nginx):
    async with behind_nginx() as (site, nginx):
        old = site.enrol("old")
        old_client = nginx.client(old)  # sends the old chain
        ceremonies = Ceremonies(site.operations, 30)
        ceremonies.prepare(Kind.ROOT)
        ceremonies.advance(Kind.ROOT, Step.ACTIVATE)
        new = site.enrol("new")
        await asyncio.to_thread(nginx.refresh)
        async with nginx.running(), old_client, nginx.client(new) as client:
            assert (await old_client.get("/outpost/v1/trust")).status_code == 200
            assert (await client.get("/outpost/v1/trust")).status_code == 200
