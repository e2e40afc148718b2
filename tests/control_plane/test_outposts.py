from datetime import timedelta

import pytest

from control_plane.errors import AlreadyExists, InvalidRequest, OutpostRevoked, UnknownOutpost

LIFETIME = timedelta(minutes=15)


@pytest.mark.parametrize("name", ["", "Edge", "a b", "-x", "x" * 55, "a/../b"])
def test_a_name_that_cannot_be_part_of_an_id_is_refused(operations, name):
    with pytest.raises(InvalidRequest):
        operations.create_outpost("acme", name, LIFETIME)


def test_names_are_unique_in_an_org_and_ids_everywhere(operations):
    operations.create_org("globex", "https://llm.example/v1")
    ours, _ = operations.create_outpost("acme", "edge", LIFETIME)
    theirs, _ = operations.create_outpost("globex", "edge", LIFETIME)
    assert ours.id != theirs.id
    with pytest.raises(AlreadyExists):
        operations.create_outpost("acme", "edge", LIFETIME)


def test_a_new_token_is_made_for_active_outposts_only(operations):
    record, _ = operations.create_outpost("acme", "edge", LIFETIME)
    assert operations.create_token(record.id, LIFETIME).outpost_id == record.id
    operations.revoke_outpost(record.id)
    for outpost_id, error in ((record.id, OutpostRevoked), ("nobody", UnknownOutpost)):
        with pytest.raises(error):
            operations.create_token(outpost_id, LIFETIME)
        with pytest.raises(error):
            operations.revoke_outpost(outpost_id)
