"""What changes between two sets of documents, in words, and whether it lets more pass. Pure.

``loosens`` and ``tightens`` are said only where they follow from the change alone; whatever depends on other rules is
``changes``. Order counts: a rule that moved is told even if nothing else changed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from outpost.policy.covers import covers
from outpost.protocol.decisions import Action, Destination, Redaction
from outpost.protocol.document_set import MODELS
from outpost.protocol.documents import (
    MODELS_TARGET,
    POLICY_TARGET,
    Conditions,
    Document,
    Pack,
    PolicyDocument,
    RouteTo,
    Rule,
)
from outpost.protocol.models import ModelsDocument

_STRICTNESS: Final = {Action.ALLOW: 0, Action.REDACT: 1, Action.BLOCK: 2}
"""What routes elsewhere is neither: only against ``BLOCK`` does it let more pass."""


class Effect(StrEnum):
    """What a change does to what passes."""

    LOOSENS = "loosens"
    TIGHTENS = "tightens"
    CHANGES = "changes"
    TEXT = "text only"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: where, what, and what it does."""

    document: str
    where: str
    what: str
    effect: Effect


def diff_documents(old: dict[str, Document], new: dict[str, Document]) -> list[Change]:
    """Every change from ``old`` to ``new``; documents by target name, an absent one counts as new or gone."""
    changes: list[Change] = []
    for name in MODELS:
        before, after = old.get(name), new.get(name)
        if isinstance(before, PolicyDocument) and isinstance(after, PolicyDocument):
            changes += _policy(before, after)
        elif isinstance(before, ModelsDocument) and isinstance(after, ModelsDocument):
            changes += _pack_of_models(before, after)
        elif before is not None and after is not None:
            changes += _lists(name, before, after)
        elif before is not None or after is not None:
            word = "added" if before is None else "removed"
            changes.append(Change(name, name, f"document {word}", Effect.CHANGES))
    return changes


def _policy(old: PolicyDocument, new: PolicyDocument) -> Iterator[Change]:
    if old.max_offline_s != new.max_offline_s:
        effect = Effect.LOOSENS if new.max_offline_s > old.max_offline_s else Effect.TIGHTENS
        what = f"max_offline_s {old.max_offline_s} → {new.max_offline_s}"
        yield Change(POLICY_TARGET, "policy", what, effect)
    before, after = ({pack.id: pack for pack in document.packs} for document in (old, new))
    for pack in _in_order(old.packs):
        if pack.id not in after:
            yield Change(POLICY_TARGET, pack.id, f"pack removed ({len(pack.rules)} rules)", Effect.CHANGES)
    for pack in _in_order(new.packs):
        if pack.id not in before:
            yield Change(POLICY_TARGET, pack.id, f"pack added ({len(pack.rules)} rules)", Effect.CHANGES)
        else:
            yield from _pack(before[pack.id], pack)
    yield from _moved(
        "pack", "", [pack.id for pack in _in_order(old.packs)], [pack.id for pack in _in_order(new.packs)]
    )


def _pack_of_models(old: ModelsDocument, new: ModelsDocument) -> Iterator[Change]:
    if old.pack != new.pack:
        what = f"model pack {_described_pack(old)} → {_described_pack(new)}"
        yield Change(MODELS_TARGET, "pack", what, Effect.CHANGES)


def _described_pack(models: ModelsDocument) -> str:
    return "none" if models.pack is None else f"{models.pack.name} ({models.pack.card_sha256[:12]})"


def _pack(old: Pack, new: Pack) -> Iterator[Change]:
    if old.default is not new.default:
        effect = Effect.TIGHTENS if new.default is Action.BLOCK else Effect.LOOSENS
        yield Change(POLICY_TARGET, new.id, f"default {old.default} → {new.default}", effect)
    if old.combining is not new.combining:
        yield Change(POLICY_TARGET, new.id, f"combining {old.combining} → {new.combining}", Effect.CHANGES)
    if old.messages != new.messages:
        yield Change(POLICY_TARGET, new.id, "messages changed", Effect.TEXT)
    before, after = ({rule.id: rule for rule in pack.rules} for pack in (old, new))
    for rule in _in_order(old.rules):
        if rule.id not in after:
            yield Change(POLICY_TARGET, f"{new.id}/{rule.id}", f"removed: {describe(rule)}", _opposite(_adding(rule)))
    for rule in _in_order(new.rules):
        if rule.id not in before:
            yield Change(POLICY_TARGET, f"{new.id}/{rule.id}", f"added: {describe(rule)}", _adding(rule))
        else:
            yield from _rule(new.id, before[rule.id], rule)
    yield from _moved(
        "rule", f"{new.id}/", [rule.id for rule in _in_order(old.rules)], [rule.id for rule in _in_order(new.rules)]
    )


