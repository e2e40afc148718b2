import json
from dataclasses import replace

import pytest

from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision
from outpost.proxy.errors import (
    STATUS,
    anthropic_envelope,
    blocked_code,
    blocked_message,
    openai_envelope,
    openai_type,
)

# What only the control plane answers.
NOT_OURS = {
    "token_invalid",
    "token_used",
    "token_expired",
    "csr_invalid",
    "certificate_invalid",
    "unknown_outpost",
    "audit_conflict",
    "audit_invalid",
    "unavailable",
    "recovery_expired",
    "recovery_pending",
    "recovery_invalid",
    "rate_limited",
}


def blocked(*kinds, reason=""):
    return Decision(Action.BLOCK, "p/r", reason, kinds=kinds)


def test_every_code_of_the_proxy_has_a_status():
    assert {code.value for code in ErrorCode} - {code.value for code in STATUS} == NOT_OURS
    assert all(400 <= status < 600 for status in STATUS.values())


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        ((), ErrorCode.POLICY_BLOCKED),
        (("pci.pan",), ErrorCode.POLICY_BLOCKED),
        (("unscannable.image",), ErrorCode.UNSCANNABLE),
        (("pci.pan", "unscannable.image"), ErrorCode.POLICY_BLOCKED),
    ],
)
def test_unscannable_is_said_only_of_what_nobody_could_read(kinds, code):
    assert blocked_code(blocked(*kinds)) is code


def test_a_message_names_the_rule_and_the_kinds():
    said = blocked_message(blocked("pci.pan", "pii.email", reason="no cards"), "request")

    assert said == "The request was blocked by policy rule p/r (no cards). Found: pci.pan, pii.email."
    assert blocked_message(blocked(), "answer") == "The answer was blocked by policy rule p/r."
    told = replace(blocked(reason="PCI DSS"), message="Please take the number out.")
    assert blocked_message(told, "request").endswith("rule p/r (Please take the number out).")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "server_error"),
    ],
)
def test_the_type_is_the_one_openai_gives(status, kind):
    error = json.loads(openai_envelope("c", "m \u20ac", status, "p"))["error"]

    assert error == {"message": "m \u20ac", "type": kind, "param": "p", "code": "c"}
    assert openai_type(status) == kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
    ],
)
def test_the_type_is_the_one_anthropic_gives(status, kind):
    error = {"type": kind, "message": "m", "code": "c"}
    assert json.loads(anthropic_envelope("c", "m", status)) == {"type": "error", "error": error}
    assert json.loads(anthropic_envelope("c", "m", status, "p"))["error"] == error | {"param": "p"}
