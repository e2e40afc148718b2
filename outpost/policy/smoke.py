"""Runs the smoke cases of a bundle through the engine and the policy that would enforce it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from outpost.dlp.engine import Engine
from outpost.errors import CouldNotInspect
from outpost.policy.evaluate import CompiledPolicy, Facts, evaluate
from outpost.policy.model_rules import only_models_find
from outpost.protocol.decisions import Decision, Destination
from outpost.protocol.smoke import SmokeCase, SmokeDocument


@dataclass(frozen=True, slots=True)
class SmokeFailure:
    """One case that came out differently; never its text."""

    case_id: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"case {self.case_id} expects {self.expected}, got {self.actual}"


def failures(document: SmokeDocument, engine: Engine, policy: CompiledPolicy) -> list[SmokeFailure]:
    """Every case whose decision is not the expected one, in order; patterns alone look at their texts.

    A case that expects a kind which only a model finds is passed over (``outpost policy simulate --models`` tries it).
    """
    tried = (case for case in document.cases if not any(map(only_models_find, case.expect.kinds or ())))
    return [failure for case in tried for failure in _failure(case, engine, policy)]


def _failure(case: SmokeCase, engine: Engine, policy: CompiledPolicy) -> Iterator[SmokeFailure]:
    expected = case.expect
    try:
        decision = evaluate(policy, _facts(case), engine.scan(case.text))
    except CouldNotInspect as err:
        yield SmokeFailure(case.id, expected.action.value, err.code.value)
        return
    if decision.action is not expected.action:
        yield SmokeFailure(case.id, expected.action.value, f"{decision.action.value} by {decision.rule_id}")
    elif expected.kinds is not None and set(expected.kinds) != set(decision.kinds):
        yield SmokeFailure(case.id, _kinds(case), _decided_kinds(decision))
    elif expected.route_to is not None:
        place = Destination(**dict(expected.route_to))
        if place != decision.destination:
            yield SmokeFailure(case.id, str(place), str(decision.destination or "no route"))


def _facts(case: SmokeCase) -> Facts:
    return Facts(case.surface or "", case.model or "", case.group or "", case.direction)


def _kinds(case: SmokeCase) -> str:
    return ", ".join(sorted(case.expect.kinds or [])) or "no kinds"


def _decided_kinds(decision: Decision) -> str:
    return ", ".join(decision.kinds) or "no kinds"
