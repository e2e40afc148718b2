import pytest
from pydantic import ValidationError

from outpost.protocol.proposal import Proposal

FILE = (
    '{"format":"outpost-proposal/1","org_id":"acme","targets":"eA==","documents":{"policy.json":"eA=="},'
    '"current_root":"eA==","current_targets":"eA==","current_documents":{}}'
)


def test_bytes_are_base64_on_the_way_and_bytes_here():
    proposal = Proposal.model_validate_json(FILE)
    assert (proposal.targets, proposal.documents, proposal.root) == (b"x", {"policy.json": b"x"}, None)
    assert Proposal.model_validate_json(proposal.model_dump_json(exclude_none=True)) == proposal


@pytest.mark.parametrize(
    "change",
    [
        ('"org_id":"acme"', '"org_id":"acme","note":"x"'),
        ("outpost-proposal/1", "outpost-proposal/2"),
        ('"targets":"eA=="', '"targets":"eA"'),
        ('"targets":"eA=="', '"targets":7'),
        ('"org_id":"acme"', '"org_id":"../acme"'),
    ],
)
def test_what_this_version_does_not_know_is_refused(change):
    with pytest.raises(ValidationError):
        Proposal.model_validate_json(FILE.replace(*change))
