"""OpenAI's SDK, unmodified, gets through the outpost what it gets straight from the provider, except where policy acts.

Every case runs twice: ``direct`` shows that the case itself holds against the stand-in provider, ``outpost``
that the same call through a real outpost gives the equal result. Ids, times and usage of the stand-in depend
on the request's bytes alone, so equality of whole objects also proves that the body arrived unchanged.
"""

import json
from typing import Any, Literal

import httpx
import openai
import pytest

from outpost.demo.provider import MODELS
from outpost.protocol.codes import ErrorCode
from tests.e2e.sdk import Sdk, Target, assembled
from tests.e2e.setup import WEATHER, ask, cases
from tests.fakes.upstream import Upstream

# One transparent pixel.
PNG = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

ORDINARY = {
    "one message": ask(),
    "not ASCII": ask("SAY:Grüße, 世界 🌍 e\u0301 \u200d"),
    "line ends and quotes": ask('SAY:a\n\nb\r\n"data: [DONE]"\t\\'),
    "empty answer": ask("SAY:"),
    "a long answer": ask("SAY:" + "All work and no play makes a dull answer. " * 200),
    "two choices": ask("SAY:twice", n=2),
    "cut by max_tokens": ask("SAY:this is cut short", max_completion_tokens=2),
    "history": ask()
    | {
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "And again", "name": "somebody"},
        ]
    },
    "fields nobody knows": ask(extra_body={"x_new": {"deep": [1, None, 1e-7]}, "temperature": 0.30000000000000004}),
    "image part": ask(
        [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}]
    ),
}
TOOLS = {
    "tool call": ask("please use the tool", tools=[WEATHER]),
    "tool call with planted arguments": ask('use the tool ARGS:{"city":"Grünstraße 1"}', tools=[WEATHER]),
    "tool chosen": ask(
        "use the tool", tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "weather"}}
    ),
    "tool result": ask()
    | {
        "tools": [WEATHER],
        "messages": [
            {"role": "user", "content": "use the tool"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Ulm"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        ],
    },
}


@pytest.mark.parametrize("body", cases(ORDINARY | TOOLS))
async def test_a_plain_completion_is_equal(sdk: Sdk, straight: Sdk, upstream: Upstream, body: dict[str, Any]) -> None:
    got = await sdk.create(**body)

    assert got.model_dump() == (await straight.create(**body)).model_dump()
    assert upstream.requests[0].body == upstream.requests[1].body


@pytest.mark.parametrize("body", cases(ORDINARY | TOOLS))
async def test_a_stream_says_the_same(sdk: Sdk, straight: Sdk, upstream: Upstream, body: dict[str, Any]) -> None:
    got = assembled(await sdk.stream(**body, stream_options={"include_usage": True}))

    assert got == assembled(await straight.stream(**body, stream_options={"include_usage": True}))
    assert got["usage"] is not None
    assert upstream.requests[0].body == upstream.requests[1].body


@pytest.mark.parametrize("body", cases({"text": ORDINARY["a long answer"]} | TOOLS))
async def test_the_sdks_own_accumulation_of_a_stream_is_equal(sdk: Sdk, straight: Sdk, body: dict[str, Any]) -> None:
    got = await sdk.streamed_completion(**body)

    assert got.model_dump() == (await straight.streamed_completion(**body)).model_dump()


async def test_the_tool_call_is_really_there(sdk: Sdk) -> None:
    body = TOOLS["tool call with planted arguments"]

    plain = (await sdk.create(**body)).choices[0].message.tool_calls
    streamed = assembled(await sdk.stream(**body))[0]

    assert plain is not None
    assert [(call.function.name, call.function.arguments) for call in plain] == [("weather", '{"city":"Grünstraße 1"}')]
    assert streamed["tools"][0] == {
        "id": plain[0].id,
        "name": "weather",
        "arguments": '{"city":"Grünstraße 1"}',
    }
    assert streamed["finish"] == ["tool_calls"]


async def test_a_stream_comes_in_many_pieces(sdk: Sdk) -> None:
    chunks = await sdk.stream(**ORDINARY["a long answer"])

    pieces = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert len(pieces) > 20


async def test_the_raw_response_is_byte_for_byte_the_providers(sdk: Sdk, straight: Sdk) -> None:
    got, wanted = await sdk.raw(**ask()), await straight.raw(**ask())

    assert (got.status, got.content) == (wanted.status, wanted.content)
    assert got.headers["content-type"].split(";")[0] == "application/json"
    assert got.headers["x-request-id"]
    assert got.parsed.model_dump() == wanted.parsed.model_dump()


async def test_models_are_listed_and_retrieved(sdk: Sdk) -> None:
    assert set(MODELS) <= set(await sdk.models())
    assert (await sdk.model(MODELS[0]))["id"] == MODELS[0]


async def test_a_wrong_key_is_an_authentication_error(target: Target, flavour: Literal["sync", "async"]) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        await Sdk(target, flavour, api_key="sk-op-test-wrongkeywrongkey").create(**ask())

    assert refused.value.code == ErrorCode.INVALID_API_KEY


async def test_an_empty_model_is_a_bad_request(sdk: Sdk) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk.create(model="", messages=[{"role": "user", "content": "x"}])

    assert refused.value.type == "invalid_request_error"


# httpx by hand: what the SDK smooths over.


ODD_BODIES = {
    "spaced, unordered, escaped": (
        b'{ "messages" :[ {"content":"SAY:\\u00fc\\/","role":"user"} ],\r\n\t"model":"standin-chat" , "top_p":1.0 }'
    ),
    "big and tiny numbers": (
        b'{"model":"standin-chat","messages":[{"role":"user","content":"x"}],"seed":123456789012345678901,"p":1e-300}'
    ),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in ODD_BODIES.items()])
async def test_the_provider_receives_the_very_bytes_sent_and_so_does_the_caller(
    by_hand: httpx.AsyncClient, direct: Target, upstream: Upstream, body: bytes
) -> None:
    got = await by_hand.post("/chat/completions", content=body)
    headers = {"Authorization": f"Bearer {direct.api_key}"}
    async with httpx.AsyncClient(base_url=direct.base_url, headers=headers) as straight:
        wanted = await straight.post("/chat/completions", content=body)

    assert (got.status_code, got.content) == (200, wanted.content)
    assert upstream.requests[0].body == body


async def test_a_raw_stream_is_well_framed_to_its_last_byte(by_hand: httpx.AsyncClient) -> None:
    async with by_hand.stream("POST", "/chat/completions", json=ask("SAY:one two three", stream=True)) as answer:
        content = b"".join([piece async for piece in answer.aiter_bytes()])

    frames = content.split(b"\n\n")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert frames[-2:] == [b"data: [DONE]", b""]
    events = [json.loads(frame.removeprefix(b"data: ")) for frame in frames[:-2]]
    assert "".join(event["choices"][0]["delta"].get("content") or "" for event in events) == "one two three"


@pytest.mark.parametrize(
    ("path", "content", "headers", "status"),
    [
        ("/chat/completions", b"{", {}, 400),
        ("/chat/completions", b"{}", {"Authorization": ""}, 401),
        ("/no/such/path", b"{}", {}, 404),
    ],
    ids=["not JSON", "no key", "no such path"],
)
async def test_a_refusal_has_openais_envelope(
    by_hand: httpx.AsyncClient, path: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await by_hand.post(path, content=content, headers=headers)

    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert {"message", "type", "param", "code"} <= set(answer.json()["error"])
