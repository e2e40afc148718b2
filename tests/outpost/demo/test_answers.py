"""The stand-in's answers: planted text comes back exactly, streamed or not; any bytes are answered or InvalidChat."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.demo import answers
from outpost.demo.answers import ChatRequest, InvalidChat

STAMP = answers.deterministic_stamp(b"a body")
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    },
}


def chat(content: Any, **more: Any) -> ChatRequest:
    body = {"model": "standin-chat", "messages": [{"role": "user", "content": content}], **more}
    return answers.parse_chat(json.dumps(body).encode())


def text_of_stream(request: ChatRequest, index: int = 0) -> str:
    made = list(answers.chunks(request, answers.answer(request), STAMP))
    choices = [choice for chunk in made for choice in chunk["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("hello", "You said: hello"),
        ("SAY:4111 1111 1111 1111", "4111 1111 1111 1111"),
        ("SAY:", ""),
        ([{"type": "text", "text": "SA"}, {"type": "text", "text": "Y:x"}], "x"),
        (
            [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:,"}}],
            "You said: see [1 image]",
        ),
        ("use the tool", "You said: use the tool"),
    ],
    ids=["echo", "planted", "planted nothing", "planted over two parts", "image", "tool words without tools"],
)
def test_the_answer_is_the_same_plain_and_streamed(content: Any, said: str) -> None:
    request = chat(content)

    plain = answers.completion(request, answers.answer(request), STAMP)

    assert plain["choices"][0]["message"]["content"] == said
    assert text_of_stream(request) == said


def test_a_tool_result_is_answered_with_text() -> None:
    messages = [{"role": "user", "content": "use the tool"}, {"role": "tool", "tool_call_id": "x", "content": "sunny"}]

    assert answers.answer(chat("", messages=messages, tools=[TOOL])).text == "The tool said: sunny"


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        ("please use the tool", '{"city": "standin", "days": 1}'),
        ('use the tool ARGS:{"city":"a@b.example"}', '{"city":"a@b.example"}'),
        ("use the tool ARGS:not json", "not json"),
    ],
    ids=["from the schema", "planted", "planted nonsense"],
)
def test_the_tool_is_called_with_the_same_arguments_plain_and_streamed(content: str, arguments: str) -> None:
    request = chat(content, tools=[TOOL])
    said = answers.answer(request)

    message = answers.completion(request, said, STAMP)["choices"][0]["message"]
    deltas = [chunk["choices"][0]["delta"] for chunk in answers.chunks(request, said, STAMP)]
    parts = [call["function"] for delta in deltas for call in delta.get("tool_calls", [])]

    assert message["content"] is None
    assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": arguments}
    assert [part["name"] for part in parts if "name" in part] == ["weather"]
    assert "".join(part["arguments"] for part in parts) == arguments


def test_the_chosen_tool_is_called() -> None:
    other = {"type": "function", "function": {"name": "other"}}
    choice = {"type": "function", "function": {"name": "other"}}

    said = answers.answer(chat("use the tool", tools=[TOOL, other], tool_choice=choice))

    assert said.tool_calls[0].name == "other"


def test_each_of_n_choices_is_streamed_whole_and_usage_comes_last() -> None:
    request = chat("SAY:two choices", n=2, stream=True, stream_options={"include_usage": True})
    made = list(answers.chunks(request, answers.answer(request), STAMP))

    assert [text_of_stream(request, index) for index in range(2)] == ["two choices"] * 2
    assert [chunk["usage"] for chunk in made[:-1]] == [None] * (len(made) - 1)
    assert made[-1]["choices"] == []
    assert made[-1]["usage"] == answers.completion(request, answers.answer(request), STAMP)["usage"]


def test_max_tokens_cuts_the_answer_and_says_so() -> None:
    said = answers.answer(chat("SAY:abcdefgh", max_completion_tokens=1))

    assert (said.text, said.finish_reason) == ("abcd", "length")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
        (b"{}", "model"),
        (b'{"model":1}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":["x"]}', "messages"),
        (b'{"model":"m","messages":[{}],"n":0}', "n"),
        (b'{"model":"m","messages":[{}],"n":true}', "n"),
        (b'{"model":"m","messages":[{}],"tools":{}}', "tools"),
    ],
)
def test_a_wrong_body_is_refused_naming_the_field(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidChat) as refused:
        answers.parse_chat(body)

    assert refused.value.param == param


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["user", "tool", "assistant"]) | JSON,
            "content": st.sampled_from(["use the tool", "SAY:x", [{"type": "text", "text": "\ud800"}]]) | JSON,
        },
    ),
    max_size=3,
)


@given(
    st.binary(max_size=200)
    | st.fixed_dictionaries(
        {"model": st.just("m") | JSON, "messages": MESSAGES | JSON},
        optional={
            "tools": st.just([TOOL]) | st.lists(st.dictionaries(st.just("function"), JSON)) | JSON,
            "n": JSON,
            "tool_choice": JSON,
            "stream_options": JSON,
            "max_tokens": JSON,
        },
    ).map(lambda body: json.dumps(body).encode())
)
def test_any_bytes_give_an_answer_or_invalid_chat(body: bytes) -> None:
    try:
        request = answers.parse_chat(body)
    except InvalidChat:
        return
    said = answers.answer(request)

    plain = json.loads(answers.encode(answers.completion(request, said, STAMP)))
    frames = [answers.frame(chunk) for chunk in answers.chunks(request, said, STAMP)]

    assert len(plain["choices"]) == request.n
    assert all(frame.count(b"\n") == 2 for frame in frames)  # one event per frame, whatever the text holds
