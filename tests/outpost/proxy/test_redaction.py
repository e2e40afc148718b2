import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.engine import default_engine
from outpost.errors import Rejected
from outpost.policy.evaluate import Facts, compile_policy
from outpost.protocol.decisions import Action, Decision, Direction, Redaction
from outpost.protocol.documents import PolicyDocument
from outpost.protocol.findings import Finding
from outpost.proxy import redaction, sse
from outpost.proxy.decide import judge
from outpost.proxy.redaction import NameFinder, Redactor, Restorer, redaction_key
from outpost.proxy.seen import SeenTexts
from outpost.proxy.stream import StreamInspector
from outpost.proxy.surfaces.anthropic_messages import MessageStream, parse_answer
from outpost.proxy.surfaces.openai_chat import ChatStream, parse_request

ENGINE = default_engine()
KEY = bytes(range(32))
EMAIL = "Erika.Mustermann@example.org"
PAN = "4111 1111 1111 1111"
NAMES = {"<EMAIL_1>": EMAIL, "<PERSON_2>": 'Erika "Eri" Musterm\u00e4nn\n', "<PERSON_21>": "Max"}


def found(kind="pii.email"):
    return Finding(kind, 0, 1, 1.0, "d")


def replaced(mode, text=EMAIL, kind="pii.email", redactor=None):
    return (redactor or Redactor(KEY, b"")).replacement(found(kind), text, mode)


@pytest.mark.parametrize(
    ("mode", "text", "kind", "instead"),
    [
        (Redaction.LABEL, EMAIL, "pii.email", "[REDACTED:pii.email]"),
        (Redaction.MASK, EMAIL, "pii.email", "*****.**********@*******.***"),
        (Redaction.MASK, PAN, "pci.pan", "**** **** **** 1111"),
        (Redaction.MASK, "--", "pii.x", "[REDACTED:pii.x]"),
        (Redaction.RESTORE, EMAIL, "pii.email", "<EMAIL_1>"),
        (Redaction.RESTORE, "x", "secret.aws_access_key", "<AWS_ACCESS_KEY_1>"),
        (Redaction.FORMAT, "--", "pii.x", "[REDACTED:pii.x]"),
    ],
)
def test_each_mode_says_what_it_should(mode, text, kind, instead):
    assert replaced(mode, text, kind) == instead


def test_a_hash_is_keyed_and_the_same_for_every_spelling():
    one = replaced(Redaction.HASH)
    assert one == replaced(Redaction.HASH, EMAIL.upper())
    assert one.startswith("[REDACTED:pii.email.")
    assert one != replaced(Redaction.HASH, "other@example.org")
    assert one != Redactor(bytes(32)).replacement(found(), EMAIL, Redaction.HASH)
    assert redaction_key({"b": b"2", "a": b"1"}, b"f") == redaction_key({"a": b"1"}, b"g") != redaction_key({}, b"f")


def test_a_shape_is_kept_and_the_value_is_not():
    made = replaced(Redaction.FORMAT, "AB-12 \u00e4 x@y", "pii.x")
    assert made != "AB-12 \u00e4 x@y"
    assert [sign.isupper() for sign in made] == [sign.isupper() for sign in "AB-12 \u00e4 x@y"]
    assert made[2] + made[5] + made[7] + made[9] == "-  @"
    assert made[3:5].isdigit()


def test_an_entity_keeps_its_name_and_no_name_is_given_twice():
    redactor = Redactor(KEY, b"the text says <EMAIL_2> already")
    names = [
        replaced(Redaction.RESTORE, text, "pii.email", redactor) for text in (EMAIL, "b@example.org", EMAIL.upper())
    ]
    assert names == ["<EMAIL_1>", "<EMAIL_3>", "<EMAIL_1>"]
    assert replaced(Redaction.RESTORE, "c", "phi.email", redactor) == "<EMAIL_4>"
    assert redactor.names == {"<EMAIL_1>": EMAIL, "<EMAIL_3>": "b@example.org", "<EMAIL_4>": "c"}
    assert EMAIL not in repr(redactor)


def test_an_answer_has_nothing_to_restore_later():
    assert Redactor(KEY).replacement(found(), EMAIL, Redaction.RESTORE) == "[REDACTED:pii.email]"


