"""OpenAI's SDK on its other surfaces: responses, completions, embeddings, moderations, equal to direct."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.e2e.sdk import Target
from tests.e2e.setup import outpost_before, policy
from tests.fakes.upstream import Upstream

CARD = "4111 1111 1111 1111"
EMAIL = "erika.mustermann@example.org"
MODEL = "standin-chat"
TOOL = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
HISTORY = [
    {"role": "user", "content": [{"type": "input_text", "text": "use the tool"}]},
    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Ulm"}'},
    {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
]

Call = Callable[[AsyncOpenAI], Awaitable[Any]]


def client(target: Target) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=target.base_url, api_key=target.api_key, max_retries=0, timeout=10)


async def responses_stream(made: AsyncOpenAI, **body: Any) -> list[dict[str, Any]]:
    stream = await made.responses.create(model=MODEL, stream=True, **body)
    return [event.model_dump() async for event in stream]


async def accumulated(made: AsyncOpenAI, **body: Any) -> dict[str, Any]:
    async with made.responses.stream(model=MODEL, **body) as stream:
        return (await stream.get_final_response()).model_dump()


async def completions_stream(made: AsyncOpenAI, **body: Any) -> list[dict[str, Any]]:
    stream = await made.completions.create(model=MODEL, stream=True, **body)
    return [chunk.model_dump() async for chunk in stream]


CALLS: dict[str, Call] = {
    "response": lambda c: c.responses.create(model=MODEL, input="SAY:Grüße \U0001f30d", instructions="Be brief."),
    "response with tools": lambda c: c.responses.create(model=MODEL, input="use the tool", tools=[TOOL]),
    "response after a tool": lambda c: c.responses.create(
        model=MODEL, input=HISTORY, tools=[TOOL], metadata={"a": "b"}
    ),
    "response stream": lambda c: responses_stream(c, input="SAY:" + "All work and no play. " * 20),
    "response stream, tools": lambda c: responses_stream(c, input='use the tool ARGS:{"city":"Ulm"}', tools=[TOOL]),
    "response accumulated": lambda c: accumulated(c, input="SAY:hello you"),
    "completion": lambda c: c.completions.create(model=MODEL, prompt="SAY:hello", n=2),
    "completion stream": lambda c: completions_stream(c, prompt=["SAY:hello there"]),
    "embeddings": lambda c: c.embeddings.create(model="standin-mini", input=["a", "b"]),
    "embeddings as numbers": lambda c: c.embeddings.create(model="standin-mini", input="a", encoding_format="float"),
    "moderation": lambda c: c.moderations.create(model="standin-mini", input=["a", "b"]),
}
UPLOAD = ("report.txt", b"all is well", "text/plain")
PROMPTS: dict[str, Call] = {
    "response": lambda c: c.responses.create(model=MODEL, input="x", instructions=f"It is {CARD}"),
    "response, tool result": lambda c: c.responses.create(
        model=MODEL, input=[{"type": "function_call_output", "call_id": "c", "output": json.dumps({"n": CARD})}]
    ),
    "completion": lambda c: c.completions.create(model=MODEL, prompt=["x", CARD]),
    "embeddings": lambda c: c.embeddings.create(model=MODEL, input=["x", CARD]),
    "moderation": lambda c: c.moderations.create(model=MODEL, input=[{"type": "text", "text": CARD}]),
}


def plain(value: Any) -> Any:
    return value.model_dump() if hasattr(value, "model_dump") else value


@pytest.mark.parametrize("name", CALLS)
async def test_results_are_equal(outpost: Target, direct: Target, upstream: Upstream, name: str) -> None:
    got = []
    for target in (outpost, direct):
        async with client(target) as made:
            got.append(plain(await CALLS[name](made)))

    assert got[0] == got[1]
    assert upstream.requests[0].body == upstream.requests[1].body


@pytest.mark.parametrize("name", PROMPTS)
async def test_policy_acts_on_prompts(outpost: Target, upstream: Upstream, name: str) -> None:
    async with client(outpost) as made:
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await PROMPTS[name](made)
    assert refused.value.code == "policy_blocked"
    assert not upstream.requests


async def test_a_file_is_uploaded_or_kept(outpost: Target, upstream: Upstream) -> None:
    async with client(outpost) as made:
        uploaded = await made.files.create(file=UPLOAD, purpose="user_data")
        with pytest.raises(openai.PermissionDeniedError):
            await made.files.create(file=("report.txt", f"card {CARD}".encode()), purpose="user_data")
    assert uploaded.object == "file"
    assert len(upstream.requests) == 1
    assert b"all is well" in upstream.requests[0].body


async def test_text_that_came_as_token_numbers_is_unreadable(upstream: Upstream) -> None:
    strict = policy().model_copy(deep=True)
    rule = strict.packs[0].rules[0]
    rule = rule.model_copy(update={"when": rule.when.model_copy(update={"findings": ["unscannable.*"]})})
    strict.packs[0].rules[0] = rule
    async with outpost_before(upstream, strict) as target, client(target) as made:
        for call in (
            lambda: made.completions.create(model=MODEL, prompt=[[1, 2], [3]]),
            lambda: made.embeddings.create(model=MODEL, input=[1, 2]),
        ):
            with pytest.raises(openai.PermissionDeniedError) as refused:
                await call()
            assert refused.value.code == "unscannable"
    assert not upstream.requests


async def test_a_streamed_response_is_cut_before_the_finding(upstream: Upstream) -> None:
    async with outpost_before(upstream, policy(("output",))) as target, client(target) as made:
        said = await responses_stream(made, input=f"SAY:so it is {CARD} as you know")
        called = await responses_stream(made, input='use the tool ARGS:{"city":"' + CARD + '"}', tools=[TOOL])
        completed = await completions_stream(made, prompt=f"SAY:so it is {CARD} as you know")

    for events in (said, called):
        assert "4111" not in "".join(event.get("delta", "") for event in events)
        assert events[-1]["type"] == "response.incomplete"
        assert events[-1]["response"]["incomplete_details"] == {"reason": "content_filter"}
        assert events[-1]["policy"]["rule_id"] == "test/no-cards"
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert "".join(event.get("delta", "") for event in said) == "so it"
    assert completed[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert "4111" not in json.dumps(completed)


async def test_a_redacted_stream_says_the_same_twice(upstream: Upstream) -> None:
    """Deltas and the whole text that follows them are redacted alike."""
    redacting = policy().model_copy(deep=True)
    rule = redacting.packs[0].rules[1]
    redacting.packs[0].rules[1] = rule.model_copy(
        update={"when": rule.when.model_copy(update={"directions": ["output"]})}
    )
    async with outpost_before(upstream, redacting) as target, client(target) as made:
        events = await responses_stream(made, input=f"SAY:write to {EMAIL} today")
        final = await accumulated(made, input=f"SAY:write to {EMAIL} today")

    joined = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    done = next(event["text"] for event in events if event["type"] == "response.output_text.done")
    assert joined == done == "write to [REDACTED:pii.email] today"
    assert final["output"][0]["content"][0]["text"] == done
