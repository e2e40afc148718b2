from dataclasses import replace

from control_plane.authorities import State, TrustState, first_state
from control_plane.store.authorities import SqlAuthorityStore
from tests.fakes.clock import NOON
from tests.fakes.pki import test_authority


def test_a_state_is_replaced_whole_and_comes_back_in_order(connection):
    authority, store = test_authority(), SqlAuthorityStore(connection)
    assert (store.generation(), store.load()) == (None, None)
    first = first_state(authority.root.certificate, authority.intermediate.certificate)
    for state in (
        first,
        TrustState(2, tuple(replace(one, state=State.RETIRED, retired_at=NOON) for one in reversed(first.authorities))),
    ):
        store.save(state)
        assert store.generation() == state.generation
        assert store.load() == state
