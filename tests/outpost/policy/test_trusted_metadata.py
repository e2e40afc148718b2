import hashlib
import json
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import Metadata, Root, TargetFile

from outpost.errors import BundleRejected
from outpost.policy.trusted_metadata import (
    MetadataExpired,
    MetadataInvalid,
    MetadataRollback,
    MetadataUnsigned,
    TrustedMetadata,
    check_target,
)
from tests.fakes.clock import NOON
from tests.fakes.tuf_repository import EXPIRES, ROLES, Repository, new_signer, resigned, signed

DOCUMENT = b'{"x":1}'


@cache
def repository() -> Repository:
    """Shared; tests that change keys make their own."""
    return Repository()


@cache
def files(version: int = 5) -> tuple[bytes, bytes, bytes]:
    """Timestamp, snapshot and targets, all of the same version."""
    repo = repository()
    targets = repo.targets(version, {"a.json": DOCUMENT + b" " * version})
    snapshot = repo.snapshot(version, targets)
    return repo.timestamp(version, snapshot), snapshot, targets


def state(trusted: TrustedMetadata) -> tuple:
    return tuple(
        part and part.to_dict() for part in (trusted.root, trusted.timestamp, trusted.snapshot, trusted.targets)
    )


def update(trusted: TrustedMetadata, role: str, data: bytes):
    return getattr(trusted, f"update_{role}")(data)


def refused(trusted: TrustedMetadata, role: str, data: bytes, error=BundleRejected):
    """The update is refused with exactly ``error`` and changes nothing."""
    before = state(trusted), trusted.complete
    with pytest.raises(error) as caught:
        update(trusted, role, data)
    assert (state(trusted), trusted.complete) == before
    return caught.value


def trusting(*parts: bytes, root: bytes | None = None) -> TrustedMetadata:
    trusted = TrustedMetadata(root or repository().root())
    for role, part in zip(("timestamp", "snapshot", "targets"), parts, strict=False):
        update(trusted, role, part)
    return trusted


# The good path


def test_a_good_repository_is_trusted_whole():
    trusted = trusting()
    assert not trusted.complete
    for role, data in zip(ROLES[1:], files(), strict=True):
        assert not trusted.complete
        assert update(trusted, role, data).version == 5
    assert trusted.complete
    check_target(trusted.targets.targets["a.json"], DOCUMENT + b" " * 5)


def test_a_newer_publication_replaces_an_older_one_step_by_step():
    trusted = trusting(*files(5))
    for role, data in zip(ROLES[1:], files(6), strict=True):
        update(trusted, role, data)
        assert trusted.complete is (role == "targets")


def test_a_timestamp_of_the_same_version_changes_nothing():
    trusted = trusting(*files())
    other = repository().timestamp(5, files(6)[1])
    before = state(trusted)
    assert trusted.update_timestamp(other) is trusted.timestamp
    assert state(trusted) == before
    assert trusted.complete


def test_a_new_timestamp_may_name_the_same_snapshot():
    trusted = trusting(*files())
    trusted.update_timestamp(repository().timestamp(6, files()[1]))
    assert trusted.complete


@pytest.mark.parametrize(("parts", "role"), [(0, "snapshot"), (0, "targets"), (1, "targets"), (1, "root"), (3, "root")])
def test_the_wrong_order_is_a_bug_of_the_caller(parts, role):
    trusted = trusting(*files()[:parts])
    data = {"root": repository().root(2), "snapshot": files()[1], "targets": files()[2]}[role]
    with pytest.raises(RuntimeError):
        update(trusted, role, data)


def test_targets_wait_for_the_snapshot_of_a_newer_timestamp():
    trusted = trusting(*files(5))
    trusted.update_timestamp(files(6)[0])
    with pytest.raises(RuntimeError):
        trusted.update_targets(files(5)[2])


# Attacks on timestamp, snapshot and targets, each against a trusted publication of version 5


