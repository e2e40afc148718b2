"""Exchanges: any JSON gives a translation or the typed error, round trips keep text and tools, no leaf is lost."""

import json

import pytest
from anthropic.types.message_create_params import MessageCreateParamsBase
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from outpost.errors import Rejected, Untranslatable
from outpost.translation.exchange import Api, open_exchange
from outpost.translation.sent import DONE
from tests.architecture.repository import read
from tests.outpost.proxy.surfaces.planting import merged, planted, request_leaves
from tests.outpost.translation.conversation import (
    ANTHROPIC,
    AT,
    CHAT,
    COMPLETION,
    MESSAGE,
    SCHEMA,
    anthropic,
    assistant,
    chat,
    user,
)

LEAST = {Api.OPENAI: CHAT, Api.ANTHROPIC: ANTHROPIC}
OTHER = {Api.OPENAI: Api.ANTHROPIC, Api.ANTHROPIC: Api.OPENAI}
APIS = pytest.mark.parametrize("client", list(Api))


def opened(body, client):
    return open_exchange(json.dumps(body).encode(), client, at=AT)


def asked(body, client):
    return json.loads(opened(body, client).request)


@pytest.mark.parametrize(
    ("client", "request_", "theirs", "ours"),
    [(Api.OPENAI, CHAT, MESSAGE, COMPLETION), (Api.ANTHROPIC, ANTHROPIC, COMPLETION, MESSAGE)],
)
def test_an_exchange_goes_there_and_back(client, request_, theirs, ours):
    exchange = opened(request_, client)
    assert json.loads(exchange.request) == LEAST[OTHER[client]]
    assert json.loads(exchange.answer(json.dumps(theirs).encode())) == ours
    assert exchange.left_out == ()


def test_what_the_client_asked_of_the_answer_is_remembered():
    thought = {**COMPLETION["choices"][0], "message": {"content": "a", "reasoning": "hm"}, "finish_reason": "stop"}
    theirs = json.dumps({**COMPLETION, "choices": [thought]}).encode()
    for thinking, kinds in (
        ({"type": "adaptive"}, ["thinking", "text"]),
        ({"type": "adaptive", "display": "omitted"}, ["text"]),
        ({"type": "disabled"}, ["text"]),
    ):
        answer = json.loads(opened(anthropic(thinking=thinking), Api.ANTHROPIC).answer(theirs))
        assert [block["type"] for block in answer["content"]] == kinds
    start = {"type": "message_start", "message": {**MESSAGE, "content": []}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}
    for options, count in (({"include_usage": True}, 2), ({}, 1)):
        stream = opened(chat(stream=True, stream_options=options), Api.OPENAI).stream()
        for event in (start, end):
            stream.feed(json.dumps(event).encode())
        assert len(stream.feed(b'{"type": "message_stop"}')) == count + 1


def test_a_bound_for_the_answer_may_be_given():
    exchange = open_exchange(json.dumps(chat()).encode(), Api.OPENAI, at=AT, default_max_tokens=7)
    assert json.loads(exchange.request)["max_tokens"] == 7


# --- any bytes -------------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        "model",
        "messages",
        "content",
        "role",
        "type",
        "text",
        "tool_calls",
        "function",
        "tools",
        "system",
        "source",
        "choices",
        "delta",
        "message",
        "index",
        "usage",
        "finish_reason",
        "content_block",
        "id",
        "name",
        "thinking",
        "user",
        "assistant",
        "tool",
        "tool_use",
        "tool_result",
        "image",
        "document",
        "arguments",
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "stop",
        "input",
        "x",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | WORDS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)


