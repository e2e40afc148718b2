"""Clients of one vendor's API before providers of the other's: official SDKs, unmodified; policy sees all of it."""

import contextlib
import json
from contextlib import asynccontextmanager

import anthropic
import httpx
import openai
import pytest

from outpost.protocol.codes import ErrorCode
from outpost.protocol.documents import PolicyDocument
from outpost.protocol.routing import RoutingDocument
from tests.e2e.setup import WEATHER
from tests.fakes.outpost import running_outpost
from tests.fakes.upstream import UPSTREAM_KEY
from tests.outpost.proxy.setup import CARD, CHAT, EMAIL, MESSAGES, Broken, assert_kept_nowhere, chat, error_of
from tests.outpost.proxy.setup import policy as one_rule

CITY = {"city": "Ulm"}
TOOL = {"name": "weather", "description": "…", "input_schema": WEATHER["function"]["parameters"]}
OPEN = one_rule(None)


def routing(upstream):
    """``claude`` is at Anthropic, ``gpt`` at OpenAI, whoever asks; ``any`` at either."""
    providers = [
        {"id": "oai", "surface": "openai", "base_url": upstream.openai_url, "models": ["*"]},
        {"id": "ant", "surface": "anthropic", "base_url": upstream.openai_url, "models": ["*"]},
    ]
    claude, gpt = {"provider": "ant", "model": "standin-claude"}, {"provider": "oai", "model": "standin-chat"}
    routes = [
        {"id": "claude", "models": ["claude"], "targets": [claude]},
        {"id": "gpt", "models": ["gpt"], "targets": [gpt]},
        {"id": "any", "models": ["any"], "targets": [claude, gpt | {"order": 1}]},
    ]
    return RoutingDocument.model_validate_json(
        json.dumps({"schema_version": "1", "providers": providers, "routes": routes})
    )


@asynccontextmanager
async def outpost(upstream, chosen=OPEN, **more):
    async with running_outpost(policy=chosen, routing=routing(upstream), **more) as running:
        yield running


@asynccontextmanager
async def sdk_of(running, kind):
    if kind == "openai":
        client = openai.AsyncOpenAI(base_url=f"{running.base_url}/v1", api_key=running.api_key, max_retries=0)
    else:
        client = anthropic.AsyncAnthropic(base_url=running.base_url, api_key=running.api_key, max_retries=0)
    async with client:
        yield client


async def said_by(client, content, *, stream, **more):
    """The text and the arguments of calls that a client reads, by either SDK."""
    asked = {"messages": [{"role": "user", "content": content}], "stream": stream, **more}
    texts, arguments = [], []
    if isinstance(client, openai.AsyncOpenAI):
        got = await client.chat.completions.create(model="claude", **asked)
        if stream:
            deltas = [choice.delta async for chunk in got for choice in chunk.choices]
        else:
            deltas = [got.choices[0].message]
        for delta in deltas:
            texts.append(delta.content or "")
            arguments += [call.function.arguments or "" for call in delta.tool_calls or []]
    else:
        got = await client.messages.create(model="gpt", max_tokens=1000, **asked)
        if stream:
            async for event in got:
                if event.type == "content_block_delta":
                    texts.append(getattr(event.delta, "text", ""))
                    arguments.append(getattr(event.delta, "partial_json", ""))
        else:
            texts = [block.text for block in got.content if block.type == "text"]
            arguments = [json.dumps(block.input) for block in got.content if block.type == "tool_use"]
    return "".join(texts), "".join(arguments)


KINDS = pytest.mark.parametrize("kind", ["openai", "anthropic"])
STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@KINDS
@STREAMS
async def test_a_client_reads_what_the_other_vendors_model_says(upstream, capsys, kind, *, stream):
    async with outpost(upstream) as running, sdk_of(running, kind) as client:
        assert await said_by(client, "SAY:Grüße, 世界 🌍", stream=stream) == ("Grüße, 世界 🌍", "")
        (received,) = upstream.requests
        completion = running.events()[-1]

        body = json.loads(received.body)
        if kind == "openai":
            assert (received.path, body["model"]) == ("/v1/messages", "standin-claude")
            assert (received.header("x-api-key"), received.header("authorization")) == (UPSTREAM_KEY, None)
            assert received.header("anthropic-version") == "2023-06-01"
            assert (completion.provider, completion.model) == ("ant", "claude")
        else:
            assert (received.path, body["model"]) == ("/v1/chat/completions", "standin-chat")
            assert (received.header("authorization"), received.header("x-api-key")) == (f"Bearer {UPSTREAM_KEY}", None)
            assert received.header("anthropic-version") is None
            assert (completion.provider, completion.model) == ("oai", "gpt")
        assert completion.outcome == "ok"
        assert completion.upstream_model == body["model"]
        assert_kept_nowhere(running, "".join(capsys.readouterr()), texts=(UPSTREAM_KEY, "Grüße"))


@KINDS
@STREAMS
async def test_tools_cross(upstream, kind, *, stream):
    tools = [WEATHER] if kind == "openai" else [TOOL]
    async with outpost(upstream) as running, sdk_of(running, kind) as client:
        _, arguments = await said_by(client, f"use the tool ARGS:{json.dumps(CITY)}", stream=stream, tools=tools)

    assert json.loads(arguments) == CITY


