import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Targets

from control_plane import bundles
from control_plane.defaults import default_policy, default_routing
from control_plane.errors import DocumentRejected, NotFound, ThresholdNotHeld, VersionTaken
from control_plane.keys import keys_document
from control_plane.release import STABLE, Publication
from control_plane.signing import ROLES, TOP_LEVEL, VIRTUAL_KEYS, RoleSigners, SignedFile
from control_plane.store.bundles import SqlBundleStore
from outpost.dlp.dictionary import build_words
from outpost.policy.bundle import load_bundle
from outpost.protocol.documents import encode_document
from tests.fakes.clock import NOON
from tests.fakes.control_plane import MemoryBundleStore
from tests.fakes.tuf_witness import Witness, served
from tests.outpost.dlp.org_lists import KEY as LIST_KEY
from tests.outpost.protocol.samples import DOCUMENTS

NOW = datetime.now(UTC)
FIRST = {"policy.json": default_policy(), "keys.json": keys_document([]), "routing.json": default_routing()}


@pytest.fixture
def signers():
    return RoleSigners(*(CryptoSigner.generate_ed25519() for _ in ROLES))


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
    keys = bundles.load_head(store, "acme", STABLE).keys
    documents["keys.json"] = bundles.current_documents(store, "acme")["keys.json"]
    roots = [store.files["root", n] for n in range(2, store.latest_version("acme", "root") + 1)]
    return load_bundle(
        store.files["root", 1],
        roots=roots,
        timestamp=timestamp,
        snapshot=snapshot,
        targets=targets,
        documents=documents,
        delegated={keys.role: keys.content},
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
        ("budgets.json", encode_document(DOCUMENTS["budgets"]), ""),
        (
            "detectors.json",
            b'{"schema_version":"1","custom":[{"id":"c","kind":"custom.c","pattern":"a*"}]}',
            "",
        ),
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
        file = SignedFile("root", 1, b"other")
    with pytest.raises(VersionTaken), operations.database.write() as connection:
        SqlBundleStore(connection).add("acme", Publication((file,), ()), NOON)


def test_renewal_through_the_database(operations, clock):
    assert operations.renew_bundles(timedelta(hours=1)) == {}
    clock.advance(timedelta(hours=2))
    assert operations.renew_bundles(timedelta(hours=1)) == {"acme": ("timestamp",)}


@pytest.fixture
def delegating():
    return RoleSigners(*(CryptoSigner.generate_ed25519() for _ in (*TOP_LEVEL, VIRTUAL_KEYS)))


@pytest.fixture
def delegated(delegating):
    """A repository that delegates, at the real time: python-tuf's client reads the real clock."""
    store = MemoryBundleStore()
    bundles.create_repository(store, "acme", delegating, NOW)
    bundles.publish(store, "acme", FIRST, delegating, NOW)
    return store


@pytest.fixture
def witness(delegated, tmp_path):
    def read(function):
        def file(filename):
            try:
                return function(delegated, "acme", filename)
            except NotFound as err:
                raise LookupError from err

        return file

    with served(read(bundles.metadata_by_filename), read(bundles.target_by_filename)) as url:
        yield Witness(tmp_path, url, delegated.files["root", 1])


def _versions(store):
    return {role: store.latest_version("acme", role) for role in (*TOP_LEVEL, VIRTUAL_KEYS)}


def _one_key():
    document = json.loads(keys_document([]))
    document["keys"] = [
        {"id": "k", "prefix": "sk-op-live-01234567", "pepper_id": "p", "digest": "0" * 64, "group": "default"}
    ]
    return json.dumps(document).encode()


def test_another_client_reads_all_documents_through_the_delegation(witness):
    assert witness.read(*FIRST) == FIRST
    assert witness.version(VIRTUAL_KEYS) == 1


def test_a_changed_virtual_key_signs_its_role_snapshot_and_timestamp_alone(delegated, delegating, witness):
    witness.read(*FIRST)
    bundles.publish(delegated, "acme", {"keys.json": _one_key()}, delegating, NOW)
    assert _versions(delegated) == {"root": 1, "targets": 1, VIRTUAL_KEYS: 2, "snapshot": 2, "timestamp": 2}
    assert witness.read(*FIRST) == FIRST | {"keys.json": _one_key()}
    assert bundles.current_documents(delegated, "acme") == FIRST | {"keys.json": _one_key()}


def test_a_changed_policy_leaves_the_virtual_keys_as_they_are(delegated, delegating, witness):
    routing = default_routing("https://llm.example/v1")
    bundles.publish(delegated, "acme", {"routing.json": routing}, delegating, NOW)
    assert _versions(delegated) == {"root": 1, "targets": 2, VIRTUAL_KEYS: 1, "snapshot": 2, "timestamp": 2}
    assert witness.read(*FIRST) == FIRST | {"routing.json": routing}


def test_an_org_from_before_delegates_with_its_next_publish(delegating, tmp_path):
    store = MemoryBundleStore()
    before = replace(delegating, virtual_keys=None)
    bundles.create_repository(store, "acme", before, NOW)
    bundles.publish(store, "acme", FIRST, before, NOW)
    assert store.latest_version("acme", VIRTUAL_KEYS) == 0
    bundles.publish(store, "acme", {"keys.json": _one_key()}, delegating, NOW)
    assert _versions(store) == {"root": 1, "targets": 2, VIRTUAL_KEYS: 1, "snapshot": 2, "timestamp": 2}
    assert bundles.current_documents(store, "acme") == FIRST | {"keys.json": _one_key()}
    listed = Metadata[Targets].from_bytes(store.files["targets", 2]).signed.targets
    assert sorted(listed) == ["policy.json", "routing.json"]


def test_without_the_targets_key_virtual_keys_can_change_and_nothing_else_can(delegated, delegating):
    online = replace(delegating, targets=None)
    bundles.publish(delegated, "acme", {"keys.json": _one_key()}, online, NOW)
    before = dict(delegated.files)
    for changes in ({"policy.json": default_policy()}, {"policy.json": default_policy(), "keys.json": _one_key()}, {}):
        with pytest.raises(ThresholdNotHeld):
            bundles.publish(delegated, "acme", changes, online, NOW)
    assert delegated.files == before


def test_an_org_that_delegates_never_expires_either(delegated, delegating):
    at = NOW
    for _ in range(100):
        at += timedelta(days=7)
        bundles.renew(delegated, "acme", delegating, at)
        assert bundles.renew(delegated, "acme", delegating, at) == ()
        for role, version in _versions(delegated).items():
            assert Metadata.from_bytes(delegated.files[role, version]).signed.expires > at
    assert bundles.current_documents(delegated, "acme") == FIRST


def test_what_is_others_to_sign_is_left_to_them_and_the_rest_goes_on(delegated, delegating):
    online = replace(delegating, root=None, targets=None)
    at = NOW + timedelta(days=200)
    assert bundles.renew(delegated, "acme", online, at) == (VIRTUAL_KEYS, "snapshot", "timestamp")
    assert _versions(delegated) == {"root": 1, "targets": 1, VIRTUAL_KEYS: 2, "snapshot": 2, "timestamp": 2}


LISTING = {"schema_version": "1", "lists": [{"id": "customers", "kind": "org.customers", "form": "words"}]}
CUSTOMERS = build_words(["Quxley"], "customers", LIST_KEY)
LISTS = {"detectors.json": json.dumps(LISTING).encode(), "customers.list": CUSTOMERS}


def test_lists_are_published_with_the_document_that_names_them_and_go_with_it(store, signers):
    bundles.publish(store, "acme", LISTS, signers, NOON)
    assert dict(_load(store).lists) == {"customers": CUSTOMERS}
    assert bundles.published_lists(store, "acme") == {LIST_KEY.id: {"customers"}}
    bundles.publish(store, "acme", {"routing.json": default_routing()}, signers, NOON)
    assert dict(_load(store).lists) == {"customers": CUSTOMERS}
    bundles.publish(store, "acme", {"detectors.json": b'{"schema_version":"1"}'}, signers, NOON)
    assert "customers.list" not in bundles.current_documents(store, "acme")
    assert bundles.published_lists(store, "acme") == {}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"detectors.json": LISTS["detectors.json"]}, "the bundle lacks customers.list"),
        (LISTS | {"customers.list": CUSTOMERS[:-1]}, "customers.list: .* cut short"),
        (LISTS | {"customers.list": build_words(["Quxley"], "others", LIST_KEY)}, "customers.list is of list others"),
        ({"no-list.bin": b""}, "a bundle has no no-list.bin"),
    ],
)
def test_lists_that_outposts_would_refuse_are_not_published(store, signers, changes, why):
    with pytest.raises(DocumentRejected, match=why):
        bundles.publish(store, "acme", changes, signers, NOON)


def test_a_policy_that_routes_to_nowhere_is_not_published(store, signers):
    rule = {"id": "r", "sequence": 1, "when": {"directions": ["input"]}, "action": "ROUTE_TO"}
    packs = [{"id": "p", "sequence": 1, "default": "BLOCK", "rules": [rule | {"route_to": {"route": "inside"}}]}]
    policy = json.dumps({"schema_version": "1", "packs": packs}).encode()
    with pytest.raises(DocumentRejected, match=r"routing\.json has no route 'inside'"):
        bundles.publish(store, "acme", {"policy.json": policy}, signers, NOON)


def test_more_lists_than_an_outpost_takes_are_not_published(store, signers, monkeypatch):
    monkeypatch.setattr(bundles, "MAX_LISTS_BYTES", len(CUSTOMERS) - 1)
    with pytest.raises(DocumentRejected, match="bytes together"):
        bundles.publish(store, "acme", LISTS, signers, NOON)
