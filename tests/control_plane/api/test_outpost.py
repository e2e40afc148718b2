"""The mutual-TLS surface with real certificates on real sockets."""

import asyncio
import base64
import json
import ssl
from datetime import timedelta

import httpx
import pytest
from cryptography import x509
from tuf.api.metadata import Metadata, Root, Targets

from control_plane.defaults import default_routing
from control_plane.operations_core import utc_now
from control_plane.secrets import PEPPER_PREFIX
from outpost.policy.bundle import load_bundle
from outpost.protocol.sealing import open_secrets, secrets_info
from pki.authority import create_intermediate, create_root
from pki.csr import make_csr
from pki.keys import certificate_sha256, generate_private_key
from pki.names import SpiffeId
from pki.pem import certificates_to_pem
from pki.revocation import is_revoked, parse_crl, verify_crl
from pki.signer import LocalSigner

TRUST_DOMAIN = "outpost.test"


def _beat(**changes):
    beat = {
        "outpost_version": "0.1.0",
        "sent_at": utc_now().isoformat(),
        "bundle": {"snapshot_version": 2, "refused_version": 3, "refused_reason": "does not compile"},
        "audit_size": 5,
        "audit_delivered": 3,
    }
    return json.dumps(beat | changes)


async def test_an_enrolled_outpost_can_use_every_route(serving):
    async with serving() as site:
        site.operations.set_secret("acme", "provider/openai", "planted-key")
        outpost = site.enrol()
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            beat = await client.post("/outpost/v1/heartbeat", content=_beat())
            assert (beat.status_code, beat.json()["interval_s"]) == (200, 30)
            ((_, status),) = site.operations.outposts("acme")
            assert (status.refused_reason, status.audit_delivered) == ("does not compile", 3)

            batch = outpost.keys.batch(outpost.id, ["{}"]).model_dump_json()
            receipt = await client.post("/outpost/v1/audit", content=batch)
            assert (receipt.status_code, receipt.json()["size"]) == (200, 1)
            assert (await client.post("/outpost/v1/audit", content=batch)).json() == receipt.json()

            sealed = await client.get("/outpost/v1/secrets")
            info = secrets_info("acme", outpost.id, sealed.json()["version"])
            secrets = open_secrets(base64.b64decode(sealed.json()["sealed"]), outpost.keys.hpke, info)
            assert secrets["provider/openai"] == "planted-key"
            assert [name.startswith(PEPPER_PREFIX) for name in sorted(secrets)] == [True, False]
            assert sealed.headers["Cache-Control"] == "no-store"

            crl = parse_crl((await client.get("/outpost/v1/crl")).content)
            verify_crl(crl, issuer=site.operations.keyring.intermediate.certificate, at=utc_now())


async def test_the_published_bundle_verifies_from_the_enrolments_root(serving):
    async with serving() as site:
        outpost = site.enrol()
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:

            async def get(name):
                answer = await client.get(f"/outpost/v1/tuf/{name}")
                assert answer.status_code == 200
                return answer

            root, timestamp = await get("metadata/1.root.json"), await get("metadata/timestamp.json")
            version = Metadata.from_bytes(timestamp.content).signed.snapshot_meta.version
            snapshot = await get(f"metadata/{version}.snapshot.json")
            meta = Metadata.from_bytes(snapshot.content).signed.meta
            targets, keys = [
                await get(f"metadata/{meta[f'{role}.json'].version}.{role}.json")
                for role in ("targets", "virtual-keys")
            ]
            Metadata[Root].from_bytes(root.content).signed.verify_delegate(
                "targets", *_parts(Metadata[Targets].from_bytes(targets.content))
            )
            files = {
                **Metadata.from_bytes(targets.content).signed.targets,
                **Metadata.from_bytes(keys.content).signed.targets,
            }
            documents = {name: await get(f"targets/{file.hashes['sha256']}.{name}") for name, file in files.items()}
            assert "immutable" in documents["policy.json"].headers["Cache-Control"]
            assert timestamp.headers["Cache-Control"] == "no-cache"
            bundle = load_bundle(
                root.content,
                roots=[],
                timestamp=timestamp.content,
                snapshot=snapshot.content,
                targets=targets.content,
                documents={name: answer.content for name, answer in documents.items()},
                delegated={"virtual-keys": keys.content},
            )
            assert site.plane.first.virtual_key.startswith(bundle.keys.keys[0].prefix)
            assert (await client.get("/outpost/v1/tuf/metadata/9.root.json")).json()["code"] == "not_found"


