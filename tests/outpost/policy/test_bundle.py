import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import Metadata, Targets

from outpost.errors import BundleRejected
from outpost.policy.bundle import DOCUMENT_TARGETS, Bundle, Freshness, find_documents, load_bundle, read_documents
from outpost.policy.trusted_metadata import MetadataInvalid, MetadataUnsigned, TrustedMetadata
from outpost.policy.workflow import Limits
from outpost.protocol.documents import OPTIONAL_DOCUMENTS, REQUIRED_DOCUMENTS, encode_document
from outpost.protocol.models import ModelsDocument, PackReference
from tests.fakes.clock import NOON
from tests.fakes.model_pack import card_fields
from tests.fakes.tuf_repository import EXPIRES, ROLES, Repository, new_signer, signed
from tests.outpost.protocol.samples import DOCUMENTS

CONTENT_SHA256 = sha256(b"content").hexdigest()
SAMPLES = {f"{name}.json": sample.model_dump_json(exclude_none=True).encode() for name, sample in DOCUMENTS.items()}
GOOD = {name: SAMPLES[name] for name in REQUIRED_DOCUMENTS}
REPOSITORY = Repository()
ROOT = REPOSITORY.root()
LIMITS = Limits(root_bytes=0, timestamp_bytes=0, snapshot_bytes=0, targets_bytes=0, stated_bytes=0, root_rotations=0)


def publication(documents=None, **timestamp) -> dict:
    """Arguments of ``load_bundle``; the documents are signed as they are."""
    documents = GOOD if documents is None else documents
    targets = REPOSITORY.targets(5, documents)
    snapshot = REPOSITORY.snapshot(6, targets)
    stamp = REPOSITORY.timestamp(7, snapshot, **timestamp)
    return {"roots": (), "timestamp": stamp, "snapshot": snapshot, "targets": targets, "documents": documents}


def load(**parts) -> Bundle:
    return load_bundle(ROOT, **(publication() | parts))


def changed(name: str, **fields) -> dict[str, bytes]:
    return GOOD | {name: json.dumps(json.loads(GOOD[name]) | fields).encode()}


def test_a_good_bundle_is_read_whole():
    files = {f"{name}.pack": b"content" for name in ("model.onnx", "tokenizer.json")}
    card = json.dumps(
        card_fields() | {"files": dict.fromkeys(("model.onnx", "tokenizer.json"), CONTENT_SHA256)}
    ).encode()
    models = ModelsDocument(schema_version="1", pack=PackReference(name="tiny", card_sha256=sha256(card).hexdigest()))
    documents = SAMPLES | {"models.json": encode_document(models), "card.json.pack": card}
    bundle = load(**(publication(documents | files) | {"documents": documents}))
    assert {name: getattr(bundle, name) for name in DOCUMENTS} == DOCUMENTS | {"models": models}
    assert (bundle.pack.digest, set(bundle.pack.files)) == (
        models.pack.card_sha256,
        {"card.json", "model.onnx", "tokenizer.json"},
    )
    with pytest.raises(BundleRejected, match=r"lacks model\.onnx of its model pack"):
        load(**publication(documents))
    assert (bundle.root_version, bundle.snapshot_version, bundle.timestamp_version) == (1, 6, 7)
    assert bundle.signed_at == NOON
    assert bundle.expires_at == EXPIRES
    assert bundle.enforceable_until == NOON + timedelta(seconds=604_800)


def test_later_roots_are_walked():
    bundle = load(roots=(REPOSITORY.root(2), REPOSITORY.root(3)))
    assert bundle.root_version == 3


@pytest.mark.parametrize("role", ROLES)
def test_the_earliest_expiry_of_all_roles_counts(role):
    early = NOON + timedelta(hours=1)
    expires = {name: early if name == role else EXPIRES for name in ROLES}
    targets = REPOSITORY.targets(5, GOOD, expires=expires["targets"])
    snapshot = REPOSITORY.snapshot(6, targets, expires=expires["snapshot"])
    bundle = load_bundle(
        REPOSITORY.root(expires=expires["root"]),
        roots=(),
        timestamp=REPOSITORY.timestamp(7, snapshot, expires=expires["timestamp"]),
        snapshot=snapshot,
        targets=targets,
        documents=GOOD,
    )
    assert bundle.expires_at == early


# Documents


@pytest.mark.parametrize("name", DOCUMENT_TARGETS)
def test_these_documents_are_required(name):
    without = {key: value for key, value in GOOD.items() if key != name}
    with pytest.raises(MetadataInvalid, match=f"no {name}"):
        load(documents=without)
    with pytest.raises(MetadataInvalid, match=f"no {name}"):
        load(**publication(without))
    with pytest.raises(MetadataInvalid, match=f"no {name}"):
        load(**(publication(without) | {"documents": GOOD}))


