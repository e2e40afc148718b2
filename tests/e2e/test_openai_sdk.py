"""OpenAI's SDK, unmodified, gets through the outpost what it gets straight from the provider, except where policy acts.

Every case runs twice: ``direct`` shows that the case itself holds against the stand-in provider, ``outpost``
that the same call through a real outpost gives the equal result. Ids, times and usage of the stand-in depend
on the request's bytes alone, so equality of whole objects also proves that the body arrived unchanged.
"""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx
import openai
import pytest

from outpost.demo.faults import MARKER
from outpost.demo.provider import MODELS
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action
from outpost.protocol.documents import PolicyDocument, Provider, RoutingDocument
from tests.e2e.sdk import Sdk, Target, assembled
from tests.fakes.outpost import running_outpost
from tests.fakes.upstream import UPSTREAM_KEY, Upstream, running_upstream

CARD = "4111 1111 1111 1111"  # the card schemes' own test number; passes Luhn
EMAIL = "erika.mustermann@example.org"
# One transparent pixel.
PNG = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
FAULTY = ["standin-401", "standin-404", "standin-429", "standin-500", "standin-notjson", "standin-error-event"]
FAULTY += ["standin-stall", "standin-reset", "standin-cut", "standin-gzip", "standin-slow"]

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


def policy(cards_in: Sequence[str] = ("input", "output")) -> PolicyDocument:
    """Block cards in these directions, redact e-mail addresses in prompts, allow the rest."""
    rules: list[dict[str, Any]] = [
        {
            "id": "no-cards",
            "sequence": 1,
            "when": {"findings": ["pci.pan"], "directions": list(cards_in)},
            "action": "BLOCK",
        },
        {
            "id": "no-mail",
            "sequence": 2,
            "when": {"findings": ["pii.email"], "directions": ["input"]},
            "action": "REDACT",
        },
    ]
    packs = [{"id": "test", "sequence": 1, "combining": "deny_overrides", "default": "ALLOW", "rules": rules}]
    return PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": packs}))


def routing(upstream: Upstream) -> RoutingDocument:
    provider = Provider(id="standin", surface="openai", base_url=upstream.openai_url, models=[*MODELS, *FAULTY])
    return RoutingDocument(schema_version="1", providers=[provider])


def ask(content: Any = "What is the capital of France?", **more: Any) -> dict[str, Any]:
    return {"model": "standin-chat", "messages": [{"role": "user", "content": content}], **more}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with running_upstream() as running:
        yield running


@pytest.fixture
def direct(upstream: Upstream) -> Target:
    return Target("direct", upstream.openai_url, UPSTREAM_KEY)


@asynccontextmanager
async def outpost_before(upstream: Upstream, chosen: PolicyDocument) -> AsyncIterator[Target]:
    async with running_outpost(policy=chosen, routing=routing(upstream)) as running:
        yield Target("outpost", f"{running.base_url}/v1", running.api_key)


@pytest.fixture
async def outpost(upstream: Upstream) -> AsyncIterator[Target]:
    async with outpost_before(upstream, policy()) as target:
        yield target


@pytest.fixture(params=["direct", "outpost"])
async def target(request: pytest.FixtureRequest, upstream: Upstream, direct: Target) -> AsyncIterator[Target]:
    if request.param == "direct":
        yield direct
        return
    async with outpost_before(upstream, policy()) as through:
        yield through


@pytest.fixture(params=["sync", "async"])
def flavour(request: pytest.FixtureRequest) -> Literal["sync", "async"]:
    return request.param


@pytest.fixture
def sdk(target: Target, flavour: Literal["sync", "async"]) -> Sdk:
    return Sdk(target, flavour)


@pytest.fixture
def straight(direct: Target, flavour: Literal["sync", "async"]) -> Sdk:
    """The same flavour, straight to the provider: what the result must equal."""
    return Sdk(direct, flavour)


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


def cases(bodies: dict[str, dict[str, Any]]) -> Iterable[Any]:
    return [pytest.param(body, id=name) for name, body in bodies.items()]


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


# What follows is where the outpost differs on purpose.

BLAMES_THE_CALLER = pytest.mark.xfail(
    strict=True, reason="an unreadable event of the provider's stream is reported as the caller's invalid_request"
)
AUDITS_THE_PROMPT = pytest.mark.xfail(
    strict=True, reason="the completion event of a blocked plain answer carries the prompt's rule and no findings"
)