async def test_files_are_asked_for_again_by_tag_and_the_timestamp_each_time(serving):
    async with serving() as site:
        outpost = site.enrol()
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            timestamp = await client.get("/outpost/v1/tuf/metadata/timestamp.json")
            tag = {"If-None-Match": timestamp.headers["ETag"]}
            assert (await client.get("/outpost/v1/tuf/metadata/timestamp.json", headers=tag)).status_code == 304
            await asyncio.to_thread(site.operations.publish, "acme", {"routing.json": default_routing("https://x/v1")})
            newer = await client.get("/outpost/v1/tuf/metadata/timestamp.json", headers=tag)
            assert (newer.status_code, newer.content != timestamp.content) == (200, True)
            root = await client.get("/outpost/v1/tuf/metadata/1.root.json", headers={"Accept-Encoding": "zstd"})
            part = {"Range": "bytes=7-", "If-Range": root.headers["ETag"], "Accept-Encoding": "zstd"}
            rest = await client.get("/outpost/v1/tuf/metadata/1.root.json", headers=part)
            assert (rest.status_code, "immutable" in rest.headers["Cache-Control"]) == (206, True)
            head = await client.head("/outpost/v1/tuf/metadata/1.root.json")
            assert int(head.headers["Content-Length"]) > 1000


def _parts(metadata):
    return metadata.signed_bytes, metadata.signatures


async def test_an_org_sees_only_its_own_bundle(serving):
    async with serving() as site:
        site.operations.create_org("globex", "https://globex.example/v1")
        ours, theirs = site.enrol("edge", "acme"), site.enrol("edge", "globex")
        roots = []
        for outpost in (ours, theirs):
            async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
                roots.append((await client.get("/outpost/v1/tuf/metadata/1.root.json")).content)
        assert roots[0] != roots[1]


async def test_a_watcher_hears_of_a_publish_by_another_process(serving):
    async with serving(watch_timeout_s=20) as site:
        outpost = site.enrol()
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            now = (await client.get("/outpost/v1/watch?after=0")).json()["snapshot_version"]
            waiting = asyncio.ensure_future(client.get(f"/outpost/v1/watch?after={now}"))
            await asyncio.sleep(0.2)
            assert not waiting.done()
            await asyncio.to_thread(site.operations.publish, "acme", {"routing.json": default_routing("https://x/v1")})
            assert (await asyncio.wait_for(waiting, 5)).json() == {"snapshot_version": now + 1}


async def test_a_watch_without_news_ends_with_what_is_known(serving):
    async with serving(watch_timeout_s=0.1) as site:
        outpost = site.enrol()
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            answer = await client.get("/outpost/v1/watch?after=1000")
            assert answer.json()["snapshot_version"] < 1000
            for bad in ("x", "-1", "9" * 30, ""):
                assert (await client.get(f"/outpost/v1/watch?after={bad}")).json()["code"] == "invalid_request"


async def test_a_watch_names_its_version_and_says_not_modified_of_it(serving):
    async with serving(watch_timeout_s=0.1) as site:
        outpost = site.enrol()
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            first = await client.get("/outpost/v1/watch")
            version = first.json()["snapshot_version"]
            assert (first.headers["ETag"], first.headers["Cache-Control"]) == (f'"{version}"', "no-store")
            for known, status in ((f'"{version}"', 304), (f'"{version - 1}"', 200), ('"x", W/"y"', 200)):
                answer = await client.get(f"/outpost/v1/watch?after={version}", headers={"If-None-Match": known})
                assert (answer.status_code, answer.headers["ETag"]) == (status, f'"{version}"')
                assert bool(answer.content) == (status == 200)


async def test_what_is_too_much_is_told_when_to_come_back(serving):
    async with serving(watch_timeout_s=20, max_watchers=2, max_requests=3) as site:
        outpost = site.enrol()
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            waiting = [asyncio.ensure_future(client.get("/outpost/v1/watch?after=1000")) for _ in range(2)]
            await asyncio.sleep(0.3)
            refused = await client.get("/outpost/v1/watch?after=1000")
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            assert refused.headers["Retry-After"] == "1"
            # Those who wait take no place among the requests.
            assert (await client.get("/outpost/v1/trust")).status_code == 200
            for task in waiting:
                task.cancel()
            await asyncio.sleep(0.3)
            many = await asyncio.gather(*(client.get("/outpost/v1/trust") for _ in range(60)))
            assert {answer.status_code for answer in many} == {200, 503}
            assert all(int(answer.headers["Retry-After"]) >= 1 for answer in many if answer.status_code == 503)


