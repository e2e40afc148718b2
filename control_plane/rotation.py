"""Rotation of an authority: ``prepare → activate → retire``, back from either middle, never by surprise.

Pure: the state, what the registry knows of the fleet, and a time give the next state, or a refusal that lists who has
not confirmed. An outpost confirms by heartbeat: before *activate* that it trusts the generation in which the new
authority was published, before *retire* that it uses a certificate of the new one. Only live outposts are waited for;
one that was offline comes back over the cross certificate and recovery. Override is the caller's explicit word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from control_plane.authorities import TRUSTED, AuthorityRecord, Kind, State, TrustState
from control_plane.errors import RotationRefused

LIVE_INTERVALS = 10  # heartbeats missed in a row until an outpost counts as offline: 5 minutes at the default of 30 s


class Step(StrEnum):
    """What an operator asks for."""

    PREPARE = "prepare"
    ACTIVATE = "activate"
    RETIRE = "retire"
    ROLLBACK = "rollback"


class Phase(StrEnum):
    """Where a rotation stands."""

    IDLE = "idle"
    PREPARED = "prepared"
    ACTIVATED = "activated"


ALLOWED: dict[Phase, frozenset[Step]] = {
    Phase.IDLE: frozenset({Step.PREPARE}),
    Phase.PREPARED: frozenset({Step.ACTIVATE, Step.ROLLBACK}),
    Phase.ACTIVATED: frozenset({Step.RETIRE, Step.ROLLBACK}),
}


@dataclass(frozen=True, slots=True)
class Member:
    """What the registry knows of one outpost that is not revoked."""

    outpost_id: str
    heard_at: datetime | None
    trust_generation: int | None
    authority: str | None
    """The name of the intermediate that issued the certificate it uses; None if it never said."""


def phase_of(state: TrustState) -> Phase:
    """Where the rotation stands; it can be read off the authorities."""
    states = {one.state for one in state.authorities}
    if State.PREVIOUS in states:
        return Phase.ACTIVATED
    return Phase.PREPARED if State.NEXT in states else Phase.IDLE


def rotating(state: TrustState) -> Kind | None:
    """What is being rotated; a root's rotation brings an intermediate along."""
    moving = {one.kind for one in state.authorities if one.state in {State.NEXT, State.PREVIOUS}}
    if not moving:
        return None
    return Kind.ROOT if Kind.ROOT in moving else Kind.INTERMEDIATE


def require_allowed(state: TrustState, kind: Kind, step: Step) -> None:
    """Return only if ``step`` is the next one of a rotation of ``kind``.

    Raises:
        RotationRefused: Says what is possible now.
    """
    phase, now = phase_of(state), rotating(state)
    if now is not None and now is not kind:
        raise RotationRefused(f"a rotation of the {now} is under way; finish it or roll it back first")
    if step not in ALLOWED[phase]:
        possible = " or ".join(f"--{allowed}" for allowed in sorted(ALLOWED[phase]))
        raise RotationRefused(f"the rotation of the {kind} is {phase}; possible now: {possible}")


def live(fleet: Sequence[Member], at: datetime, within: timedelta) -> list[Member]:
    """Those heard of within ``within``."""
    return [member for member in fleet if member.heard_at is not None and at - member.heard_at <= within]


def unconfirmed(state: TrustState, step: Step, fleet: Sequence[Member]) -> list[str]:
    """Ids of those members for whom ``step`` would come too early."""
    if step is Step.ACTIVATE:
        return [member.outpost_id for member in fleet if (member.trust_generation or 0) < state.generation]
    if step is Step.RETIRE:
        active = state.active(Kind.INTERMEDIATE).name
        return [member.outpost_id for member in fleet if member.authority != active]
    if step is Step.ROLLBACK and phase_of(state) is Phase.PREPARED:
        # After a rollback from activate some may still hold certificates of the authority that is now withdrawn.
        following = {one.name for one in state.authorities if one.state is State.NEXT}
        return [member.outpost_id for member in fleet if member.authority in following]
    return []


def prepare(state: TrustState, kind: Kind, additions: Sequence[AuthorityRecord]) -> TrustState:
    """Publish new authorities, each in state ``NEXT``.

    Raises:
        RotationRefused: Another rotation is under way.
    """
    require_allowed(state, kind, Step.PREPARE)
    return TrustState(state.generation + 1, (*state.authorities, *additions))


def advance(  # noqa: PLR0913 - the facts of one decision
    state: TrustState,
    kind: Kind,
    step: Step,
    fleet: Sequence[Member],
    *,
    at: datetime,
    live_within: timedelta,
    override: bool = False,
) -> TrustState:
    """The state after ``step`` (all but prepare).

    Raises:
        RotationRefused: It is not the next step, or live outposts have not confirmed and ``override`` is not set.
    """
    require_allowed(state, kind, step)
    waiting = unconfirmed(state, step, live(fleet, at, live_within))
    if waiting and not override:
        raise RotationRefused(
            f"not confirmed yet by {len(waiting)} of the live outposts: {', '.join(waiting)}. "
            "Wait for them, or go on with --override --reason; they would have to recover",
            waiting,
        )
    moves = _moves(state, step)
    return TrustState(state.generation + 1, tuple(_moved(one, moves, at) for one in state.authorities))


def _moves(state: TrustState, step: Step) -> dict[tuple[Kind, State], State]:
    moving = {one.kind for one in state.authorities if one.state in {State.NEXT, State.PREVIOUS}}
    if step is Step.ACTIVATE:
        turns = {State.NEXT: State.ACTIVE, State.ACTIVE: State.PREVIOUS}
    elif step is Step.RETIRE:
        turns = {State.PREVIOUS: State.RETIRED}
    elif phase_of(state) is Phase.ACTIVATED:
        turns = {State.PREVIOUS: State.ACTIVE, State.ACTIVE: State.NEXT}
    else:
        turns = {State.NEXT: State.WITHDRAWN}
    return {(kind, before): after for kind in moving for before, after in turns.items()}


def _moved(one: AuthorityRecord, moves: dict[tuple[Kind, State], State], at: datetime) -> AuthorityRecord:
    state = moves.get((one.kind, one.state), one.state)
    leaves = one.state in TRUSTED and state not in TRUSTED
    return replace(one, state=state, retired_at=at if leaves else one.retired_at)
