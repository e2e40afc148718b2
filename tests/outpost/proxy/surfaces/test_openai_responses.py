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
from outpost.proxy.surfaces.openai_responses import ResponseStream, parse_answer, parse_request, without_logprobs
from tests.outpost.proxy.surfaces.once import ENGINE, is_cut_in_time, redacted

CARD, EMAIL = "4111 1111 1111 1111", "erika.mustermann@example.org"
TEXTS = st.lists(
    st.sampled_from(["hello ", "no. 12 ", "ü", '{"a":', "\\n", "a\nb", CARD, EMAIL, "(" + EMAIL + ")", " "]),
    max_size=8,
).map("".join)
RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1_700_000_000, "model": "m", "output": []}


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


def numbered(bodies):
    begin = {"type": "response.created", "response": RESPONSE}
    end = {"type": "response.completed", "response": {**RESPONSE, "usage": {"input_tokens": 3, "output_tokens": 4}}}
    return [{**body, "sequence_number": number} for number, body in enumerate([begin, *bodies, end])]


def run(bodies, decide):
    inspector = StreamInspector(ENGINE, decide, ResponseStream())
    out = [raw for body in numbered(bodies) for raw in inspector.feed(event(body))]
    out += inspector.closing_events() if inspector.blocked else []
    return inspector, [json.loads(raw.split(b"data: ", 1)[1]) for raw in out], out


def text_events(text, pieces, index=0, kind="response.output_text", whole="text"):
    at = {"output_index": index, "content_index": 0, "item_id": "i"}
    return [
        *({"type": f"{kind}.delta", **at, "delta": piece} for piece in pieces),
        {"type": f"{kind}.done", **at, whole: text},
        {"type": "response.output_item.done", "output_index": index, "item": {"type": "x", whole: text}},
    ]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(TEXTS, st.sampled_from(["output_text", "reasoning_text"])), min_size=1, max_size=3),
    st.integers(0, 2**32),
)
def test_deltas_and_the_whole_are_redacted_alike_and_a_block_lets_nothing_out(texts, seed):
    rng = random.Random(seed)
    bodies = []
    for index, (text, kind) in enumerate(texts):
        cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(8)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        bodies += text_events(text, pieces, index, f"response.{kind}")

    redacting, made, out = run(bodies, redact_all)
    for index in range(len(texts)):
        mine = [body for body in made if body.get("output_index") == index]
        joined = "".join(body["delta"] for body in mine if "delta" in body)
        assert [body["text"] for body in mine if "text" in body] == [joined]
        assert [body["item"]["text"] for body in mine if "item" in body] == [joined]
        assert joined == redacted(texts[index][0])
    if not redacting.findings:
        assert out == [event(body).raw for body in numbered(bodies)]
        assert (redacting.prompt_tokens, redacting.completion_tokens) == (3, 4)
    blocking, made, _ = run(bodies, block_all)
    assert bool(blocking.blocked) == bool(redacting.findings)
    assert made[-1]["type"] == ("response.incomplete" if blocking.blocked else "response.completed")
    for index, (text, _) in enumerate(texts):
        assert is_cut_in_time("".join(b.get("delta", "") for b in made if b.get("output_index") == index), text)


@pytest.mark.parametrize(
    "bodies",
    [
        text_events(CARD, [CARD[:9], CARD[9:]], kind="response.function_call_arguments", whole="arguments"),
        text_events("", [CARD[:9], CARD[9:]], kind="response.something_new"),
        [{"type": "response.shell_call_output_content.delta", "output_index": 0, "delta": {"stdout": CARD}}],
        [{"type": "response.shell_call_command.added", "output_index": 0, "command": CARD}],
        [
            {"type": "response.shell_call_command.added", "output_index": 0, "command": CARD[:9]},
            {"type": "response.shell_call_command.delta", "output_index": 0, "delta": CARD[9:]},
        ],
        [{"type": "response.output_text.annotation.added", "annotation": {"title": CARD}}],
        [{"type": "response.output_text.delta", "delta": "x", "logprobs": [{"token": CARD}]}],
        [{"type": "response.new_event", "anything": {CARD: 1}}],
        [{"type": "response.in_progress", "response": {**RESPONSE, "usage": {"x": CARD}}}],
        [{"type": "response.in_progress", "response": {**RESPONSE, "id": CARD}}],
    ],
)
def test_every_place_of_an_event_is_inspected(bodies):
    inspector, made, _ = run(bodies, block_all)
    assert inspector.blocked
    assert CARD not in json.dumps(made)
    assert made[-1]["response"]["id"] == "resp_1"