@pytest.fixture
def outpost_sdk(outpost: Target, flavour: Literal["sync", "async"]) -> Sdk:
    return Sdk(outpost, flavour)


PLACES = {
    "user message": ask(f"My card is {CARD}, charge it."),
    "text part": ask([{"type": "text", "text": f"card {CARD}"}]),
    "split over two parts": ask([{"type": "text", "text": CARD[:9]}, {"type": "text", "text": CARD[9:]}]),
    "history": ask()
    | {"messages": [{"role": "assistant", "content": f"card {CARD}"}, {"role": "user", "content": "and?"}]},
    "tool result": ask()
    | {"messages": [{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": "c", "content": CARD}]},
    "tool description": ask(tools=[WEATHER | {"function": WEATHER["function"] | {"description": f"card {CARD}"}}]),
}


@pytest.mark.parametrize("body", cases(PLACES))
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_card_in_a_prompt_is_permission_denied_and_stays(
    outpost_sdk: Sdk, upstream: Upstream, body: dict[str, Any], *, stream: bool
) -> None:
    with pytest.raises(openai.PermissionDeniedError) as refused:
        await (outpost_sdk.stream(**body) if stream else outpost_sdk.create(**body))

    assert refused.value.code == ErrorCode.POLICY_BLOCKED
    assert CARD not in str(refused.value)
    assert not upstream.requests


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_an_address_is_redacted_before_the_provider_sees_it(
    outpost_sdk: Sdk, straight: Sdk, upstream: Upstream, *, stream: bool
) -> None:
    prompt, redacted = f"Write to {EMAIL} today.", "Write to [REDACTED:pii.email] today."

    if stream:
        got = assembled(await outpost_sdk.stream(**ask(prompt)))[0]
        wanted = assembled(await straight.stream(**ask(redacted)))[0]
    else:
        got = (await outpost_sdk.create(**ask(prompt))).choices[0].model_dump()
        wanted = (await straight.create(**ask(redacted))).choices[0].model_dump()

    assert got == wanted
    assert EMAIL.encode() not in upstream.received()


ANSWERS = {
    "text": ask(f"SAY:your card is {CARD}, thank you for asking"),
    "tool arguments": ask(f'use the tool ARGS:{{"city":"{CARD}"}}', tools=[WEATHER]),
}


@pytest.mark.parametrize("body", cases(ANSWERS))
async def test_a_card_in_an_answer_does_not_come_out(
    upstream: Upstream, flavour: Literal["sync", "async"], body: dict[str, Any]
) -> None:
    async with outpost_before(upstream, policy(cards_in=["output"])) as target:
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await Sdk(target, flavour).create(**body)

    assert upstream.requests
    assert refused.value.code == ErrorCode.POLICY_BLOCKED
    assert CARD not in refused.value.response.text


@pytest.mark.parametrize("stream", [pytest.param(False, marks=AUDITS_THE_PROMPT), True], ids=["plain", "stream"])
async def test_a_blocked_answer_is_audited_with_its_rule_and_what_was_found(
    upstream: Upstream, *, stream: bool
) -> None:
    async with running_outpost(policy=policy(cards_in=["output"]), routing=routing(upstream)) as running:
        headers = {"Authorization": f"Bearer {running.api_key}"}
        async with httpx.AsyncClient(base_url=running.base_url, headers=headers, timeout=10) as client:
            await client.post("/v1/chat/completions", json=ANSWERS["text"] | {"stream": stream})
        event = running.events()[-1]

    assert (event.kind, event.action, event.rule_id) == ("completion", Action.BLOCK, "test/no-cards")
    assert [finding.kind for finding in event.findings] == ["pci.pan"]


async def test_a_card_in_a_streamed_answer_ends_the_stream_as_filtered(
    upstream: Upstream, flavour: Literal["sync", "async"]
) -> None:
    async with outpost_before(upstream, policy(cards_in=["output"])) as target:
        streamed = assembled(await Sdk(target, flavour).stream(**ANSWERS["text"]))

    assert streamed[0]["finish"] == ["content_filter"]
    assert streamed[0]["content"] in "your card is "


async def test_a_card_in_the_first_streamed_text_is_permission_denied(
    upstream: Upstream, flavour: Literal["sync", "async"]
) -> None:
    """Nothing of a tool call goes out before its arguments are decided, so the refusal can still be a status."""
    async with outpost_before(upstream, policy(cards_in=["output"])) as target:
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await Sdk(target, flavour).stream(**ANSWERS["tool arguments"])

    assert refused.value.code == ErrorCode.POLICY_BLOCKED


@pytest.mark.parametrize("body", cases(ANSWERS))
async def test_no_digit_of_a_card_is_in_the_bytes_of_a_streamed_answer(
    upstream: Upstream, body: dict[str, Any]
) -> None:
    async with outpost_before(upstream, policy(cards_in=["output"])) as target:
        headers = {"Authorization": f"Bearer {target.api_key}"}
        async with httpx.AsyncClient(base_url=target.base_url, headers=headers, timeout=10) as client:
            answer = await client.post("/chat/completions", json=body | {"stream": True})

    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    assert not any(character.isdigit() for event in events for character in spoken(json.loads(event)))


def spoken(chunk: dict[str, Any]) -> str:
    """The text of one chunk's deltas: content and tool-call arguments."""
    deltas = [choice["delta"] for choice in chunk.get("choices", [])]
    calls = [call["function"].get("arguments") or "" for delta in deltas for call in delta.get("tool_calls") or []]
    return "".join([*(delta.get("content") or "" for delta in deltas), *calls])


@pytest.mark.parametrize(
    ("model", "error", "code"),
    [
        ("standin-429", openai.RateLimitError, ErrorCode.PROVIDER_RATE_LIMITED),
        ("standin-500", openai.InternalServerError, ErrorCode.PROVIDER_UNAVAILABLE),
        ("standin-404", openai.NotFoundError, ErrorCode.PROVIDER_ERROR),
        # The caller's own key was right, so it must not look wrong to it.
        ("standin-401", openai.InternalServerError, ErrorCode.PROVIDER_ERROR),
        ("standin-notjson", openai.InternalServerError, ErrorCode.PROVIDER_INVALID_RESPONSE),
        # Compressed although it was asked not to be: nothing that is not read passes.
        ("standin-gzip", openai.InternalServerError, ErrorCode.PROVIDER_INVALID_RESPONSE),
        ("standin-reset", openai.InternalServerError, ErrorCode.PROVIDER_INVALID_RESPONSE),
    ],
)
async def test_a_providers_error_is_ours_by_code_and_never_verbatim(
    outpost_sdk: Sdk, model: str, error: type[openai.APIStatusError], code: ErrorCode
) -> None:
    with pytest.raises(error) as refused:
        await outpost_sdk.create(**ask() | {"model": model})

    assert refused.value.code == code
    assert MARKER not in refused.value.response.text
    assert UPSTREAM_KEY not in refused.value.response.text
    assert UPSTREAM_KEY not in str(refused.value.response.headers)


@pytest.mark.parametrize(
    "model",
    [
        "standin-reset",
        pytest.param("standin-error-event", marks=BLAMES_THE_CALLER),
        pytest.param("standin-notjson", marks=BLAMES_THE_CALLER),
    ],
)
async def test_a_stream_that_breaks_is_an_error_and_never_verbatim(outpost_sdk: Sdk, model: str) -> None:
    with pytest.raises(openai.APIError) as refused:
        await outpost_sdk.stream(**ask() | {"model": model})

    assert (refused.value.code or "").startswith("provider_")
    assert MARKER not in f"{refused.value} {refused.value.body}"
    assert UPSTREAM_KEY not in f"{refused.value} {refused.value.body}"


async def test_a_model_without_a_route_is_not_found(outpost_sdk: Sdk, upstream: Upstream) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await outpost_sdk.create(**ask() | {"model": "no-such-model"})

    assert refused.value.code == ErrorCode.UNKNOWN_MODEL
    assert not upstream.requests


async def test_the_provider_sees_its_own_key_and_never_the_callers(outpost_sdk: Sdk, upstream: Upstream) -> None:
    await outpost_sdk.create(**ask())

    assert upstream.requests[0].header("authorization") == f"Bearer {UPSTREAM_KEY}"
    assert outpost_sdk.target.api_key.encode() not in upstream.received()


# httpx by hand: what the SDK smooths over.


@pytest.fixture
async def by_hand(target: Target) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {target.api_key}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=target.base_url, headers=headers, timeout=10) as client:
        yield client


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
