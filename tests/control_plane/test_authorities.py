from dataclasses import replace

from cryptography import x509

from control_plane.authorities import (
    FIRST_INTERMEDIATE,
    Kind,
    State,
    first_state,
    key_id_of,
    presented_chain,
    trust_store,
    trust_update,
)
from tests.fakes.pki import test_authority


def _state():
    authority = test_authority()
    return first_state(authority.root.certificate, authority.intermediate.certificate)


def test_the_first_state_trusts_and_presents_what_init_made():
    authority, state = test_authority(), _state()
    assert (state.generation, state.cross_certificates(of_next=True)) == (1, ())
    assert presented_chain(state) == (authority.intermediate.certificate,)
    assert trust_store(state).anchors == (authority.root.certificate,)
    update = trust_update(state)
    assert x509.load_pem_x509_certificate(update.anchors_pem[0].encode()) == authority.root.certificate
    assert (update.generation, update.cross_certificates_pem) == (1, [])


def test_authorities_are_found_by_name_and_by_key_identifier():
    state = _state()
    intermediate = state.named(FIRST_INTERMEDIATE)
    assert state.with_key_id(key_id_of(test_authority().intermediate.certificate)) == intermediate
    assert (state.named("x"), state.with_key_id("00")) == (None, None)


def test_cross_certificates_stay_after_their_root_retired_and_go_with_a_rollback():
    state = _state()
    root = state.active(Kind.ROOT)

    def crosses(new_state, *, of_next):
        new = replace(root, name="root-2", state=new_state, cross_der=root.certificate_der)
        return len(replace(state, authorities=(*state.authorities, new)).cross_certificates(of_next=of_next))

    found = {new: (crosses(new, of_next=True), crosses(new, of_next=False)) for new in State}
    both = {State.ACTIVE, State.PREVIOUS, State.RETIRED}
    assert found == dict.fromkeys(both, (1, 1)) | {State.NEXT: (1, 0), State.WITHDRAWN: (0, 0)}
