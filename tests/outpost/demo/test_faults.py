"""Each fault is what its name says, plain and streamed."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from outpost.demo.faults import FAULTS, MARKER
from tests.fakes.upstream import UPSTREAM_KEY
from tests.outpost.demo.asking import CHAT, HUGE_BYTES, chat


@pytest.mark.parametrize(("model", "status"), [("standin-401", 401), ("standin-429", 429), ("standin-500", 500)])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_body_repeats_the_key_and_carries_the_marker(
    client: httpx.AsyncClient, model: str, status: int, *, stream: bool
) -> None:
    answer = await client.post(CHAT, json=chat(model=model, stream=stream))

    assert answer.status_code == status
    assert MARKER in answer.text
    assert UPSTREAM_KEY in answer.text
    assert (answer.headers.get("retry-after") is not None) == (status == 429)


async def test_a_model_may_be_unknown(client: httpx.AsyncClient) -> None:
    answer = await client.post(CHAT, json=chat(model="standin-404"))

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("stream", [False, True])
async def test_not_json_is_success_by_status_only(client: httpx.AsyncClient, *, stream: bool) -> None:
    answer = await client.post(CHAT, json=chat(model="standin-notjson", stream=stream))

    assert answer.status_code == 200
    assert f"<html><body>{MARKER}" in answer.text


async def test_an_error_event_ends_a_stream_that_has_begun(client: httpx.AsyncClient) -> None:
    answer = await client.post(CHAT, json=chat(model="standin-error-event", stream=True))

    frames = answer.text.split("\n\n")
    assert "hello" in frames[1]
    assert "error" in json.loads(frames[-2].removeprefix("data: "))


@pytest.mark.parametrize("stream", [False, True])
async def test_slow_is_late_and_right(client: httpx.AsyncClient, *, stream: bool) -> None:
    answer = await client.post(CHAT, json=chat(model="standin-slow", stream=stream))

    assert answer.status_code == 200
    assert "hello" in answer.text
    assert answer.elapsed.total_seconds() >= 0.05


async def test_a_message_may_be_slow_too(client: httpx.AsyncClient) -> None:
    body = {"model": "standin-slow", "messages": [{"role": "user", "content": "SAY:hello"}]}
    answer = await client.post("/v1/messages", json=body, headers={"anthropic-version": "2023-06-01"})

    assert answer.json()["content"] == [{"type": "text", "text": "hello"}]
    assert answer.elapsed.total_seconds() >= 0.05


@pytest.mark.parametrize("stream", [False, True])
async def test_stall_begins_and_then_says_nothing(client: httpx.AsyncClient, *, stream: bool) -> None:
    body = chat(model="standin-stall", stream=stream)
    async with client.stream("POST", CHAT, json=body, timeout=0.3) as answer:
        pieces = answer.aiter_bytes()
        began = await anext(pieces)
        with pytest.raises(httpx.ReadTimeout):
            await drain(pieces)

    assert began


async def drain(pieces: AsyncIterator[bytes]) -> None:
    async for _ in pieces:
        pass


@pytest.mark.parametrize(
    ("model", "stream"),
    [("standin-reset", False), ("standin-reset", True), ("standin-cut", False)],
)
async def test_a_broken_answer_is_a_broken_connection(client: httpx.AsyncClient, model: str, *, stream: bool) -> None:
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await client.post(CHAT, json=chat(model=model, stream=stream))


async def test_a_cut_stream_ends_without_done(client: httpx.AsyncClient) -> None:
    answer = await client.post(CHAT, json=chat(model="standin-cut", stream=True))

    assert b"hello" in answer.content
    assert b"[DONE]" not in answer.content


@pytest.mark.parametrize("stream", [False, True])
async def test_huge_is_huge(client: httpx.AsyncClient, *, stream: bool) -> None:
    answer = await client.post(CHAT, json=chat(model="standin-huge", stream=stream))

    assert len(answer.content) > HUGE_BYTES


async def test_gzip_is_a_compressed_good_answer(client: httpx.AsyncClient) -> None:
    answer = await client.post(CHAT, json=chat(model="standin-gzip"), headers={"Accept-Encoding": "identity"})

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["choices"][0]["message"]["content"] == "hello you"


def test_every_fault_has_a_test_here() -> None:
    named = set(re.findall(r"standin-(?:\d+|[a-z-]+)", Path(__file__).read_text(encoding="utf-8")))

    assert set(FAULTS) <= named
