"""The provider's side of a connection without a socket: what goes out when, and under which policy."""

import json
from datetime import UTC, datetime

import pytest

from outpost.errors import CouldNotInspect, Rejected
from outpost.protocol.decisions import Action, Redaction
from outpost.protocol.findings import Finding
from outpost.proxy import realtime_answers
from outpost.proxy.enforcement import compile_bundle
from outpost.proxy.realtime_answers import Answers
from outpost.proxy.redaction import Redactor
from tests.fakes.models import NAME, FakeModels
from tests.fakes.outpost import PEPPER, make_bundle, make_key
from tests.outpost.proxy.setup import CARD, EMAIL, policy, routing

PLACE = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
TEXT_DONE = {"type": "response.output_text.done", **PLACE}
ITEM_DONE = {"type": "response.output_item.done", **PLACE}
DONE = {
    "type": "response.done",
    "response": {"id": "r", "output": [], "usage": {"input_tokens": 3, "output_tokens": 4}},
}


def enforcing(chosen, offered=()):
    bundle = make_bundle(chosen, routing("http://127.0.0.1:9/v1"), [make_key()[1]], signed_at=datetime.now(UTC))
    return compile_bundle(bundle, {"p1": PEPPER}, offered=offered)


def delta(text):
    return {"type": "response.output_text.delta", **PLACE, "delta": text}


def answers(models=None, asked=None):
    return Answers(models, "m", Redactor(bytes(32)), asked or Redactor(bytes(32), b""))


async def feed(under, enforcement, *events):
    """What goes out after each event."""
    return [
        [json.loads(out) for out in await under.feed(json.dumps(event).encode(), enforcement, "everyone")]
        for event in events
    ]


def kinds(batches):
    return [[event["type"].removeprefix("response.") for event in batch] for batch in batches]


async def test_findings_and_the_end_of_a_response_are_noted_once():
    under, redacting = answers(), enforcing(policy("REDACT"))
    assert under.take() is None
    await feed(under, redacting, delta(f"mail {EMAIL} or"), delta(" so"))
    noted = under.take()
    assert (noted.decision.action, [one.kind for one in noted.findings]) == (Action.REDACT, ["pii.email"])
    assert under.take() is None
    await feed(under, redacting, TEXT_DONE, ITEM_DONE, DONE)
    noted = under.take()
    assert (noted.decision.action, noted.findings) == (Action.ALLOW, [])
    assert (noted.prompt_tokens, noted.completion_tokens) == (3, 4)
    assert under.take() is None


async def test_a_new_policy_takes_over_as_soon_as_no_text_is_open():
    under, before, after = answers(), enforcing(policy("BLOCK", ("pci.*",))), enforcing(policy("REDACT", ("pii.*",)))
    out = await feed(under, before, delta(f"mail {EMAIL} "))
    out += await feed(under, after, delta("or "), TEXT_DONE, ITEM_DONE)
    assert EMAIL in json.dumps(out)
    assert not under.busy
    out = await feed(under, after, {"type": "session.updated", "session": {"instructions": f"mail {EMAIL}"}})
    assert "[REDACTED:pii.email]" in json.dumps(out)


async def test_a_text_that_has_ended_stays_so_under_a_new_policy():
    under = answers()
    await feed(under, enforcing(policy("BLOCK")), delta("4111 1111"), TEXT_DONE, ITEM_DONE)
    with pytest.raises(Rejected):
        await feed(under, enforcing(policy("BLOCK")), delta(" 1111 1111"))


async def test_too_many_texts_are_refused(monkeypatch):
    monkeypatch.setattr(realtime_answers, "MAX_TEXTS", 3)
    under, allowing = answers(), enforcing(policy())
    events = [{"type": "response.output_text.done", **PLACE, "item_id": f"i{number}"} for number in range(4)]
    with pytest.raises(CouldNotInspect):
        await feed(under, allowing, *events)


async def test_what_is_refused_refuses_everything_after_it():
    under, blocking = answers(), enforcing(policy("BLOCK"))
    out = await feed(under, blocking, {"type": "a"}, {"type": CARD}, {"type": "b"})
    assert kinds(out) == [["a"], [], []]
    assert under.refused.action is Action.BLOCK
    under = answers()
    assert await feed(under, enforcing(policy(default="BLOCK")), {"type": "a"}) == [[]]
    assert under.refused.rule_id == "p/default"


async def test_where_models_look_events_wait_until_these_have_decided():
    models = FakeModels()
    under, redacting = answers(models), enforcing(policy("REDACT", ("pii.*",)), models.kinds)
    events = [{"type": "response.created", "response": {"id": "r"}}, delta("ask Ana "), delta("Silva now")]
    out = await feed(under, redacting, *events, TEXT_DONE, ITEM_DONE)
    assert [len(batch) for batch in out] == [1, 0, 0, 0, 4]
    said = "".join(event.get("delta", "") for batch in out for event in batch)
    assert said == "ask [REDACTED:pii.person] now"
    assert f"ask {NAME} now" in models.asked
    assert [one.kind for one in under.take().findings] == ["pii.person"]


async def test_a_long_text_goes_on_as_models_decide_and_nothing_stays_open():
    models = FakeModels()
    under, redacting = answers(models), enforcing(policy("REDACT", ("pii.*",)), models.kinds)
    out = await feed(under, redacting, *[delta("words and ") for _ in range(80)], delta(f"{NAME} "))
    said = "".join(event.get("delta", "") for batch in out for event in batch)
    assert 0 < len(said) < 800
    out += await feed(under, redacting, delta("and more"), TEXT_DONE, ITEM_DONE)
    said = "".join(event.get("delta", "") for batch in out for event in batch)
    assert said == f"{'words and ' * 80}[REDACTED:pii.person] and more"
    await feed(under, redacting, *[{**delta("words and "), "item_id": "other"} for _ in range(40)])
    assert [following.closed for following in models.following] == [True, False]
    under.close()
    assert all(following.closed for following in models.following)


async def test_models_that_say_nothing_let_nothing_pass():
    models = FakeModels()
    under, blocking = answers(models), enforcing(policy("BLOCK", ("pii.*",)), models.kinds)
    models.down = True
    with pytest.raises(CouldNotInspect):
        await feed(under, blocking, {"type": "session.created", "session": {"instructions": "be brief"}})


async def test_names_are_restored_that_were_given_after_the_connection_was_opened():
    asked = Redactor(bytes(32), b"")
    under, allowing = answers(asked=asked), enforcing(policy())
    assert "<EMAIL_1>" in json.dumps(await feed(under, allowing, {"type": "a", "text": "<EMAIL_1>"}))
    finding = Finding("pii.email", 0, len(EMAIL), 1.0, "d")
    assert asked.replacement(finding, EMAIL, Redaction.RESTORE) == "<EMAIL_1>"
    under.names_may_have_changed()
    out = await feed(under, allowing, delta("mail <EMA"), delta("IL_1> "), TEXT_DONE, ITEM_DONE)
    assert "".join(event.get("delta", "") for batch in out for event in batch) == f"mail {EMAIL} "
