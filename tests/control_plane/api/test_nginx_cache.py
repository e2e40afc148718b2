"""A plain NGINX with caching on in front of a fleet: real TLS, real files, the outpost's real client."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from control_plane.defaults import default_routing
from control_plane.operations_core import utc_now
from outpost.cache.db import open_database
from outpost.cache.trusted import TrustedStore
from outpost.errors import BundleRejected, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.sync.client import ControlPlaneClient
from outpost.sync.enrol import register
from outpost.sync.refresh import refresh, snapshot_version
from tests.fakes.nginx import Nginx, needs_nginx

pytestmark = needs_nginx


class Outpost:
    """The sync room of an outpost, without a loop around it."""

    def __init__(self, client, identity, database):
        self.client, self.identity, self.bundle = client, identity, None
        self.trusted = TrustedStore(database)

    async def refresh(self):
        """Ask for news; the version that is there now."""
        root, at = self.identity.tuf_root, utc_now()
        self.bundle = await refresh(self.client, root, self.trusted, self.bundle, at) or self.bundle
        return snapshot_version(self.bundle)


@pytest.fixture
def cached(serving, tmp_path_factory):
    """``async with cached() as (site, nginx, join)``; ``async with join("name") as outpost`` enrols one."""
    folder = tmp_path_factory.mktemp("ng")  # short: a Unix socket's path has at most 107 bytes

    @asynccontextmanager
    async def start():
        async with serving(ingress_listen=f"unix:{folder}/ingress.sock", watch_timeout_s=20) as site:
            nginx = await asyncio.to_thread(Nginx, folder, site, "outpost-cache.conf")

            @asynccontextmanager
            async def join(name, org_id="acme"):
                _, token = site.operations.create_outpost(org_id, name, timedelta(minutes=15))
                url, home = site.server.urls["platform"], folder / name
                identity = await asyncio.to_thread(register, url, token.text, home)
                identity = replace(identity, sync_url=nginx.url)
                downloads = home / "models" / "partial"
                with open_database(home / "outpost.db") as database:
                    async with ControlPlaneClient(identity, downloads=downloads) as client:
                        yield Outpost(client, identity, database)

            async with nginx.running():
                yield site, nginx, join

    return start


def _publish(site, provider="https://x/v1", org_id="acme"):
    return asyncio.to_thread(site.operations.publish, org_id, {"routing.json": default_routing(provider)})


async def test_the_second_outpost_is_served_from_the_cache_and_a_publish_is_seen_at_once(cached):
    async with cached() as (site, nginx, join), join("one") as one, join("two") as two:
        assert await one.refresh() == await two.refresh()
        for part in ("snapshot.json", "targets.json", ".policy.json", ".keys.json", ".routing.json"):
            assert nginx.served(part) == [("200", "MISS"), ("200", "HIT")], part
        assert one.bundle == two.bundle
        # Never from the cache: what changes, and what is not there yet.
        never = [nginx.served("timestamp.json"), nginx.served("2.root.json")]
        assert never == [[("200", "MISS")] * 2, [("404", "MISS")] * 2]
        watching = asyncio.ensure_future(two.client.watch(await two.refresh()))
        await asyncio.sleep(0.2)
        version = await _publish(site)
        assert await asyncio.wait_for(watching, 5) == version
        assert await one.refresh() == await two.refresh() == version
        assert nginx.served(f"{version}.snapshot.json") == [("200", "MISS"), ("200", "HIT")]
        assert [cached for _, cached in nginx.served("watch")] == ["-"]


async def test_a_poisoned_cache_is_refused_gone_around_and_healed(cached):
    async with cached() as (_site, nginx, join), join("one") as one, join("two") as two:
        await one.refresh()
        assert _poison(nginx.folder / "cache", b"https://")
        with pytest.raises(BundleRejected):
            await two.refresh()
        two.client.past_caches = True  # what the loop does then
        await two.refresh()
        two.client.past_caches = False
        assert two.bundle == one.bundle
        async with join("three") as three:
            await three.refresh()
        assert three.bundle == one.bundle
        assert [cached for _, cached in nginx.served(".routing.json")] == ["MISS", "HIT", "BYPASS", "HIT"]


def _poison(cache, text):
    """Change the bytes of every cached file whose body has ``text``; how many."""
    found = [path for path in cache.rglob("*") if path.is_file() and text in path.read_bytes()]
    for path in found:
        path.write_bytes(path.read_bytes().replace(text, text.upper()))
    return len(found)


async def test_parts_come_from_the_cache_too(cached):
    async with cached() as (site, nginx, join), join("one") as one:
        enrolled = site.enrol("raw")
        await one.refresh()
        target = next(name for name in json.loads(one.bundle.targets)["signed"]["targets"] if name == "policy.json")
        content = one.bundle.documents[target]
        path = f"/outpost/v1/tuf/targets/{sha256(content).hexdigest()}.{target}"
        async with nginx.client(enrolled) as raw:
            for encoding in ("identity", "zstd"):
                accept = {"Accept-Encoding": encoding}
                whole = await raw.get(path, headers=accept)
                tag = whole.headers["ETag"]
                body = b"".join([chunk async for chunk in (await _raw(raw, path, accept)).aiter_raw()])
                part = await _raw(raw, path, accept | {"Range": "bytes=100-", "If-Range": tag})
                assert (part.status_code, part.headers["ETag"], part.headers["X-Cache-Status"]) == (206, tag, "HIT")
                assert b"".join([chunk async for chunk in part.aiter_raw()]) == body[100:]
                other = await _raw(raw, path, accept | {"Range": "bytes=100-", "If-Range": '"x"'})
                assert other.status_code == 200
                gone = await raw.get(path, headers=accept | {"Range": "bytes=10000000-"})
                assert gone.status_code == 416
                same = await raw.get(path, headers=accept | {"If-None-Match": tag})
                assert (same.status_code, same.content) == (304, b"")
                head = await raw.head(path, headers=accept)
                assert (head.headers["ETag"], head.headers["Content-Length"]) == (tag, str(len(body)))


async def test_a_download_that_was_cut_goes_on_from_the_cache(cached):
    async with cached() as (site, nginx, join), join("one") as one, join("two") as two:
        await one.refresh()
        content = one.bundle.documents["policy.json"]
        digest = sha256(content).hexdigest()
        async with nginx.client(site.enrol("raw")) as raw:
            head = await raw.head(
                f"/outpost/v1/tuf/targets/{digest}.policy.json", headers={"Accept-Encoding": "identity"}
            )
        two.client._partials.begin(digest, len(content), head.headers["ETag"], "identity").append(content[:77])
        assert await two.client.fetch_target(f"{digest}.policy.json", len(content)) == content
        assert nginx.served(".policy.json")[-1] == ("206", "HIT")


async def _raw(client, path, headers):
    return await client.send(client.build_request("GET", path, headers=headers), stream=True)


async def test_the_cache_gives_nothing_to_the_revoked_nor_another_orgs_files(cached):
    async with cached() as (site, nginx, join):
        site.operations.create_org("globex", "https://globex.example/v1")
        async with join("one") as one, join("theirs", "globex") as theirs:
            version = await one.refresh()
            await theirs.refresh()
            assert one.bundle.snapshot != theirs.bundle.snapshot
            shared = f"{version}.snapshot.json"
            assert await one.client.fetch_metadata(shared, 100_000) == one.bundle.snapshot
            target = next(iter(one.bundle.documents.values()))
            site.operations.revoke_outpost(one.identity.outpost_id)
            for fetch in (
                one.client.fetch_metadata(shared, 100_000),
                one.client.fetch_target(f"{sha256(target).hexdigest()}.{next(iter(one.bundle.documents))}", 100_000),
            ):
                with pytest.raises(Rejected) as refused:
                    await fetch
                assert refused.value.code is ErrorCode.OUTPOST_REVOKED
            assert await theirs.refresh()
        async with nginx.client(site.enrol("raw")) as raw:
            assert (await raw.get("/admission")).status_code == 404
