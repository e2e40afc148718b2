"""A value the provider must not see: it sees a name, the client reads the value; plain, streamed, in tools."""

import json
from typing import Any

import anthropic
import openai

from outpost.protocol.documents import PolicyDocument
from tests.e2e.sdk import Target, assembled
from tests.e2e.setup import WEATHER, outpost_before
from tests.fakes.upstream import Upstream

EMAIL = "erika.mustermann@example.org"
TOOL = {"name": "weather", "input_schema": {"type": "object"}}
ARGUMENTS = 'use the tool ARGS:{"city": "' + EMAIL + '", "n": [1]}'


def restoring() -> PolicyDocument:
    rule = {"id": "r", "sequence": 1, "when": {"findings": ["pii.*"]}, "action": "REDACT", "redaction": "restore"}
    packs = [{"id": "p", "sequence": 1, "default": "ALLOW", "rules": [rule]}]
    return PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": packs}))


def chat(content: str, **more: Any) -> dict[str, Any]:
    return {"model": "standin-chat", "messages": [{"role": "user", "content": content}], **more}


async def from_openai(target: Target) -> list[Any]:
    async with openai.AsyncOpenAI(base_url=target.base_url, api_key=target.api_key, max_retries=0) as made:
        plain = await made.chat.completions.create(**chat(f"SAY:to {EMAIL}."))
        stream = await made.chat.completions.create(**chat(f"SAY:to {EMAIL}."), stream=True)
        said = assembled([chunk async for chunk in stream])
        tools = await made.chat.completions.create(**chat(ARGUMENTS, tools=[WEATHER]), stream=True)
        called = assembled([chunk async for chunk in tools])
        async with made.responses.stream(model="standin-chat", input=f"SAY:to {EMAIL}.") as events:
            response = await events.get_final_response()
    return [
        plain.choices[0].message.content,
        said[0]["content"],
        response.output_text,
        json.loads(called[0]["tools"][0]["arguments"]),
    ]


async def from_anthropic(target: Target) -> list[Any]:
    url = target.base_url.removesuffix("/v1")
    async with anthropic.AsyncAnthropic(base_url=url, api_key=target.api_key, max_retries=0) as made:
        plain = await made.messages.create(**chat(f"SAY:to {EMAIL}.", max_tokens=99))
        async with made.messages.stream(**chat(f"SAY:to {EMAIL}.", max_tokens=99)) as stream:
            said = await stream.get_final_message()
        async with made.messages.stream(**chat(ARGUMENTS, max_tokens=99, tools=[TOOL])) as stream:
            called = await stream.get_final_message()
    return [
        plain.content[0].model_dump()["text"],
        said.content[0].model_dump()["text"],
        called.content[1].model_dump()["input"],
    ]


async def test_the_provider_reads_a_name_and_the_client_the_value(upstream: Upstream) -> None:
    async with outpost_before(upstream, restoring()) as target:
        said = [*await from_openai(target), *await from_anthropic(target)]

    assert said == [f"to {EMAIL}."] * 3 + [{"city": EMAIL, "n": [1]}] + [f"to {EMAIL}."] * 2 + [
        {"city": EMAIL, "n": [1]}
    ]
    assert len(upstream.requests) == 7
    assert b"erika" not in upstream.received()
    assert all(b"<EMAIL_1>" in request.body for request in upstream.requests)