@KINDS
@STREAMS
async def test_a_card_neither_leaves_nor_comes_in(upstream, kind, *, stream):
    refused = (openai.APIStatusError, anthropic.APIStatusError)
    async with (
        outpost(upstream, one_rule("BLOCK", ("pci.pan",))) as running,
        sdk_of(running, kind) as client,
    ):
        with pytest.raises(refused) as outgoing:
            await said_by(client, f"SAY:{CARD}", stream=stream)
        assert outgoing.value.status_code == 403
        assert not upstream.requests
    async with (
        outpost(upstream, one_rule("BLOCK", ("pci.pan",), ("output",))) as running,
        sdk_of(running, kind) as client,
    ):
        said = ""
        with contextlib.suppress(*refused):
            said, _ = await said_by(client, f"SAY:It is {CARD} and so on", stream=stream)
        assert "4111" not in said
        assert running.events()[-1].code == ErrorCode.POLICY_BLOCKED
        assert len(upstream.requests) == 1


RESTORE = PolicyDocument.model_validate_json(
    json.dumps(
        {
            "schema_version": "1",
            "packs": [
                {
                    "id": "p",
                    "sequence": 1,
                    "default": "ALLOW",
                    "rules": [
                        {
                            "id": "names",
                            "sequence": 1,
                            "when": {"findings": ["pii.email"], "directions": ["input"]},
                            "action": "REDACT",
                            "redaction": "restore",
                        }
                    ],
                }
            ],
        }
    )
)


@KINDS
@STREAMS
async def test_what_was_replaced_is_put_back_on_the_other_side(upstream, kind, *, stream):
    async with outpost(upstream, RESTORE) as running, sdk_of(running, kind) as client:
        said, _ = await said_by(client, f"SAY:write to {EMAIL} today", stream=stream)

    assert said == f"write to {EMAIL} today"
    assert EMAIL.encode() not in upstream.received()
    assert b"<EMAIL_1>" in upstream.received()


@asynccontextmanager
async def by_hand(running):
    headers = {"Authorization": f"Bearer {running.api_key}"}
    async with httpx.AsyncClient(base_url=running.base_url, headers=headers, timeout=10) as client:
        yield client


async def test_what_cannot_be_said_goes_to_who_can_hear_it_or_is_refused(upstream):
    async with outpost(upstream) as running, by_hand(running) as client:
        refused = await client.post(CHAT, json=chat(model="claude", logit_bias={"1": 2}))
        served = await client.post(CHAT, json=chat("SAY:x", model="any", logit_bias={"1": 2}))

        error_of(refused, 400, "untranslatable")
        assert "logit_bias" in refused.json()["error"]["message"]
        assert (served.status_code, served.headers["X-Provider"]) == (200, "oai")
        assert running.events()[-1].attempts == ("ant untranslatable", "oai ok")
        assert len(upstream.requests) == 1


async def test_what_the_other_is_not_told_is_in_the_audit(upstream):
    async with outpost(upstream) as running, by_hand(running) as client:
        await client.post(CHAT, json=chat("SAY:x", model="claude", seed=7, store=False))

        assert running.events()[-1].detail == "not told to the provider: seed, store"


async def test_only_conversations_cross(upstream):
    async with outpost(upstream) as running, by_hand(running) as client:
        error_of(await client.post("/v1/embeddings", json={"model": "claude", "input": "x"}), 404, "unknown_model")
        error_of(
            await client.post("/v1/responses", json={"model": "claude", "input": "x"}), 404, ErrorCode.UNKNOWN_MODEL
        )
        assert not upstream.requests


async def test_what_leaves_is_inspected_in_the_words_in_which_it_leaves(upstream):
    # The bound of 4096 tokens is translation's own word: nothing of the caller's.
    async with (
        outpost(upstream, engine=Broken(None, "4096")) as running,
        by_hand(running) as client,
    ):
        error_of(await client.post(CHAT, json=chat("SAY:x", model="claude")), 500, "internal_error")
        assert not upstream.requests
        assert (await client.post(CHAT, json=chat("SAY:x", model="gpt"))).status_code == 200


async def test_a_policy_sends_across(upstream):
    rule = {
        "id": "elsewhere",
        "sequence": 1,
        "when": {"findings": ["pii.email"], "directions": ["input"]},
        "action": "ROUTE_TO",
        "route_to": {"provider": "oai", "model": "standin-mini"},
    }
    packs = [{"id": "p", "sequence": 1, "default": "ALLOW", "rules": [rule]}]
    chosen = PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": packs}))
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": f"SAY:{EMAIL}"}]}
    async with outpost(upstream, chosen) as running, by_hand(running) as client:
        response = await client.post(MESSAGES, json=body)

        assert response.json()["content"][0]["text"] == EMAIL
        assert (response.headers["X-Provider"], response.headers["X-Model"]) == ("oai", "standin-mini")
        assert [one.path for one in upstream.requests] == [CHAT]
