import json

import pytest

from outpost.policy.diff import _LISTS, Effect, diff_documents
from outpost.protocol.document_set import MODELS
from outpost.protocol.documents import parse_document

CARDS = {"id": "cards", "sequence": 1, "when": {"findings": ["pci.pan"]}, "action": "BLOCK"}
MAIL = {"id": "mail", "sequence": 2, "when": {"findings": ["pii.email"]}, "action": "REDACT"}
OPEN = {"id": "open", "sequence": 3, "when": {"groups": ["it"]}, "action": "ALLOW"}
PACK = {"id": "p", "sequence": 1, "default": "ALLOW", "rules": [CARDS, MAIL, OPEN]}


TO_INSIDE = {"when": {"directions": ["input"]}, "action": "ROUTE_TO", "route_to": {"provider": "in-house"}}


def policy(*packs, **fields):
    return document("policy.json", packs=list(packs or [PACK]), **fields)


def document(name, **fields):
    content = json.dumps({"schema_version": "1"} | fields).encode()
    return {name: parse_document(MODELS[name], name, content)}


def with_rules(*rules):
    return policy(PACK | {"rules": list(rules)})


def changes(old, new) -> list[tuple[str, str, Effect]]:
    return [(change.where, change.what, change.effect) for change in diff_documents(old, new)]


def test_nothing_changes():
    assert changes(policy(), policy()) == []


LOOSE, TIGHT, CHANGED, TEXT = Effect.LOOSENS, Effect.TIGHTENS, Effect.CHANGES, Effect.TEXT
CASES = [
    (with_rules(CARDS, MAIL | {"redaction": "restore"}, OPEN), "p/mail", "redaction label → restore", CHANGED),
    (with_rules(MAIL, OPEN), "p/cards", "removed: BLOCK when findings pci.pan ≥ 0.5", LOOSE),
    (with_rules(CARDS, MAIL), "p/open", "removed: ALLOW when group it", TIGHT),
    (
        with_rules(CARDS, MAIL, OPEN, CARDS | {"id": "new", "sequence": 4, "when": {}}),
        "p/new",
        "added: BLOCK when anything",
        TIGHT,
    ),
    (with_rules(CARDS | {"action": "REDACT"}, MAIL, OPEN), "p/cards", "BLOCK → REDACT", LOOSE),
    (with_rules(CARDS, MAIL | {"action": "BLOCK"}, OPEN), "p/mail", "REDACT → BLOCK", TIGHT),
    (
        with_rules(CARDS, MAIL, OPEN, {"id": "new", "sequence": 4} | TO_INSIDE),
        "p/new",
        "added: ROUTE_TO provider in-house when direction input",
        CHANGED,
    ),
    (
        with_rules(CARDS | {"when": {"findings": ["pci.*"]}}, MAIL, OPEN),
        "p/cards",
        "when findings pci.pan ≥ 0.5 → findings pci.* ≥ 0.5",
        TIGHT,
    ),
    (
        with_rules(CARDS | {"when": {"findings": ["pci.pan"], "min_score": 0.9}}, MAIL, OPEN),
        "p/cards",
        "when findings pci.pan ≥ 0.5 → findings pci.pan ≥ 0.9",
        LOOSE,
    ),
    (
        with_rules(CARDS, MAIL, OPEN | {"when": {"groups": ["it", "hr"]}}),
        "p/open",
        "when group it → group it|hr",
        LOOSE,
    ),
    (with_rules(CARDS, MAIL, OPEN | {"when": {"groups": ["hr"]}}), "p/open", "when group it → group hr", CHANGED),
    (with_rules(CARDS | {"reason": "x"}, MAIL, OPEN), "p/cards", "texts changed", TEXT),
    (with_rules(CARDS, MAIL, OPEN | {"sequence": 0}), "p/open", "rule moved to the front", CHANGED),
    (with_rules(CARDS, MAIL | {"sequence": 9}, OPEN), "p/mail", "rule moved after open", CHANGED),
    (policy(PACK | {"default": "BLOCK"}), "p", "default ALLOW → BLOCK", TIGHT),
    (policy(PACK | {"combining": "deny_overrides"}), "p", "combining first_applicable → deny_overrides", CHANGED),
    (policy(PACK | {"messages": {"user": "x"}}), "p", "messages changed", TEXT),
    (policy(max_offline_s=600), "policy", "max_offline_s 604800 → 600", TIGHT),
    (policy(PACK, {"id": "q", "sequence": 2, "default": "ALLOW", "rules": []}), "q", "pack added (0 rules)", CHANGED),
]


