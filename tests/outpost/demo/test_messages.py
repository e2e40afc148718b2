"""The stand-in's Anthropic side: streamed and plain answers say the same, and any bytes are answered or refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.demo import messages
from outpost.demo.answers import InvalidChat

TOOL = {"name": "weather", "input_schema": {"type": "object"}}


def body(content, **more):
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": content}], **more}).encode()


def streamed(raw):
    """The blocks as a client puts them together."""
    made = []
    for event in messages.events(messages.parse_messages(raw), raw):
        if event["type"] == "content_block_start":
            made.append(dict(event["content_block"]))
            arguments = ""
        elif event["type"] == "content_block_delta":
            for name, piece in event["delta"].items():
                if name == "partial_json":
                    arguments += piece
                    made[-1]["input"] = json.loads(arguments or "{}") if arguments.endswith("}") else {}
                elif name != "type":
                    made[-1][name] += piece
    return made


@pytest.mark.parametrize(
    "raw",
    [
        body("hello"),
        body("SAY:4111 1111 1111 1111"),
        body("THINK:hm SAY:yes"),
        body([{"type": "text", "text": "SAY:a"}, {"type": "text", "text": "b"}]),
        body('use the tool ARGS:{"city":"Ulm"}', tools=[TOOL]),
        body("use the tool ARGS:not json", tools=[TOOL]),
        body([{"type": "tool_result", "tool_use_id": "t", "content": "sunny"}], tools=[TOOL]),
    ],
)
def test_a_stream_says_what_the_plain_answer_says(raw):
    assert streamed(raw) == messages.message(messages.parse_messages(raw), raw)["content"]


def test_planted_text_comes_back_exactly():
    raw = body("SAY:x y", max_tokens=10)
    made = messages.message(messages.parse_messages(raw), raw)
    assert made["content"] == [{"type": "text", "text": "x y"}]
    assert made["stop_reason"] == "end_turn"
    raw = body("SAY:" + "x" * 100, max_tokens=2)
    assert messages.message(messages.parse_messages(raw), raw)["stop_reason"] == "max_tokens"


@given(
    st.binary(max_size=40)
    | st.dictionaries(st.sampled_from(["model", "messages", "tools"]), st.just([1])).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_any_bytes_are_answered_or_refused(raw):
    try:
        asked = messages.parse_messages(raw)
    except InvalidChat:
        return
    assert messages.message(asked, raw)["type"] == "message"
