"""The first policy of an org does what it promises, asked with the code that enforces it."""

import pytest

from control_plane.defaults import default_policy, default_routing
from outpost.policy.evaluate import Facts, compile_policy, evaluate
from outpost.protocol.decisions import Action, Direction
from outpost.protocol.documents import PolicyDocument, parse_document
from outpost.protocol.findings import Finding
from outpost.protocol.routing import RoutingDocument

FACTS = Facts(surface="openai.chat", model="m", group="default", direction=Direction.INPUT)


@pytest.mark.parametrize(
    ("kinds", "action", "redacted"),
    [
        ([], Action.ALLOW, ()),
        (["pci.pan"], Action.BLOCK, ()),
        (["fin.iban"], Action.BLOCK, ()),
        (["secret.aws_access_key"], Action.BLOCK, ()),
        (["pii.national_id.us_ssn"], Action.BLOCK, ()),
        (["unscannable.image"], Action.BLOCK, ()),
        (["pii.email"], Action.REDACT, (0,)),
        (["pii.phone", "pii.ip"], Action.REDACT, (0, 1)),
        (["pii.email", "pci.pan"], Action.BLOCK, ()),
        (["pii.person"], Action.ALLOW, ()),
    ],
)
@pytest.mark.parametrize("direction", list(Direction))
def test_each_kind_gets_its_action(kinds, action, redacted, direction):
    policy = compile_policy(parse_document(PolicyDocument, "policy.json", default_policy()))
    findings = [Finding(kind, index, index + 1, 0.9, "test") for index, kind in enumerate(kinds)]
    facts = Facts(FACTS.surface, FACTS.model, FACTS.group, direction)
    decision = evaluate(policy, facts, findings)
    assert (decision.action, decision.redact) == (action, redacted)


def test_every_model_goes_to_the_one_provider():
    routing = parse_document(RoutingDocument, "routing.json", default_routing("https://llm.example/v1"))
    ((provider),) = routing.providers
    assert (provider.id, provider.base_url, provider.models) == ("openai", "https://llm.example/v1", ["*"])