@settings(max_examples=100)
@given(
    st.lists(
        st.sampled_from([*NAMES, "<EMAIL_9>", "<", "<P", "<PERSON_", "x<", "1>", " ", "hello", "<A_1"]), max_size=8
    ),
    st.integers(0, 2**32),
)
def test_names_are_found_however_the_text_is_cut(parts, seed):
    text, rng = "".join(parts), random.Random(seed)
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(8)))
    finder, got = NameFinder(), []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        got += finder.feed(text[start:end])
        assert finder.pending <= 54
    assert got == NameFinder().feed(text)
    assert all(text[start:end] == name for start, end, name in got)


def test_values_come_back_in_every_string_of_an_answer():
    inner = json.dumps({"who": "<PERSON_2>", "n": 1})
    raw = json.dumps({"a": ["to <EMAIL_1>, <PERSON_21> and <NOBODY_1>", inner], "<EMAIL_1>": 2}).encode()
    restored = json.loads(Restorer(NAMES).document(raw))

    assert restored["a"][0] == f"to {EMAIL}, Max and <NOBODY_1>"
    assert json.loads(restored["a"][1]) == {"who": NAMES["<PERSON_2>"], "n": 1}
    assert restored["<EMAIL_1>"] == 2
    assert Restorer({}).document(raw) is raw


def test_an_answer_that_repeats_a_name_for_ever_is_refused(monkeypatch):
    monkeypatch.setattr(redaction, "MAX_RESTORED_CHARS", 100)
    with pytest.raises(Rejected):
        Restorer(NAMES).document(json.dumps(["<EMAIL_1>"] * 5).encode())


def streamed(pieces, member, seed):
    """What a client puts together of a stream of ``pieces``."""
    inspector = StreamInspector(
        ENGINE, lambda _: Decision(Action.ALLOW, "p/default", ""), ChatStream(), None, Restorer(NAMES)
    )
    out = []
    for piece in pieces:
        delta = {"content": piece} if member == "content" else {"tool_calls": [{"function": {"arguments": piece}}]}
        data = json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}).encode()
        out += inspector.feed(sse.Event(sse.encode(data), data))
    out += inspector.feed(sse.Event(sse.encode(sse.DONE), sse.DONE))
    deltas = [json.loads(raw[6:])["choices"][0]["delta"] for raw in out[:-1]]
    if member == "content":
        return "".join(delta["content"] for delta in deltas)
    return "".join(delta["tool_calls"][0]["function"]["arguments"] for delta in deltas)


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([*NAMES, "<EMAIL_9>", "<PERSON_", " ", "hello ", "\u00fc"]), max_size=6).map("".join),
    st.sampled_from(["content", "arguments"]),
    st.integers(0, 2**32),
)
def test_values_come_back_in_a_stream_however_it_is_cut(text, member, seed):
    sent = text if member == "content" else json.dumps({"said": text})
    rng = random.Random(seed)
    cuts = sorted(rng.randrange(len(sent) + 1) for _ in range(rng.randrange(8)))
    pieces = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]

    got = streamed(pieces, member, seed)

    whole = json.loads(Restorer(NAMES).document(json.dumps([text]).encode()))[0]
    assert (got if member == "content" else json.loads(got)["said"]) == whole


def blocks(parts):
    return [{"type": "text", "text": part} for part in parts]


def streamed_blocks(parts, seed):
    """What a client joins of a message of several text blocks, each streamed in pieces."""
    rng = random.Random(seed)
    inspector = StreamInspector(
        ENGINE, lambda _: Decision(Action.ALLOW, "p/default", ""), MessageStream(), None, Restorer(NAMES)
    )
    events = []
    for index, part in enumerate(parts):
        cut = rng.randrange(len(part) + 1)
        events.append({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}})
        for piece in (part[:cut], part[cut:]):
            delta = {"type": "text_delta", "text": piece}
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    out = []
    for event in [*events, {"type": "message_stop"}]:
        data, name = json.dumps(event).encode(), event["type"].encode()
        out += inspector.feed(sse.Event(sse.encode(data, name), data, name))
    out += inspector.finish()
    said = [json.loads(raw.partition(b"data: ")[2]) for raw in out]
    assert len(said) == len(events) + 1
    return "".join(event["delta"]["text"] for event in said if event["type"] == "content_block_delta")