@pytest.mark.parametrize(("new", "where", "what", "effect"), CASES)
def test_one_change(new, where, what, effect):
    assert changes(policy(), new) == [(where, what, effect)]
    if effect in {LOOSE, TIGHT}:
        back = changes(new, policy())
        assert [one for *_, one in back] == [LOOSE if effect is TIGHT else TIGHT]


def test_a_number_that_changes_no_order_is_no_change():
    assert changes(policy(), with_rules(CARDS | {"sequence": 0}, MAIL, OPEN | {"sequence": 99})) == []


KEY = {"id": "k", "prefix": "sk-op-a-01234567", "pepper_id": "p", "digest": "ab" * 32, "group": "g"}
OTHERS = [
    ("keys.json", "keys", KEY, LOOSE),
    ("detectors.json", "settings", {"kind": "pii.email", "enabled": False}, LOOSE),
    ("detectors.json", "allow", {"id": "k", "kinds": ["*"], "values": ["x"]}, LOOSE),
    ("detectors.json", "custom", {"id": "k", "kind": "custom.k", "keywords": ["xx"]}, TIGHT),
    ("detectors.json", "lists", {"id": "k", "kind": "org.k", "form": "words"}, TIGHT),
    ("detectors.json", "topics", {"id": "k", "kind": "topic.k", "examples": ["one example"]}, TIGHT),
    ("smoke.json", "cases", {"id": "k", "text": "", "direction": "input", "expect": {"action": "ALLOW"}}, TIGHT),
]  # fmt: skip


def test_nothing_that_a_document_lists_is_left_out():
    fields = [field for model in MODELS.values() for field in model.model_fields.items()]
    listing = {name for name, info in fields if "list" in str(info.annotation)}
    assert listing == {"packs", *_LISTS}


@pytest.mark.parametrize(("name", "field", "entry", "effect"), OTHERS)
def test_entries_of_other_documents(name, field, entry, effect):
    empty, full = document(name, **{field: []}), document(name, **{field: [entry]})
    ((where, what, found),) = changes(empty, full)
    assert (where.partition("/")[0], what, found) == (field, "added", effect)
    assert [one[1] for one in changes(full, empty)] == ["removed"]
    assert [one[1] for one in changes({}, full)] == ["document added"]
    if "id" in entry and "kinds" in entry:
        changed = document(name, **{field: [entry | {"values": ["y"]}]})
        assert changes(full, changed) == [(f"{field}/k", "values changed", CHANGED)]


def test_where_a_rule_routes_and_who_serves_a_route_is_told():
    elsewhere = with_rules(OPEN | TO_INSIDE), with_rules(OPEN | TO_INSIDE | {"route_to": {"route": "cheap"}})
    assert changes(*elsewhere) == [("p/open", "route_to provider in-house → route cheap", CHANGED)]
    provider = {"id": "o", "surface": "openai", "base_url": "https://llm.example/v1", "models": ["*"]}
    target = {"provider": "o"}
    one, other, none = (
        document("routing.json", providers=[provider], **more)
        for more in (
            {"routes": [{"id": "r", "targets": [target]}]},
            {"routes": [{"id": "r", "targets": [target | {"model": "m"}]}], "retry": {"max_attempts": 1}},
            {},
        )
    )
    assert changes(one, other) == [("routes/r", "targets changed", CHANGED), ("retry", "changed", CHANGED)]
    assert changes(one, none) == [("routes/r", "removed", CHANGED)]


@pytest.mark.parametrize(
    ("action", "there", "back"), [("BLOCK", LOOSE, TIGHT), ("ALLOW", CHANGED, CHANGED), ("REDACT", CHANGED, CHANGED)]
)
def test_only_against_a_block_a_route_lets_more_pass(action, there, back):
    when = {"findings": ["pii.email"], "directions": ["input"]}
    plain, routed = with_rules(MAIL | {"when": when, "action": action}), with_rules(MAIL | TO_INSIDE | {"when": when})
    assert changes(plain, routed) == [("p/mail", f"{action} → ROUTE_TO", there)]
    assert changes(routed, plain) == [("p/mail", f"ROUTE_TO → {action}", back)]
