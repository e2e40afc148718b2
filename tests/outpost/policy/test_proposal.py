"""What officers are shown and asked for. The control plane's side makes the proposals: tests/control_plane."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Role, Root, TargetFile, Targets

from control_plane.defaults import default_policy, default_routing
from outpost.policy.proposal import (
    ORG_FIELD,
    ProposalInvalid,
    Seen,
    add_signature,
    digest,
    merge,
    parse_proposal,
    review,
    seen_by,
)
from outpost.protocol.proposal import Proposal
from tests.fakes.clock import NOON

DOCUMENTS = {"policy.json": default_policy(), "routing.json": default_routing()}
NEW = DOCUMENTS | {"routing.json": default_routing("https://llm.example/v1")}
OFFICERS = [CryptoSigner.generate_ecdsa() for _ in range(3)]
ONLINE = CryptoSigner.generate_ed25519()
LATER = NOON + timedelta(days=300)


def root(version, *, officers=OFFICERS, threshold=2, org="acme", signers=OFFICERS, keys=None):
    keys = keys or {one.public_key.keyid: one.public_key for one in [*officers, ONLINE]}
    ids = [keyid for keyid in keys if keyid != ONLINE.public_key.keyid]
    online = Role([ONLINE.public_key.keyid], 1)
    roles = {"root": Role(ids, threshold), "targets": Role(ids, threshold), "snapshot": online, "timestamp": online}
    signed = Root(version=version, expires=LATER, keys=keys, roles=roles, unrecognized_fields={ORG_FIELD: org})
    return signed_by(signed, signers)


def targets(version, documents=DOCUMENTS, *, org="acme", signers=OFFICERS, delegate=ONLINE):
    listed = {name: TargetFile.from_data(name, content, ["sha256"]) for name, content in documents.items()}
    key = delegate.public_key
    role = DelegatedRole("virtual-keys", [key.keyid], 1, terminating=True, paths=["keys.json"])
    fields = {ORG_FIELD: org} if org else {}
    delegations = Delegations({key.keyid: key}, {"virtual-keys": role})
    signed = Targets(
        version=version, expires=LATER, targets=listed, delegations=delegations, unrecognized_fields=fields
    )
    return signed_by(signed, signers)


def signed_by(signed, signers):
    metadata = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def proposal(**changes):
    values = {
        "org_id": "acme",
        "targets": targets(6, NEW, signers=[]),
        "documents": NEW,
        "current_root": root(3),
        "current_targets": targets(5),
        "current_documents": DOCUMENTS,
    }
    return Proposal.model_construct(**values | changes)


def test_a_review_names_every_change_and_every_signature_so_far():
    found = review(add_signature(proposal(), OFFICERS[1]))
    assert (found.org_id, found.targets_versions, found.root_versions) == ("acme", (5, 6), (3, 3))
    assert [(one.name, digest(one.before), digest(one.after)) for one in found.documents] == [
        ("routing.json", digest(DOCUMENTS["routing.json"]), digest(NEW["routing.json"]))
    ]
    assert [(one.document, one.where, one.effect) for one in found.changes] == [
        ("routing.json", "providers/openai", "changes")
    ]
    assert found.keys == ()
    (signatures,) = found.signatures
    assert signatures.signed == (OFFICERS[1].public_key.keyid,)
    assert (signatures.role, signatures.by, signatures.threshold, signatures.enough) == (
        "targets", "current keys", 2, False,
    )  # fmt: skip
    assert review(add_signature(add_signature(proposal(), OFFICERS[1]), OFFICERS[0])).complete


def test_a_change_of_keys_and_delegations_is_named():
    new = [OFFICERS[0], CryptoSigner.generate_ecdsa()]
    other = CryptoSigner.generate_ed25519()
    found = review(
        proposal(root=root(4, officers=new, signers=[]), targets=targets(6, NEW, signers=[], delegate=other))
    )
    assert found.root_versions == (3, 4)
    assert [line.split(":")[0] for line in found.keys] == ["root", "targets", "delegations"]
    for signer in new:
        assert signer.public_key.keyid[:16] in found.keys[0]
    assert other.public_key.keyid[:16] in found.keys[2]
    assert [(one.role, one.by) for one in found.signatures] == [
        ("root", "current keys"), ("root", "new keys"), ("targets", "new keys"),
    ]  # fmt: skip


def test_exactly_the_canonical_bytes_are_signed():
    before = proposal()
    after = add_signature(before, OFFICERS[0])
    assert Metadata.from_bytes(after.targets).signed_bytes == Metadata.from_bytes(before.targets).signed_bytes
    assert after.documents == before.documents
    Metadata.from_bytes(root(3, threshold=1)).signed.verify_delegate(
        "targets", Metadata.from_bytes(after.targets).signed_bytes, Metadata.from_bytes(after.targets).signatures
    )


def twice(officer):
    """One key under two ids."""
    key = officer.public_key
    other = SSlibKey("0" * 64, key.keytype, key.scheme, key.keyval)
    return {one.keyid: one for one in (key, other, ONLINE.public_key)}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"targets": targets(5, NEW)}, "not above"),
        ({"targets": targets(4, NEW)}, "not above"),
        ({"root": root(5)}, "does not follow"),
        ({"root": root(3)}, "does not follow"),
        ({"targets": targets(6, NEW, org="globex")}, "not for org acme"),
        ({"targets": targets(6, NEW, org=None)}, "not for org acme"),
        ({"root": root(4, org="globex")}, "not for org acme"),
        ({"org_id": "globex"}, "not for org globex"),
        ({"documents": DOCUMENTS}, "not the document that its targets list"),
        ({"documents": {"policy.json": default_policy()}}, "not those that its targets list"),
        ({"current_documents": NEW}, "not the document"),
        ({"current_targets": targets(5, signers=OFFICERS[:1])}, "not signed by the threshold"),
        ({"current_root": root(3, signers=[ONLINE])}, "not signed by the threshold"),
        ({"root": root(4, keys=twice(OFFICERS[0]))}, "counts one key twice"),
        ({"targets": b"{}"}, "is not metadata"),
        ({"targets": root(6)}, "other metadata"),
        (
            {"targets": targets(6, {"policy.json": b"{}", "routing.json": b"{}"}), "documents": {
                "policy.json": b"{}", "routing.json": b"{}"}},
            "an outpost would refuse it",
        ),
    ],
)  # fmt: skip
def test_what_must_not_be_signed(changes, why):
    with pytest.raises(ProposalInvalid, match=why):
        add_signature(proposal(**changes), OFFICERS[0])


def test_a_key_that_nothing_asks_for_signs_nothing():
    with pytest.raises(ProposalInvalid, match="none of those"):
        add_signature(proposal(), CryptoSigner.generate_ecdsa())


def test_an_older_base_than_what_was_signed_before_is_no_base():
    """A control plane that shows an old policy as the one in force makes a change look smaller than it is."""
    signed = proposal(targets=targets(9, NEW, signers=[]), current_targets=targets(8))
    seen = seen_by(signed)
    assert (seen.root, seen.targets) == (3, 9)
    assert review(signed, seen).targets_versions == (8, 9)  # the same again
    assert review(proposal(targets=targets(10, NEW), current_targets=targets(9)), seen).targets_versions == (9, 10)
    for hiding in (
        proposal(targets=targets(10, NEW), current_targets=targets(8)),
        proposal(targets=targets(9, DOCUMENTS), documents=DOCUMENTS, current_targets=targets(8)),
        proposal(targets=targets(10, NEW), current_targets=targets(9), current_root=root(2)),
    ):
        with pytest.raises(ProposalInvalid, match="hiding"):
            add_signature(hiding, OFFICERS[0], seen)
    assert review(proposal(), Seen()).targets_versions == (5, 6)


def test_copies_are_merged_and_other_proposals_are_not():
    base = proposal(root=root(4, signers=[]))
    one, two = (add_signature(base, officer) for officer in OFFICERS[:2])
    assert review(merge([one, two])).complete
    assert not review(merge([one, one])).complete
    for other in (proposal(), proposal(root=root(4, threshold=1, signers=[])), proposal(targets=targets(7, NEW))):
        with pytest.raises(ProposalInvalid, match="different"):
            merge([one, add_signature(other, OFFICERS[1])])


def test_a_file_comes_back_as_it_was():
    before = proposal(root=root(4))
    written = before.model_dump_json(exclude_none=True).encode()
    after = parse_proposal(written)
    assert [getattr(after, name) for name in Proposal.model_fields] == [
        getattr(before, name, "outpost-proposal/1") for name in Proposal.model_fields
    ]
    with pytest.raises(ProposalInvalid):
        parse_proposal(written.replace(b'"org_id"', b'"more":1,"org_id"'))


@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda x: repr(x).encode())
)
def test_any_bytes_are_a_proposal_or_refused(content):
    with pytest.raises(ProposalInvalid):
        parse_proposal(content)


WHOLE = proposal()


@given(st.data())
def test_any_damage_to_metadata_is_reviewed_or_refused(data):
    field = data.draw(st.sampled_from(["targets", "current_targets", "current_root"]))
    content = bytearray(getattr(WHOLE, field))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    try:
        found = review(WHOLE.model_copy(update={field: bytes(content)}))
    except ProposalInvalid:
        return
    assert found.org_id == "acme"
