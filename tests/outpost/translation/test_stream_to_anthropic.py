"""Streamed chat completions as the events of Anthropic messages, read back by the official SDK's types."""

import json

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

from outpost.errors import Rejected
from outpost.translation.sent import DONE
from outpost.translation.stream_to_anthropic import ChatToAnthropic
from tests.outpost.translation.conversation import COMPLETION, CREATED, MESSAGE, valid

HEAD = {"id": "x1", "object": "chat.completion.chunk", "created": CREATED, "model": "m"}


def chunk(finish=None, **delta):
    return {**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index, arguments="", **more):
    function = {"arguments": arguments} | ({"name": "weather"} if "id" in more else {})
    return chunk(tool_calls=[{"index": index, "function": function, **more}])


USAGE = {**HEAD, "choices": [], "usage": COMPLETION["usage"]}
ALL = [
    {**HEAD, "id": "", "choices": [], "prompt_filter_results": []},
    chunk(role="assistant", content=""),
    chunk(content="I "),
    chunk(content="look."),
    call(0, id="c1", type="function"),
    call(0, '{"city"'),
    call(0, ': "Ulm"}'),
    call(1, id="c2", type="function"),
    chunk("tool_calls"),
    USAGE,
]


def fed(chunks, *, thoughts=False, done=True):
    translator = ChatToAnthropic(thoughts=thoughts)
    data = [json.dumps(one).encode() for one in chunks] + ([DONE] if done else [])
    return [sent for one in data for sent in translator.feed(one)] + translator.end()


def events(chunks, **how):
    sent = fed(chunks, **how)
    made = [valid("event", json.loads(one.data)) for one in sent]
    assert [one.name for one in sent] == [one["type"].encode() for one in made]
    return made


def kinds(made):
    return [(one["type"], one.get("index")) for one in made]


@pytest.mark.parametrize("done", [True, False])
def test_an_sdk_puts_the_same_answer_together(done):
    adapter, message, buffers = TypeAdapter(RawMessageStreamEvent), None, {}
    for event in events(ALL, done=done):
        message = accumulate_event(event=adapter.validate_python(event), current_snapshot=message, json_bufs=buffers)
    whole = message.model_dump(exclude_none=True)
    for made in whole["content"]:
        made.pop("parsed_output", None)
    assert whole["content"] == MESSAGE["content"]
    assert (whole["id"], whole["model"], whole["stop_reason"]) == ("x1", "m", "tool_use")
    assert whole["usage"] == MESSAGE["usage"]


def test_the_framing_is_that_of_a_message():
    block = [
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
    ]
    calls = [(kind, 1) for kind, _ in block] + [("content_block_start", 2), ("content_block_stop", 2)]
    assert kinds(events(ALL)) == [
        ("message_start", None),
        *block,
        *calls,
        ("message_delta", None),
        ("message_stop", None),
    ]


def test_each_piece_goes_out_as_it_comes():
    translator = ChatToAnthropic(thoughts=False)
    translator.feed(json.dumps(chunk(content="I ")).encode())
    (sent,) = translator.feed(json.dumps(chunk(content="look.")).encode())
    assert json.loads(sent.data)["delta"] == {"type": "text_delta", "text": "look."}


def test_thoughts_are_told_to_who_asked():
    chunks = [chunk(reasoning_content="h"), chunk(reasoning_content="m", content=None), chunk("stop", content="a")]
    made = events(chunks, thoughts=True)
    said = [one["delta"] for one in made if one["type"] == "content_block_delta"]
    assert said == [
        {"type": "thinking_delta", "thinking": "h"},
        {"type": "thinking_delta", "thinking": "m"},
        {"type": "text_delta", "text": "a"},
    ]
    assert [one["delta"]["text"] for one in events(chunks) if one["type"] == "content_block_delta"] == ["a"]


def test_calls_without_positions_are_told_apart_by_id():
    one, two = ({"id": name, "function": {"name": "t", "arguments": "{}"}} for name in ("a", "b"))
    made = events([chunk(tool_calls=[one]), chunk("stop", tool_calls=[two])])
    begun = [event["content_block"]["id"] for event in made if event["type"] == "content_block_start"]
    assert begun == ["a", "b"]
    assert made[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_refusal_is_said_and_is_the_reason():
    made = events([chunk(refusal="no"), chunk("stop")])
    assert made[2]["delta"] == {"type": "text_delta", "text": "no"}
    assert made[-2]["delta"]["stop_reason"] == "refusal"


def test_a_choice_that_says_nothing_may_bring_the_usage():
    last = {**chunk("stop", role="assistant", content=""), "usage": COMPLETION["usage"]}
    made = events([chunk(content="a"), chunk("stop"), last])
    assert kinds(made) == kinds(events([chunk(content="a"), chunk("stop")]))
    assert made[-2]["usage"] == MESSAGE["usage"]


def test_members_of_a_providers_own_are_left_out():
    function = {"name": "weather", "arguments": "{}", "grammar": "x"}
    one = {"index": 0, "id": "c1", "type": "function", "function": function, "extra_content": {"signature": "s"}}
    made = events([chunk("tool_calls", tool_calls=[one], a_new_member="x")])
    assert made[1]["content_block"] == {"type": "tool_use", "id": "c1", "name": "weather", "input": {}}


def test_an_empty_answer_is_a_message():
    assert kinds(events([chunk("stop")])) == [("message_start", None), ("message_delta", None), ("message_stop", None)]


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [chunk(content="x")],
        [chunk("stop"), chunk(content="late")],
        [chunk("function_call")],
        [{**HEAD, "choices": [{"index": 1, "delta": {"content": "x"}}]}],
        [{**HEAD, "choices": [{"index": 0}, {"index": 1}]}],
        [{"choices": [{"index": 0, "delta": {"content": "x"}}]}],
        [chunk(audio={"id": "a"})],
        [chunk(annotations=[{"type": "url_citation"}])],
        [chunk(function_call={"name": "f"})],
        [call(0, "{}")],
        [call(0, "{", id="c1"), call(1, id="c2"), call(0, "}")],
        [call(0, "{", id="c1"), chunk(content="x"), call(0, "}")],
        [chunk(tool_calls=[{"index": 0, "id": "c", "type": "custom", "custom": {"name": "c"}}])],
        [chunk(content=5)],
        [chunk("stop"), {**USAGE, "usage": {"prompt_tokens": -1}}],
    ],
)
def test_what_is_out_of_turn_or_unknown_is_refused(chunks):
    with pytest.raises(Rejected) as refused:
        fed(chunks)
    assert refused.value.code == "provider_invalid_response"


def test_nothing_comes_after_the_end():
    for late in (DONE, json.dumps(chunk(content="x")).encode()):
        translator = ChatToAnthropic(thoughts=False)
        translator.feed(json.dumps(chunk("stop")).encode())
        translator.feed(DONE)
        with pytest.raises(Rejected):
            translator.feed(late)


def test_the_providers_own_failure_is_not_quoted():
    with pytest.raises(Rejected) as refused:
        fed([{"error": {"message": "4111 1111 1111 1111"}}])
    assert refused.value.code == "provider_error"
    assert "4111" not in refused.value.message
