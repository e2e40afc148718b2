import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.policy.compile import Compiled, compile_documents
from outpost.policy.evaluate import Facts, evaluate
from outpost.policy.routing import routing_table
from outpost.policy.simulate import served_by, simulate
from outpost.protocol.decisions import Action, Decision, Destination, Direction
from outpost.protocol.document_set import NO_BUDGETS, NO_DETECTORS
from outpost.protocol.documents import PolicyDocument, parse_document
from outpost.protocol.routing import RoutingDocument

CARD, MAIL = "4012 8888 8888 1881", "a@b.example"
RULES = [
    {"id": "mail", "sequence": 1, "when": {"findings": ["pii.email"]}, "action": "REDACT"},
    {"id": "sure", "sequence": 2, "when": {"findings": ["pii.email"], "min_score": 0.99}, "action": "BLOCK"},
    {"id": "group", "sequence": 3, "when": {"groups": ["a", "b"]}, "action": "BLOCK"},
    {"id": "cards", "sequence": 4, "when": {"findings": ["pci.*"]}, "action": "BLOCK", "reason": "no cards"},
]


def compiled(default="ALLOW", rules=RULES) -> Compiled:
    packs = [{"id": "p", "sequence": 1, "default": default, "rules": rules}]
    content = json.dumps({"schema_version": "1", "packs": packs}).encode()
    return compile_documents(parse_document(PolicyDocument, "p", content), NO_DETECTORS, NO_BUDGETS, {}, None)


def facts(group="") -> Facts:
    return Facts("openai.chat_completions", "m", group, Direction.INPUT)


def whys(outcome) -> dict[str, tuple[bool, str]]:
    return {step.rule_id: (step.decided, step.why) for step in outcome.steps}


def test_every_rule_says_why():
    outcome = simulate(compiled(), facts(), f"{MAIL} {CARD}")
    assert outcome.decision.rule_id == "p/cards"
    assert outcome.text is None
    assert whys(outcome) == {
        "p/mail": (True, "found pii.email"),
        "p/sure": (False, "pii.email has score 0.95, below 0.99"),
        "p/group": (False, "group is not given, not a or b"),
        "p/cards": (True, "found pci.pan"),
        "p/default": (False, "not asked: p/cards had decided"),
    }


def test_what_is_passed_on():
    outcome = simulate(compiled(), facts(), f"to {MAIL}")
    assert (outcome.decision.action, outcome.text) == (Action.REDACT, "to [REDACTED:pii.email]")
    assert whys(outcome)["p/cards"] == (False, "nothing found of pci.*")
    assert whys(outcome)["p/default"] == (True, "no rule of the pack objects: on to the next")
    assert simulate(compiled(), facts(), "hello").text == "hello"
    assert whys(simulate(compiled(), facts("b"), "hello"))["p/group"] == (True, "its conditions hold")
    assert whys(simulate(compiled("BLOCK", []), facts(), ""))["p/default"] == (True, "no rule of the pack allows it")


@given(st.lists(st.sampled_from([CARD, MAIL, "hello", "x"]), max_size=4), st.sampled_from(["", "a"]))
def test_the_explanation_agrees_with_the_decision(words, group):
    policy, text = compiled(), " ".join(words)
    outcome = simulate(policy, facts(group), text)
    assert outcome.decision == evaluate(policy.policy, facts(group), policy.engine.scan(text))
    decided = [step for step in outcome.steps if step.decided]
    assert outcome.decision.rule_id in [step.rule_id for step in decided]
    assert (outcome.text is None) == any(step.action is Action.BLOCK for step in decided)


def test_a_route_is_explained():
    rule = {
        "id": "inside",
        "sequence": 1,
        "when": {"findings": ["pii.email"], "directions": ["input"]},
        "action": "ROUTE_TO",
        "route_to": {"route": "in-house"},
    }
    outcome = simulate(compiled("ALLOW", [rule]), facts(), f"to {MAIL}")
    assert outcome.decision.action is Action.ROUTE_TO
    assert outcome.text == f"to {MAIL}"
    assert whys(outcome)["p/inside"] == (True, "found pii.email: goes to route in-house")
    assert whys(outcome)["p/default"] == (False, "not asked: p/inside had decided")


PROVIDERS = [
    {"id": "cloud", "surface": "openai", "base_url": "https://llm.example/v1", "models": ["*"]},
    {"id": "in-house", "surface": "openai", "base_url": "http://10.0.0.7/v1", "models": ["llama"]},
]
TARGETS = [{"provider": "in-house", "model": "llama", "order": 1}, {"provider": "cloud", "model": "big"}]
ROUTING = routing_table(
    RoutingDocument.model_validate(
        {
            "schema_version": "1",
            "providers": PROVIDERS,
            "routes": [{"id": "r", "models": ["fast"], "targets": TARGETS}],
        }
    )
)


@pytest.mark.parametrize(
    ("surface", "direction", "decision", "served"),
    [
        ("openai.chat_completions", "input", Decision(Action.ALLOW, "r", ""), ["cloud", "in-house"]),
        ("openai.chat_completions", "input", Decision(Action.BLOCK, "r", ""), []),
        ("openai.chat_completions", "output", Decision(Action.ALLOW, "r", ""), []),
        (
            "anthropic.messages",
            "input",
            Decision(Action.ROUTE_TO, "r", "", destination=Destination(provider="in-house")),
            ["in-house"],
        ),
        ("anthropic.count_tokens", "input", Decision(Action.ALLOW, "r", ""), []),
    ],
)
def test_who_would_serve_it(surface, direction, decision, served):
    told = Facts(surface, "fast", "", Direction(direction))
    assert [target.provider.id for target in served_by(ROUTING, told, decision)] == served
