import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision
from outpost.proxy import sse
from outpost.proxy.stream import StreamInspector
from outpost.proxy.surfaces.anthropic_messages import MESSAGES, MessageStream, parse_answer, parse_count
from tests.outpost.proxy.surfaces.once import ENGINE, is_cut_in_time, redacted

CARD, EMAIL = "4111 1111 1111 1111", "erika.mustermann@example.org"
TEXTS = st.lists(
    st.sampled_from(["hello ", "no. 12 ", "ü", '{"a":', "\\n", "a\nb", CARD, EMAIL, "(" + EMAIL + ")", " "]),
    max_size=8,
).map("".join)
KINDS = {"text": "text_delta", "thinking": "thinking_delta", "partial_json": "input_json_delta"}


def redact_all(findings):
    if not findings:
        return Decision(Action.ALLOW, "p/default", "")
    return Decision(Action.REDACT, "p/r", "", tuple(range(len(findings))))


def block_all(findings):
    return Decision(Action.BLOCK if findings else Action.ALLOW, "p/r", "no cards")


def event(body):
    data = json.dumps(body, ensure_ascii=False).encode()
    name = body["type"].encode()
    return sse.Event(sse.encode(data, name), data, name)


def start(index, kind="text", **more):
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, kind: "", **more}}


def delta(index, piece, member="text"):
    return {"type": "content_block_delta", "index": index, "delta": {"type": KINDS[member], member: piece}}


def stop(index):
    return {"type": "content_block_stop", "index": index}


MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
BEGIN = {"type": "message_start", "message": {**MESSAGE, "usage": {"input_tokens": 3, "cache_read_input_tokens": 4}}}
END = [
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]


def run(events, decide):
    inspector = StreamInspector(ENGINE, decide, MessageStream())
    out = [raw for body in events for raw in inspector.feed(event(body))]
    if inspector.blocked:
        out += inspector.closing_events()
    else:
        assert inspector.ended
    return inspector, [json.loads(raw.split(b"data: ", 1)[1]) for raw in out], out


def said(bodies):
    joined = {}
    for body in bodies:
        if body["type"] == "content_block_delta":
            (member,) = set(body["delta"]) - {"type"}
            joined[body["index"]] = joined.get(body["index"], "") + body["delta"][member]
    return joined


@settings(max_examples=100)
@given(st.lists(st.tuples(TEXTS, st.sampled_from(list(KINDS))), min_size=1, max_size=3), st.integers(0, 2**32))
def test_nothing_found_goes_out_however_the_deltas_are_cut_and_all_else_does(blocks, seed):
    rng = random.Random(seed)
    events = [BEGIN]
    for index, (text, member) in enumerate(blocks):
        cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(8)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        events += [start(index), *(delta(index, piece, member) for piece in pieces), stop(index)]
    events += END

    redacting, bodies, _ = run(events, redact_all)
    if sum(member == "text" for _, member in blocks) <= 1:  # or one may be redacted across two of them
        assert said(bodies) == {index: redacted(text) for index, (text, _) in enumerate(blocks)}
    if not redacting.findings:
        assert bodies == events
    blocking, bodies, _ = run(events, block_all)
    assert bool(blocking.blocked) == bool(redacting.findings)
    for index, released in said(bodies).items():
        assert is_cut_in_time(released, blocks[index][0])
    begun = [body["index"] for body in bodies if body["type"] == "content_block_start"]
    assert begun == [body["index"] for body in bodies if body["type"] == "content_block_stop"]


BEFORE = "I think that the number which you want is "


@settings(max_examples=100)
@given(
    st.sampled_from([CARD, EMAIL]),
    st.lists(st.integers(0, len(BEFORE) + 40), min_size=1, max_size=3),
    st.integers(0, 2**32),
)
def test_what_lies_across_blocks_of_text_does_not_go_out_either(secret, bounds, seed):
    """Clients join the blocks of one message."""
    rng = random.Random(seed)
    text = f"{BEFORE}{secret} and no other."
    cuts = sorted(min(bound, len(text)) for bound in bounds)
    events = [BEGIN]
    for index, (a, b) in enumerate(zip([0, *cuts], [*cuts, len(text)], strict=True)):
        middle = rng.randrange(a, b + 1)
        events += [start(index), delta(index, text[a:middle]), delta(index, text[middle:b]), stop(index)]

    redacting, bodies, _ = run([*events, *END], redact_all)
    joined = "".join(said(bodies).values())
    assert joined.startswith(BEFORE)
    assert joined.endswith(" and no other.")
    assert secret not in joined
    assert len(redacting.findings) >= 1
    _, bodies, _ = run([*events, *END], block_all)
    assert BEFORE.startswith("".join(said(bodies).values()))


