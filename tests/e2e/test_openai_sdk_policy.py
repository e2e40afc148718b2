"""OpenAI's SDK where the outpost differs from the provider on purpose: policy, the provider's errors, keys."""

import json
from typing import Any, Literal

import httpx
import openai
import pytest

from outpost.demo.faults import MARKER
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action
from tests.e2e.sdk import Sdk, assembled
from tests.e2e.setup import WEATHER, ask, cases, outpost_before, policy, routing
from tests.fakes.outpost import running_outpost
from tests.fakes.upstream import UPSTREAM_KEY, Upstream

CARD = "4111 1111 1111 1111"  # the card schemes' own test number; passes Luhn
EMAIL = "erika.mustermann@example.org"


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


@pytest.mark.parametrize("stream", [pytest.param(False), True], ids=["plain", "stream"])
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
    # A refusal while nothing is out, a filtered end once something is.
    assert answer.status_code == 403 or json.loads(events[-1])["choices"][0]["finish_reason"] == "content_filter"


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
        pytest.param("standin-error-event"),
        pytest.param("standin-notjson"),
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