@pytest.mark.parametrize("name", DOCUMENT_TARGETS)
@settings(deadline=None)
@given(data=st.data())
def test_any_changed_byte_of_a_document_is_refused(name, data):
    altered = bytearray(GOOD[name])
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(MetadataInvalid, match="does not match"):
        load(documents=GOOD | {name: bytes(altered)})


@pytest.mark.parametrize("name", DOCUMENT_TARGETS)
def test_truncated_extended_and_swapped_documents_are_refused(name):
    other = next(key for key in GOOD if key != name)
    for content in (b"", GOOD[name][:-1], GOOD[name] + b" ", GOOD[other]):
        with pytest.raises(MetadataInvalid, match="does not match"):
            load(documents=GOOD | {name: content})


def test_an_optional_document_says_what_it_says_or_nothing():
    assert load().detectors.custom == []
    rule = {"id": "own", "kind": "custom.own", "keywords": ["own"]}
    content = json.dumps({"schema_version": "1", "custom": [rule]}).encode()
    assert load(**publication(GOOD | {"detectors.json": content})).detectors.custom[0].id == "own"


@pytest.mark.parametrize("name", OPTIONAL_DOCUMENTS)
def test_an_optional_document_that_is_signed_must_be_there_and_readable(name):
    empty = json.dumps({"schema_version": "1"}).encode()
    signed = publication(GOOD | {name: empty})
    with pytest.raises(MetadataInvalid, match=f"no {name}"):
        load(**(signed | {"documents": GOOD}))
    with pytest.raises(MetadataInvalid, match="does not match"):
        load(**(signed | {"documents": GOOD | {name: empty + b" "}}))
    with pytest.raises(BundleRejected, match=f"cannot be read by this version: {name}"):
        load(**publication(GOOD | {name: b"{}"}))


def test_a_document_nobody_asked_for_is_left_alone():
    assert load(documents=GOOD | {"extra.json": b"{"}) == load()
    assert load(**publication(GOOD | {"extra.json": b"{"})).policy == load().policy


POLICY = json.loads(GOOD["policy.json"])
RULES = POLICY["packs"][0]["rules"]


def _policy_with(rule: dict) -> dict[str, bytes]:
    return changed("policy.json", packs=[POLICY["packs"][0] | {"rules": [*RULES, rule]}])


UNREADABLE = {
    "unknown field": changed("policy.json", mode="strict"),
    "unknown action": _policy_with({"id": "q", "sequence": 9, "when": {}, "action": "CANCEL"}),
    "unknown condition": _policy_with(
        {"id": "q", "sequence": 9, "when": {"countries": ["AT"]}, "action": "BLOCK"},
    ),
    "a route to nowhere": _policy_with(
        {
            "id": "q",
            "sequence": 9,
            "when": {"directions": ["input"]},
            "action": "ROUTE_TO",
            "route_to": {"provider": "nobody"},
        }
    ),
    "rule id twice": _policy_with(RULES[0] | {"sequence": 9}),
    "pack twice": changed("policy.json", packs=POLICY["packs"] * 2),
    "unknown schema": changed("policy.json", schema_version="2"),
    "unknown field of a key": changed("keys.json", budget=1),
    "key twice": changed("keys.json", keys=json.loads(GOOD["keys.json"])["keys"][:1] * 2),
    "unknown surface": changed("routing.json", providers=[{"id": "x", "surface": "y", "base_url": "https://z"}]),
    "not JSON": GOOD | {"routing.json": b"{"},
    "name twice": GOOD | {"policy.json": GOOD["policy.json"].replace(b'"id":', b'"id":"first","id":', 1)},
}


@pytest.mark.parametrize("why", UNREADABLE)
def test_a_signed_document_that_cannot_be_read_refuses_the_bundle(why):
    with pytest.raises(BundleRejected, match="cannot be read by this version"):
        load(**publication(UNREADABLE[why]))


def test_documents_come_after_targets():
    parts = publication()
    trusted = TrustedMetadata(ROOT)
    for update, name in ((None, None), ("timestamp",) * 2, ("snapshot",) * 2):
        if update:
            getattr(trusted, f"update_{update}")(parts[name])
        with pytest.raises(RuntimeError):
            read_documents(trusted, {}, GOOD)
        with pytest.raises(RuntimeError):
            next(find_documents(trusted, None, LIMITS))
    trusted.update_targets(parts["targets"])
    with pytest.raises(StopIteration) as found:
        next(find_documents(trusted, None, LIMITS))
    assert read_documents(trusted, found.value.value, GOOD) == load()


# Delegated key digests