def test_blocks_that_something_else_parts_are_not_joined():
    tool = [start(1, "tool_use", name="n", input={}), stop(1)]
    events = [BEGIN, start(0), delta(0, CARD[:9]), stop(0), *tool, start(2), delta(2, CARD[9:]), stop(2), *END]
    inspector, bodies, _ = run(events, redact_all)
    assert not inspector.findings
    assert bodies == events


def test_a_block_goes_out_as_soon_as_nothing_can_follow_it():
    inspector = StreamInspector(ENGINE, block_all, MessageStream())
    for body in (BEGIN, start(0), delta(0, "so 4111")):
        inspector.feed(event(body))
    assert inspector.feed(event(stop(0))) == []
    assert len(inspector.feed(event(start(1, "tool_use", name="n", input={})))) == 3


def test_a_stream_that_is_clean_passes_byte_for_byte():
    events = [BEGIN, {"type": "ping"}, start(0), delta(0, "so, "), delta(0, "twigs"), stop(0), *END]
    inspector, _, out = run(events, block_all)
    assert out == [event(body).raw for body in events]
    assert (inspector.prompt_tokens, inspector.completion_tokens) == (7, 9)


@pytest.mark.parametrize(
    "bodies",
    [
        [BEGIN | {"message": MESSAGE | {"id": CARD}}],
        [BEGIN, start(0, text=CARD), stop(0), *END],
        [BEGIN, start(0, "tool_use", name="n", input={"a": [CARD]})],
        [BEGIN, start(0, "tool_use", name=CARD, input={})],
        [BEGIN, start(0, "web_search_tool_result", content=[{"type": "web_search_result", "title": CARD}])],
        [BEGIN, {"type": "content_block_delta", "index": 0, "delta": {"type": "new_delta", "x": CARD}}, stop(0)],
        [BEGIN, {"type": "content_block_delta", "index": 0, "delta": {"type": "d", "citation": {"cited_text": CARD}}}],
        [BEGIN, {"type": "message_delta", "delta": {"stop_sequence": CARD}, "usage": {"service_tier": CARD}}],
        [BEGIN, {"type": "new_event", "anything": {CARD: 1}}],
    ],
)
def test_every_place_of_an_event_is_inspected(bodies):
    inspector, out, _ = run(bodies, block_all)
    assert inspector.blocked
    assert "4111" not in json.dumps(out)


def test_a_picture_in_a_stream_is_found():
    inspector, _, _ = run([BEGIN, start(0, "image", source={})], block_all)
    assert [finding.kind for finding in inspector.findings] == ["unscannable.image"]


@pytest.mark.parametrize(
    ("raw", "name", "code"),
    [
        (b"[]", None, ErrorCode.INVALID_REQUEST),
        (b'{"type":1}', None, ErrorCode.INVALID_REQUEST),
        (b'{"type":"ping"}', b"message_stop", ErrorCode.INVALID_REQUEST),
        (b'{"type":"content_block_delta","delta":{}}', None, ErrorCode.INVALID_REQUEST),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"key x"}}', None, ErrorCode.PROVIDER_ERROR),
        (b'{"type":"error","error":{"type":"Some Text"}}', None, ErrorCode.PROVIDER_ERROR),
    ],
)
def test_what_is_no_event_of_a_message_ends_the_stream(raw, name, code):
    with pytest.raises(Rejected) as refused:
        MessageStream().read(sse.Event(sse.encode(raw, name), raw, name))
    assert refused.value.code is code
    assert "key x" not in refused.value.message
    assert "Some Text" not in refused.value.message


def test_answers_are_messages_and_counts():
    answer = parse_answer(json.dumps({**MESSAGE, "usage": {"input_tokens": 1, "output_tokens": 2}}).encode())
    assert (answer.prompt_tokens, answer.completion_tokens) == (1, 2)
    assert parse_count(b'{"input_tokens":14}').prompt_tokens == 14
    for parse, raw in ((parse_answer, b'{"type":"message"}'), (parse_answer, b"{}"), (parse_count, b"{}")):
        with pytest.raises(Rejected):
            parse(raw)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"messages": [{}]}, "'model'"),
        ({"model": "m", "messages": []}, "'messages'"),
        ({"model": "m", "messages": ["x"]}, "'messages'"),
        ({"model": "m", "messages": [{}], "stream": "yes"}, "'stream'"),
    ],
)
def test_a_wrong_field_is_named(body, said):
    with pytest.raises(Rejected, match=said):
        MESSAGES.parse_request(json.dumps(body).encode())
