"""Runs the smoke cases of a bundle through the engine and the policy that would enforce it. Pure."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from outpost.dlp.engine import Engine
from outpost.errors import CouldNotInspect
from outpost.policy.evaluate import CompiledPolicy, Facts, evaluate
from outpost.policy.model_rules import only_models_find
from outpost.protocol.decisions import Decision, Destination
from outpost.protocol.findings import Finding
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

    A case that expects a kind which only a model finds is passed over; ``model_cases`` are tried where models are.
    """
    failed: list[SmokeFailure] = []
    for case in document.cases:
        if any(map(only_models_find, case.expect.kinds or ())):
            continue
        try:
            failed += failures_of(case, engine.scan(case.text), policy)
        except CouldNotInspect as err:
            failed.append(SmokeFailure(case.id, case.expect.action.value, err.code.value))
    return failed


def model_cases(document: SmokeDocument, offered: Collection[str]) -> list[SmokeCase]:
    """The cases that expect what only a model finds, and all of it something that models here offer."""
    wanted = ((case, [kind for kind in case.expect.kinds or () if only_models_find(kind)]) for case in document.cases)
    return [case for case, kinds in wanted if kinds and all(kind in offered for kind in kinds)]


def failures_of(case: SmokeCase, findings: Sequence[Finding], policy: CompiledPolicy) -> Iterator[SmokeFailure]:
    """What is not as ``case`` expects, if ``findings`` are what its text holds; at most one."""
    expected = case.expect
    decision = evaluate(policy, _facts(case), findings)
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
