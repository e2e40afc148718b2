"""The table of errors has a row for every class, and no body tells what it should not."""

from control_plane import errors
from control_plane.api.errors import TABLE, body_for, row_for
from outpost.protocol.codes import ErrorCode


def _tree(kind):
    return {kind}.union(*map(_tree, kind.__subclasses__()))


def test_every_error_has_a_row_of_its_own():
    assert _tree(errors.ControlPlaneError) == set(TABLE)


def test_the_most_specific_row_wins_and_the_expected_seq_is_told():
    err = errors.AuditOutOfOrder("the next event is 7", 7)
    assert (row_for(err).status, body_for(err).code, body_for(err).expected_seq) == (409, ErrorCode.AUDIT_INVALID, 7)


def test_a_problem_of_our_own_is_told_without_details():
    body = body_for(errors.KeysUnsafe("/var/lib/control-plane/keys/kek: no such file"))
    assert (body.code, body.message) == (ErrorCode.UNAVAILABLE, "try again later")
