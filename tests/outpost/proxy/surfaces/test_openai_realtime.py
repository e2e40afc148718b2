"""Realtime events, without a socket: where text is found, what cannot be read, and what takes an error's place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent

from outpost.dlp.engine import default_engine
from outpost.errors import Rejected
from outpost.policy.evaluate import Facts, compile_policy
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision, Direction
from outpost.proxy import sse
from outpost.proxy.decide import judge
from outpost.proxy.seen import SeenTexts
from outpost.proxy.stream import StreamInspector
from outpost.proxy.surfaces import openai_realtime
from outpost.proxy.surfaces.openai_realtime import (
    RealtimeStream,
    close_code,
    own_words,
    read_client_event,
    read_offer,
    read_opening,
    read_query,
)
from tests.outpost.proxy.setup import policy
from tests.outpost.proxy.surfaces.planting import SECRETS, answers, schema_values, spelled

ENGINE = default_engine()
SCANNER = SeenTexts(ENGINE)
POLICIES = {action: compile_policy(policy(action)) for action in ("BLOCK", "REDACT")}
CARD = "4111 1111 1111 1111"
DATA = "api-openai-openapi"
# A secret in the name of a kind makes an event of no known kind; in the others it must be found.
by_secret = pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)


def passing(read, body, action):
    try:
        parsed = read(json.dumps(body).encode())
    except Rejected:
        return None
    return judge(SCANNER, POLICIES[action], Facts("s", "m", "g", Direction.INPUT), parsed, read).body


def assert_does_not_go_up(body, secret, where):
    assert passing(read_client_event, body, "BLOCK") is None, where
    redacted = passing(read_client_event, body, "REDACT")
    for spelling in () if redacted is None else spelled(secret):
        assert spelling.encode() not in redacted, where


def client_leaves(secret):
    yield from answers(RealtimeClientEvent, secret)
    yield from schema_values(DATA, "RealtimeClientEvent", secret)
    yield from schema_values(DATA, "RealtimeBetaClientEventTranscriptionSessionUpdate", secret)
    yield from schema_values(DATA, "RealtimeBetaClientEventSessionUpdate", secret)
    yield from schema_values(DATA, "RealtimeBetaClientEventResponseCreate", secret)
    yield "new", {"type": "conversation.item.annotate", "new": [{"deep": secret}]}
    yield "a name", {"type": "session.update", secret: 1}


@by_secret
def test_no_leaf_of_a_clients_event_lets_a_secret_pass(secret):
    seen = 0
    for leaf, body in client_leaves(secret):
        assert_does_not_go_up({"type": "unknown"} | body, secret, (leaf, body))
        seen += 1
    assert seen > 300


@by_secret
def test_no_model_in_the_query_lets_a_secret_pass(secret):
    assert passing(read_opening, {"model": secret}, "BLOCK") is None
    redacted = passing(read_opening, {"model": secret}, "REDACT")
    assert redacted is None or secret.encode() not in redacted


def released(body, action):
    """What goes to the client of one event, and whether the stream was cut there."""

    def decide(findings):
        if not findings:
            return Decision(Action.ALLOW, "p/default", "")
        return Decision(Action(action), "p/r", "", tuple(range(len(findings))))

    shape = RealtimeStream()
    inspector = StreamInspector(ENGINE, decide, shape)
    data = own_words(json.dumps(body).encode())
    try:
        out = inspector.feed(sse.Event(data, data))
        out += inspector.closing_events() if inspector.blocked else inspector.finish()
    except Rejected:
        return b"", True
    return b"".join(out), inspector.blocked is not None


def server_leaves(secret):
    yield from answers(RealtimeServerEvent, secret)
    yield from schema_values(DATA, "RealtimeServerEvent", secret)


@by_secret
def test_no_leaf_of_a_servers_event_lets_a_secret_pass(secret):
    seen = set()
    for leaf, body in server_leaves(secret):
        same = (leaf, body.get("type") if not leaf.startswith((".response.", ".session.", ".item.")) else "")
        if same in seen:
            continue  # many kinds of events carry a whole response, session or item
        seen.add(same)
        out, cut = released({"type": "unknown"} | body, "BLOCK")
        assert not any(spelling.encode() in out for spelling in spelled(secret)), (leaf, body)
        dropped = leaf.startswith((".error", ".response.status_details.error"))  # no word of an error goes on
        assert cut or dropped, (leaf, body)
        out, _ = released({"type": "unknown"} | body, "REDACT")
        for spelling in spelled(secret):
            assert spelling.encode() not in out, (leaf, body)
    assert len(seen) > 150


@pytest.mark.parametrize(
    "body",
    [
        {"type": "input_audio_buffer.append", "audio": "AAAA"},
        {"type": "conversation.item.create", "item": {"content": [{"type": "input_audio", "audio": "AAAA"}]}},
        {"type": "conversation.item.create", "item": {"content": [{"type": "input_audio", "data": "AAAA"}]}},
        {"type": "response.create", "response": {"input": [{"content": [{"type": "output_audio", "audio": "AAAA"}]}]}},
    ],
)
def test_sound_is_reported(body):
    event = read_client_event(json.dumps(body).encode())
    assert {item.finding.kind for item in event.unscannable} == {"unscannable.audio"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"type": "input_image", "image_url": "data:image/png;base64,AAAA"}, "unscannable.image"),
        ({"type": "hologram", "data": "AAAA"}, "unscannable.unknown"),
    ],
)
def test_pictures_and_unknown_parts_are_reported(content, kind):
    body = {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [content]}}
    event = read_client_event(json.dumps(body).encode())
    assert {item.finding.kind for item in event.unscannable} == {kind}


@pytest.mark.parametrize(
    "body",
    [
        {"type": "session.update", "session": {"audio": {"output": {"voice": "marin"}}}},
        {"type": "session.update", "session": {"tools": [{"parameters": {"properties": {"image": {"type": "x"}}}}]}},
        {"type": "conversation.item.create", "item": {"content": [{"type": "output_audio", "transcript": "hello"}]}},
        {"type": "response.create", "response": {"audio": {"output": {"voice": "marin"}}}},
    ],
)
def test_settings_schemas_and_transcripts_are_no_sound(body):
    assert not read_client_event(json.dumps(body).encode()).unscannable


@pytest.mark.parametrize("kind", ["response.output_audio.delta", "response.audio.delta", "session.output_audio.delta"])
def test_a_providers_sound_is_reported(kind):
    data = json.dumps({"type": kind, "delta": "AAAA"}).encode()
    assert [found.kind for found in RealtimeStream().read(sse.Event(data, data)).unscannable] == ["unscannable.audio"]


def test_a_value_across_two_parts_of_an_item_is_found():
    parts = [{"type": "input_text", "text": "4111 1111 "}, {"type": "input_text", "text": "1111 1111"}]
    item = {"type": "message", "role": "user", "content": parts}
    assert passing(read_client_event, {"type": "conversation.item.create", "item": item}, "BLOCK") is None


def deltas(*pieces, kind="response.output_text", end=None, key="delta", **more):
    place = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0, **more}
    events = [{"type": f"{kind}.delta" if key == "delta" else kind, **place, key: piece} for piece in pieces]
    ended = [end] if end else [{"type": f"{kind}.done", **place}, {"type": "response.output_item.done", **place}]
    return [*events, *ended]


def stream(events, action="REDACT"):
    """What goes out after each event."""
    findings_of = {
        "REDACT": lambda found: Decision(Action.REDACT, "p/r", "", tuple(range(len(found)))),
        "BLOCK": lambda _: Decision(Action.BLOCK, "p/r", ""),
    }[action]
    inspector = StreamInspector(
        ENGINE, lambda found: findings_of(found) if found else Decision(Action.ALLOW, "", ""), RealtimeStream()
    )
    inspector.frame = lambda data, _: data
    out = []
    for event in events:
        data = json.dumps(event).encode()
        out.append([json.loads(one) for one in inspector.feed(sse.Event(data, data))])
    return out, inspector


TRANSCRIPTION = "conversation.item.input_audio_transcription"
ENDED = {"type": "response.done", "response": {"id": "r", "output": []}}
COMPLETED = {"type": f"{TRANSCRIPTION}.completed", "item_id": "i", "content_index": 0, "transcript": "x"}
HOLDING = {
    "text": deltas("pay ", "4111 1111", " 1111 1111", " now"),
    "beta text": deltas("pay ", "4111 1111", " 1111 1111", " now", kind="response.text"),
    "transcript of sound": deltas("pay ", "4111 1111", " 1111 1111", " now", kind="response.output_audio_transcript"),
    "arguments": deltas('{"a":"', "4111 1111", " 1111 1111", '"}', kind="response.function_call_arguments"),
    "arguments of MCP": deltas('{"a":"', "4111 1111", " 1111 1111", '"}', kind="response.mcp_call_arguments"),
    "an unknown kind": deltas("pay ", "4111 1111", " 1111 1111", " now", kind="response.thought"),
    "ended by the response": deltas("pay ", "4111 1111", " 1111 1111", end=ENDED),
    "transcription": deltas("pay ", "4111 1111", " 1111 1111", kind=TRANSCRIPTION, end=COMPLETED, response_id=None),
    "segments": deltas(
        "pay ", "4111 1111", " 1111 1111", kind=f"{TRANSCRIPTION}.segment", key="text", end=COMPLETED, response_id=None
    ),
}


@pytest.mark.parametrize("events", HOLDING.values(), ids=HOLDING)
def test_a_value_in_pieces_is_held_back_and_cut_before_its_first_character(events):
    out, inspector = stream(events)
    assert inspector.idle
    said = "".join(event.get("delta", event.get("text", "")) for batch in out for event in batch)
    assert "4111" not in said
    assert "1111" not in said
    assert "[REDACTED:pci.pan]" in said
    assert len([event for batch in out for event in batch]) == len(events)
    out, inspector = stream(events, "BLOCK")
    assert inspector.blocked
    assert "4111" not in json.dumps(out)


def test_words_go_out_as_soon_as_they_end():
    out, inspector = stream(deltas("hello ", "world", " and"))
    assert [len(batch) for batch in out] == [0, 1, 0, 0, 4]
    assert inspector.idle


def test_two_responses_at_once_do_not_end_each_others_texts():
    one, other = deltas("4111 1111", " 1111 1111", end=ENDED), {"type": "response.done", "response": {"id": "other"}}
    out, _ = stream([one[0], other, *one[1:]])
    assert "1111" not in json.dumps(out)


def test_a_text_that_goes_on_after_its_end_is_refused():
    with pytest.raises(Rejected) as refused:
        stream([*deltas("4111 1111"), deltas(" 1111 1111")[0]])
    assert refused.value.code is ErrorCode.PROVIDER_INVALID_RESPONSE


def test_a_cut_response_ends_incomplete_and_says_why():
    created = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}
    done = {"type": "response.done", "response": {"id": "resp_1"}}
    _, inspector = stream([created, *deltas(CARD, response_id="resp_1")], "BLOCK")
    ended, error = map(json.loads, inspector.closing_events())
    assert (ended["type"], ended["response"]["id"], ended["response"]["status"]) == (
        "response.done",
        "resp_1",
        "incomplete",
    )
    assert ended["response"]["status_details"]["reason"] == "content_filter"
    assert (error["type"], error["error"]["code"], error["policy"]["rule_id"]) == ("error", "policy_blocked", "p/r")
    _, inspector = stream([created, done, *deltas(CARD)], "BLOCK")
    assert [json.loads(event)["type"] for event in inspector.closing_events()] == ["error"]


def test_of_a_providers_error_only_identifiers_go_on():
    error = {"type": "invalid_request_error", "code": "unknown_event", "message": "SECRET sk-123", "param": "type"}
    said = json.loads(own_words(json.dumps({"type": "error", "error": {**error, "event_id": "e"}}).encode()))["error"]
    assert said == {**error, "event_id": "e", "message": "the provider reported an error (code unknown_event)"}
    for event in (
        {"type": "error", "error": {"code": "SECRET sk-123", "type": "SECRET sk-123", "param": "SECRET sk-123"}},
        {"type": "response.done", "response": {"status_details": {"error": {"message": "SECRET sk-123"}}}},
        {"type": f"{TRANSCRIPTION}.failed", "error": {"message": "SECRET sk-123"}},
        {"type": "error", "error": "SECRET sk-123"},
    ):
        spelled_out = json.dumps(event).replace('"error"', '"\\u0065rror"')
        for raw in (json.dumps(event), spelled_out):
            assert b"SECRET" not in own_words(raw.encode())
    plain = json.dumps({"type": "error", "error": None}).encode()
    assert own_words(plain) == plain


def test_tokens_are_counted():
    usage = {"input_tokens": 3, "output_tokens": 4}
    data = json.dumps({"type": "response.done", "response": {"id": "r", "usage": usage}}).encode()
    read = RealtimeStream().read(sse.Event(data, data))
    assert (read.prompt_tokens, read.completion_tokens) == (3, 4)


def test_keys_come_as_subprotocols_too():
    offer = read_offer(["realtime, openai-insecure-api-key.sk-1", "openai-beta.realtime-v1"])
    assert (offer.keys, offer.accepts, offer.beta) == ({"sk-1"}, "realtime", True)
    assert "sk-1" not in repr(offer)
    none = read_offer([])
    assert (none.keys, none.accepts, none.beta) == (frozenset(), None, False)
    with pytest.raises(Rejected):
        read_offer(["openai-insecure-api-key.sk-1"])


@pytest.mark.parametrize(
    "query", [[], [("model", "")], [("model", "a"), ("model", "b")], [("model", "a"), ("call_id", "b")], [("m", "a")]]
)
def test_a_query_is_one_model(query):
    with pytest.raises(Rejected):
        read_query(query)
    assert read_query([("model", "gpt-realtime")]) == "gpt-realtime"


@pytest.mark.parametrize("raw", [b"", b"[]", b'"x"', b"{}", b'{"type": 1}', b'{"type":"a","session":{"model":1}}'])
def test_what_is_no_event_is_refused(raw):
    with pytest.raises(Rejected):
        read_client_event(raw)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
MEMBERS = st.sampled_from(
    ["delta", "text", "item", "part", "response", "session", "error", "audio", "logprobs", "response_id", "item_id"]
)
KINDS = st.sampled_from(["response.done", "x.delta", "error", f"{TRANSCRIPTION}.segment"])
EVENTS = st.builds(lambda kind, rest: json.dumps({"type": kind, **rest}), KINDS, st.dictionaries(MEMBERS, VALUES))


@given(st.binary(max_size=200) | VALUES.map(json.dumps).map(str.encode) | EVENTS.map(str.encode))
def test_any_bytes_are_an_event_or_refused(raw):
    for read in (read_client_event, own_words, lambda data: RealtimeStream().read(sse.Event(data, data))):
        code = None
        try:
            read(raw)
        except Rejected as err:
            code = err.code
        assert code in {None, ErrorCode.INVALID_REQUEST}


@given(EVENTS)
def test_an_event_stays_the_same_but_for_its_error(raw):
    before, after = json.loads(raw), json.loads(own_words(raw.encode()))
    for one in (before, after):
        one.pop("error", None)
        if isinstance(one.get("response"), dict) and isinstance(one["response"].get("status_details"), dict):
            one["response"]["status_details"].pop("error", None)
    assert before == after


def test_every_refusal_has_a_close_code_that_may_be_sent():
    sendable = {1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011}  # RFC 6455 §7.4.1
    assert {close_code(code) for code in openai_realtime.STATUS} <= sendable
    assert close_code(ErrorCode.POLICY_BLOCKED) == 1008
    assert close_code(ErrorCode.AUDIT_UNAVAILABLE) == 1011
