import json

import pytest

from outpost.dlp.engine import default_engine
from outpost.errors import CouldNotInspect
from outpost.policy.evaluate import Facts, compile_policy
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Destination, Direction
from outpost.protocol.documents import PolicyDocument
from outpost.protocol.findings import Finding
from outpost.proxy.decide import MAX_ROUNDS, judge
from outpost.proxy.surfaces.openai_chat import parse_request

ENGINE = default_engine()
FACTS = Facts("openai.chat_completions", "m", "everyone", Direction.INPUT)
EMAIL = "erika.mustermann@example.org"
CARD = "4111 1111 1111 1111"
IMAGE = {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png"}}


def policy(**actions):
    """One rule per kind, given as ``pci_pan="BLOCK"``; ``unscannable`` stands for all of its kinds."""
    rules = [
        {
            "id": f"r{number}",
            "sequence": number,
            "when": {"findings": ["unscannable.*" if kind == "unscannable" else kind.replace("_", ".")]},
            "action": action,
        }
        for number, (kind, action) in enumerate(actions.items(), 1)
    ]
    packs = [{"id": "p", "sequence": 1, "combining": "deny_overrides", "default": "ALLOW", "rules": rules}]
    return compile_policy(PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": packs})))


def body(content, **more):
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": content}], **more}).encode()


def decide(raw, chosen, scanner=ENGINE):
    return judge(scanner, chosen, FACTS, parse_request(raw), parse_request)


def test_what_is_allowed_goes_on_as_the_very_bytes():
    raw = b'{ "model":"m" ,"messages" : [{"role":"user","content":"h\\u00e9 1.50"}], "temperature":1.50}'

    verdict = decide(raw, policy(pci_pan="BLOCK"))

    assert verdict.decision.action is Action.ALLOW
    assert verdict.body is raw


def routing(kind="pii.email", before=()):
    rule = {
        "id": "inside",
        "sequence": 9,
        "when": {"findings": [kind], "directions": ["input"]},
        "action": "ROUTE_TO",
        "route_to": {"provider": "in-house"},
    }
    packs = [{"id": "p", "sequence": 1, "default": "ALLOW", "rules": [*before, rule]}]
    return compile_policy(PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": packs})))


def test_what_is_routed_goes_on_as_the_very_bytes():
    raw = body(f"a {EMAIL} b")

    verdict = decide(raw, routing())

    assert verdict.decision.destination == Destination(provider="in-house")
    assert verdict.body is raw


def test_what_was_redacted_is_routed_all_the_same():
    first = {"id": "mask", "sequence": 1, "when": {"findings": ["pii.email"]}, "action": "REDACT"}

    verdict = decide(body(f"a {EMAIL} b"), routing(before=[first]))

    assert (verdict.decision.action, verdict.decision.rule_id) == (Action.ROUTE_TO, "p/inside")
    assert verdict.decision.destination == Destination(provider="in-house")
    assert verdict.body == body("a [REDACTED:pii.email] b")


class FreesAnAddress:
    """Finds a card; and an address only once the card is gone."""

    def scan(self, text):
        kind, at = ("pci.pan", text.find("x")) if "x" in text else ("pii.email", text.find("y"))
        return [Finding(kind, at, at + 1, 1.0, "test")] if at >= 0 else []


def test_what_a_redaction_sets_free_is_routed_too():
    first = {"id": "mask", "sequence": 1, "when": {"findings": ["pci.pan"]}, "action": "REDACT"}

    verdict = decide(body("x y"), routing(before=[first]), FreesAnAddress())

    assert verdict.decision.destination == Destination(provider="in-house")
    assert verdict.body == body("[REDACTED:pci.pan] y")
    assert [item.finding.kind for item in verdict.located] == ["pci.pan"]


def test_a_block_leaves_nothing_to_send():
    verdict = decide(body(f"{EMAIL} {CARD}"), policy(pii_email="REDACT", pci_pan="BLOCK"))

    assert verdict.decision.action is Action.BLOCK
    assert verdict.body is None
    assert {item.finding.kind for item in verdict.located} == {"pii.email", "pci.pan"}


def test_a_redaction_changes_only_what_was_found():
    verdict = decide(body(f"a {EMAIL} b", temperature=1.0), policy(pii_email="REDACT"))

    assert verdict.decision.action is Action.REDACT
    assert verdict.body == body("a [REDACTED:pii.email] b", temperature=1.0)


class FreesOneMore:
    """Finds the first x only, so each redaction leaves one fewer."""

    def scan(self, text):
        at = text.find("x")
        return [Finding("pii.email", at, at + 1, 1.0, "test")] if at >= 0 else []


def test_what_a_redaction_sets_free_is_redacted_too():
    verdict = decide(body("x" * (MAX_ROUNDS - 1)), policy(pii_email="REDACT"), FreesOneMore())

    assert verdict.body is not None
    assert b"x" not in verdict.body


def test_what_does_not_become_clean_does_not_go_on():
    with pytest.raises(CouldNotInspect) as refused:
        decide(body("x" * (MAX_ROUNDS + 1)), policy(pii_email="REDACT"), FreesOneMore())

    assert refused.value.code is ErrorCode.INSPECTION_UNAVAILABLE


class FreesAnother:
    """Finds a card once the address is gone."""

    def scan(self, text):
        found = {"pii.email": text.find("x"), "pci.pan": text.find("4") if "x" not in text else -1}
        return [Finding(kind, at, at + 1, 1.0, "test") for kind, at in found.items() if at >= 0]


def test_what_a_redaction_sets_free_may_block():
    verdict = decide(body("x4"), policy(pii_email="REDACT", pci_pan="BLOCK"), FreesAnother())

    assert verdict.decision.action is Action.BLOCK
    assert verdict.body is None


@pytest.mark.parametrize("text", ["look", f"look, {EMAIL}"])
def test_an_image_cannot_be_redacted_so_it_is_refused(text):
    raw = body([{"type": "text", "text": text}, IMAGE])

    verdict = decide(raw, policy(pii_email="REDACT", unscannable="REDACT"))

    assert verdict.decision.action is Action.BLOCK
    assert verdict.body is None
    assert "unscannable.image" in verdict.decision.kinds


def test_an_image_is_blocked_or_allowed_as_the_policy_says():
    raw = body([IMAGE])

    assert decide(raw, policy(unscannable="BLOCK")).body is None
    assert decide(raw, policy()).body is raw


def test_member_names_that_become_the_same_are_refused_by_the_rule():
    raw = body("x", metadata={EMAIL: 1, f"x{EMAIL}": 2})

    verdict = decide(raw, policy(pii_email="REDACT"))

    assert verdict.decision.action is Action.BLOCK
    assert verdict.body is None
