"""Streamed Anthropic messages as chat completion chunks, read back by the official SDK's types."""

import json

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from outpost.errors import Rejected, Untranslatable
from outpost.translation.sent import DONE
from outpost.translation.stream_to_chat import AnthropicToChat
from tests.outpost.translation.conversation import AT, COMPLETION, MESSAGE, valid

START = {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}}
END = {
    "type": "message_delta",
    "delta": {"stop_reason": "tool_use", "stop_sequence": None},
    "usage": {"output_tokens": 7, "input_tokens": None},
}
STOP = {"type": "message_stop"}


def block(index, **content):
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index, **said):
    return {"type": "content_block_delta", "index": index, "delta": said}


def stop(index):
    return {"type": "content_block_stop", "index": index}


def text(index, *said):
    pieces = [delta(index, type="text_delta", text=piece) for piece in said]
    return [block(index, type="text", text=""), *pieces, stop(index)]


def call(index, name, *said):
    pieces = [delta(index, type="input_json_delta", partial_json=piece) for piece in said]
    return [block(index, type="tool_use", id=name, name="weather", input={}), *pieces, stop(index)]


def fed(events, *, include_usage=False):
    translator = AnthropicToChat(AT, include_usage=include_usage)
    out = [sent for event in events for sent in translator.feed(json.dumps(event).encode())]
    return [*out, *translator.end()]


def chunks(events, **how):
    *sent, done = fed(events, **how)
    assert done.data == DONE
    assert {one.name for one in [*sent, done]} == {None}
    return [valid("chunk", json.loads(one.data)) for one in sent]


ALL = [
    START,
    {"type": "ping"},
    *text(0, "I ", "", "look."),
    *call(1, "c1", "", '{"city"', ': "Ulm"}'),
    *call(2, "c2"),
    END,
    STOP,
]


def test_an_sdk_puts_the_same_answer_together():
    for event in ALL[:1] + ALL[2:]:
        valid("event", event)
    state = ChatCompletionStreamState()
    for chunk in chunks(ALL, include_usage=True):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    whole = state.get_final_completion().model_dump(exclude_unset=True)
    message = whole["choices"][0]["message"]
    assert (whole["id"], whole["created"], whole["model"]) == ("x1", COMPLETION["created"], "m")
    assert message["content"] == "I look."
    said = [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in message["tool_calls"]]
    assert said == [("c1", "weather", '{"city": "Ulm"}'), ("c2", "weather", "{}")]
    assert whole["choices"][0]["finish_reason"] == "tool_calls"
    assert whole["usage"] == COMPLETION["usage"]


def test_each_piece_goes_out_as_it_comes():
    translator = AnthropicToChat(AT, include_usage=False)
    translator.feed(json.dumps(START).encode())
    translator.feed(json.dumps(ALL[2]).encode())
    (sent,) = translator.feed(json.dumps(ALL[3]).encode())
    assert json.loads(sent.data)["choices"][0]["delta"] == {"content": "I "}


def test_the_usage_comes_if_asked_for():
    assert all("usage" not in chunk for chunk in chunks(ALL))
    *others, last = chunks(ALL, include_usage=True)
    assert {chunk["usage"] for chunk in others} == {None}
    assert (last["choices"], last["usage"]) == ([], COMPLETION["usage"])


def test_thoughts_and_refusals_are_kept_apart():
    events = [
        START,
        block(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="hm"),
        delta(0, type="signature_delta", signature="s"),
        stop(0),
        block(1, type="redacted_thinking", data="d"),
        stop(1),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "refusal", "stop_details": {"type": "refusal", "explanation": "no"}},
            "usage": {"output_tokens": 1},
        },
        STOP,
    ]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks(events)]
    assert deltas == [{"role": "assistant", "content": ""}, {"reasoning_content": "hm"}, {"refusal": "no"}]


@pytest.mark.parametrize(
    "events",
    [
        [STOP],
        [START, START],
        [START, STOP],
        [START, delta(0, type="text_delta", text="x")],
        [START, *text(0, "x"), delta(0, type="text_delta", text="x")],
        [START, stop(0)],
        [START, block(0, type="text", text=""), block(0, type="text", text="")],
        [START, block(0, type="text", text=""), block(1, type="tool_use", id="c", name="t", input={})],
        [START, block(0, type="text", text=""), delta(0, type="input_json_delta", partial_json="{")],
        [START, block(0, type="text", text=""), delta(0, type="citations_delta", citation={"cited_text": "x"})],
        [START, block(0, type="server_tool_use", id="s")],
        [START, block(0, type="text", text=""), END, STOP],
        [START, {"type": "content_block_start", "content_block": {"type": "text", "text": ""}}],
        [START, {"type": "a new event", "text": "x"}],
        [START, END, STOP, {"type": "message_delta", "delta": {}}],
        [START, {**END, "delta": {"stop_reason": "pause_turn"}}],
        [{"type": 5}],
    ],
)
def test_what_is_out_of_turn_or_unknown_is_refused(events):
    with pytest.raises(Untranslatable) as refused:
        fed(events)
    assert refused.value.code == "provider_invalid_response"


def test_a_stream_that_breaks_off_has_no_end():
    for events in ([], [START], ALL[:-1]):
        with pytest.raises(Rejected, match="ended before its message"):
            fed(events)


def test_the_providers_own_failure_is_not_quoted():
    with pytest.raises(Rejected) as refused:
        fed([START, {"type": "error", "error": {"type": "overloaded_error", "message": "4111 1111 1111 1111"}}])
    assert refused.value.code == "provider_error"
    assert "4111" not in refused.value.message
