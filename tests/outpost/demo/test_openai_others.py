"""The stand-in's other OpenAI surfaces: streams and plain answers say the same, any bytes are read."""

import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.demo import answers, openai_others
from outpost.demo.answers import InvalidChat

STAMP = answers.deterministic_stamp(b"a body")


def made(**fields):
    raw = json.dumps({"model": "m", **fields}).encode()
    return openai_others.response(*openai_others.read(raw, "input"), raw)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"input": "SAY:hello you"}, "message"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "SAY:x"}]}]}, "message"),
        ({"input": [{"type": "function_call_output", "output": "sunny"}]}, "message"),
        ({"input": "use the tool", "tools": [{"type": "function", "name": "weather"}]}, "function_call"),
    ],
)
def test_a_streamed_response_says_what_the_plain_one_says(fields, kind):
    whole = made(**fields)
    events = list(openai_others.response_events(whole))

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"] == whole
    item = whole["output"][0]
    said = item["content"][0]["text"] if kind == "message" else item["arguments"]
    assert item["type"] == kind
    assert "".join(event["delta"] for event in events if event["type"].endswith(".delta")) == said


def test_a_streamed_completion_says_what_the_plain_one_says():
    _, chat = openai_others.read(b'{"model":"m","prompt":"SAY:hello you"}', "prompt")
    whole = openai_others.completion(chat, STAMP)
    chunks = list(openai_others.completion_chunks(chat, STAMP))
    assert whole["choices"][0]["text"] == "hello you"
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == "hello you"


def test_vectors_are_the_same_in_both_codings():
    numbers, coded = (openai_others.embeddings({"input": ["a"], "encoding_format": way}) for way in ("float", "base64"))
    vector = base64.b64decode(coded["data"][0]["embedding"])
    assert list(struct.unpack(f"<{openai_others.COMPONENTS}f", vector)) == numbers["data"][0]["embedding"]
    assert len(openai_others.moderation({"input": ["a", "b"]}, b"")["results"]) == 2


@given(
    st.binary(max_size=40)
    | st.dictionaries(st.sampled_from(["model", "input", "tools"]), st.just([{"type": 1}]) | st.just("x")).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_any_bytes_are_answered_or_refused(raw):
    try:
        fields, chat = openai_others.read(raw, "input")
    except InvalidChat:
        return
    assert openai_others.response(fields, chat, raw)["object"] == "response"
