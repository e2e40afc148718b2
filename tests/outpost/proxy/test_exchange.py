from datetime import UTC, datetime

import pytest

from outpost.audit.event import encode
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision, Direction
from outpost.protocol.findings import Finding
from outpost.protocol.ids import RequestId
from outpost.proxy.exchange import Exchange, outcome_of
from outpost.proxy.segments import Located

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALLOW = Decision(Action.ALLOW, "p/default", "")
REDACT = Decision(Action.REDACT, "p/mail", "")
BLOCK = Decision(Action.BLOCK, "p/card", "no cards")
FINDING = Finding("pci.pan", 3, 19, 0.9, "card/luhn")


def exchange(**fields):
    return Exchange(RequestId("r"), "openai.chat_completions", "127.0.0.1", **fields)


def test_a_decision_is_recorded_with_what_was_found_and_where():
    event = exchange().decision_event(AT, BLOCK, [Located(2, FINDING)])

    assert (event.kind, event.direction, event.action, event.rule_id) == ("decision", "input", "BLOCK", "p/card")
    assert [(finding.kind, finding.segment) for finding in event.findings] == [("pci.pan", 2)]
    assert b"127.0.0.1" not in encode(event)


@pytest.mark.parametrize(
    ("fields", "code", "rule_id", "direction", "outcome"),
    [
        ({}, ErrorCode.NO_POLICY, "fail-closed/no_policy", None, "refused"),
        ({"decision": BLOCK}, ErrorCode.POLICY_BLOCKED, "p/card", None, "blocked"),
        ({"decision": ALLOW}, ErrorCode.INTERNAL_ERROR, "fail-closed/internal_error", None, "refused"),
        ({"decision": ALLOW}, ErrorCode.PROVIDER_TIMEOUT, None, Direction.OUTPUT, "provider_timeout"),
        ({"decision": ALLOW}, ErrorCode.PROVIDER_ERROR, None, Direction.OUTPUT, "provider_error"),
        (
            {"decision": REDACT, "output_decision": BLOCK, "output_findings": [FINDING]},
            ErrorCode.POLICY_BLOCKED,
            "p/card",
            Direction.OUTPUT,
            "blocked",
        ),
    ],
)
def test_a_refusal_is_recorded_by_what_refused(fields, code, rule_id, direction, outcome):
    event = exchange(**fields).refusal_event(AT, code, 403)

    assert (event.kind, event.code, event.rule_id) == ("completion", code, rule_id)
    assert (event.direction, event.outcome, event.status) == (direction, outcome, 403)
    assert len(event.findings) == len(fields.get("output_findings", ()))


@pytest.mark.parametrize("code", [code for code in ErrorCode if code.startswith("provider_")])
def test_the_providers_faults_are_told_apart_from_ours(code):
    assert outcome_of(code) == ("provider_timeout" if code is ErrorCode.PROVIDER_TIMEOUT else "provider_error")


def test_an_exchange_knows_that_it_has_ended():
    one = exchange(decision=ALLOW)
    assert not one.closed
    one.completion_event(AT, "ok", 200)
    assert one.closed


@pytest.mark.parametrize(
    ("decision", "output", "action"),
    [
        (None, None, Action.ALLOW),
        (ALLOW, None, Action.ALLOW),
        (REDACT, ALLOW, Action.REDACT),
        (ALLOW, REDACT, Action.REDACT),
        (REDACT, BLOCK, Action.BLOCK),
        (BLOCK, None, Action.BLOCK),
    ],
)
def test_the_stricter_action_names_the_whole(decision, output, action):
    assert exchange(decision=decision, output_decision=output).action is action