def cut(text, seed, most):
    rng = random.Random(seed)
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(most)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from([*NAMES, "<EMAIL_9>", "<PERSON_", " ", "hello ", "\u00fc"]), max_size=6).map("".join),
    st.integers(0, 2**32),
)
def test_values_come_back_where_a_name_lies_across_blocks(text, seed):
    parts = cut(text, seed, 6)
    expected = json.loads(Restorer(NAMES).document(json.dumps([text]).encode()))[0]

    assert streamed_blocks(parts, seed) == expected
    raw = json.dumps({"type": "message", "content": blocks(parts), "usage": {}}).encode()
    restored = json.loads(Restorer(NAMES).document(raw, parse_answer(raw).segments))
    assert "".join(block["text"] for block in restored["content"]) == expected


def test_what_lies_between_two_blocks_breaks_a_name():
    tool = {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "n"}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "<EMAIL"}}
    inspector = StreamInspector(
        ENGINE, lambda _: Decision(Action.ALLOW, "p/default", ""), MessageStream(), None, Restorer(NAMES)
    )
    out = []
    for event in (delta, {"type": "content_block_stop", "index": 0}, tool):
        data = json.dumps(event).encode()
        out += inspector.feed(sse.Event(sse.encode(data), data))
    assert len(out) == 3  # nothing waits for the rest of the name


def decided(mode, body):
    when = {"findings": ["pii.email", "pci.pan"]}
    rule = {"id": "r", "sequence": 1, "when": when, "action": "REDACT", "redaction": mode}
    packs = [{"id": "p", "sequence": 1, "default": "ALLOW", "rules": [rule]}]
    document = PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": packs}))
    raw = json.dumps(body).encode()
    redactor = Redactor(KEY, raw)
    facts = Facts("s", "m", "g", Direction.INPUT)
    verdict = judge(SeenTexts(ENGINE), compile_policy(document), facts, parse_request(raw), parse_request, redactor)
    return json.loads(verdict.body), redactor, verdict


CONVERSATION = {
    "model": "m",
    "messages": [
        {"role": "user", "content": f"write to a@example.org and {EMAIL}"},
        {"role": "assistant", "content": f"to {EMAIL.lower()}?"},
    ],
    "user": "b@example.org",
}


def test_a_conversation_that_goes_on_keeps_its_names():
    first, redactor, _ = decided("restore", CONVERSATION)
    longer = CONVERSATION | {"messages": [*CONVERSATION["messages"], {"role": "user", "content": "and c@example.org"}]}
    second, _, _ = decided("restore", longer)

    assert first["user"] == second["user"] == "<EMAIL_1>"
    assert first["messages"] == second["messages"][:2]
    assert first["messages"][1]["content"] == "to <EMAIL_3>?"
    assert redactor.names["<EMAIL_3>"] == EMAIL
    assert second["messages"][2]["content"] == "and <EMAIL_4>"


@pytest.mark.parametrize("mode", list(Redaction))
def test_every_mode_leaves_a_body_in_which_the_value_is_not(mode):
    body = CONVERSATION | {"metadata": {"card": PAN, "n": 4111111111111111}}
    redacted, _, verdict = decided(mode, body)

    said = json.dumps(redacted).casefold()
    for value in (EMAIL, "a@example.org", "b@example.org", PAN, "4111111111111111"):
        assert value.casefold() not in said
    assert verdict.decision.action is Action.REDACT
    assert not {finding.kind for finding in ENGINE.scan(said)} & {"pci.pan"}


def test_no_name_is_given_that_was_said_later_on():
    redactor = Redactor(KEY, b"")
    assert redactor.replacement(found(), EMAIL, Redaction.RESTORE) == "<EMAIL_1>"
    redactor.avoid(b"<EMAIL_2> and <EMAIL_3>, <EMAIL_2>")
    assert redactor.replacement(found(), "other@example.org", Redaction.RESTORE) == "<EMAIL_4>"
    assert redactor.replacement(found(), EMAIL, Redaction.RESTORE) == "<EMAIL_1>"


def test_who_says_more_names_than_can_be_remembered_gets_labels(monkeypatch):
    monkeypatch.setattr(redaction, "MAX_TAKEN_BYTES", 20)
    redactor = Redactor(KEY, b"")
    redactor.avoid(b"<EMAIL_2> and <EMAIL_3>")
    redactor.avoid(b"<EMAIL_4>")
    assert redactor.replacement(found(), EMAIL, Redaction.RESTORE) == "[REDACTED:pii.email]"
    Redactor(KEY).avoid(b"<EMAIL_2>")
