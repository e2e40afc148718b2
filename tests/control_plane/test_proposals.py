"""Officers, a control plane that holds neither root nor targets key, and somebody who has stolen all of it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Root, Targets

from control_plane import bundles
from control_plane.commands.officers import pack_given
from control_plane.defaults import default_policy, default_routing
from control_plane.errors import CanaryUnderWay, DocumentRejected, InvalidRequest, NotFound, ThresholdNotHeld
from control_plane.keys import keys_document
from control_plane.org_keys import OrgKeys
from control_plane.proposals import OFFICERS_LIFETIME, accept, officers_roles, propose
from control_plane.release import CANARY, STABLE, Release
from control_plane.role_rotation import named_keyids, repository_status
from control_plane.signing import ROLES, TIMESTAMP_LIFETIME, VIRTUAL_KEYS, RoleKeys, SignedFile, sign, targets_metadata
from outpost.dlp.dictionary import build_words
from outpost.errors import BundleRejected
from outpost.policy.proposal import add_signature, review, seen_by
from outpost.protocol.document_set import is_readable
from tests.fakes.control_plane import MemoryBundleStore
from tests.fakes.model_pack import write_pack
from tests.fakes.own_client import OwnClient
from tests.fakes.tuf_witness import Witness, served
from tests.outpost.dlp.org_lists import KEY as LIST_KEY

NOW = datetime.now(UTC)  # python-tuf's client reads the real clock
FIRST = {"policy.json": default_policy(), "keys.json": keys_document([]), "routing.json": default_routing()}
ROUTING = {"routing.json": default_routing("https://llm.example/v1")}


def pem(signer):
    return signer._private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class World:
    """One org's repository with its key files, and officers with keys elsewhere."""

    def __init__(self, folder):
        self.keys = OrgKeys(folder / "keys")
        self.keys.complete(ROLES)
        self.store = MemoryBundleStore()
        self.officers = [CryptoSigner.generate_ecdsa() for _ in range(4)]
        bundles.create_repository(self.store, "acme", self.keys.load(), NOW)
        bundles.publish(self.store, "acme", FIRST, self.keys.load(), NOW)

    def propose(self, changes=(), **options):
        return propose(self.store, "acme", NOW, changes=dict(changes), **options)

    def publish(self, *copies):
        held = self.keys.load()
        version = accept(Release(self.store, "acme", held, NOW, TIMESTAMP_LIFETIME), copies, held)
        named = named_keyids(self.store, "acme")
        self.keys.settle(named)
        for role in ("root", "targets"):
            signer = self.keys.load().of(role)
            if signer and signer.public_key.keyid not in named:
                self.keys.destroy(role)
        return version

    def signed(self, proposal, *officers):
        for number in officers:
            proposal = add_signature(proposal, self.officers[number])
        return proposal

    def appoint(self, *officers, threshold=2):
        roles = officers_roles([pem(self.officers[number]) for number in officers], threshold, threshold)
        return self.propose(roles=roles)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def handed_over(world):
    world.before = (world.keys.load().root, world.keys.load().targets)
    world.publish(world.signed(world.appoint(0, 1, 2), 0, 1))
    return world


@pytest.fixture
def witness(world, tmp_path):
    def files(function):
        def read(filename):
            try:
                return function(world.store, "acme", filename)
            except NotFound as err:
                raise LookupError from err

        return read

    with served(files(bundles.metadata_by_filename), files(bundles.target_by_filename)) as url:
        yield Witness(tmp_path / "witness", url, world.store.files["root", 1])


def test_officers_take_over_and_the_keys_here_are_gone(world, witness):
    witness.read(*FIRST)
    proposal = world.appoint(0, 1, 2)
    for signatures in ((), (0,)):
        with pytest.raises(ThresholdNotHeld):
            world.publish(world.signed(proposal, *signatures))
    assert world.keys.load().root is not None
    world.publish(world.signed(proposal, 0, 2))
    assert witness.read(*FIRST) == FIRST
    held = world.keys.load()
    assert (held.root, held.targets) == (None, None)
    status = {
        one.role: (one.threshold, len(one.keyids), one.held) for one in repository_status(world.store, "acme", held)
    }
    assert status == {
        "root": (2, 3, 0),
        "targets": (2, 3, 0),
        "snapshot": (1, 1, 1),
        "timestamp": (1, 1, 1),
        VIRTUAL_KEYS: (1, 1, 1),
    }