def _rule(pack_id: str, old: Rule, new: Rule) -> Iterator[Change]:
    where = f"{pack_id}/{new.id}"
    if old.action is not new.action:
        yield Change(POLICY_TARGET, where, f"{old.action} → {new.action}", _action_effect(old.action, new.action))
    if old.when != new.when:
        what = f"when {conditions(old.when)} → {conditions(new.when)}"
        yield Change(POLICY_TARGET, where, what, _conditions_effect(old, new))
    if old.route_to != new.route_to and old.route_to is not None and new.route_to is not None:
        what = f"route_to {_place(old.route_to)} → {_place(new.route_to)}"
        yield Change(POLICY_TARGET, where, what, Effect.CHANGES)
    if old.redaction is not new.redaction:
        what = f"redaction {old.redaction or Redaction.LABEL} → {new.redaction or Redaction.LABEL}"
        yield Change(POLICY_TARGET, where, what, Effect.CHANGES)
    if (old.reason, old.messages) != (new.reason, new.messages):
        yield Change(POLICY_TARGET, where, "texts changed", Effect.TEXT)


def _conditions_effect(old: Rule, new: Rule) -> Effect:
    if old.action is not new.action:
        return Effect.CHANGES
    if covers(new.when, old.when):
        return _adding(new)
    return _opposite(_adding(new)) if covers(old.when, new.when) else Effect.CHANGES


def _action_effect(old: Action, new: Action) -> Effect:
    if Action.ROUTE_TO in {old, new} and Action.BLOCK not in {old, new}:
        return Effect.CHANGES
    stricter = _STRICTNESS.get(new, 1) > _STRICTNESS.get(old, 1)
    return Effect.TIGHTENS if stricter else Effect.LOOSENS


def _place(route_to: RouteTo) -> str:
    return str(Destination(**dict(route_to)))


def _adding(rule: Rule) -> Effect:
    """What one more match of the rule does."""
    if rule.action is Action.ROUTE_TO:
        return Effect.CHANGES
    return Effect.LOOSENS if rule.action is Action.ALLOW else Effect.TIGHTENS


def _opposite(effect: Effect) -> Effect:
    return {Effect.LOOSENS: Effect.TIGHTENS, Effect.TIGHTENS: Effect.LOOSENS}.get(effect, effect)


def _moved(what: str, prefix: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    """Those of both that no longer stand in the same order, as few as possible."""
    common = [name for name in new if name in old]
    staying = _longest_rising([old.index(name) for name in common])
    for place, name in enumerate(common):
        if place not in staying:
            after = new[new.index(name) - 1] if new.index(name) else None
            where = f"after {after}" if after else "to the front"
            yield Change(POLICY_TARGET, f"{prefix}{name}", f"{what} moved {where}", Effect.CHANGES)


def _longest_rising(numbers: Sequence[int]) -> set[int]:
    """Places of a longest rising subsequence."""
    best: list[tuple[int, int]] = []  # length, place before
    for place, number in enumerate(numbers):
        before = [(best[at][0], at) for at in range(place) if numbers[at] < number]
        length, at = max(before, default=(0, -1))
        best.append((length + 1, at))
    place = max(range(len(best)), key=lambda at: best[at][0], default=-1)
    staying = set()
    while place >= 0:
        staying.add(place)
        place = best[place][1]
    return staying


# For the other documents: each list in them, what one more entry does, and by what an entry is named.
_LISTS: Final = {
    "keys": Effect.LOOSENS,
    "providers": Effect.CHANGES,
    "routes": Effect.CHANGES,
    "settings": Effect.LOOSENS,
    "allow": Effect.LOOSENS,
    "custom": Effect.TIGHTENS,
    "lists": Effect.TIGHTENS,
    "topics": Effect.TIGHTENS,
    "budgets": Effect.TIGHTENS,
    "cases": Effect.TIGHTENS,
}


def _lists(name: str, old: Document, new: Document) -> Iterator[Change]:
    for field, adding in _LISTS.items():
        before, after = (_named(getattr(document, field, None) or ()) for document in (old, new))
        for key in (key for key in before if key not in after):
            yield Change(name, f"{field}/{key}", "removed", _opposite(adding))
        for key, entry in after.items():
            if key not in before:
                yield Change(name, f"{field}/{key}", "added", adding)
            elif entry != before[key]:
                fields = [part for part, value in entry if value != getattr(before[key], part)]
                yield Change(name, f"{field}/{key}", f"{', '.join(fields)} changed", Effect.CHANGES)
    if getattr(old, "retry", None) != getattr(new, "retry", None):
        yield Change(name, "retry", "changed", Effect.CHANGES)


def _named(entries: Sequence[Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for entry in entries:
        key = str(getattr(entry, "id", None) or getattr(entry, "kind", None) or getattr(entry, "detector", ""))
        while key in named:  # settings have no ids and may repeat
            key += "'"
        named[key] = entry
    return named


def describe(rule: Rule) -> str:
    """A rule in one line."""
    where = "" if rule.route_to is None else f" {_place(rule.route_to)}"
    return f"{rule.action}{where} when {conditions(rule.when)}"


def conditions(when: Conditions) -> str:
    """Conditions in one line."""
    parts = [] if when.findings is None else [f"findings {'|'.join(when.findings)} ≥ {when.min_score:g}"]
    for word, values in (
        ("direction", when.directions),
        ("model", when.models),
        ("group", when.groups),
        ("surface", when.surfaces),
    ):
        parts += [] if values is None else [f"{word} {'|'.join(values)}"]
    return ", ".join(parts) or "anything"


def _in_order(items: Sequence[Any]) -> list[Any]:
    return sorted(items, key=lambda item: item.sequence)