def _attacks():
    repo = repository()
    stamp4, snap4, tgt4 = files(4)
    stamp5, snap5, tgt5 = files(5)
    stamp6, snap6, tgt6 = files(6)
    stranger = [new_signer()]
    other5 = repo.targets(5, {"a.json": b"other"})
    return {
        # name: (what comes before, role, bytes, error)
        "timestamp rolled back": ((), "timestamp", stamp4, MetadataRollback),
        "timestamp that names an older snapshot": ((), "timestamp", repo.timestamp(6, snap4), MetadataRollback),
        "timestamp by a stranger": ((), "timestamp", repo.timestamp(6, snap6, signers=stranger), MetadataUnsigned),
        "timestamp by the snapshot key": (
            (),
            "timestamp",
            repo.timestamp(6, snap6, signers=repo.signers["snapshot"]),
            MetadataUnsigned,
        ),
        "unsigned timestamp": ((), "timestamp", _without_signatures(stamp6), MetadataUnsigned),
        "snapshot in the timestamp's place": ((), "timestamp", snap6, MetadataInvalid),
        "root in the timestamp's place": ((), "timestamp", repo.root(2), MetadataInvalid),
        "snapshot of before": ((stamp6,), "snapshot", snap5, MetadataInvalid),
        "snapshot of later": ((stamp6,), "snapshot", files(7)[1], MetadataInvalid),
        "snapshot of the named version with other content": (
            (stamp6,),
            "snapshot",
            repo.snapshot(6, tgt5),
            MetadataInvalid,
        ),
        "snapshot of another version than named": (
            (repo.timestamp(6, snap6, names=7),),
            "snapshot",
            snap6,
            MetadataInvalid,
        ),
        "snapshot by a stranger": (
            (repo.timestamp(6, by_stranger := repo.snapshot(6, tgt6, signers=stranger)),),
            "snapshot",
            by_stranger,
            MetadataUnsigned,
        ),
        "snapshot that rolls targets back": (
            (repo.timestamp(6, rolled := repo.snapshot(6, tgt4)),),
            "snapshot",
            rolled,
            MetadataRollback,
        ),
        "snapshot that drops targets": (
            (repo.timestamp(6, dropped := repo.snapshot(6, None)),),
            "snapshot",
            dropped,
            MetadataInvalid,
        ),
        "targets in the snapshot's place": ((repo.timestamp(6, tgt6),), "snapshot", tgt6, MetadataInvalid),
        "truncated snapshot": ((stamp6,), "snapshot", snap6[:-1], MetadataInvalid),
        "extended snapshot": ((stamp6,), "snapshot", snap6 + b"\n", MetadataInvalid),
        "empty snapshot": ((stamp6,), "snapshot", b"", MetadataInvalid),
        "targets of before": ((stamp6, snap6), "targets", tgt5, MetadataInvalid),
        "targets of the same version with other content": ((stamp5, snap5), "targets", other5, MetadataInvalid),
        "targets of another version than named": (
            (repo.timestamp(6, misnamed := repo.snapshot(6, tgt6, names=7)), misnamed),
            "targets",
            tgt6,
            MetadataInvalid,
        ),
        "targets by a stranger": (
            (
                repo.timestamp(6, named := repo.snapshot(6, strange := repo.targets(6, signers=stranger))),
                named,
            ),
            "targets",
            strange,
            MetadataUnsigned,
        ),
        "snapshot in the targets' place": (
            (repo.timestamp(6, swapped := repo.snapshot(6, snap5, names=6)), swapped),
            "targets",
            snap5,
            MetadataInvalid,
        ),
        "truncated targets": ((stamp6, snap6), "targets", tgt6[:-2], MetadataInvalid),
    }


def _without_signatures(data: bytes) -> bytes:
    return json.dumps(json.loads(data) | {"signatures": []}).encode()


ATTACKS = _attacks()


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_on_a_trusted_publication(name):
    before, role, data, error = ATTACKS[name]
    trusted = trusting(*files(5))
    for step, part in zip(("timestamp", "snapshot"), before, strict=False):
        update(trusted, step, part)
    refused(trusted, role, data, error)


FIRST_CONTACT = {name: attack for name, attack in ATTACKS.items() if attack[3] is not MetadataRollback}


@pytest.mark.parametrize("name", [name for name in FIRST_CONTACT if "drops" not in name and "same version" not in name])
def test_attacks_on_first_contact(name):
    before, role, data, error = FIRST_CONTACT[name]
    refused(trusting(*before), role, data, error)


