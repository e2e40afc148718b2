import json
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Timestamp

from control_plane import bundles
from control_plane.release import Publication
from control_plane.signing import ROLES, RoleSigners, sign_root
from outpost.cache.bundles import StoredBundle
from outpost.cache.db import open_database
from outpost.cache.trusted import TrustedStore
from outpost.errors import (
    BundleRejected,
    CacheUnavailable,
    ControlPlaneUnavailable,
    ControlPlaneUntrusted,
    OutpostError,
)
from outpost.policy.bundle import load_bundle
from outpost.policy.trusted_metadata import MetadataExpired, MetadataInvalid, MetadataRollback, MetadataUnsigned
from outpost.sync.limits import MAX_ROOT_ROTATIONS, ROOT_BYTES
from outpost.sync.refresh import refresh, snapshot_version
from tests.fakes.control_plane import FakeControlPlane


class Server:
    """The fake control plane's files, by name; ``altered`` replaces what is served under a name."""

    def __init__(self, plane) -> None:
        self.plane = plane
        self.altered: dict[str, bytes | None] = {}
        self.asked: list[str] = []
        self.limits: dict[str, int] = {}

    async def fetch_metadata(self, filename, max_bytes):
        self.asked.append(filename)
        self.limits[filename] = max_bytes
        if filename in self.altered:
            return self.altered[filename]
        try:
            return bundles.metadata_by_filename(self.plane.store, self.plane.org_id, filename)
        except bundles.NotFound:
            return None

    async def fetch_target(self, filename, max_bytes):
        self.asked.append(filename)
        self.limits[filename] = max_bytes
        if filename in self.altered:
            return self.altered[filename]
        return bundles.target_by_filename(self.plane.store, self.plane.org_id, filename)


@pytest.fixture
def server(plane) -> Server:
    return Server(plane)


@pytest.fixture
def fresh_store(tmp_path_factory):
    """Make a store that keeps nothing yet: what is asked then stands on the applied bundle alone."""
    with ExitStack() as open_ones:

        def fresh_store():
            path = tmp_path_factory.mktemp("store") / "outpost.db"
            return TrustedStore(open_ones.enter_context(open_database(path)))

        yield fresh_store


@pytest.fixture
def ask(server, plane, clock, fresh_store):
    async def ask(current=None, store=None):
        return await refresh(server, plane.tuf_root, store or fresh_store(), current, clock())

    return ask


def rotate_root(plane, signers=None, count=1) -> None:
    """Add roots; with new signers, signed by the old root key and the new one."""
    for _ in range(count):
        version = plane.store.latest_version(plane.org_id, "root") + 1
        old, new = plane.signers, signers or plane.signers
        signed = sign_root(version, new, plane.clock())
        metadata = Metadata[Root].from_bytes(signed.content)
        metadata.sign(old.root, append=True)
        plane.store.add(plane.org_id, Publication((replace(signed, content=metadata.to_bytes()),), ()), plane.clock())
        plane.signers = new


async def test_the_first_bundle_is_fetched_whole_and_loads(ask, plane, server):
    version = plane.publish()
    stored = await ask()
    assert snapshot_version(stored) == version
    assert set(stored.documents) == {"policy.json", "keys.json", "routing.json"}
    bundle = load_bundle(
        plane.tuf_root,
        roots=stored.roots,
        timestamp=stored.timestamp,
        snapshot=stored.snapshot,
        targets=stored.targets,
        documents=stored.documents,
        delegated=stored.delegated,
    )
    assert bundle.snapshot_version == version


async def test_before_anything_is_published_there_is_no_news(ask, server):
    server.altered["timestamp.json"] = None
    assert await ask() is None


async def test_no_news_costs_two_questions(ask, plane, server):
    plane.publish()
    stored = await ask()
    server.asked.clear()
    assert await ask(stored) is None
    assert server.asked == ["2.root.json", "timestamp.json"]


async def test_a_new_timestamp_alone_fetches_nothing_else(ask, plane, server, clock):
    plane.publish()
    stored = await ask()
    clock.advance(timedelta(hours=13))
    assert "timestamp" in plane.renew()
    server.asked.clear()
    news = await ask(stored)
    assert news.timestamp != stored.timestamp
    assert server.asked == ["2.root.json", "timestamp.json"]


async def test_only_changed_documents_are_downloaded(ask, plane, server):
    plane.publish()
    stored = await ask()
    server.asked.clear()
    plane.create_key()
    news = await ask(stored)
    assert [name.split(".", 1)[1] for name in server.asked if len(name) > 60] == ["keys.json"]
    assert news.documents["policy.json"] == stored.documents["policy.json"]


