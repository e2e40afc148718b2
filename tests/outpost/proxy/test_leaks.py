"""A card number and an address at every place a chat can carry text: neither reaches the other side."""

import json

import pytest

from outpost.protocol.codes import ErrorCode
from tests.outpost.proxy.setup import CARD, CHAT, EMAIL, answer, assert_kept_nowhere, policy, provider_saying
from tests.shared_data import require

FOUND = ("pci.pan", "pii.email")
UNREADABLE = ("unscannable.image", "unscannable.audio", "unscannable.file", "unscannable.unknown")


def message(role="user", content="x", **more):
    return {"messages": [{"role": role, "content": content, **more}]}


def parts(*texts):
    return message(content=[{"type": "text", "text": text} for text in texts])


def tool(**fields):
    return {"tools": [{"type": "function", "function": {"name": "f", **fields}}]}


def call(arguments, name="f", **more):
    calls = [{"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}, **more}]
    return message("assistant", None, tool_calls=calls)


def places(value):
    """Bodies with ``value`` at one place each. The middle of ``value`` is where it is split."""
    half = len(value) // 2
    roles = ("user", "system", "developer", "assistant", "tool", "function", "unheard-of")
    schema = {"type": "object", "properties": {"p": {"type": "string", "description": value}}}
    return {
        **{f"content of {role}": message(role, f"see {value}, ok") for role in roles},
        "role": message(value),
        "name": message(name=value),
        "refusal": message("assistant", None, refusal=value),
        "tool call id": message("tool", "x", tool_call_id=value),
        "audio id": message("assistant", None, audio={"id": value}),
        "unknown member": message(x={"y": [value]}),
        "unknown name": message(**{value: 1}),
        "content that is an object": message(content={"text": value}),
        "content that is a list of texts": message(content=[value]),
        "text part": parts("a", value),
        "split over two parts": parts(f"a {value[:half]}", f"{value[half:]} b"),
        "split over three parts": parts(value[:3], value[3:half], value[half:]),
        "part of unknown type": message(content=[{"type": "x", "x": value}]),
        "image link": message(content=[{"type": "image_url", "image_url": {"url": f"https://x.example/?{value}"}}]),
        "tool name": tool(name=value),
        "tool description": tool(description=f"for {value}"),
        "tool parameter": tool(parameters=schema),
        "tool parameter name": tool(parameters={"properties": {value: {}}}),
        "tool enumeration": tool(parameters={"enum": ["a", value]}),
        "tool type": {"tools": [{"type": value}]},
        "custom tool": {"tools": [{"type": "custom", "custom": {"format": {"grammar": {"definition": value}}}}]},
        "tool choice": {"tool_choice": {"function": {"name": value}}},
        "arguments": call(json.dumps({"a": value})),
        "arguments with space before": call(" \n" + json.dumps({"a": value})),
        "argument name": call(json.dumps({value: 1})),
        "arguments in arguments": call(json.dumps({"a": json.dumps({"b": value})})),
        "escaped arguments": call('{"a":"' + "".join(f"\\u{ord(char):04x}" for char in value) + '"}'),
        "arguments after a line end": call(json.dumps({"a": f"x\n{value}"})),
        "arguments that are no JSON": call(value),
        "custom input": message("assistant", None, tool_calls=[{"id": "c", "custom": {"input": value}}]),
        "tool result": message("tool", json.dumps({"result": [value]}), tool_call_id="c"),
        "user": {"user": value},
        "metadata": {"metadata": {"k": value}},
        "metadata name": {"metadata": {value: "v"}},
        "stop": {"stop": value},
        "stops": {"stop": ["a", value]},
        "response format": {"response_format": {"json_schema": {"name": "n", "schema": {"description": value}}}},
        "prediction": {"prediction": {"type": "content", "content": value}},
        "prediction part": {"prediction": {"type": "content", "content": [{"type": "text", "text": value}]}},
        "logit bias": {"logit_bias": {value: 1}},
        "unknown field": {"x": value},
        "unknown deep field": {"x": [{"y": {"z": [[value]]}}]},
        "unknown object name": {value: True},
        "model": {"model": value},
    }


NUMBERS = {
    "number": {"x": 4111111111111111},
    "number with a fraction": {"x": 4111111111111111.0},
    "seed": {"seed": 4111111111111111},
    "number in arguments": call('{"a":4111111111111111}'),
    "number in arguments with a fraction": call('{"a":4111111111111111.00}'),
    "number in arguments with an exponent": call('{"a":4.111111111111111E15}'),
    "bias of a token": {"logit_bias": {"4111111111111111": 1}},
}
REQUESTS = {
    **{f"card: {name}": body for name, body in places(CARD).items()},
    **{f"mail: {name}": body for name, body in places(EMAIL).items()},
    **{f"digits: {name}": body for name, body in NUMBERS.items()},
}
NEEDLES = ("4111111111111111", "41111111", "4111 1111", "1111 1111", EMAIL, "erika", "mustermann", "\\u00")


def leaked(text):
    return [needle for needle in NEEDLES if needle.encode() in text]


def body_of(fields, **more):
    body = {"model": "standin-chat", "messages": [{"role": "user", "content": "hello"}]} | fields | more
    return json.dumps(body), json.dumps(body, ensure_ascii=False, indent=1)


@pytest.mark.parametrize("action", ["BLOCK", "REDACT"])
async def test_nothing_planted_in_a_request_reaches_the_provider(start, client_of, upstream, capsys, action):
    async with start(policy(action, (*FOUND, "unscannable.*"))) as running, client_of(running) as client:
        for name, fields in REQUESTS.items():
            for content in body_of(fields):
                response = await client.post(CHAT, content=content)

                seen = b"\n".join(request.body for request in upstream.requests)
                assert not leaked(seen), name
                assert not leaked(response.content), name
                upstream.requests.clear()
                if action == "BLOCK":
                    assert response.status_code == 403, name
                    assert response.json()["error"]["code"] in {ErrorCode.POLICY_BLOCKED, ErrorCode.UNSCANNABLE}
        assert_kept_nowhere(running, "".join(capsys.readouterr()), texts=NEEDLES)


def planted(leaf, value):
    """A request with ``value`` at the place that a leaf of OpenAI's published schema names."""
    made = value
    for step in reversed(leaf.split(".")):
        name, *lists = step.split("[]")
        for _ in lists:
            made = [made]
        made = {"k" if name == "*" else name: made}
    return made


@pytest.mark.parametrize("action", ["BLOCK", "REDACT"])
async def test_no_place_of_the_published_schema_lets_one_through(start, client_of, upstream, action):
    lines = (require("api-openai-openapi") / "request-leaves.jsonl").read_text("utf-8").splitlines()
    leaves = {row["leaf"] for row in map(json.loads, lines) if row["path"] == "/chat/completions"}
    assert len(leaves) > 50
    async with start(policy(action, (*FOUND, "unscannable.*"))) as running, client_of(running) as client:
        for leaf in sorted(leaves):
            for value in (CARD, EMAIL, 4111111111111111):
                response = await client.post(CHAT, content=body_of(planted(leaf, value))[0])

                assert not leaked(b"\n".join(request.body for request in upstream.requests)), leaf
                upstream.requests.clear()
                assert action == "REDACT" or response.status_code in {400, 403}, leaf


def said(**fields):
    return [{"index": 0, "message": {"role": "assistant", "content": "x", **fields}, "finish_reason": "stop"}]


def answers(value):
    return {
        "content": said(content=f"see {value}, ok"),
        "refusal": said(refusal=value),
        "reasoning": said(reasoning_content=value),
        "reasoning details": said(reasoning_details=[{"type": "reasoning.text", "text": value}]),
        "content parts": said(content=[{"type": "text", "text": value}]),
        "split content parts": said(content=[{"type": "text", "text": value[:8]}, {"type": "text", "text": value[8:]}]),
        "arguments": said(tool_calls=[{"id": "c", "function": {"name": "f", "arguments": json.dumps({"a": value})}}]),
        "escaped arguments": said(
            tool_calls=[{"function": {"arguments": '{"a":"' + "".join(f"\\u{ord(c):04x}" for c in value) + '"}'}}]
        ),
        "tool name": said(tool_calls=[{"function": {"name": value}}]),
        "function call": said(function_call={"arguments": value}),
        "annotation": said(annotations=[{"type": "url_citation", "url_citation": {"title": value}}]),
        "transcript": said(audio={"id": "a", "transcript": value}),
        "unknown member": said(x={"y": [value]}),
        "unknown name": said(**{value: 1}),
        "role": said(role=value),
        "finish reason": [{"index": 0, "message": {}, "finish_reason": value}],
        "token": [{"index": 0, "message": {}, "logprobs": {"content": [{"token": value}]}}],
        "alternative": [{"index": 0, "message": {}, "logprobs": {"content": [{"top_logprobs": [{"token": value}]}]}}],
        "choice that is a text": [value],
    }


def around(value):
    """Answers with ``value`` outside of the choices."""
    return {
        "unknown field": {"x": value},
        "name": {value: 1},
        "inside an id": {"id": {"x": value}},
        "usage": {"usage": {"note": value}},
        "long id": {"id": "x" * 300 + f" {value}"},
    }


ANSWERS = {
    f"{kind}: {name}": {"id": "x", "object": "chat.completion", "choices": [], **body}
    for kind, value in (("card", CARD), ("mail", EMAIL))
    for name, body in [
        *((name, {"choices": choices}) for name, choices in answers(value).items()),
        *around(value).items(),
    ]
}


@pytest.mark.parametrize("action", ["BLOCK", "REDACT"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_nothing_planted_in_an_answer_reaches_the_client(start, client_of, capsys, action, name):
    raw = answer(json.dumps(ANSWERS[name]).encode())
    async with (
        provider_saying(raw) as (url, _, _),
        start(policy(action, (*FOUND, "unscannable.*")), url) as running,
        client_of(running) as client,
    ):
        response = await client.post(CHAT, content=body_of({})[0])

        assert not leaked(response.content)
        assert response.status_code == (403 if action == "BLOCK" or "transcript" in name else 200)
        assert_kept_nowhere(running, "".join(capsys.readouterr()), texts=NEEDLES)


def streamed(delta_of, text, cut=5):
    chunks = [
        {"choices": [{"index": 0, "delta": delta_of(text[at : at + cut]), "finish_reason": None}]}
        for at in range(0, len(text), cut)
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body


STREAMS = {
    "content": lambda piece: {"content": piece},
    "refusal": lambda piece: {"refusal": piece},
    "reasoning": lambda piece: {"reasoning_content": piece},
    "reasoning details": lambda piece: {"reasoning_details": [{"type": "x", "index": 0, "text": piece}]},
    "arguments": lambda piece: {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]},
    "custom input": lambda piece: {"tool_calls": [{"index": 0, "custom": {"input": piece}}]},
    "function call": lambda piece: {"function_call": {"arguments": piece}},
    "transcript": lambda piece: {"audio": {"transcript": piece}},
    "unknown": lambda piece: {"x": {"y": [piece]}},
}


def joined(value):
    """All strings of the events joined, as whoever collects deltas sees them."""
    if isinstance(value, str):
        return value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return "".join(joined(item) for item in inner)


@pytest.mark.parametrize("action", ["BLOCK", "REDACT"])
@pytest.mark.parametrize("place", STREAMS)
@pytest.mark.parametrize(
    "text",
    [
        f"one two {CARD} three",
        f"one two {EMAIL} three",
        json.dumps({"a": f"x\n{CARD}", "b": 1}),
        '{"a":"' + "".join(f"\\u{ord(char):04x}" for char in EMAIL) + '"}',
        '{"a": 4111111111111111, "b": 1}',
    ],
    ids=["card", "mail", "JSON with a line end", "escaped JSON", "JSON number"],
)
async def test_nothing_planted_in_a_stream_reaches_the_client(start, client_of, capsys, action, place, text):
    async with (
        provider_saying(streamed(STREAMS[place], text)) as (url, _, _),
        start(policy(action, (*FOUND, "unscannable.*")), url) as running,
        client_of(running) as client,
    ):
        response = await client.post(CHAT, content=body_of({}, stream=True)[0])

        events = [line[6:] for line in response.text.splitlines() if line.startswith("data: {")]
        together = "".join(joined(json.loads(event)) for event in events)
        assert not leaked(response.content.replace(b"\\\\u00", b"\\u00"))
        assert not leaked(together.encode())
        if action == "REDACT" and place != "transcript":
            assert "[REDACTED:" in together
        assert_kept_nowhere(running, "".join(capsys.readouterr()), texts=NEEDLES)