def test_a_first_snapshot_without_targets_leads_nowhere():
    empty = repository().snapshot(6, None)
    trusted = trusting(repository().timestamp(6, empty), empty)
    refused(trusted, "targets", files(6)[2], MetadataInvalid)
    assert not trusted.complete


def test_a_snapshot_may_drop_nothing_it_ever_listed():
    repo = repository()
    first = repo.snapshot(5, files(5)[2], others={"role1.json": 3})
    second = repo.snapshot(6, files(5)[2])
    lower = repo.snapshot(6, files(5)[2], others={"role1.json": 2})
    for snapshot, error in ((second, MetadataInvalid), (lower, MetadataRollback)):
        trusted = trusting(repo.timestamp(5, first), first)
        trusted.update_timestamp(repo.timestamp(6, snapshot))
        refused(trusted, "snapshot", snapshot, error)


def test_a_fast_forward_is_undone_only_by_a_new_key():
    # Whoever holds the timestamp key can go far ahead; a root that replaces the key starts anew (5.3.11).
    repo = repository()
    far = 2**31
    trusted = trusting(repo.timestamp(far, files(5)[1]))
    refused(trusted, "timestamp", files(6)[0], MetadataRollback)
    rotated = Repository(signers=repo.signers | {"timestamp": [new_signer()]})
    trusted = TrustedMetadata(repo.root())
    trusted.update_root(rotated.root(2))
    refused(trusted, "timestamp", repo.timestamp(far, files(5)[1]), MetadataUnsigned)
    trusted.update_timestamp(rotated.timestamp(6, files(6)[1]))


# Thresholds


def test_below_the_threshold_nothing_is_accepted():
    repo = Repository()
    repo.signers["timestamp"] = [new_signer(), new_signer(), new_signer()]
    repo.thresholds["timestamp"] = 2
    one, two, _ = repo.signers["timestamp"]
    snapshot = files()[1]
    for signers in ([one], [one, new_signer()], [one, one]):
        refused(TrustedMetadata(repo.root()), "timestamp", _signed_by(repo, snapshot, signers), MetadataUnsigned)
    TrustedMetadata(repo.root()).update_timestamp(_signed_by(repo, snapshot, [one, two]))


def _signed_by(repo, snapshot, signers) -> bytes:
    return repo.timestamp(5, snapshot, signers=signers)


def test_two_signatures_by_one_key_are_one():
    repo = Repository()
    repo.signers["timestamp"] = [new_signer(), new_signer()]
    repo.thresholds["timestamp"] = 2
    one, two = repo.signers["timestamp"]
    document = json.loads(repo.timestamp(5, files()[1], signers=[one]))
    (signature,) = document["signatures"]
    for second in (signature, signature | {"keyid": two.public_key.keyid}):
        twice = json.dumps(document | {"signatures": [signature, second]}).encode()
        refused(TrustedMetadata(repo.root()), "timestamp", twice)


@pytest.mark.parametrize("spelling", [str, str.upper])
def test_one_key_under_two_ids_is_one(spelling):
    repo = Repository()
    repo.thresholds["timestamp"] = 2
    (signer,) = repo.signers["timestamp"]
    root = json.loads(repo.root())["signed"]
    key = root["keys"][signer.public_key.keyid]
    again = {
        "keytype": key["keytype"],
        "scheme": key["scheme"],
        "keyval": {"public": spelling(key["keyval"]["public"])},
    }
    root["keys"]["another-id"] = again
    root["roles"]["timestamp"]["keyids"].append("another-id")
    trusted = TrustedMetadata(signed(Root.from_dict(root), repo.signers["root"]))
    document = json.loads(repo.timestamp(5, files()[1]))
    document["signatures"].append(document["signatures"][0] | {"keyid": "another-id"})
    refused(trusted, "timestamp", json.dumps(document).encode(), MetadataUnsigned)


# The chain of roots


def _rotated(repo: Repository, **thresholds: int) -> Repository:
    return Repository(
        signers=repo.signers | {"root": [new_signer(), new_signer()]}, thresholds=repo.thresholds | thresholds
    )


def test_a_root_signed_by_old_and_new_keys_follows():
    old = repository()
    new = _rotated(old, root=2)
    trusted = TrustedMetadata(old.root())
    assert trusted.update_root(new.root(2, signers=[*old.signers["root"], *new.signers["root"]])).version == 2
    assert trusted.update_root(new.root(3)).version == 3
    refused(trusted, "root", old.root(4), MetadataUnsigned)