async def test_every_download_has_its_limit(ask, plane, server):
    plane.publish()
    stored = await ask()
    by_role = {name.split(".")[-2]: limit for name, limit in server.limits.items() if len(name) < 60}
    stated = {"snapshot": stored.snapshot, "targets": stored.targets, **stored.delegated}
    lengths = {role: len(data) for role, data in stated.items()}  # the parent states them
    assert by_role == {"root": ROOT_BYTES, "timestamp": 16_384, **lengths}
    documents = {name.split(".", 1)[1]: limit for name, limit in server.limits.items() if len(name) > 60}
    assert documents == {name: len(content) for name, content in stored.documents.items()}


async def test_a_chain_of_new_roots_is_followed_and_kept(ask, plane):
    plane.publish()
    stored = await ask()
    rotate_root(plane, count=3)
    news = await ask(stored)
    assert len(news.roots) == 3
    assert await ask(news) is None


async def test_an_endless_chain_of_roots_ends(ask, plane, server):
    plane.publish()
    rotate_root(plane, count=MAX_ROOT_ROTATIONS + 5)
    stored = await ask()
    assert len(stored.roots) == MAX_ROOT_ROTATIONS
    assert len((await ask(stored)).roots) == MAX_ROOT_ROTATIONS + 5


async def test_after_a_rotation_of_all_keys_lower_versions_are_accepted_again(ask, plane):
    """TUF 5.3.11: the way back from a stolen online key that signed a far too high version."""
    plane.publish()
    for _ in range(3):
        plane.create_key()
    stored = await ask()
    fresh = RoleSigners(*(CryptoSigner.generate_ed25519() for _ in ROLES))
    rotate_root(plane, fresh)
    for role in ("timestamp", "snapshot", "targets"):
        for version in range(1, plane.store.latest_version(plane.org_id, role) + 1):
            del plane.store.files[(role, version)]
    plane.publish_unchecked(dict(stored.documents))
    news = await ask(stored)
    assert snapshot_version(news) == 1 < snapshot_version(stored)


async def test_an_older_timestamp_is_a_rollback(ask, plane, server):
    plane.publish()
    old = await ask()
    plane.create_key()
    current = await ask(old)
    server.altered["timestamp.json"] = old.timestamp
    with pytest.raises(MetadataRollback):
        await ask(current)


async def test_an_equal_timestamp_version_with_other_content_is_not_news(ask, plane, server):
    plane.publish()
    stored = await ask()
    metadata = Metadata[Timestamp].from_bytes(stored.timestamp)
    metadata.signed.expires += timedelta(days=3000)
    metadata.sign(plane.signers.timestamp)
    server.altered["timestamp.json"] = metadata.to_bytes()
    assert await ask(stored) is None


async def test_an_expired_timestamp_from_the_server_is_a_freeze_not_news(ask, plane, clock):
    plane.publish()
    stored = await ask()
    clock.advance(timedelta(days=2))
    with pytest.raises(MetadataExpired):
        await ask(stored)
    with pytest.raises(MetadataExpired):
        await ask()


async def test_metadata_of_another_key_is_refused(ask, plane):
    stranger = FakeControlPlane(plane.clock)
    stranger.publish()
    stranger.store.files["root", 1] = plane.tuf_root
    plane.store = stranger.store
    with pytest.raises(MetadataUnsigned):
        await ask()


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: b"", lambda data: data.replace(b"1", b"2")])
async def test_damaged_metadata_is_refused(ask, plane, role, damage):
    plane.publish()
    version = plane.store.latest_version(plane.org_id, role)
    plane.store.files[(role, version)] = damage(plane.store.files[(role, version)])
    with pytest.raises(BundleRejected):
        await ask()


@pytest.mark.parametrize("name", ["policy.json", "keys.json", "routing.json"])
@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b" ", lambda data: data[::-1]])
async def test_a_document_that_is_not_the_signed_one_is_refused(ask, plane, name, damage):
    plane.publish()
    for key, content in plane.store.targets.items():
        if key[0] == name:
            plane.store.targets[key] = damage(content)
    with pytest.raises(MetadataInvalid):
        await ask()


async def test_a_signed_bundle_that_cannot_be_read_is_refused_whole(ask, plane):
    plane.publish()
    stored = await ask()
    plane.publish_unchecked({**stored.documents, "policy.json": b'{"schema_version": "9"}'})
    with pytest.raises(BundleRejected, match="cannot be read by this version"):
        await ask(stored)