def mutated(draw, value):
    """A sound body with something in it replaced."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(value)))
        return {**value, name: mutated(draw, value[name])}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        return [mutated(draw, value[0]), *value[1:]]
    return draw(VALUES)


BODIES = st.composite(lambda draw, body: json.dumps(mutated(draw, body)).encode())


@APIS
@given(data=st.data())
def test_any_request_is_translated_or_refused(client, data):
    raw = data.draw(
        st.binary(max_size=20) | VALUES.map(lambda value: json.dumps(value).encode()) | BODIES(LEAST[client])
    )
    try:
        exchange = open_exchange(raw, client, at=AT)
    except Rejected as err:
        assert err.code in {"untranslatable", "invalid_request"}  # noqa: PT017 - either is right
        return
    json.loads(exchange.request)


@APIS
@given(data=st.data())
def test_any_answer_is_translated_or_refused(client, data):
    sound = MESSAGE if client is Api.OPENAI else COMPLETION
    raw = data.draw(st.binary(max_size=20) | VALUES.map(lambda value: json.dumps(value).encode()) | BODIES(sound))
    try:
        json.loads(opened(LEAST[client], client).answer(raw))
    except Rejected as err:
        assert err.code == "provider_invalid_response"  # noqa: PT017


CHUNKS = {"id": "x", "model": "m", "choices": [{"index": 0, "delta": {"content": "x", "tool_calls": [{"index": 0}]}}]}
EVENTS = [
    {"type": "message_start", "message": MESSAGE},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
]


@APIS
@given(data=st.data())
def test_any_stream_is_translated_or_refused(client, data):
    sound = EVENTS if client is Api.OPENAI else [CHUNKS]
    events = st.sampled_from(sound).flatmap(lambda event: st.just(json.dumps(event).encode()) | BODIES(event))
    stream = opened(LEAST[client], client).stream()
    try:
        for raw in data.draw(st.lists(events | st.just(DONE) | st.binary(max_size=9), max_size=9)):
            stream.feed(raw)
        stream.end()
    except Rejected as err:
        assert err.code in {"provider_invalid_response", "provider_error"}  # noqa: PT017


# --- there and back --------------------------------------------------------------------------------------------------

SAID = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=9)
CALLS = st.tuples(SAID, SAID, st.dictionaries(SAID, SAID | st.integers() | st.none(), max_size=2))
TURNS = st.lists(
    st.one_of(
        SAID.map(lambda text: user({"type": "text", "text": text})),
        st.tuples(SAID, CALLS).map(lambda said: ("call", *said)),
    ),
    max_size=4,
)


def spoken(turns):
    """Turns as Anthropic's messages."""
    messages = [user({"type": "text", "text": "begin"})]
    for turn in turns:
        if isinstance(turn, dict):
            messages.append(turn)
            continue
        _, text, (name, tool, given_) = turn
        use = {"type": "tool_use", "id": name, "name": tool, "input": given_}
        messages.append(assistant({"type": "text", "text": text}, use))
        messages.append(user({"type": "tool_result", "tool_use_id": name, "content": text}))
    return messages


def texts(messages):
    """Who said what and called what, without the ways to write one text."""
    said = []
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        said += [(message["role"], block) for block in blocks]
    return said


@given(turns=TURNS, system=st.none() | SAID, tool=SAID)
def test_there_and_back_keeps_texts_and_tools(turns, system, tool):
    body = anthropic(*spoken(turns), tools=[{"name": tool, "description": tool, "input_schema": SCHEMA}])
    body |= {} if system is None else {"system": system}
    back = asked(asked(body, Api.ANTHROPIC), Api.OPENAI)
    assert texts(back.pop("messages")) == texts(body.pop("messages"))
    assert back == body


