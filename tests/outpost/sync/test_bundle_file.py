"""The file in the network's place: the client above it is the real one."""

import base64
import itertools

import pytest

from control_plane import bundles
from outpost.cache.db import open_database
from outpost.cache.trusted import TrustedStore
from outpost.errors import BundleRejected, ControlPlaneUnavailable, ControlPlaneUntrusted, Rejected
from outpost.policy.trusted_metadata import MetadataExpired, MetadataRollback
from outpost.protocol.bundle_file import SECRETS, TARGETS, TUF, write_bundle_file
from outpost.protocol.messages import SealedSecrets
from outpost.sync.bundle_file import FileTransport, open_bundle_file
from outpost.sync.client import ControlPlaneClient
from outpost.sync.refresh import refresh
from tests.fakes.enrolled import stored_bundle


def files_of(plane):
    """Everything that the plane has published."""
    documents = bundles.current_documents(plane.store, plane.org_id)
    found = {
        (f"{TUF}timestamp.json" if role == "timestamp" else f"{TUF}{version}.{role}.json"): content
        for (role, version), content in sorted(plane.store.files.items())
    }
    targets = (bundles.Target.of(name, content) for name, content in documents.items())
    return found | {f"{TARGETS}{target.sha256}.{target.name}": target.content for target in targets}


@pytest.fixture
def plane(plane):
    plane.publish()
    return plane


@pytest.fixture
def read(identity, plane, clock, tmp_path):
    """``read(files, current)``: a whole client workflow; without ``current`` by an outpost that has never read one."""
    number = itertools.count()

    async def read(files, current=None):
        name = tmp_path / f"cache-{next(number) if current is None else 'last'}.db"
        with open_database(name) as database:
            async with ControlPlaneClient(identity, transport=FileTransport(files, identity)) as client:
                return await refresh(client, plane.tuf_root, TrustedStore(database), current, clock())

    return read


async def test_a_bundle_is_read_as_from_the_network(read, plane):
    found = await read(files_of(plane))
    assert found == stored_bundle(plane)
    assert await read(files_of(plane), found) is None


async def test_an_older_file_is_a_rollback_and_an_old_one_is_expired(read, plane, clock):
    old = files_of(plane)
    plane.create_key()
    current = await read(files_of(plane))
    with pytest.raises(MetadataRollback):
        await read(old, current)
    clock.advance(bundles.TIMESTAMP_LIFETIME * 2)
    with pytest.raises(MetadataExpired):
        await read(files_of(plane), current)


async def test_whatever_is_missing_or_altered_there_is_no_bundle(read, plane):
    good = files_of(plane)
    for name in good:
        without = {other: content for other, content in good.items() if other != name}
        altered = good | {name: good[name][:-3] + b"xyz"}
        for files in (without, altered):
            if name.endswith(".root.json"):
                continue  # the first root is the identity's own
            try:
                found = await read(files)
            except (BundleRejected, Rejected):
                continue
            assert found is None, name


async def test_what_a_file_does_not_answer_is_as_a_network_that_is_down(identity):
    async with ControlPlaneClient(identity, transport=FileTransport({}, identity)) as client:
        for ask in (client.fetch_trust, lambda: client.watch(0)):
            with pytest.raises(ControlPlaneUnavailable):
                await ask()
        for ask in (client.fetch_crl, client.fetch_secrets):
            with pytest.raises(Rejected):
                await ask()


async def test_secrets_are_those_of_this_outpost(identity):
    message = SealedSecrets(version=3, sealed=base64.b64encode(b"x"))
    files = {
        f"{SECRETS}{identity.outpost_id}.json": message.model_dump_json().encode(),
        f"{SECRETS}another.json": b"{}",
    }
    async with ControlPlaneClient(identity, transport=FileTransport(files, identity)) as client:
        assert await client.fetch_secrets() == message


def test_only_a_bundle_file_is_opened(tmp_path, plane):
    path = tmp_path / "x.outpost-bundle"
    path.write_bytes(write_bundle_file(files_of(plane)))
    assert open_bundle_file(path) == files_of(plane)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ControlPlaneUntrusted, match="not a bundle file"):
        open_bundle_file(path)
    with pytest.raises(FileNotFoundError):
        open_bundle_file(tmp_path / "missing")