async def test_announced_metadata_that_is_not_served_is_refused(ask, plane, server):
    version = plane.publish()
    server.altered[f"{version}.snapshot.json"] = None
    with pytest.raises(MetadataInvalid, match="not served"):
        await ask()


@pytest.mark.parametrize("error", [ControlPlaneUnavailable("down"), ControlPlaneUntrusted("too large")])
@pytest.mark.parametrize("step", ["2.root.json", "timestamp.json", "snapshot.json", "targets.json", "keys.json"])
async def test_a_fetch_that_fails_at_any_step_gives_nothing(plane, server, clock, fresh_store, error, step):
    plane.publish()

    class Failing(Server):
        async def fetch_metadata(self, filename, max_bytes):
            if filename.endswith(step):
                raise error
            return await super().fetch_metadata(filename, max_bytes)

        async def fetch_target(self, filename, max_bytes):
            if filename.endswith(step):
                raise error
            return await super().fetch_target(filename, max_bytes)

    with pytest.raises(type(error)):
        await refresh(Failing(plane), plane.tuf_root, fresh_store(), None, clock())


@pytest.mark.parametrize("part", ["roots", "timestamp", "snapshot", "targets", "documents"])
async def test_a_cache_that_was_altered_is_healed_from_the_network(ask, plane, part):
    plane.publish()
    rotate_root(plane)
    stored = await ask()
    altered: StoredBundle = replace(
        stored,
        **{
            part: (b"altered",)
            if part == "roots"
            else MappingProxyType({**stored.documents, "policy.json": b"altered"})
            if part == "documents"
            else b"altered"
        },
    )
    assert await ask(altered) == stored


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"signed": {"version": "x"}}', b"[" * 100_000])
def test_the_version_of_bytes_that_are_not_metadata_is_0(content):
    assert snapshot_version(StoredBundle((), b"", content, b"")) == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    step=st.sampled_from(["root", "timestamp", "snapshot", "targets", "keys"]),
    whole=st.none()
    | st.sampled_from([b"[" * 50_000, b"{}", b"null", b'{"signed":{},"signatures":[]}'])
    | st.binary(max_size=60),
    noise=st.binary(max_size=4),
    where=st.floats(0, 1),
)
async def test_any_bytes_at_any_step_give_a_bundle_or_a_typed_error(  # noqa: PLR0917 - two fixtures' worth of them
    plane, clock, fresh_store, step, whole, noise, where
):
    plane.publish()
    good = await refresh(Server(plane), plane.tuf_root, fresh_store(), None, clock())
    original = {
        "root": plane.tuf_root,
        "timestamp": good.timestamp,
        "snapshot": good.snapshot,
        "targets": good.targets,
        "keys": good.documents["keys.json"],
    }[step]
    cut = int(where * len(original))
    served = original[:cut] + noise + original[cut + len(noise) :] if whole is None else whole

    class Lying(Server):
        async def fetch_metadata(self, filename, max_bytes):
            return served if filename.endswith(f"{step}.json") else await super().fetch_metadata(filename, max_bytes)

        async def fetch_target(self, filename, max_bytes):
            return served if filename.endswith(f"{step}.json") else await super().fetch_target(filename, max_bytes)

    try:
        found = await refresh(Lying(plane), plane.tuf_root, fresh_store(), None, clock())
    except OutpostError as err:
        assert isinstance(err, BundleRejected)  # noqa: PT017 - both outcomes are right, the type is the point
    else:
        assert (found.snapshot, found.targets, found.documents) == (good.snapshot, good.targets, good.documents)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(replays=st.lists(st.integers(0, 4), min_size=1, max_size=8))
async def test_whatever_is_replayed_the_version_never_goes_down(clock, fresh_store, replays):
    """The server serves, in any order, states it once really had."""
    plane = FakeControlPlane(clock)
    plane.publish()
    states = []
    for _ in range(5):
        plane.create_key()
        states.append(dict(plane.store.files))
    current, version, store = None, 0, fresh_store()
    for index in replays:
        plane.store.files = states[index]
        try:
            current = await refresh(Server(plane), plane.tuf_root, store, current, clock()) or current
        except MetadataRollback:
            assert index < max(replays)
        assert snapshot_version(current) >= version
        version = snapshot_version(current)
    assert version == max(index + 2 for index in replays)