def test_without_officers_nothing_but_virtual_keys_can_be_published(handed_over):
    before = dict(handed_over.store.files)
    for changes in (ROUTING, {"policy.json": default_policy()}, {}):
        with pytest.raises(ThresholdNotHeld):
            bundles.publish(handed_over.store, "acme", changes, handed_over.keys.load(), NOW)
    assert handed_over.store.files == before
    bundles.publish(handed_over.store, "acme", {"keys.json": keys_document([])}, handed_over.keys.load(), NOW)
    assert bundles.renew(handed_over.store, "acme", handed_over.keys.load(), NOW + timedelta(hours=2)) == ("timestamp",)


def test_two_copies_signed_apart_are_enough_together(handed_over, witness):
    proposal = handed_over.propose(ROUTING)
    copies = [handed_over.signed(proposal, number) for number in (0, 2)]
    for copy in copies:
        with pytest.raises(ThresholdNotHeld):
            handed_over.publish(copy)
    handed_over.publish(*copies)
    assert witness.read("routing.json") == ROUTING
    targets = Metadata[Targets].from_bytes(handed_over.store.files["targets", 3]).signed
    assert targets.expires == NOW.replace(microsecond=0) + OFFICERS_LIFETIME


def test_who_stole_the_database_and_every_key_here_cannot_change_policy(handed_over, witness):
    """The attacker has the store, all online keys, the old root and targets keys from a backup, one officer."""
    witness.read(*FIRST)
    store, held = handed_over.store, handed_over.keys.load()
    root = Metadata[Root].from_bytes(store.files["root", 2]).signed
    evil = targets_metadata(99, {"policy.json": b"{}"}, NOW)
    signed = Metadata(evil)
    for signer in (held.snapshot, held.timestamp, held.virtual_keys, *handed_over.before, handed_over.officers[0]):
        signed.sign(signer, append=True)
    release = Release(store, "acme", held, NOW, TIMESTAMP_LIFETIME)
    forged = release.adopt_targets(SignedFile("targets", 99, signed.to_bytes()), {"policy.json": b"{}"})
    release.show(STABLE, forged, bundles.load_head(store, "acme", STABLE).keys)
    release.publish()
    with pytest.raises(UnsignedMetadataError):
        witness.read("policy.json")
    assert witness.version("targets") == 2
    with pytest.raises(UnsignedMetadataError):
        root.verify_delegate("targets", signed.signed_bytes, signed.signatures)


async def test_our_outpost_refuses_what_a_thief_signs_and_follows_the_officers(handed_over, tmp_path):
    client, store, held = OwnClient(handed_over.store, "acme", tmp_path), handed_over.store, handed_over.keys.load()
    assert await client.read(NOW) == FIRST
    handed_over.publish(handed_over.signed(handed_over.propose(ROUTING), 0, 2))
    assert await client.read(NOW) == FIRST | ROUTING
    head = bundles.load_head(store, "acme", STABLE)
    delegations = head.delegations
    forged = Metadata(targets_metadata(9, bundles.listed(FIRST, delegations), NOW, delegations=delegations))
    for signer in (held.snapshot, held.timestamp, held.virtual_keys, *handed_over.before, handed_over.officers[0]):
        forged.sign(signer, append=True)
    release = Release(store, "acme", held, NOW, TIMESTAMP_LIFETIME)
    file = release.adopt_targets(SignedFile("targets", 9, forged.to_bytes()), FIRST)
    release.show(STABLE, file, head.keys)
    release.publish()
    with pytest.raises(BundleRejected):
        await client.read(NOW)


def test_nor_can_they_appoint_officers_of_their_own(handed_over, witness):
    witness.read(*FIRST)
    before = dict(handed_over.store.files)
    mine = handed_over.officers[3]
    proposal = handed_over.propose(roles={role: RoleKeys((mine.public_key,)) for role in ("root", "targets")})
    with pytest.raises(ThresholdNotHeld):
        handed_over.publish(handed_over.signed(proposal, 3, 0))  # and one officer who was fooled
    assert handed_over.store.files == before
    # forcing it into the repository does not help either
    handed_over.store.files["root", 3] = handed_over.signed(proposal, 3, 0).root
    with pytest.raises(UnsignedMetadataError):
        witness.read(*FIRST)