@given(pieces=st.lists(SAID, max_size=4), calls=st.lists(CALLS, max_size=2))
@settings(max_examples=50)
def test_a_stream_there_and_back_keeps_texts_and_tools(pieces, calls):
    head = {"id": "x", "model": "m"}

    def chunk(finish=None, **delta):
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    chunks = [chunk(content=piece) for piece in pieces]
    for index, (name, tool, given_) in enumerate(calls):
        text = json.dumps(given_)
        begin = {"index": index, "id": f"{name}{index}", "function": {"name": tool, "arguments": text[:1]}}
        chunks += [chunk(tool_calls=[begin]), chunk(tool_calls=[{"index": index, "function": {"arguments": text[1:]}}])]
    chunks.append(chunk("tool_calls" if calls else "stop"))
    there, back = opened(ANTHROPIC, Api.ANTHROPIC).stream(), opened(CHAT, Api.OPENAI).stream()
    data = [json.dumps(one).encode() for one in chunks] + [DONE]
    sent = [returned.data for one in data for event in there.feed(one) for returned in back.feed(event.data)]
    assert there.end() == back.end() == []
    *made, done = sent
    assert done == DONE
    deltas = [choice["delta"] for one in made for choice in json.loads(one)["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "".join(pieces)
    said = [call for delta in deltas for call in delta.get("tool_calls", [])]
    for index, (_, tool, given_) in enumerate(calls):
        mine = [call["function"] for call in said if call["index"] == index]
        assert mine[0]["name"] == tool
        assert json.loads("".join(function["arguments"] for function in mine)) == given_


# --- every leaf of the published schemas -----------------------------------------------------------------------------

MARK = "plumtree"
# Text that the provider is not told, leaf by leaf; docs/translation.md says why it means nothing there.
LEFT_OUT = {
    Api.OPENAI: {
        "metadata.*",
        "prediction.content",
        "prediction.content[].text",
        "prediction.content[].type",
        "prediction.content[].prompt_cache_breakpoint.mode",
        "prediction.type",
        "prompt_cache_key",
        "prompt_cache_options.mode",
        "prompt_cache_options.ttl",
        "prompt_cache_retention",
        "service_tier",
        "messages[].content[].image_url.detail",
        "messages[].content[].prompt_cache_breakpoint.mode",
    },
    Api.ANTHROPIC: {
        "cache_control.ttl",
        "cache_control.type",
        "messages[].content[].cache_control.ttl",
        "messages[].content[].cache_control.type",
        "messages[].content[].content[].cache_control.ttl",
        "messages[].content[].content[].cache_control.type",
        "messages[].content[].data",
        "messages[].content[].signature",
        "messages[].content[].thinking",
        "messages[].content[].source.content[].cache_control.ttl",
        "messages[].content[].source.content[].cache_control.type",
        "service_tier",
        "system[].cache_control.ttl",
        "system[].cache_control.type",
        "thinking.display",
        "tools[].cache_control.ttl",
        "tools[].cache_control.type",
    },
}
TEXT = {"type": "text", "text": "x"}
CALL = {"id": "c", "type": "function", "function": {"name": "t", "arguments": "{}"}}
RESULT = {"type": "tool_result", "tool_use_id": "c", "content": "x"}
PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
NOTE = {"type": "text", "media_type": "text/plain", "data": "x"}
# Sound requests, each with one thing that a leaf may be part of. A leaf is planted in all of them.
ABOUT = {
    Api.OPENAI: [
        chat(),
        chat(user(TEXT)),
        chat(user({"type": "image_url", "image_url": {"url": "https://e.org"}})),
        chat(user({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}})),
        chat({"role": "assistant", "content": "x", "tool_calls": [CALL]}, user(TEXT)),
        chat(assistant({"type": "refusal", "refusal": "x"}), user(TEXT)),
        chat({"role": "tool", "tool_call_id": "c", "content": "x"}),
        chat({"role": "system", "content": "x"}, user(TEXT)),
        chat(tools=[{"type": "function", "function": {"name": "t"}}]),
        chat(
            tools=[{"type": "function", "function": {"name": "t"}}],
            tool_choice={"type": "function", "function": {"name": "t"}},
        ),
        chat(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}),
    ],
    Api.ANTHROPIC: [
        anthropic(),
        anthropic(user(TEXT), system=[TEXT]),
        anthropic(user({"type": "image", "source": PNG})),
        anthropic(user({"type": "image", "source": {"type": "url", "url": "https://e.org"}})),
        anthropic(user({"type": "document", "source": NOTE})),
        anthropic(
            user({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": ""}})
        ),
        anthropic(user({"type": "document", "source": {"type": "content", "content": [TEXT]}})),
        anthropic(
            user({"type": "document", "source": {"type": "content", "content": [{"type": "image", "source": PNG}]}})
        ),
        anthropic(user(RESULT)),
        anthropic(user({**RESULT, "content": [TEXT]})),
        anthropic(assistant({"type": "tool_use", "id": "c", "name": "t", "input": {}}), user(TEXT)),
        anthropic(assistant({"type": "thinking", "thinking": "x", "signature": "x"}), user(TEXT)),
        anthropic(assistant({"type": "redacted_thinking", "data": "x"}), user(TEXT)),
        anthropic(tools=[{"name": "t", "input_schema": {"type": "object"}}]),
        anthropic(tools=[{"name": "t", "input_schema": {}}], tool_choice={"type": "tool", "name": "t"}),
        anthropic(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
        anthropic(thinking={"type": "adaptive"}),
    ],
}


def outcomes(client, leaf):
    """What becomes of a mark at ``leaf`` in each sound request: told, left out, or refused."""
    for about in ABOUT[client]:
        mark = f'{{"{MARK}": 1}}' if leaf.endswith(".arguments") else MARK
        try:
            exchange = opened(merged(about, planted(leaf, mark)), client)
        except Untranslatable:
            yield "refused"
            continue
        yield "told" if MARK in exchange.request.decode() else "left out"
        assert MARK in exchange.request.decode() or exchange.left_out, f"{leaf} is lost without a word"


@pytest.mark.parametrize(
    ("client", "data", "path"),
    [
        (Api.OPENAI, "api-openai-openapi", "/chat/completions"),
        (Api.ANTHROPIC, "api-anthropic-fields", "/v1/messages"),
        (Api.ANTHROPIC, "api-anthropic-fields", "/v1/messages?beta=true"),
    ],
)
def test_no_leaf_of_a_request_is_lost(client, data, path):
    found = {leaf: set(outcomes(client, leaf)) for leaf in request_leaves(data, path)}
    assert sum("told" in outcome for outcome in found.values()) > 20
    assert {leaf for leaf, outcome in found.items() if "left out" in outcome} == LEFT_OUT[client]
    told = {"messages[].content[].text", "model", "messages[].content"}
    assert all("told" in found[leaf] for leaf in told)


MEMBERS = {
    Api.OPENAI: {**CompletionCreateParamsBase.__annotations__, "stream": bool},
    Api.ANTHROPIC: {**MessageCreateParamsBase.__annotations__, "stream": bool},
}


@APIS
def test_every_member_of_the_sdks_requests_has_a_fate_and_a_row(client):
    """Also those that hold no text, which the published leaves do not list."""
    table = read("docs/translation.md")
    for name in MEMBERS[client]:
        assert f"`{name}`" in table or f"`{name}." in table, name
        assert place({**LEAST[client], name: {"a member": [0.5]}}, client).startswith(name), name


def place(body, client):
    """What is refused of a request, or left out."""
    try:
        return opened(body, client).left_out[0]
    except Untranslatable as refused:
        return refused.field


@APIS
def test_the_table_names_what_is_left_out(client):
    table = read("docs/translation.md")
    for leaf in LEFT_OUT[client]:
        member = leaf.removesuffix(".*").replace("[]", "").split(".")
        assert any(f"`{name}`" in table for name in member), leaf