@pytest.mark.parametrize("version", ["true", "-1", "9007199254740992", "1.0", '"7"', "null"])
def test_a_version_that_no_verified_bundle_has_is_named_0(version):
    altered = f'{{"signed": {{"version": {version}}}}}'.encode()
    assert snapshot_version(StoredBundle((), b"", altered, b"")) == 0


# What is kept beside the applied bundle


async def test_what_verified_is_kept_though_the_rest_does_not_come(ask, plane, server, fresh_store):
    """A server that withholds the documents of a new publication cannot go back to the one before it."""
    plane.publish()
    store = fresh_store()
    applied = await ask(store=store)
    old = applied.timestamp
    plane.create_key()
    before = dict(plane.store.targets)
    plane.store.targets.clear()
    with pytest.raises(bundles.NotFound):
        await ask(applied, store)
    assert store.load().roles["timestamp"] != old
    server.altered["timestamp.json"] = old
    with pytest.raises(MetadataRollback):
        await ask(applied, store)
    server.altered.clear()
    plane.store.targets.update(before)
    assert await ask(applied, store) is not None


@pytest.mark.parametrize("part", ["snapshot.json", "targets.json"])
async def test_each_file_is_kept_as_soon_as_it_verifies(ask, plane, server, fresh_store, part):
    version = plane.publish()
    store = fresh_store()
    server.altered[f"{version}.{part}"] = None
    with pytest.raises(MetadataInvalid):
        await ask(store=store)
    kept = ["timestamp"] if part == "snapshot.json" else ["snapshot", "timestamp"]
    assert sorted(role for role in store.load().roles if role in {"timestamp", "snapshot", "targets"}) == kept


async def test_roots_are_kept_though_the_last_one_is_refused(ask, plane, fresh_store):
    plane.publish()
    rotate_root(plane, count=2)
    plane.store.files["root", 4] = plane.store.files["root", 2]
    store = fresh_store()
    with pytest.raises(BundleRejected):
        await ask(store=store)
    assert sorted(store.load().roots) == [2, 3]


async def test_what_is_kept_is_enough_to_ask_for_nothing_but_news(ask, plane, server, fresh_store):
    """The applied bundle is lost, the metadata is not: only documents are fetched."""
    plane.publish()
    store = fresh_store()
    applied = await ask(store=store)
    server.asked.clear()
    assert await ask(None, store) == applied
    assert [name for name in server.asked if len(name) < 60] == ["2.root.json", "timestamp.json"]


async def test_what_an_earlier_version_applied_is_a_floor(ask, plane, server, fresh_store):
    """The store is empty after an upgrade; the applied bundle is not."""
    plane.publish()
    old = await ask()
    plane.create_key()
    applied = await ask(old)
    server.altered["timestamp.json"] = old.timestamp
    with pytest.raises(MetadataRollback):
        await ask(applied, fresh_store())


async def test_a_damaged_store_is_healed_from_the_network(ask, plane, fresh_store):
    plane.publish()
    rotate_root(plane)
    store = fresh_store()
    applied = await ask(store=store)
    good = store.load()
    store.keep_root(2, b"noise", ())
    for role in good.roles:
        store.keep(role, b"noise")
    assert await ask(applied, store) is None
    assert store.load() == good


async def test_a_store_that_cannot_be_written_is_an_error_and_not_a_bundle(ask, plane, fresh_store):
    plane.publish()

    class Full(TrustedStore):
        def keep(self, role, content):
            raise CacheUnavailable("disk full")

    full = Full(fresh_store()._database)
    with pytest.raises(CacheUnavailable):
        await ask(store=full)


async def test_lists_are_fetched_with_the_bundle_and_only_when_they_change(ask, plane, server):
    plane.publish()
    stored = await ask()
    listing = {"schema_version": "1", "lists": [{"id": "customers", "kind": "org.customers", "form": "words"}]}
    lists = {"detectors.json": json.dumps(listing).encode(), "customers.list": b"a list"}
    plane.publish_unchecked({**stored.documents, **lists})
    server.asked.clear()
    news = await ask(stored)
    assert news.documents["customers.list"] == b"a list"
    assert sorted(name.split(".", 1)[1] for name in server.asked if len(name) > 60) == [
        "customers.list",
        "detectors.json",
    ]
    server.asked.clear()
    assert await ask(news) is None
    plane.publish_unchecked({**news.documents, "customers.list": b"another list"})
    changed = await ask(news)
    assert changed.documents["customers.list"] == b"another list"
    plane.publish_unchecked({name: content for name, content in news.documents.items() if name != "customers.list"})
    with pytest.raises(BundleRejected, match=r"the bundle lacks customers.list"):
        await ask(changed)