def test_officers_are_replaced_by_enough_of_the_old_and_of_the_new(handed_over, witness):
    proposal = handed_over.appoint(1, 2, 3)
    for signatures in ((0, 1), (2, 3), (0, 3)):
        with pytest.raises(ThresholdNotHeld):
            handed_over.publish(handed_over.signed(proposal, *signatures))
    handed_over.publish(handed_over.signed(proposal, 0, 1, 3))
    assert witness.read(*FIRST) == FIRST
    with pytest.raises(ThresholdNotHeld):
        handed_over.publish(handed_over.signed(handed_over.propose(ROUTING), 1))
    handed_over.publish(handed_over.signed(handed_over.propose(ROUTING), 1, 3))
    assert witness.read("routing.json") == ROUTING


@pytest.mark.parametrize("role", ["snapshot", "timestamp", VIRTUAL_KEYS])
def test_a_key_that_stays_here_is_rotated_with_the_officers(handed_over, witness, role):
    witness.read(*FIRST)
    new = handed_over.keys.following(role)
    options = (
        {"delegate_to": new.public_key} if role == VIRTUAL_KEYS else {"roles": {role: RoleKeys((new.public_key,))}}
    )
    handed_over.publish(handed_over.signed(handed_over.propose(**options), 0, 1))
    assert witness.read(*FIRST) == FIRST
    assert handed_over.keys.load().of(role).public_key.keyid == new.public_key.keyid
    bundles.publish(handed_over.store, "acme", {"keys.json": keys_document([])}, handed_over.keys.load(), NOW)
    assert witness.read(*FIRST) == FIRST


def test_a_proposal_is_outdated_by_another_publication(handed_over):
    one, other = handed_over.propose(ROUTING), handed_over.propose({"policy.json": default_policy()})
    handed_over.publish(handed_over.signed(one, 0, 1))
    with pytest.raises(InvalidRequest, match="propose and sign again"):
        handed_over.publish(handed_over.signed(other, 0, 1))
    with pytest.raises(InvalidRequest, match="published already"):
        handed_over.publish(handed_over.signed(one, 0, 1))


def test_officers_end_a_canary_that_they_signed_and_are_shown_what_that_takes_back(handed_over, witness):
    canary = handed_over.signed(handed_over.propose(ROUTING), 0, 1)
    held = handed_over.keys.load()
    accept(Release(handed_over.store, "acme", held, NOW, TIMESTAMP_LIFETIME), [canary], held, audience=CANARY)
    assert witness.read("routing.json") == {"routing.json": FIRST["routing.json"]}  # the others
    back = handed_over.propose()
    told = review(back, seen_by(canary))
    assert [(one.name, one.before, one.after) for one in told.documents] == [
        ("routing.json", ROUTING["routing.json"], FIRST["routing.json"])
    ]
    for number in (0, 1):
        back = add_signature(back, handed_over.officers[number], seen_by(canary))
    with pytest.raises(CanaryUnderWay):
        handed_over.publish(back)
    accept(Release(handed_over.store, "acme", held, NOW, TIMESTAMP_LIFETIME), [back], held, ends_canary=True)
    assert bundles.load_head(handed_over.store, "acme", CANARY) is None
    assert witness.read(*FIRST) == FIRST
    assert witness.version("targets") == 4


def test_new_virtual_keys_do_not_outdate_a_proposal(handed_over, witness):
    proposal = handed_over.signed(handed_over.propose(ROUTING), 0, 1)
    document = json.loads(keys_document([])) | {
        "keys": [{"id": "k", "prefix": "sk-op-live-01234567", "pepper_id": "p", "digest": "0" * 64, "group": "default"}]
    }
    changed = json.dumps(document).encode()
    bundles.publish(handed_over.store, "acme", {"keys.json": changed}, handed_over.keys.load(), NOW)
    handed_over.publish(proposal)
    assert witness.read(*FIRST) == FIRST | ROUTING | {"keys.json": changed}


def test_what_is_altered_on_the_way_is_not_published(handed_over):
    proposal = handed_over.signed(handed_over.propose(ROUTING), 0, 1)
    for changes in (
        {"documents": proposal.documents | {"routing.json": default_routing("https://evil.example")}},
        {"org_id": "globex"},
        {"targets": proposal.targets[:-9]},
    ):
        with pytest.raises(InvalidRequest):
            handed_over.publish(proposal.model_copy(update=changes))