def _root_attacks():
    old = repository()
    new = _rotated(old, root=2)
    both = [*old.signers["root"], *new.signers["root"]]
    return {
        "signed only by the new keys": (new.root(2), MetadataUnsigned),
        "signed only by the old key": (new.root(2, signers=old.signers["root"]), MetadataUnsigned),
        "below its own raised threshold": (new.root(2, signers=both[:2]), MetadataUnsigned),
        "a version is skipped": (old.root(3), MetadataInvalid),
        "the same version again": (old.root(1), MetadataRollback),
        "the same version with other keys": (new.root(1, signers=both), MetadataRollback),
        "by a stranger": (old.root(2, signers=[new_signer()]), MetadataUnsigned),
        "by the timestamp key": (old.root(2, signers=old.signers["timestamp"]), MetadataUnsigned),
        "timestamp in its place": (files()[0], MetadataInvalid),
        "truncated": (old.root(2)[:-3], MetadataInvalid),
        "empty": (b"", MetadataInvalid),
        "without signatures": (_without_signatures(old.root(2)), MetadataUnsigned),
    }


ROOT_ATTACKS = _root_attacks()


@pytest.mark.parametrize("name", ROOT_ATTACKS)
def test_attacks_on_the_root_chain(name):
    data, error = ROOT_ATTACKS[name]
    refused(TrustedMetadata(repository().root()), "root", data, error)


def test_roots_of_the_past_do_not_come_back():
    trusted = TrustedMetadata(repository().root())
    for version in (2, 3):
        trusted.update_root(repository().root(version))
    for version in (1, 2, 3):
        refused(trusted, "root", repository().root(version), MetadataRollback)


def test_an_intermediate_root_may_be_expired():
    repo = repository()
    trusted = TrustedMetadata(repo.root(expires=NOON - timedelta(days=2)))
    trusted.update_root(repo.root(2, expires=NOON - timedelta(days=1)))
    with pytest.raises(MetadataExpired):
        trusted.check_expiry(NOON)
    trusted.update_root(repo.root(3))
    trusted.check_expiry(NOON)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        _without_signatures(repository().root()),
        repository().root(signers=[new_signer()]),
        repository().root()[:-1],
        files()[0],
    ],
    ids=["empty", "an object", "unsigned", "by a stranger", "truncated", "timestamp"],
)
def test_the_enrolment_root_must_verify_itself(data):
    with pytest.raises(BundleRejected):
        TrustedMetadata(data)


# Expiry


@pytest.mark.parametrize("role", ROLES)
def test_expiry_of_each_role_is_found_when_asked(role):
    def expires(name):
        return NOON if name == role else EXPIRES

    repo = repository()
    targets = repo.targets(5, expires=expires("targets"))
    snapshot = repo.snapshot(5, targets, expires=expires("snapshot"))
    timestamp = repo.timestamp(5, snapshot, expires=expires("timestamp"))
    trusted = trusting(timestamp, snapshot, targets, root=repo.root(expires=expires("root")))
    trusted.check_expiry(NOON - timedelta(seconds=1))
    with pytest.raises(MetadataExpired) as caught:
        trusted.check_expiry(NOON + timedelta(seconds=1))
    assert (caught.value.role, caught.value.expired_at) == (role, NOON)
    assert str(caught.value) == f"{role} metadata expired at 2026-06-01T12:00:00Z"


# Targets


def _target(**hashes) -> TargetFile:
    return TargetFile(len(DOCUMENT), hashes, "a.json")


SHA256 = hashlib.sha256(DOCUMENT).hexdigest()


def test_a_target_must_have_its_length_and_hash():
    check_target(_target(sha256=SHA256), DOCUMENT)
    check_target(_target(sha256=SHA256, sha512=hashlib.sha512(DOCUMENT).hexdigest()), DOCUMENT)


