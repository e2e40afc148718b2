"""The client goes away in each phase of a request: the call to the provider ends too, and the record says so."""

import asyncio
import json

import pytest

from tests.outpost.proxy.setup import CHAT, MESSAGES, answer, chat, exchange_raw, metrics_of, policy, provider_saying

BODY = json.dumps(chat(stream=True)).encode()
BEGUN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"so, "}}]}\n\n'
WHOLE = answer(b'{"choices":[]}')[:-5]  # not whole


def post(running, path=CHAT):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nx-api-key: {running.api_key}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    return head.encode() + BODY


async def ends_of(running):
    """Outcomes of all completions, once whatever was handed to the audit log is durable."""
    async with asyncio.timeout(5):
        while "outpost_requests_in_flight 0.0" not in metrics_of(running):  # noqa: ASYNC110 - of another task
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    return [(event.outcome, event.status) for event in running.events() if event.kind == "completion"]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="waiting for the first byte"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Type:", id="in the head of the answer"),
        pytest.param(BEGUN, id="before the first event"),
        pytest.param(BEGUN + EVENT, id="in the middle of the stream"),
        pytest.param(BEGUN + EVENT[:-10], id="in the middle of an event"),
        pytest.param(WHOLE, id="in an answer that is not streamed"),
    ],
)
async def test_while_the_provider_answers(start, raw):
    async with provider_saying(raw, hold=True) as (url, _, gone), start(policy(), url) as running:
        await exchange_raw(running, post(running), timeout_s=0.4)
        async with asyncio.timeout(3):
            await gone.wait()
        assert await ends_of(running) == [("client_gone", 499)]


async def test_while_the_provider_is_being_connected(start):
    """It takes the connection and then says nothing, so TLS is never agreed."""
    taken: asyncio.Future[asyncio.StreamReader] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda reader, writer: taken.set_result((reader, writer)), "127.0.0.1", 0)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with start(policy(), url) as running:
            await exchange_raw(running, post(running), timeout_s=0.4)
            reader, writer = await taken
            async with asyncio.timeout(3):
                assert b"HTTP" not in await reader.read()  # the handshake, then the end
            assert await ends_of(running) == [("client_gone", 499)]
            writer.close()


@pytest.mark.parametrize("sent", [0, 1, len(BODY) - 1])
async def test_while_its_own_body_is_awaited(start, upstream, sent):
    async with start(policy()) as running:
        head = post(running)[: -len(BODY)]
        await exchange_raw(running, head + BODY[:sent], timeout_s=0.2)
        assert await ends_of(running) == [("client_gone", 499)]
        assert not upstream.requests


async def test_pipelined_behind_a_request_that_was_abandoned_nothing_is_served(start):
    async with provider_saying(b"", hold=True) as (url, seen, _), start(policy(), url) as running:
        await exchange_raw(running, post(running) * 3, timeout_s=0.4)
        assert await ends_of(running) == [("client_gone", 499)]
        assert len(seen) == 1


async def test_what_nobody_waits_for_is_recorded_once(start, client_of):
    async with start(policy()) as running, client_of(running) as client:
        for model in ("standin-chat", "standin-500"):
            await client.post(CHAT, json=chat(model=model))
        assert [outcome for outcome, _ in await ends_of(running)] == ["ok", "provider_error"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity, gzip"])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_an_answer_that_came_compressed_is_not_unfolded(start, client_of, coding, path):
    """It was asked for as it is; so there is no bomb to bound."""
    raw = answer(b"\x1f\x8b" + b"0" * 1_000, f"Content-Encoding: {coding}")
    async with provider_saying(raw) as (url, seen, _), start(policy(), url) as running, client_of(running) as client:
        response = await client.post(path, json=chat(max_tokens=5))
        assert response.status_code == 502
        assert response.json()["error"]["code"] == "provider_invalid_response"
        assert b"accept-encoding: identity" in seen[0].lower()
