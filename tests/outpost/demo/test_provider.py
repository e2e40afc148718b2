"""The stand-in over real sockets: OpenAI's framing to the byte, its faults, and its record of what came in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from outpost.demo.provider import MODELS, StandinOptions
from tests.fakes.upstream import UPSTREAM_KEY, Upstream, running_upstream
from tests.outpost.demo.asking import CHAT, chat


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
    answer = await client.post("/v1/batches", json={})

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Invalid URL (POST /v1/batches)"


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
