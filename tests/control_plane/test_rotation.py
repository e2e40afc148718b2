"""The machine that moves trust: every step from every phase, who is waited for, and that nothing is left untrusted."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from control_plane import rotation
from control_plane.authorities import TRUSTED, AuthorityRecord, Kind, State, first_state
from control_plane.errors import RotationRefused
from control_plane.rotation import ALLOWED, Member, Phase, Step
from tests.fakes.clock import NOON
from tests.fakes.pki import test_authority

WITHIN = timedelta(minutes=5)


def _first():
    authority = test_authority()
    return first_state(authority.root.certificate, authority.intermediate.certificate)


def _additions(state, kind):
    number = len(state.authorities)
    der = test_authority().root.certificate.public_bytes(Encoding.DER)
    root = f"root-{number}" if kind is Kind.ROOT else state.active(Kind.ROOT).name
    made = [AuthorityRecord(f"intermediate-{number}", Kind.INTERMEDIATE, State.NEXT, root, der, NOON)]
    if kind is Kind.ROOT:
        made.insert(0, AuthorityRecord(root, Kind.ROOT, State.NEXT, root, der, NOON, der))
    return made


def _take(state, kind, step, fleet=(), **options):
    if step is Step.PREPARE:
        return rotation.prepare(state, kind, _additions(state, kind))
    return rotation.advance(state, kind, step, fleet, at=NOON, live_within=WITHIN, **options)


def _walk(kind, *steps):
    state = _first()
    for step in steps:
        state = _take(state, kind, step)
    return state


@pytest.mark.parametrize("kind", Kind)
def test_a_whole_rotation_moves_trust_in_four_generations(kind):
    state = _first()
    old = state.active(kind).name
    seen = []
    for step in (Step.PREPARE, Step.ACTIVATE, Step.RETIRE):
        state = _take(state, kind, step)
        seen.append(
            (state.generation, rotation.phase_of(state), len(state.trusted(kind)), state.active(kind).name == old)
        )
    assert seen == [(2, Phase.PREPARED, 2, True), (3, Phase.ACTIVATED, 2, False), (4, Phase.IDLE, 1, False)]
    assert state.named(old).state is State.RETIRED
    assert state.named(old).retired_at == NOON
    assert rotation.rotating(state) is None


@pytest.mark.parametrize("kind", Kind)
def test_rollback_undoes_activate_then_prepare(kind):
    state = _walk(kind, Step.PREPARE, Step.ACTIVATE)
    back = _take(state, kind, Step.ROLLBACK)
    assert (rotation.phase_of(back), back.active(kind).name) == (Phase.PREPARED, kind.value)
    gone = _take(back, kind, Step.ROLLBACK)
    assert rotation.phase_of(gone) is Phase.IDLE
    assert {one.state for one in gone.authorities} == {State.ACTIVE, State.WITHDRAWN}
    assert gone.generation == 5  # it never goes back


@pytest.mark.parametrize(
    ("steps", "phase"),
    [((), Phase.IDLE), ((Step.PREPARE,), Phase.PREPARED), ((Step.PREPARE, Step.ACTIVATE), Phase.ACTIVATED)],
)
@pytest.mark.parametrize("step", Step)
def test_only_the_next_step_is_possible(steps, phase, step):
    state = _walk(Kind.INTERMEDIATE, *steps)
    if step in ALLOWED[phase]:
        assert _take(state, Kind.INTERMEDIATE, step).generation == state.generation + 1
    else:
        with pytest.raises(RotationRefused, match="possible now"):
            _take(state, Kind.INTERMEDIATE, step)


def test_one_rotation_at_a_time():
    with pytest.raises(RotationRefused, match="under way"):
        _take(_walk(Kind.ROOT, Step.PREPARE), Kind.INTERMEDIATE, Step.PREPARE)


def test_activate_waits_for_live_outposts_that_do_not_trust_the_new_generation_yet():
    state = _walk(Kind.INTERMEDIATE, Step.PREPARE)
    fleet = [
        Member("has-it", NOON, 2, "intermediate"),
        Member("behind", NOON, 1, "intermediate"),
        Member("says-nothing", NOON, None, None),
        Member("offline", NOON - timedelta(hours=1), 1, "intermediate"),
        Member("never-seen", None, None, None),
    ]
    with pytest.raises(RotationRefused) as caught:
        _take(state, Kind.INTERMEDIATE, Step.ACTIVATE, fleet)
    assert caught.value.unconfirmed == ["behind", "says-nothing"]
    assert "--override" in caught.value.message
    assert _take(state, Kind.INTERMEDIATE, Step.ACTIVATE, fleet, override=True).generation == 3
    assert _take(state, Kind.INTERMEDIATE, Step.ACTIVATE, [fleet[0], *fleet[3:]]).generation == 3


def test_retire_waits_for_certificates_of_the_new_authority():
    state = _walk(Kind.INTERMEDIATE, Step.PREPARE, Step.ACTIVATE)
    fleet = [Member("new", NOON, 3, "intermediate-2"), Member("old", NOON, 3, "intermediate")]
    with pytest.raises(RotationRefused) as caught:
        _take(state, Kind.INTERMEDIATE, Step.RETIRE, fleet)
    assert caught.value.unconfirmed == ["old"]
    assert _take(state, Kind.INTERMEDIATE, Step.RETIRE, fleet[:1]).generation == 4


def test_a_rollback_waits_for_those_who_hold_certificates_of_what_would_be_withdrawn():
    state = _walk(Kind.INTERMEDIATE, Step.PREPARE, Step.ACTIVATE, Step.ROLLBACK)
    fleet = [Member("new", NOON, 4, "intermediate-2")]
    with pytest.raises(RotationRefused):
        _take(state, Kind.INTERMEDIATE, Step.ROLLBACK, fleet)
    assert _take(state, Kind.INTERMEDIATE, Step.ROLLBACK).generation == 5


@given(st.lists(st.tuples(st.sampled_from(Kind), st.sampled_from(Step)), max_size=12))
def test_whatever_is_asked_one_of_each_issues_and_the_one_that_issues_is_trusted(asked):
    state = _first()
    for kind, step in asked:
        before = state
        try:
            state = _take(state, kind, step)
        except RotationRefused:
            assert state is before
            continue
        assert state.generation == before.generation + 1
        for each in Kind:
            active = [one for one in state.authorities if one.kind is each and one.state is State.ACTIVE]
            assert len(active) == 1
            # What was published is trusted one step before it issues: no outpost meets an authority it never heard of.
            assert before.named(active[0].name).state in TRUSTED
        assert state.named(state.active(Kind.INTERMEDIATE).issuer).state in TRUSTED
