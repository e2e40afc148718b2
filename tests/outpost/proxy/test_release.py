import asyncio
import contextlib
import json
from dataclasses import replace

import httpx
import pytest

from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from outpost.proxy import release
from outpost.proxy.enforcement import compile_bundle
from tests.fakes.outpost import PEPPER
from tests.outpost.proxy.setup import (
    CARD,
    CHAT,
    EMAIL,
    Broken,
    answer,
    assert_kept_nowhere,
    chat,
    error_of,
    exchange_raw,
    policy,
    port_of,
    provider_saying,
)

OPEN = policy(None)


@pytest.mark.parametrize("fault", [CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "too much"), None])
@pytest.mark.parametrize("before", ["", "one two three, "])
async def test_an_answer_that_cannot_be_inspected_stays(start, client_of, capsys, fault, before):
    # Escaped in the prompt, so that only the answer holds the word that the engine fails on.
    arguments = json.dumps({"a": f"{before}tripwire {CARD}"}).replace("tripwire", "tr\\u0069pwire")
    prompt = chat(f"use the tool ARGS:{arguments}", tools=[{"type": "function", "function": {"name": "f"}}])
    async with start(OPEN, engine=Broken(fault, "tripwire")) as running, client_of(running) as client:
        plain = await client.post(CHAT, json=prompt)
        streamed = b""
        with contextlib.suppress(httpx.RemoteProtocolError):
            async with client.stream("POST", CHAT, json=prompt | {"stream": True}) as response:
                async for part in response.aiter_raw():
                    streamed += part

        assert plain.status_code in {500, 503}
        assert "1111" not in plain.text
        assert b"1111" not in streamed
        assert b"[DONE]" not in streamed
        end = running.events()[-1]
        assert (end.kind, end.code) == ("completion", fault.code if fault else ErrorCode.INTERNAL_ERROR)
        assert_kept_nowhere(running, "".join(capsys.readouterr()), texts=(CARD,))


async def test_a_policy_that_refuses_all_answers_releases_none(start, client_of):
    rule = {"id": "mute", "sequence": 1, "when": {"directions": ["output"]}, "action": "BLOCK"}
    packs = [{"id": "p", "sequence": 1, "combining": "deny_overrides", "default": "ALLOW", "rules": [rule]}]
    mute = type(OPEN).model_validate_json(json.dumps({"schema_version": "1", "packs": packs}))
    async with start(mute) as running, client_of(running) as client:
        for stream in (False, True):
            error_of(await client.post(CHAT, json=chat(stream=stream)), 403, ErrorCode.POLICY_BLOCKED)
            assert running.events()[-1].rule_id == "p/mute"


async def test_log_probabilities_do_not_spell_out_what_was_redacted(start, client_of):
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": f"mail {EMAIL}"},
        "logprobs": {"content": [{"token": "erika", "logprob": -0.1, "bytes": [101]}]},
        "finish_reason": "stop",
    }
    body = json.dumps({"id": "x", "choices": [choice]}).encode()
    async with (
        provider_saying(answer(body)) as (url, _, _),
        start(policy("REDACT"), url) as running,
        client_of(running) as client,
    ):
        (received,) = (await client.post(CHAT, json=chat())).json()["choices"]

    assert received["logprobs"] is None
    assert received["message"]["content"] == "mail [REDACTED:pii.email]"


async def test_a_client_that_does_not_read_is_cut_off(start, monkeypatch):
    monkeypatch.setattr(release, "CLIENT_STALL_S", 0.3)
    async with start(OPEN) as running:
        body = json.dumps(chat("SAY:" + "word " * 150_000, stream=True)).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-api-key: {running.api_key}\r\nContent-Length: {len(body)}\r\n\r\n"
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(running), limit=1024)
        writer.write(head.encode() + body)
        async with asyncio.timeout(20):
            while "client_gone" not in [event.outcome for event in running.events()]:  # noqa: ASYNC110 - on a disk
                await asyncio.sleep(0.1)
        writer.transport.abort()


class Stalled:
    """A client's connection that takes nothing."""

    def __init__(self):
        self.transport = self
        self.gone = asyncio.Event()

    def abort(self):
        self.gone.set()


async def test_whoever_waits_for_a_client_waits_no_longer_than_the_bound(monkeypatch):
    monkeypatch.setattr(release, "CLIENT_STALL_S", 0.01)
    slow, quick = Stalled(), Stalled()

    with release._patience(quick):
        pass
    with pytest.raises(ConnectionResetError, match="stopped reading"), release._patience(slow):
        await slow.gone.wait()
    with pytest.raises(ZeroDivisionError), release._patience(quick):
        raise ZeroDivisionError

    assert not quick.gone.is_set()


async def test_an_unforeseen_fault_in_the_middle_of_a_stream_ends_the_connection(start):
    class Late(Broken):
        def _check(self, text):
            if "three" in text:
                raise ZeroDivisionError(text)

    raw = b"".join(
        b'data: {"choices":[{"index":0,"delta":{"content":"%s "}}]}\n\n' % word for word in (b"so,", b"then,", b"three")
    )
    provider = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + raw
    async with provider_saying(provider) as (url, _, _), start(OPEN, url, engine=Late(None, "")) as running:
        body = json.dumps(chat(stream=True)).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-api-key: {running.api_key}\r\nContent-Length: {len(body)}\r\n\r\n"
        received, closed = await exchange_raw(running, head.encode() + body)
        event = running.events()[-1]

    assert closed
    assert received.count(b"HTTP/1.1") == 1
    assert b"three" not in received
    assert event.code == ErrorCode.INTERNAL_ERROR


async def test_a_stream_that_has_begun_ends_under_the_policy_it_began_with(start, client_of):
    """A bundle that is put in force in the middle of an answer is for the next request."""
    first, rest = (
        b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text
        for text in (b"the number: ", EMAIL.encode() + b" and more ")
    )
    async with (
        slow_provider(first) as (url, go_on),
        start(policy("REDACT"), url) as running,
        client_of(running) as client,
    ):
        async with client.stream("POST", CHAT, json=chat(stream=True)) as response:
            parts = response.aiter_bytes()
            received = await anext(parts)
            before = running.admission.enforcement
            stricter = replace(before.bundle, policy=policy("BLOCK"))
            running.admission.enforcement = compile_bundle(stricter, {"p1": PEPPER}, before)
            go_on(rest + b"data: [DONE]\n\n")
            received += b"".join([part async for part in parts])
        assert b"[REDACTED:pii.email] and more" in received
        refused = await client.post(CHAT, json=chat(EMAIL))
        error_of(refused, 403, ErrorCode.POLICY_BLOCKED)


@contextlib.asynccontextmanager
async def slow_provider(first):
    """A provider that streams ``first`` and waits for the rest until it is given."""
    rest: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + first)
        writer.write(await asyncio.shield(rest))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1", rest.set_result