def delegated_publication(role="virtual-keys", documents=None, **options) -> dict:
    """``keys.json`` signed by a role that the targets delegate to."""
    documents = GOOD if documents is None else documents
    keys = {name: data for name, data in documents.items() if name == options.get("moved", "keys.json")}
    rest = {name: data for name, data in documents.items() if name not in keys}
    signer = new_signer()
    delegated = REPOSITORY.targets(3, keys, signers=[options.get("signer", signer)])
    delegation = REPOSITORY.delegation(role, [signer], paths=options.get("paths", ["keys.json"]))
    targets = REPOSITORY.targets(5, rest, delegations=delegation)
    snapshot = REPOSITORY.snapshot(6, targets, others={f"{role}.json": 3})
    return {
        "roots": (),
        "timestamp": REPOSITORY.timestamp(7, snapshot),
        "snapshot": snapshot,
        "targets": targets,
        "documents": documents,
        "delegated": {role: delegated},
    }


def test_key_digests_may_be_delegated():
    bundle = load_bundle(ROOT, **delegated_publication())
    assert bundle.keys == load().keys
    assert load_bundle(ROOT, **delegated_publication("another-name", paths=["k*.json"])).keys == bundle.keys


def test_what_signs_key_digests_ages_the_bundle_too():
    early = NOON + timedelta(hours=1)
    parts = delegated_publication()
    role = Metadata[Targets].from_bytes(parts["delegated"]["virtual-keys"]).signed
    role.expires = early
    signer = new_signer()
    targets = REPOSITORY.targets(
        5,
        {name: data for name, data in GOOD.items() if name != "keys.json"},
        delegations=REPOSITORY.delegation("virtual-keys", [signer], paths=["keys.json"]),
    )
    snapshot = REPOSITORY.snapshot(6, targets, others={"virtual-keys.json": 3})
    parts |= {"targets": targets, "snapshot": snapshot, "timestamp": REPOSITORY.timestamp(7, snapshot)}
    parts["delegated"] = {"virtual-keys": signed(role, [signer])}
    assert load_bundle(ROOT, **parts).expires_at == early


@pytest.mark.parametrize("fault", ["missing", "unsigned", "damaged", "another role's file", "path not delegated"])
def test_a_delegated_role_that_does_not_check_out_refuses_the_bundle(fault):
    parts = delegated_publication(
        **({"signer": new_signer()} if fault == "unsigned" else {}),
        **({"paths": ["other.json"]} if fault == "path not delegated" else {}),
    )
    if fault == "missing":
        parts["delegated"] = {}
    elif fault == "damaged":
        parts["delegated"] = {"virtual-keys": parts["delegated"]["virtual-keys"][:-9]}
    elif fault == "another role's file":
        parts["delegated"] = {"virtual-keys": parts["targets"]}
    with pytest.raises(BundleRejected):
        load_bundle(ROOT, **parts)


@pytest.mark.parametrize("name", ["policy.json", "routing.json"])
def test_nothing_but_key_digests_may_be_delegated(name):
    """An online key that was given too wide a path still loosens no policy."""
    with pytest.raises(MetadataInvalid, match=f"no {name}"):
        load_bundle(ROOT, **delegated_publication(paths=["*"], moved=name))


def test_what_the_targets_list_themselves_comes_first():
    parts = delegated_publication()
    targets = REPOSITORY.targets(5, GOOD, delegations=REPOSITORY.delegation("virtual-keys", [new_signer()]))
    snapshot = REPOSITORY.snapshot(6, targets, others={"virtual-keys.json": 3})
    parts |= {"targets": targets, "snapshot": snapshot, "timestamp": REPOSITORY.timestamp(7, snapshot)}
    assert load_bundle(ROOT, **(parts | {"delegated": {}})).keys == load().keys


# Signed metadata


@pytest.mark.parametrize("part", ["timestamp", "snapshot", "targets"])
def test_metadata_from_disk_is_trusted_no_more_than_from_the_network(part):
    for content in (b"", b"{}", publication()[part][:-1]):
        with pytest.raises(BundleRejected):
            load(**{part: content})


def test_a_publication_by_a_stranger_is_refused():
    stranger = Repository()
    targets = stranger.targets(5, GOOD)
    snapshot = stranger.snapshot(6, targets)
    with pytest.raises(MetadataUnsigned):
        load(timestamp=stranger.timestamp(7, snapshot), snapshot=snapshot, targets=targets)


def test_an_enrolment_root_of_another_org_refuses_everything():
    with pytest.raises(MetadataUnsigned):
        load_bundle(Repository().root(), **publication())


def test_a_root_that_does_not_follow_refuses_everything():
    with pytest.raises(BundleRejected):
        load(roots=(REPOSITORY.root(2, signers=[new_signer()]),))


