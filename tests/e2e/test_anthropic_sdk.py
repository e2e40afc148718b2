"""Anthropic's SDK, unmodified, gets through the outpost what it gets from the provider, except where policy acts.

The virtual key goes where the SDK puts its key. Ids and usage of the stand-in depend on the
request's bytes alone, so equality of whole objects also proves that the body arrived unchanged.
"""

import json
from typing import Any

import anthropic
import pytest

from outpost.demo.messages import BREAKS_MODEL, OVERLOADED_MODEL
from tests.e2e.sdk import Target
from tests.e2e.setup import cases, outpost_before, policy
from tests.fakes.upstream import UPSTREAM_KEY, Upstream

CARD = "4111 1111 1111 1111"
EMAIL = "erika.mustermann@example.org"
TOOL = {
    "name": "weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def ask(content: Any = "What is the capital of France?", **more: Any) -> dict[str, Any]:
    return {
        "model": "standin-claude",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": content}],
        **more,
    }


ORDINARY = {
    "one message": ask(system="Be brief."),
    "not ASCII": ask("SAY:Grüße, 世界 🌍 e\u0301 \u200d"),
    "line ends and quotes": ask('SAY:a\n\nb\r\n"event: message_stop"\t\\'),
    "empty answer": ask("SAY:"),
    "a long answer": ask("SAY:" + "All work and no play makes a dull answer. " * 50),
    "cut by max_tokens": ask("SAY:this is cut short", max_tokens=2),
    "thinking": ask("THINK:let me see... SAY:yes", thinking={"type": "enabled", "budget_tokens": 1024}),
    "history with blocks": ask(
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        metadata={"user_id": "u-1"},
        stop_sequences=["END"],
    )
    | {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "And again"},
        ]
    },
    "tool call": ask('use the tool ARGS:{"city": "Grünstraße 1", "file": "a.txt"}', tools=[TOOL]),
    "tool result": ask(tools=[TOOL])
    | {
        "messages": [
            {"role": "user", "content": "use the tool"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}]},
        ]
    },
    "a document as text": ask(
        [
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a report"}},
            {"type": "text", "text": "Sum it up."},
        ]
    ),
}


def client(target: Target) -> anthropic.AsyncAnthropic:
    url = target.base_url.removesuffix("/v1")
    return anthropic.AsyncAnthropic(base_url=url, api_key=target.api_key, max_retries=0, timeout=10)


async def accumulated(target: Target, body: dict[str, Any]) -> dict[str, Any]:
    """The SDK's own accumulation of a stream."""
    async with client(target) as made, made.messages.stream(**body) as stream:
        return (await stream.get_final_message()).model_dump()


@pytest.mark.parametrize("body", cases(ORDINARY))
async def test_plain_streamed_and_counted_are_equal(
    outpost: Target, direct: Target, upstream: Upstream, body: dict[str, Any]
) -> None:
    got = []
    for target in (outpost, direct):
        async with client(target) as made:
            plain = (await made.messages.create(**body)).model_dump()
            raw = [event.model_dump() async for event in await made.messages.create(**body, stream=True)]
            counted = await made.messages.count_tokens(
                **{name: value for name, value in body.items() if name in {"model", "messages", "system", "tools"}}
            )
        got.append((plain, raw, counted.model_dump(), await accumulated(target, body)))

    assert got[0] == got[1]
    sent = [one.body for one in upstream.requests]
    assert sent[: len(sent) // 2] == sent[len(sent) // 2 :]
    assert got[0][3]["content"] == got[0][0]["content"]


async def test_beta_features_and_the_sync_client_work_too(outpost: Target, upstream: Upstream) -> None:
    async with client(outpost) as made:
        beta = await made.beta.messages.create(**ask("SAY:x"), betas=["interleaved-thinking-2025-05-14"])
    assert beta.content[0].model_dump()["text"] == "x"
    assert upstream.requests[0].header("anthropic-beta") == "interleaved-thinking-2025-05-14"
    assert upstream.requests[0].header("x-api-key") == UPSTREAM_KEY
    assert outpost.api_key not in str(upstream.requests[0].headers)


async def test_policy_acts_on_prompts(outpost: Target, upstream: Upstream) -> None:
    async with client(outpost) as made:
        with pytest.raises(anthropic.PermissionDeniedError) as refused:
            await made.messages.create(**ask(tools=[TOOL], system=f"The card is {CARD}"))
        redacted = await made.messages.create(**ask(f"SAY:{EMAIL}"))

    error = refused.value.body
    assert isinstance(error, dict)
    assert error["error"]["type"] == "permission_error"
    assert error["error"]["code"] == "policy_blocked"
    assert "test/no-cards" in error["error"]["message"]
    assert refused.value.request_id == refused.value.response.headers["X-Request-Id"]
    assert redacted.content[0].model_dump()["text"] == "[REDACTED:pii.email]"
    assert CARD.encode() not in upstream.received()
    assert EMAIL.encode() not in upstream.received()


@pytest.mark.parametrize(
    "body",
    cases(
        {
            "text": ask(f"SAY:the number is {CARD} as you know"),
            "tool arguments": ask('use the tool ARGS:{"city": "' + CARD + '", "n": 1}', tools=[TOOL]),
            "thinking": ask(f"THINK:it is {CARD} I think SAY:no"),
        }
    ),
)
async def test_policy_cuts_an_answer_before_the_finding(upstream: Upstream, body: dict[str, Any]) -> None:
    async with outpost_before(upstream, policy(("output",))) as target, client(target) as made:
        events = [event.model_dump() async for event in await made.messages.create(**body, stream=True)]
        with pytest.raises(anthropic.PermissionDeniedError):
            await made.messages.create(**body)
        final = await accumulated(target, body)

    said = json.dumps(events)
    assert "4111" not in said
    assert [event["type"] for event in events][-2:] == ["message_delta", "message_stop"]
    assert events[-2]["delta"]["stop_reason"] == "refusal"
    assert events[-2]["policy"]["rule_id"] == "test/no-cards"
    starts = [event["index"] for event in events if event["type"] == "content_block_start"]
    assert starts == [event["index"] for event in events if event["type"] == "content_block_stop"]
    assert final["stop_reason"] == "refusal"


async def test_errors_are_the_sdks_own(outpost: Target, upstream: Upstream) -> None:
    async with client(outpost) as made:
        with pytest.raises(anthropic.APIStatusError) as overloaded:
            await made.messages.create(**ask(model=OVERLOADED_MODEL))
        with pytest.raises(anthropic.APIStatusError) as broke:
            [event async for event in await made.messages.create(**ask(model=BREAKS_MODEL), stream=True)]
        with pytest.raises(anthropic.BadRequestError):
            await made.messages.create(**ask() | {"messages": []})
        with pytest.raises(anthropic.BadRequestError):
            await made.messages.create(**ask(), extra_headers={"anthropic-beta": CARD})
    async with client(Target("outpost", outpost.base_url, "sk-op-test-nobody")) as stranger:
        with pytest.raises(anthropic.AuthenticationError):
            await stranger.messages.create(**ask())

    assert overloaded.value.status_code == 502
    assert "Overloaded" not in str(overloaded.value)
    assert "provider_error" in str(broke.value)
    assert "sk-ant-key" not in str(broke.value)
    assert all("sk-op" not in str(one.headers) for one in upstream.requests)
