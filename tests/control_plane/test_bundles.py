from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from sqlalchemy.exc import IntegrityError
from tuf.api.metadata import Metadata

from control_plane import bundles
from control_plane.bundles import RoleSigners
from control_plane.defaults import default_policy, default_routing
from control_plane.errors import DocumentRejected, NotFound
from control_plane.keys import keys_document
from control_plane.store.bundles import SqlBundleStore
from outpost.policy.bundle import load_bundle
from tests.fakes.clock import NOON
from tests.fakes.control_plane import MemoryBundleStore

FIRST = {"policy.json": default_policy(), "keys.json": keys_document([]), "routing.json": default_routing()}


@pytest.fixture
def signers():
    return RoleSigners(*(CryptoSigner.generate_ed25519() for _ in bundles.ROLES))


@pytest.fixture
def store(signers):
    store = MemoryBundleStore()
    bundles.create_repository(store, "acme", signers, NOON)
    bundles.publish(store, "acme", FIRST, signers, NOON)
    return store


def _load(store):
    """Walk the repository as a TUF client does, by file names only, and verify it with the outpost's own code."""
    timestamp = bundles.metadata_by_filename(store, "acme", "timestamp.json")
    snapshot_version = Metadata.from_bytes(timestamp).signed.snapshot_meta.version
    snapshot = bundles.metadata_by_filename(store, "acme", f"{snapshot_version}.snapshot.json")
    targets_version = Metadata.from_bytes(snapshot).signed.meta["targets.json"].version
    targets = bundles.metadata_by_filename(store, "acme", f"{targets_version}.targets.json")
    documents = {
        name: bundles.target_by_filename(store, "acme", f"{file.hashes['sha256']}.{name}")
        for name, file in Metadata.from_bytes(targets).signed.targets.items()
    }
    roots = [store.files["root", n] for n in range(2, store.latest_version("acme", "root") + 1)]
    return load_bundle(
        store.files["root", 1],
        roots=roots,
        timestamp=timestamp,
        snapshot=snapshot,
        targets=targets,
        documents=documents,
    )


def test_a_publication_verifies_with_the_outposts_own_code(store):
    bundle = _load(store)
    assert (bundle.snapshot_version, bundle.signed_at) == (1, NOON)
    assert bundle.expires_at == NOON + timedelta(days=1)


def test_a_change_is_laid_over_what_is_published_and_versions_only_grow(store, signers):
    routing = default_routing("https://llm.example/v1")
    assert bundles.publish(store, "acme", {"routing.json": routing}, signers, NOON) == 2
    bundle = _load(store)
    assert bundle.routing.providers[0].base_url == "https://llm.example/v1"
    assert bundle.policy.packs[0].id == "default"
    assert bundles.metadata_by_filename(store, "acme", "1.snapshot.json") != b""  # old versions stay


@pytest.mark.parametrize(
    ("name", "content", "path"),
    [
        ("policy.json", b"{", ""),
        ("policy.json", b'{"schema_version":"2","packs":[]}', "schema_version"),
        ("routing.json", b'{"schema_version":"1","providers":[]}', "providers"),
        ("policy.json", default_policy().replace(b'"BLOCK"', b'"MAYBE"'), "packs.0.rules.0.action"),
    ],
)
def test_a_document_an_outpost_would_refuse_is_not_published(store, signers, name, content, path):
    with pytest.raises(DocumentRejected) as caught:
        bundles.publish(store, "acme", {name: content}, signers, NOON)
    assert path in [problem[0] for problem in caught.value.problems]
    assert _load(store).snapshot_version == 1


def test_a_first_bundle_needs_every_document(signers):
    store = MemoryBundleStore()
    bundles.create_repository(store, "acme", signers, NOON)
    with pytest.raises(DocumentRejected, match=r"keys\.json, routing\.json"):
        bundles.publish(store, "acme", {"policy.json": default_policy()}, signers, NOON)


def test_the_timestamp_is_signed_again_once_it_is_due_and_only_then(store, signers):
    assert bundles.renew(store, "acme", signers, NOON + timedelta(minutes=59)) == ()
    later = NOON + timedelta(hours=1)
    assert bundles.renew(store, "acme", signers, later) == ("timestamp",)
    assert bundles.renew(store, "acme", signers, later) == ()
    bundle = _load(store)
    assert (bundle.snapshot_version, bundle.timestamp_version, bundle.signed_at) == (1, 2, later)


def test_an_org_that_never_publishes_never_expires(store, signers):
    at = NOON
    for _ in range(100):
        at += timedelta(days=7)
        bundles.renew(store, "acme", signers, at)
        assert _load(store).expires_at > at
    assert store.latest_version("acme", "root") > 1


@pytest.mark.parametrize(
    "filename",
    [
        "",
        "root.json",
        "0.root.json",
        "01.root.json",
        "2.root.json",
        "1.mirrors.json",
        "1.timestamp.json",
        "x",
        "..",
        "9" * 30 + ".root.json",
        "\N{ARABIC-INDIC DIGIT ONE}.root.json",
        "1.root",
        "-1.root.json",
    ],
)
def test_a_file_that_is_none_of_ours_is_not_found(store, filename):
    with pytest.raises(NotFound):
        bundles.metadata_by_filename(store, "acme", filename)
    with pytest.raises(NotFound):
        bundles.target_by_filename(store, "acme", filename)


def test_the_database_never_overwrites_a_version(operations):
    with operations.database.read() as connection:
        file = bundles.SignedFile("root", 1, b"other")
    with pytest.raises(IntegrityError), operations.database.write() as connection:
        SqlBundleStore(connection).add("acme", bundles.Publication((file,), ()), NOON)


def test_renewal_through_the_database(operations, clock):
    assert operations.renew_bundles(timedelta(hours=1)) == {}
    clock.advance(timedelta(hours=2))
    assert operations.renew_bundles(timedelta(hours=1)) == {"acme": ("timestamp",)}