# When it was signed


@pytest.mark.parametrize(
    "signed_at",
    [
        None,
        "",
        "yesterday",
        "2026-06-01T12:00:00",
        "2026-06-01",
        1_780_315_200,
        ["2026-06-01T12:00:00Z"],
        {},
        True,
        "2026-13-01T12:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1970-01-01T00:00:00Z",
        "1999-12-31T23:59:59Z",
    ],
)
def test_a_timestamp_that_does_not_say_when_it_was_signed_is_refused(signed_at):
    with pytest.raises(MetadataInvalid, match="x-outpost-signed-at"):
        load(**publication(signed_at=signed_at))


def test_another_zone_is_converted():
    assert load(**publication(signed_at="2026-06-01T14:00:00+02:00")).signed_at == NOON


@pytest.mark.parametrize("signed_at", ["2026-08-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"])
def test_a_word_dated_after_its_own_expiry_counts_from_the_expiry(signed_at):
    bundle = load(**publication(signed_at=signed_at))
    assert bundle.signed_at == EXPIRES
    assert bundle.enforceable_until == EXPIRES + timedelta(days=7)


def test_a_date_from_which_no_limit_can_be_counted_is_refused():
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    with pytest.raises(MetadataInvalid, match="impossible"):
        load(**publication(signed_at="9999-12-31T23:59:59Z", expires=last))


@given(st.text(max_size=40) | st.datetimes(timezones=st.timezones()).map(datetime.isoformat))
def test_any_signing_time_gives_a_usable_bundle_or_a_refusal(signed_at):
    try:
        bundle = load(**publication(signed_at=signed_at, expires=datetime(9999, 12, 31, tzinfo=UTC)))
    except BundleRejected:
        return
    assert bundle.enforceable_until > bundle.signed_at
    assert bundle.freshness(bundle.signed_at) is not Freshness.EXPIRED


# Freshness

STALE_AFTER = timedelta(days=1)
EXPIRED_AFTER = timedelta(days=7)
INSTANT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("age", "tier"),
    [
        (-timedelta(days=400), Freshness.FRESH),
        (timedelta(0), Freshness.FRESH),
        (STALE_AFTER, Freshness.FRESH),
        (STALE_AFTER + INSTANT, Freshness.STALE),
        (EXPIRED_AFTER, Freshness.STALE),
        (EXPIRED_AFTER + INSTANT, Freshness.EXPIRED),
        (timedelta(days=4000), Freshness.EXPIRED),
    ],
)
def test_freshness_at_its_limits(age, tier):
    bundle = load(**publication(expires=NOON + STALE_AFTER))
    assert bundle.freshness(NOON + age) is tier


def test_max_offline_shorter_than_the_metadatas_life_still_ends_everything():
    bundle = load(**publication(changed("policy.json", max_offline_s=60)))
    assert bundle.freshness(NOON + timedelta(seconds=60)) is Freshness.FRESH
    assert bundle.freshness(NOON + timedelta(seconds=60) + INSTANT) is Freshness.EXPIRED


LISTING = {"lists": [{"id": "customers", "kind": "org.customers", "form": "words"}]}
LISTED = GOOD | {"detectors.json": json.dumps({"schema_version": "1"} | LISTING).encode(), "customers.list": b"a list"}


def test_lists_come_with_the_document_that_names_them():
    assert dict(load(**publication(LISTED)).lists) == {"customers": b"a list"}
    assert dict(load(**publication(GOOD | {"customers.list": b"a list"})).lists) == {}


def test_a_bundle_whose_list_is_missing_or_another_is_refused():
    with pytest.raises(BundleRejected, match=r"lists.0: the bundle lacks customers.list"):
        load(**publication({name: content for name, content in LISTED.items() if name != "customers.list"}))
    parts = publication(LISTED)
    for altered in (b"a lisT", b"a li", b""):
        with pytest.raises(MetadataInvalid):
            load(**(parts | {"documents": LISTED | {"customers.list": altered}}))
    with pytest.raises(MetadataInvalid, match=r"no customers.list"):
        load(**(parts | {"documents": {k: v for k, v in LISTED.items() if k != "customers.list"}}))


def test_more_lists_than_a_bundle_may_have_are_not_fetched(monkeypatch):
    many = GOOD | {f"l{number}.list": b"x" for number in range(17)}
    with pytest.raises(MetadataInvalid, match="more than 16 lists"):
        load(**publication(many))
    monkeypatch.setattr("outpost.policy.bundle.MAX_LISTS_BYTES", 5)
    with pytest.raises(MetadataInvalid, match="more than 5 bytes"):
        load(**publication(LISTED))
