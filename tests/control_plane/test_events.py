from control_plane.events import IdentityEvent
from tests.fakes.clock import NOON


def test_an_event_without_details_has_an_empty_table_of_its_own():
    first, second = IdentityEvent(NOON, "revoked", "edge"), IdentityEvent(NOON, "revoked", "edge")
    assert first == second
    assert first.detail is not second.detail
