"""The stand-in over real sockets: OpenAI's framing to the byte, its faults, and its record of what came in."""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from outpost.demo.faults import FAULTS, MARKER
from outpost.demo.provider import MODELS, StandinOptions
from tests.fakes.upstream import UPSTREAM_KEY, Upstream, running_upstream

HUGE_BYTES = 1024 * 1024
CHAT = "/v1/chat/completions"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    options = StandinOptions(deterministic=True, api_key=UPSTREAM_KEY, slow_s=0.05, huge_bytes=HUGE_BYTES)
    async with running_upstream(options) as running:
        yield running


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {UPSTREAM_KEY}"}
    async with httpx.AsyncClient(base_url=upstream.base_url, headers=headers, timeout=5.0) as made:
        yield made


def chat(content: str = "SAY:hello you", model: str = "standin-chat", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}


async def test_a_stream_is_framed_as_openai_frames_it(client: httpx.AsyncClient) -> None:
    answer = await client.post(CHAT, json=chat(stream=True))

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    frames = answer.content.split(b"\n\n")
    assert frames[-2:] == [b"data: [DONE]", b""]
    events = [json.loads(frame.removeprefix(b"data: ")) for frame in frames[:-2]]
    assert [event["choices"][0]["delta"] for event in events] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "hello"},
        {"content": " you"},
        {},
    ]
    assert [event["choices"][0]["finish_reason"] for event in events] == [None, None, None, "stop"]
    assert {event["id"] for event in events} == {events[0]["id"]}


async def test_the_same_request_gets_the_same_bytes(client: httpx.AsyncClient) -> None:
    first, second = [await client.post(CHAT, json=chat()) for _ in range(2)]

    assert first.content == second.content
    assert first.headers["x-request-id"] == second.headers["x-request-id"]


async def test_without_determinism_ids_differ() -> None:
    async with running_upstream(StandinOptions()) as running, httpx.AsyncClient(base_url=running.base_url) as free:
        headers = {"Authorization": "Bearer any-key"}
        bodies = [(await free.post(CHAT, json=chat(), headers=headers)).json() for _ in range(2)]

    assert bodies[0]["id"] != bodies[1]["id"]


@pytest.mark.parametrize(
    ("headers", "code"), [({"Authorization": ""}, None), ({"Authorization": "Bearer sk-wrong"}, "invalid_api_key")]
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", CHAT), ("GET", "/v1/models"), ("GET", "/v1/models/standin-chat")]
)
async def test_a_missing_or_wrong_key_is_401(
    client: httpx.AsyncClient, headers: dict[str, str], code: str | None, method: str, path: str
) -> None:
    answer = await client.request(method, path, json=chat(), headers=headers)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == code


async def test_models_are_listed_and_found(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/models")).json()

    assert [model["id"] for model in listed["data"]] == list(MODELS)
    assert (await client.get(f"/v1/models/{MODELS[0]}")).json() == listed["data"][0]
    missing = await client.get("/v1/models/no-such")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("body", "param"), [(b"{", None), (b'{"model":"m"}', "messages")], ids=["not JSON", "no messages"]
)
async def test_a_wrong_body_is_400_in_openais_envelope(
    client: httpx.AsyncClient, body: bytes, param: str | None
) -> None:
    answer = await client.post(CHAT, content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["param"] == param


async def test_an_unknown_path_is_404(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/embeddings", json={})

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Invalid URL (POST /v1/embeddings)"


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


async def test_what_was_received_can_be_read_and_cleared(upstream: Upstream, client: httpx.AsyncClient) -> None:
    body = b'{ "model":"standin-chat","messages":[{"role":"user","content":"\xc3\xa9"}] }'
    await client.post(CHAT, content=body, headers={"X-Seen": "yes"})

    shown = (await client.get("/standin/requests")).json()["requests"]
    assert [one["path"] for one in shown] == [CHAT]
    assert shown[0]["body"].encode() == body
    assert ["X-Seen", "yes"] in shown[0]["headers"]
    assert upstream.requests[0].body == body
    assert upstream.requests[0].header("x-seen") == "yes"
    assert (await client.get("/standin/stats")).json()["plain"] == 1

    assert (await client.delete("/standin/requests")).status_code == 204
    assert (await client.get("/standin/requests")).json() == {"requests": []}


def test_the_command_prints_where_it_listens_records_and_ends_on_sigterm(tmp_path: Path) -> None:
    record = tmp_path / "seen.jsonl"
    command = [sys.executable, "-m", "outpost.demo.provider", "--port", "0", "--record", str(record)]
    environment = os.environ | {"STANDIN_API_KEY": UPSTREAM_KEY}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening on ").strip()
        right, wrong = [
            httpx.post(f"{url}{CHAT}", json=chat(), headers={"Authorization": f"Bearer {key}"}, timeout=5)
            for key in (UPSTREAM_KEY, "sk-wrong")
        ]
        process.terminate()
        assert process.wait(timeout=5) == 0

    assert (right.status_code, wrong.status_code) == (200, 401)
    lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    assert [json.loads(line["body"])["model"] for line in lines] == ["standin-chat"] * 2