async def test_watchers_do_not_hold_up_the_end(serving):
    async with serving(watch_timeout_s=30, shutdown_grace_s=20) as site:
        outpost = site.enrol()
        client = site.outpost(outpost.certificate, outpost.keys.private_key)
        waiting = asyncio.ensure_future(client.get("/outpost/v1/watch?after=1000"))
        await asyncio.sleep(0.2)
        started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 5
    assert (await waiting).status_code == 200
    await client.aclose()


async def test_a_revocation_counts_on_the_next_request_of_an_open_connection(serving):
    async with serving() as site:
        outpost, other = site.enrol("edge"), site.enrol("other")
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            assert (await client.get("/outpost/v1/crl")).status_code == 200
            site.operations.revoke_outpost(outpost.id)
            refused = await client.get("/outpost/v1/crl")
            assert (refused.status_code, refused.json()["code"]) == (403, "outpost_revoked")
        async with site.outpost(other.certificate, other.keys.private_key) as client:
            crl = parse_crl((await client.get("/outpost/v1/crl")).content)
        assert is_revoked(crl, outpost.certificate.serial_number)
        assert not is_revoked(crl, other.certificate.serial_number)


async def test_another_outposts_audit_log_is_refused(serving):
    async with serving() as site:
        outpost, other = site.enrol("edge"), site.enrol("other")
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            batch = other.keys.batch(other.id, ["{}"]).model_dump_json()
            refused = await client.post("/outpost/v1/audit", content=batch)
            assert (refused.status_code, refused.json()["code"]) == (403, "audit_invalid")


async def test_audit_conflicts_and_gaps_over_http(serving):
    async with serving() as site:
        outpost = site.enrol()
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            for log, first, status, code, expected in (
                (["{}", "{}"], 0, 200, None, None),
                (["{}", '{"a":1}'], 0, 409, "audit_conflict", None),
                (["{}"] * 6, 5, 409, "audit_invalid", 2),
            ):
                batch = outpost.keys.batch(outpost.id, log, first).model_dump_json()
                answer = await client.post("/outpost/v1/audit", content=batch)
                body = answer.json()
                assert (answer.status_code, body.get("code"), body.get("expected_seq")) == (status, code, expected)


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("heartbeat", b"{", 400),
        ("heartbeat", b'{"audit_size": "5"}', 400),
        ("heartbeat", b"x" * 70_000, 413),
        ("audit", b'{"first_seq":-1,"events":["{}"],"checkpoint":""}', 400),
        ("audit", b'{"first_seq":0,"events":["\\ud800"],"checkpoint":"x"}', 400),
        ("audit", b"x" * (9 * 1024 * 1024), 413),
    ],
)
async def test_bad_bodies(serving, path, content, status):
    async with serving() as site:
        outpost = site.enrol()
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            answer = await client.post(f"/outpost/v1/{path}", content=content)
            assert answer.status_code == status


async def test_tls_asks_for_a_certificate(serving):
    async with serving() as site, site.outpost(None) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("/outpost/v1/crl")


def _foreign_authority(trust_domain=TRUST_DOMAIN, at=None):
    at = at or utc_now()
    root = create_root(LocalSigner(generate_private_key()), trust_domain=trust_domain, common_name="Foreign", at=at)
    key = LocalSigner(generate_private_key())
    return root, create_intermediate(root, key, trust_domain=trust_domain, common_name="Foreign too", at=at)


async def test_another_authority_is_refused_by_the_application_even_if_tls_trusts_it(serving):
    async with serving() as site:
        outpost = site.enrol()
        root, authority = _foreign_authority()
        anchors = certificates_to_pem([root.certificate, authority.certificate]).decode()
        site.server.outpost_tls.load_verify_locations(cadata=anchors)
        key = generate_private_key()
        stranger = authority.issue_outpost(SpiffeId(TRUST_DOMAIN, "acme", outpost.id), key.public_key(), utc_now())
        async with site.outpost(stranger, key) as client:
            refused = await client.get("/outpost/v1/secrets")
            assert (refused.status_code, refused.json()["code"]) == (403, "certificate_invalid")