def test_what_lies_across_two_parts_is_refused_for_it_is_said_twice():
    at = {"type": "response.output_text", "output_index": 0, "item_id": "i"}
    bodies = [
        {**at, "type": f"response.output_text.{word}", "content_index": index, member: said}
        for index, said in enumerate(("so 4111 1111", " 1111 1111"))
        for word, member in (("delta", "delta"), ("done", "text"))
    ]
    item = {"type": "message", "content": [{"type": "output_text", "text": CARD[:9]}]}
    for decide in (block_all, redact_all):
        inspector, made, _ = run([*bodies, {"type": "response.output_item.done", "item": item}], decide)
        assert inspector.blocked
        assert "4111" not in json.dumps(made)
        assert made[-1]["type"] == "response.incomplete"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"type": "response.audio.delta", "delta": "AAAA"}, "unscannable.audio"),
        ({"type": "response.image_generation_call.partial_image", "partial_image_b64": "AAAA"}, "unscannable.image"),
        ({"type": "response.output_item.done", "item": {"type": "image_generation_call"}}, "unscannable.image"),
        ({"type": "response.content_part.done", "part": {"type": "hologram"}}, "unscannable.unknown"),
    ],
)
def test_what_is_no_text_is_found(body, kind):
    inspector, _, _ = run([body], block_all)
    assert kind in [finding.kind for finding in inspector.findings]


@pytest.mark.parametrize(
    ("raw", "name", "code"),
    [
        (b"[]", None, ErrorCode.INVALID_REQUEST),
        (b'{"type":"response.completed"}', b"response.created", ErrorCode.INVALID_REQUEST),
        (b'{"type":"error","code":"rate_limit_exceeded","message":"key x"}', None, ErrorCode.PROVIDER_ERROR),
        (b'{"type":"response.failed","response":{"error":{"code":"Key x"}}}', None, ErrorCode.PROVIDER_ERROR),
    ],
)
def test_what_is_no_event_of_a_response_ends_the_stream(raw, name, code):
    with pytest.raises(Rejected) as refused:
        ResponseStream().read(sse.Event(sse.encode(raw, name), raw, name))
    assert refused.value.code is code
    assert "ey x" not in refused.value.message


def test_probabilities_go_with_what_was_redacted():
    data = b'{"a":[{"logprobs":[{"token":"x"}],"n":1.5}],"logprobs":null}'
    assert json.loads(without_logprobs(data)) == {"a": [{"logprobs": [], "n": 1.5}], "logprobs": None}
    assert without_logprobs(b'{"a": 1}') == b'{"a": 1}'
    with pytest.raises(Rejected):
        without_logprobs(b'{"logprobs":[],"n":1e999}')


def test_items_are_segments_of_their_own_and_answers_are_responses():
    request = parse_request(json.dumps({"model": "m", "input": [{"content": "a"}, {"output": "b"}]}).encode())
    assert [segment.name for segment in request.segments] == ["input[0]", "input[1]", "body"]
    answer = parse_answer(json.dumps({**RESPONSE, "usage": {"input_tokens": 1, "output_tokens": 2}}).encode())
    assert (answer.prompt_tokens, answer.completion_tokens) == (1, 2)
    for parse, body in ((parse_request, {"model": "m", "input": 7}), (parse_answer, {"object": "response"})):
        with pytest.raises(Rejected):
            parse(json.dumps(body).encode())
