"""Decide what happens to a request or an answer: a pure function of facts, findings and a compiled policy.

Order (design §7): packs by sequence, rules by sequence. Conditions of a rule are ANDed, entries of one list
ORed. ``REDACT`` accumulates and goes on; ``ALLOW``, ``ROUTE_TO`` and ``BLOCK`` end the evaluation. A pack in which no
rule ended it applies its default: ``BLOCK`` ends, ``ALLOW`` hands on to the next pack. A redaction is no permission, so
it does not keep a default ``BLOCK`` away. ``deny_overrides`` packs look for a matching ``BLOCK`` anywhere before any
``ROUTE_TO``, and for one of these before any ``ALLOW`` counts. The simulator calls the very same function.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from outpost.protocol.decisions import Action, Decision, Destination, Direction, Redaction
from outpost.protocol.documents import CombiningAlgorithm, Conditions, Messages, Pack, PolicyDocument, Rule
from outpost.protocol.findings import Finding

T = TypeVar("T")

DENY_RANK: Final = {Action.BLOCK: 0, Action.REDACT: 1, Action.ROUTE_TO: 2, Action.ALLOW: 3}
"""The order of asking where denials win: an earlier ``ALLOW`` can hide nothing; stable within each action."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about an exchange apart from its text."""

    surface: str
    model: str
    group: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its conditions in a form that is cheap to ask; ``None`` means the condition is absent."""

    rule_id: str
    action: Action
    reason: str
    kinds: frozenset[str] | None
    domains: tuple[str, ...]
    any_kind: bool
    min_score: float
    directions: frozenset[Direction] | None
    models: frozenset[str] | None
    groups: frozenset[str] | None
    surfaces: frozenset[str] | None
    message: str = ""
    """For the caller, in place of the reason."""
    redaction: Redaction = Redaction.LABEL
    destination: Destination | None = None
    """Of a ``ROUTE_TO`` rule."""

    def applies_to(self, facts: Facts) -> bool:
        """True if every condition that does not look at findings holds."""
        return (
            (self.directions is None or facts.direction in self.directions)
            and (self.models is None or facts.model in self.models)
            and (self.groups is None or facts.group in self.groups)
            and (self.surfaces is None or facts.surface in self.surfaces)
        )

    def matching(self, findings: Sequence[Finding]) -> tuple[int, ...]:
        """Indices of the findings that this rule's finding condition names."""
        return tuple(
            index
            for index, finding in enumerate(findings)
            if finding.score >= self.min_score and self.names(finding.kind)
        )

    def names(self, kind: str) -> bool:
        """Whether the finding condition names ``kind``, whatever its score."""
        if self.kinds is None:
            return False
        return self.any_kind or kind in self.kinds or kind.startswith(self.domains)


