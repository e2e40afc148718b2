import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.engine import default_engine
from outpost.errors import CouldNotInspect
from outpost.policy.evaluate import Facts, compile_policy
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Destination, Direction
from outpost.protocol.documents import PolicyDocument
from outpost.protocol.findings import Finding
from outpost.proxy.decide import MAX_ROUNDS, judge
from outpost.proxy.redaction import Redactor, Restorer
from outpost.proxy.seen import SeenTexts
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
    return judge(SeenTexts(scanner), chosen, FACTS, parse_request(raw), parse_request)


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


# Overlapping findings, as patterns and models give them

TEXT = "write to Ana Silva ana@x.example or call her"
OVERLAPPING = {"pii.person": (9, 22), "pii.email": (19, 32), "pii.title": (9, 12)}


class Finds:
    """Finds the given spans in ``TEXT`` and nothing in anything else."""

    def __init__(self, spans):
        self.spans = spans

    def scan(self, text):
        at = text.find(TEXT)
        if at < 0:
            return []
        return [Finding(kind, at + start, at + end, 0.9, "test/any") for kind, start, end in self.spans]


def redacting(**redactions):
    rules = [
        {
            "id": f"r{number}", "sequence": number, "when": {"findings": [kind.replace("_", ".")]},
            "action": "REDACT", "redaction": redaction,
        }
        for number, (kind, redaction) in enumerate(redactions.items(), 1)
    ]  # fmt: skip
    packs = [{"id": "p", "sequence": 1, "default": "ALLOW", "rules": rules}]
    return compile_policy(PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": packs})))


def redacted(chosen, spans):
    """The text that goes out, and what an answer that repeats it is turned into."""
    raw = body(TEXT)
    redactor = Redactor(bytes(32), raw)
    verdict = judge(SeenTexts(Finds(spans)), chosen, FACTS, parse_request(raw), parse_request, redactor)
    out = json.loads(verdict.body)["messages"][0]["content"]
    back = json.loads(Restorer(redactor.names).document(json.dumps({"content": out}).encode()))["content"]
    return out, back


def test_what_overlaps_is_taken_out_and_put_back_as_one():
    spans = [(kind, *place) for kind, place in OVERLAPPING.items()]
    restore = redacting(pii_person="restore", pii_email="restore", pii_title="restore")
    assert redacted(restore, spans) == ("write to <PERSON_1> or call her", TEXT)
    assert redacted(restore, spans[:1]) == (
        "write to <PERSON_1>example or call her".replace("example", TEXT[22:32]),
        TEXT,
    )


def test_what_must_not_be_put_back_takes_what_overlaps_it_along():
    spans = [(kind, *place) for kind, place in OVERLAPPING.items()]
    mixed = redacting(pii_person="restore", pii_email="label", pii_title="restore")
    out, back = redacted(mixed, spans)
    assert (out, back) == ("write to [REDACTED:pii.email] or call her",) * 2


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(sorted(OVERLAPPING)), st.integers(0, 43), st.integers(1, 20)), max_size=6))
def test_whatever_overlaps_an_answer_that_repeats_it_gets_everything_back(drawn):
    spans = [(kind, start, min(start + length, len(TEXT))) for kind, start, length in drawn]
    out, back = redacted(redacting(pii_person="restore", pii_email="restore", pii_title="restore"), spans)
    assert back == TEXT
    assert all(TEXT[start:end] not in out for _, start, end in spans if end - start > len("write"))
