"""What would be decided about a text, and why every rule did or did not decide. Pure.

Findings come from the engine and the decision from ``evaluate`` of the bundle itself; only the explanation is made
here, from the same compiled rules. What the text becomes is found as in the proxy: redacted until nothing objectionable
is left.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from outpost.dlp.redact import redact
from outpost.errors import CouldNotInspect
from outpost.policy.compile import Compiled
from outpost.policy.evaluate import CompiledRule, Facts, evaluate
from outpost.policy.routing import RoutingTable, Target, apis_for
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision, Direction
from outpost.protocol.findings import Finding

Scan = Callable[[str], list[Finding]]
MAX_ROUNDS: Final = 8  # as the proxy (decide.py)


@dataclass(frozen=True, slots=True)
class Step:
    """What one rule, or a pack's default, had to say."""

    rule_id: str
    action: Action
    decided: bool
    """It matched, and was asked."""
    why: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """The outcome. ``text`` is what would be passed on; None if blocked."""

    decision: Decision
    findings: tuple[Finding, ...]
    steps: tuple[Step, ...]
    text: str | None


def simulate(compiled: Compiled, facts: Facts, text: str, scan: Scan | None = None) -> Simulation:
    """Decide about ``text``; ``scan`` finds more than patterns do (``outpost.models.tiers.TieredScanner``).

    Raises:
        CouldNotInspect: It cannot be inspected, or does not become clean.
    """
    find = scan or compiled.engine.scan
    findings = tuple(find(text))
    decision = evaluate(compiled.policy, facts, findings)
    steps = tuple(_explain(compiled, facts, findings))
    return Simulation(decision, findings, steps, _passed_on(compiled, facts, text, find))


def served_by(routing: RoutingTable, facts: Facts, decision: Decision) -> tuple[Target, ...]:
    """Who may serve a request about which ``decision`` was made, by order and weight; nobody if it is blocked."""
    if decision.action is Action.BLOCK or facts.direction is not Direction.INPUT:
        return ()
    targets = routing.targets(facts.model, apis_for(facts.surface), decision.destination)
    return tuple(sorted(targets, key=lambda target: (target.order, -target.weight)))


def _passed_on(compiled: Compiled, facts: Facts, text: str, find: Scan) -> str | None:
    for _ in range(MAX_ROUNDS):
        findings = find(text)
        decision = evaluate(compiled.policy, facts, findings)
        if decision.action is Action.BLOCK:
            return None
        if decision.action is not Action.REDACT and not decision.redact:
            return text
        text = redact(text, [findings[index] for index in decision.redact])
    raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, f"not clean after {MAX_ROUNDS} rounds of redaction")


def _explain(compiled: Compiled, facts: Facts, findings: Sequence[Finding]) -> Iterator[Step]:
    ended_by = ""
    for pack in compiled.policy.packs:
        for rule in pack.asked:
            if ended_by:
                yield Step(rule.rule_id, rule.action, decided=False, why=f"not asked: {ended_by} had decided")
                continue
            why_not = _why_not(rule, facts, findings)
            yield Step(rule.rule_id, rule.action, not why_not, why_not or _why(rule, findings) + _where_to(rule))
            if not why_not and rule.action is not Action.REDACT:
                ended_by = rule.rule_id
        default = f"{pack.pack_id}/default"
        if ended_by:
            yield Step(default, pack.default, decided=False, why=f"not asked: {ended_by} had decided")
        elif pack.default is Action.BLOCK:
            ended_by = default
            yield Step(default, pack.default, decided=True, why="no rule of the pack allows it")
        else:
            yield Step(default, pack.default, decided=True, why="no rule of the pack objects: on to the next")


def _why(rule: CompiledRule, findings: Sequence[Finding]) -> str:
    kinds = sorted({findings[index].kind for index in rule.matching(findings)})
    return f"found {', '.join(kinds)}" if kinds else "its conditions hold"


def _where_to(rule: CompiledRule) -> str:
    return "" if rule.destination is None else f": goes to {rule.destination}"


def _why_not(rule: CompiledRule, facts: Facts, findings: Sequence[Finding]) -> str:
    """The first condition that does not hold; empty if the rule matches."""
    for word, actual, wanted in (
        ("direction", facts.direction, rule.directions),
        ("model", facts.model, rule.models),
        ("group", facts.group, rule.groups),
        ("surface", facts.surface, rule.surfaces),
    ):
        if wanted is not None and actual not in wanted:
            return f"{word} is {actual or 'not given'}, not {' or '.join(sorted(wanted))}"
    if rule.kinds is None or rule.matching(findings):
        return ""
    weaker = [finding for finding in findings if rule.names(finding.kind)]
    if weaker:
        best = max(weaker, key=lambda finding: finding.score)
        return f"{best.kind} has score {best.score:.2f}, below {rule.min_score:.2f}"
    return f"nothing found of {', '.join(sorted(rule.kinds))}"