@dataclass(frozen=True, slots=True)
class CompiledPack:
    """A pack with its rules by sequence."""

    pack_id: str
    combining: CombiningAlgorithm
    default: Action
    rules: tuple[CompiledRule, ...]
    message: str = ""
    asked: tuple[CompiledRule, ...] = field(init=False, repr=False, compare=False)
    """The rules in the order in which they are asked."""

    def __post_init__(self) -> None:
        asked = self.rules
        if self.combining is not CombiningAlgorithm.FIRST_APPLICABLE:
            asked = tuple(sorted(self.rules, key=lambda rule: DENY_RANK[rule.action]))
        object.__setattr__(self, "asked", asked)


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy ready to be evaluated."""

    packs: tuple[CompiledPack, ...]


def compile_policy(document: PolicyDocument) -> CompiledPolicy:
    """Order and index a policy document. A document that was parsed always compiles."""
    packs = sorted(document.packs, key=lambda pack: pack.sequence)
    return CompiledPolicy(tuple(_compile_pack(pack) for pack in packs))


def evaluate(policy: CompiledPolicy, facts: Facts, findings: Sequence[Finding]) -> Decision:
    """Decide. The answer depends on nothing but the arguments.

    Returns:
        ``BLOCK``, ``ALLOW``, ``REDACT`` with the indices of the findings to replace, or ``ROUTE_TO`` with a destination
        and, if rules before it redact, such indices too.
    """
    redact: dict[int, Redaction] = {}  # the first rule that wants a finding redacted says how
    redacted_by: CompiledRule | None = None
    for pack in policy.packs:
        for rule in pack.asked:
            hits = _match(rule, facts, findings)
            if hits is None:
                continue
            if rule.action is Action.REDACT:
                redact = dict.fromkeys(hits, rule.redaction) | redact
                redacted_by = redacted_by or rule
            elif rule.action is Action.BLOCK:
                return _decision(rule, hits, findings)
            elif rule.action is Action.ROUTE_TO:
                return _routed(rule, hits, redact, findings)
            else:
                return _allowed(rule.rule_id, rule.reason, redact, redacted_by, findings)
        if pack.default is Action.BLOCK:
            reason = "no rule of the pack allows it"
            return Decision(Action.BLOCK, f"{pack.pack_id}/default", reason, message=pack.message)
    return _allowed(f"{policy.packs[-1].pack_id}/default", "no rule objects", redact, redacted_by, findings)


def _match(rule: CompiledRule, facts: Facts, findings: Sequence[Finding]) -> tuple[int, ...] | None:
    """Indices of the findings that made ``rule`` match; empty if it asks for none; ``None`` if it does not match."""
    if rule.kinds is None:
        return () if rule.applies_to(facts) else None
    if not findings or not rule.applies_to(facts):  # most texts hold nothing, and most rules ask for something
        return None
    return rule.matching(findings) or None


def _decision(rule: CompiledRule, hits: Sequence[int], findings: Sequence[Finding]) -> Decision:
    return Decision(rule.action, rule.rule_id, rule.reason, kinds=_kinds(hits, findings), message=rule.message)


def _routed(
    rule: CompiledRule, hits: Sequence[int], redact: Mapping[int, Redaction], findings: Sequence[Finding]
) -> Decision:
    indices, modes = _to_redact(redact)
    kinds = _kinds({*hits, *indices}, findings)
    return Decision(
        rule.action,
        rule.rule_id,
        rule.reason,
        indices,
        kinds,
        redactions=modes,
        destination=rule.destination,
    )


def _to_redact(redact: Mapping[int, Redaction]) -> tuple[tuple[int, ...], tuple[Redaction, ...]]:
    """Indices in order, and what takes their places; nothing of the latter if that is the label for all."""
    indices = tuple(sorted(redact))
    modes = tuple(redact[index] for index in indices)
    return indices, () if all(mode is Redaction.LABEL for mode in modes) else modes


def _allowed(
    rule_id: str,
    reason: str,
    redact: dict[int, Redaction],
    redacted_by: CompiledRule | None,
    findings: Sequence[Finding],
) -> Decision:
    if redacted_by is None:
        return Decision(Action.ALLOW, rule_id, reason)
    hits, modes = _to_redact(redact)
    kinds = _kinds(hits, findings)
    return Decision(Action.REDACT, redacted_by.rule_id, redacted_by.reason, hits, kinds, redactions=modes)


def _kinds(hits: Iterable[int], findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(sorted({findings[index].kind for index in hits}))


def _compile_pack(pack: Pack) -> CompiledPack:
    rules = sorted(pack.rules, key=lambda rule: rule.sequence)
    message = _for_user(pack.messages)
    compiled = tuple(_compile_rule(pack.id, rule, rule.when, _for_user(rule.messages) or message) for rule in rules)
    return CompiledPack(pack.id, pack.combining, pack.default, compiled, message)


def _for_user(messages: Messages | None) -> str:
    return (messages.user or "") if messages else ""


def _compile_rule(pack_id: str, rule: Rule, when: Conditions, message: str) -> CompiledRule:
    kinds = when.findings
    return CompiledRule(
        rule_id=f"{pack_id}/{rule.id}",
        action=rule.action,
        reason=rule.reason,
        kinds=None if kinds is None else frozenset(kinds),
        domains=() if kinds is None else tuple(kind[:-1] for kind in kinds if kind.endswith(".*")),
        any_kind=kinds is not None and "*" in kinds,
        min_score=when.min_score,
        directions=_frozen(when.directions),
        models=_frozen(when.models),
        groups=_frozen(when.groups),
        surfaces=_frozen(when.surfaces),
        message=message,
        redaction=rule.redaction or Redaction.LABEL,
        destination=None if rule.route_to is None else Destination(**dict(rule.route_to)),
    )


def _frozen(values: Sequence[T] | None) -> frozenset[T] | None:
    return None if values is None else frozenset(values)