def test_what_cannot_be_proposed(handed_over, world):
    with pytest.raises(DocumentRejected):
        handed_over.propose({"policy.json": b"{"})
    with pytest.raises(InvalidRequest):
        handed_over.propose({"keys.json": keys_document([])})
    keys = [pem(officer) for officer in world.officers[:2]]
    for pems, threshold, root_threshold in (
        (keys, 3, 1),
        (keys, 1, 3),
        (keys, 0, 1),
        ([], 1, 1),
        ([keys[0]] * 2, 2, 2),
        ([b"no key"], 1, 1),
    ):
        with pytest.raises(InvalidRequest):
            officers_roles(pems, threshold, root_threshold)


def test_a_proposal_of_a_control_plane_that_holds_the_keys_needs_nobody(world):
    proposal = world.propose(ROUTING)
    assert not review(proposal).complete
    assert world.publish(proposal) == 2


def test_nothing_published_nothing_to_propose(tmp_path):
    world = World(tmp_path)
    world.store.heads.clear()
    with pytest.raises(NotFound):
        world.propose()


def test_signing_by_hand_needs_the_threshold_too(handed_over):
    root = Metadata[Root].from_bytes(handed_over.store.files["root", 2]).signed
    with pytest.raises(ThresholdNotHeld):
        sign("targets", targets_metadata(9, {}, NOW), [root], handed_over.keys.load())


LISTING = {"schema_version": "1", "lists": [{"id": "customers", "kind": "org.customers", "form": "words"}]}
CUSTOMERS = build_words(["Quxley"], "customers", LIST_KEY)
LISTS = {"detectors.json": json.dumps(LISTING).encode(), "customers.list": CUSTOMERS}


def test_officers_sign_a_lists_digest_and_only_that_list_is_published(handed_over):
    world = handed_over
    proposal = world.signed(world.propose(LISTS), 0, 1)
    assert "customers.list" not in proposal.documents
    (change,) = review(proposal).lists
    assert (change.name, change.before, change.after[0]) == ("customers.list", None, len(CUSTOMERS))
    held = world.keys.load()
    for lists in ({}, {"customers.list": build_words(["Quxleyy"], "customers", LIST_KEY)}):
        release = Release(world.store, "acme", held, NOW, TIMESTAMP_LIFETIME)
        with pytest.raises(InvalidRequest, match=r"the officers signed another customers.list than is here"):
            accept(release, [proposal], held, lists=lists)
    release = Release(world.store, "acme", held, NOW, TIMESTAMP_LIFETIME)
    accept(release, [proposal], held, lists={"customers.list": CUSTOMERS})
    assert bundles.current_documents(world.store, "acme")["customers.list"] == CUSTOMERS
    # Once published, it needs not be given again.
    later = world.signed(world.propose(ROUTING), 1, 2)
    assert review(later).lists == ()
    world.publish(later)
    assert bundles.current_documents(world.store, "acme")["customers.list"] == CUSTOMERS
    without = world.signed(world.propose({"detectors.json": b'{"schema_version":"1"}'}), 1, 2)
    assert review(without).lists[0].after is None


def test_officers_read_a_packs_card_and_sign_its_files_by_digest(handed_over, tmp_path):
    world = handed_over
    given = pack_given(str(write_pack(tmp_path / "tiny")))
    proposal = world.signed(world.propose(given), 0, 1)
    assert {"models.json", "card.json.pack"} <= set(proposal.documents)
    found = review(proposal)
    assert [change.name for change in found.lists] == ["model.onnx.pack", "tokenizer.json.pack"]
    assert [(change.document, change.where) for change in found.changes] == [("models.json", "models.json")]
    held = world.keys.load()
    other = pack_given(str(write_pack(tmp_path / "other", version="2.0")))
    files = {name: content for name, content in given.items() if not is_readable(name)}
    for wrong in ({}, files | {"model.onnx.pack": b"another"}):
        release = Release(world.store, "acme", held, NOW, TIMESTAMP_LIFETIME)
        with pytest.raises(InvalidRequest, match="--models-pack FOLDER"):
            accept(release, [proposal], held, lists=wrong)
    release = Release(world.store, "acme", held, NOW, TIMESTAMP_LIFETIME)
    accept(release, [proposal], held, lists=files)
    assert bundles.current_documents(world.store, "acme")["model.onnx.pack"] == given["model.onnx.pack"]
    (change,) = [one for one in review(world.propose(other)).changes if one.document == "models.json"]
    assert change.what.startswith("model pack tiny (")
    with pytest.raises(DocumentRejected, match="another pack"):
        world.propose({"models.json": other["models.json"]})
    targets = world.propose({"models.json": b'{"schema_version":"1"}'})
    assert [one.after for one in review(targets).lists] == [None, None]