@pytest.mark.parametrize(
    ("hashes", "data"),
    [
        ({"sha256": SHA256}, DOCUMENT[:-1]),
        ({"sha256": SHA256}, DOCUMENT + b" "),
        ({"sha256": SHA256}, DOCUMENT.replace(b"1", b"2")),
        ({"sha256": SHA256.upper()}, DOCUMENT),
        ({"sha256": SHA256[:-2]}, DOCUMENT),
        ({"sha256": SHA256, "sha512": "00"}, DOCUMENT),
        ({"sha256": SHA256, "future9": "00"}, DOCUMENT),
        ({"md5": hashlib.md5(DOCUMENT).hexdigest()}, DOCUMENT),
        ({"sha1": hashlib.sha1(DOCUMENT).hexdigest()}, DOCUMENT),
        ({"sha512": hashlib.sha512(DOCUMENT).hexdigest()}, DOCUMENT + b" "),
    ],
)
def test_a_target_that_differs_or_has_no_strong_hash_is_refused(hashes, data):
    with pytest.raises(MetadataInvalid):
        check_target(_target(**hashes), data)


# Properties


def _at_role(role: str) -> tuple[TrustedMetadata, bytes]:
    """A state that expects ``role`` next, and good bytes for it."""
    if role == "root":
        return TrustedMetadata(repository().root()), repository().root(2)
    index = ROLES.index(role) - 1
    return trusting(*files()[:index]), files()[index]


@pytest.mark.parametrize("role", ROLES)
@settings(deadline=None)  # how long it takes says how busy the machine is
@given(data=st.data())
def test_any_change_of_one_byte_is_refused_or_means_the_same(role, data):
    trusted, good = _at_role(role)
    altered = bytearray(good)
    place = data.draw(st.integers(0, len(good) - 1))
    altered[place] = data.draw(st.integers(0, 255))
    before = state(trusted)
    try:
        accepted = update(trusted, role, bytes(altered))
    except BundleRejected:
        assert state(trusted) == before
        return
    assert accepted.to_dict() == Metadata.from_bytes(good).signed.to_dict()


@pytest.mark.parametrize("role", ROLES)
@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_refused(role, data):
    refused(_at_role(role)[0], role, data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("role", ROLES)
@settings(deadline=None)  # how long it takes says how busy the machine is
@given(data=st.data())
def test_any_signed_content_is_accepted_or_refused_and_nothing_else(role, data):
    # The attacker holds the role's key: only the shape is wrong.
    trusted, good = _at_role(role)
    names = [*json.loads(good)["signed"], "x-other"]
    changes = data.draw(st.dictionaries(st.sampled_from(names), JSON, max_size=3))
    altered = resigned(good, repository().signers[role], **changes)
    if role in {"snapshot", "targets"}:
        # Let the parent state exactly these bytes, so that their content is what decides.
        repo = repository()
        parent = repo.snapshot(5, altered, names=5) if role == "targets" else altered
        trusted = trusting(repo.timestamp(5, parent, names=5))
        if role == "targets":
            trusted.update_snapshot(parent)
    before = state(trusted)
    try:
        update(trusted, role, altered)
    except BundleRejected:
        assert state(trusted) == before


@pytest.mark.parametrize(
    "extra", [1.5, float("nan"), float("inf"), "\ud800", {"x": [0.1]}], ids=["float", "nan", "inf", "surrogate", "deep"]
)
@pytest.mark.parametrize("role", ROLES)
def test_what_has_no_canonical_form_is_refused(role, extra):
    trusted, good = _at_role(role)
    altered = resigned(good, repository().signers[role], x=extra)
    if role in {"snapshot", "targets"}:
        with pytest.raises(BundleRejected):
            update(trusted, role, altered)
        return
    refused(trusted, role, altered)


def test_deep_nesting_is_refused():
    for depth in (500, 990, 5_000, 100_000):
        deep = b"[" * depth + b"]" * depth
        data = files()[0].replace(b'"x-outpost-signed-at":', b'"x":' + deep + b',"x-outpost-signed-at":', 1)
        refused(trusting(), "timestamp", data)


@pytest.mark.parametrize("version", [0, -1, True, 2**53, 10**30, "5", None, 5.0])
@pytest.mark.parametrize("role", ["root", "timestamp"])
def test_a_version_that_cannot_be_reported_is_refused(role, version):
    trusted, good = _at_role(role)
    refused(trusted, role, resigned(good, repository().signers[role], version=version))


def test_the_highest_version_is_within():
    far = 2**53 - 1
    assert trusting(repository().timestamp(far, files()[1])).timestamp.version == far