def _expired(authority, spiffe_id):
    at = utc_now() - timedelta(days=30)
    root, old = _foreign_authority(at=at)
    del root, authority
    return old.issue_outpost(spiffe_id, generate_private_key().public_key(), at)


def _for_a_server(authority, spiffe_id):
    return authority.issue_server(["localhost"], generate_private_key().public_key(), utc_now())


def _of_another_domain(authority, spiffe_id):
    other = SpiffeId("other.test", spiffe_id.org_id, spiffe_id.outpost_id)
    return authority.issue_outpost(other, generate_private_key().public_key(), utc_now())


def _never_recorded(authority, spiffe_id):
    return authority.issue_outpost(spiffe_id, generate_private_key().public_key(), utc_now())


def _of_another_org(authority, spiffe_id):
    other = SpiffeId(TRUST_DOMAIN, "globex", spiffe_id.outpost_id)
    return authority.issue_outpost(other, generate_private_key().public_key(), utc_now())


@pytest.mark.parametrize(
    "forge",
    [_expired, _for_a_server, _of_another_domain, _never_recorded, _of_another_org],
    ids=lambda forge: forge.__name__.strip("_"),
)
async def test_whatever_tls_lets_through_the_application_refuses(serving, forge):
    """The peer's certificate is swapped behind TLS, as a lax terminator would hand it on."""
    presented: list[x509.Certificate] = []
    async with serving(peer_certificate=lambda _: presented[0]) as site:
        outpost = site.enrol()
        presented.append(forge(site.operations.keyring.intermediate, SpiffeId(TRUST_DOMAIN, "acme", outpost.id)))
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            refused = await client.get("/outpost/v1/crl")
            assert (refused.status_code, refused.json()["code"]) == (403, "certificate_invalid")


async def test_an_expired_certificate_of_our_own_is_refused(serving, plane):
    presented: list[x509.Certificate] = []
    async with serving(peer_certificate=lambda _: presented[0]) as site:
        outpost = site.enrol()
        presented.append(outpost.certificate)
        site.operations.clock = lambda: utc_now() + timedelta(days=8)
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            refused = await client.get("/outpost/v1/crl")
            assert (refused.status_code, refused.json()["code"]) == (403, "certificate_invalid")


async def test_an_outpost_the_registry_does_not_know_is_refused(serving):
    presented: list[x509.Certificate] = []
    async with serving(peer_certificate=lambda _: presented[0] if presented else None) as site:
        outpost = site.enrol()
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            assert (await client.get("/outpost/v1/crl")).json()["code"] == "certificate_invalid"
            authority = site.operations.keyring.intermediate
            presented.append(_never_recorded(authority, SpiffeId(TRUST_DOMAIN, "acme", "nobody")))
            assert (await client.get("/outpost/v1/crl")).json()["code"] == "unknown_outpost"


async def test_no_protocol_below_tls_1_2(serving):
    async with serving() as site:
        assert site.server.outpost_tls.minimum_version is ssl.TLSVersion.TLSv1_2
        assert site.server.outpost_tls.verify_mode is ssl.CERT_REQUIRED


async def test_an_outpost_renews_over_its_connection_and_both_certificates_open_the_door(serving):
    async with serving() as site:
        outpost, key = site.enrol(), generate_private_key()
        async with site.outpost(outpost.certificate, outpost.keys.private_key) as client:
            trust = (await client.get("/outpost/v1/trust")).json()
            answer = await client.post("/outpost/v1/certificate", json={"csr_pem": make_csr(key).decode()})
            assert (answer.status_code, answer.json()["trust"]) == (200, trust)
            refused = await client.post(
                "/outpost/v1/certificate", json={"csr_pem": make_csr(outpost.keys.private_key).decode()}
            )
            assert (refused.status_code, refused.json()["code"]) == (400, "csr_invalid")
            assert (await client.post("/outpost/v1/heartbeat", content=_beat())).json()["renew"] is False
        new = x509.load_pem_x509_certificate(answer.json()["certificate_pem"].encode())
        for certificate, private_key in ((new, key), (outpost.certificate, outpost.keys.private_key)):
            async with site.outpost(certificate, private_key) as client:
                assert (await client.post("/outpost/v1/heartbeat", content=_beat())).status_code == 200
        ((_, status),) = site.operations.outposts("acme")
        assert status.certificate_sha256 == certificate_sha256(outpost.certificate).hex()
