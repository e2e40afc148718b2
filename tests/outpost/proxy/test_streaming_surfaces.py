"""What holds for every surface that streams: slow clients hold providers up, and text goes out once it is decided."""

import asyncio
import contextlib
import json

import pytest

from tests.outpost.proxy.setup import policy, port_of

KIB = 1024
TOTAL = 48 * KIB * KIB  # what the provider would say; the sockets on its way take a third of it at most
CHAT = {"object": "chat.completion.chunk", "id": "c", "model": "m"}
TEXT = {"object": "text_completion", "id": "c", "model": "m"}
PART = {"output_index": 0, "content_index": 0, "item_id": "i"}


def chat(text):
    return {**CHAT, "choices": [{"index": 0, "delta": {"content": text}}]}


def arguments(text):
    call = {"index": 0, "function": {"arguments": text}}
    return {**CHAT, "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}


def completion(text):
    return {**TEXT, "choices": [{"index": 0, "text": text}]}


def response(text):
    return {"type": "response.output_text.delta", **PART, "delta": text}


def message(text):
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


MESSAGES = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 9}
# Path, request, an event without text, one with a piece of it, and what ends the stream.
SURFACES = {
    "chat": ("/v1/chat/completions", MESSAGES, {**CHAT, "choices": []}, chat, []),
    "arguments": ("/v1/chat/completions", MESSAGES, {**CHAT, "choices": []}, arguments, []),
    "completions": ("/v1/completions", {"prompt": "hello"}, {**TEXT, "choices": []}, completion, []),
    "responses": (
        "/v1/responses",
        {"input": "hello"},
        {"type": "response.in_progress"},
        response,
        [{"type": "response.output_text.done", **PART}, {"type": "response.output_item.done", "output_index": 0}],
    ),
    "messages": (
        "/v1/messages",
        MESSAGES,
        {"type": "ping"},
        message,
        [{"type": "content_block_stop", "index": 0}, {"type": "message_stop"}],
    ),
}
on_each = pytest.mark.parametrize(("path", "body", "idle", "piece", "end"), SURFACES.values(), ids=SURFACES)


def framed(event, padding=0):
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}{' ' * padding}\n\n".encode()


@contextlib.asynccontextmanager
async def provider(say):
    """A provider that answers with an event stream, as ``say`` writes it."""

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            await say(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


async def ask(running, path, body):
    """Send a request; the connection, of which a small buffer is read at a time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(running), limit=4 * KIB)
    sent = json.dumps({"model": "m", "stream": True, **body}).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"x-api-key: {running.api_key}", f"Content-Length: {len(sent)}"]
    writer.write("\r\n".join([*lines, "", ""]).encode() + sent)
    return reader, writer


@on_each
async def test_a_client_that_reads_nothing_holds_the_provider_up(start, path, body, idle, piece, end):
    said = 0

    async def say(writer):
        nonlocal said
        event = framed(idle, 64 * KIB)
        while said < TOTAL:
            writer.write(event)
            await writer.drain()
            said += len(event)

    async with provider(say) as url, start(policy("BLOCK"), base_url=url) as running:
        reader, writer = await ask(running, path, body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        before = -1
        async with asyncio.timeout(60):
            while said != before:  # until it cannot go on
                before = said
                await asyncio.sleep(0.5)
        assert 0 < said < TOTAL // 2
        writer.transport.abort()


@on_each
async def test_a_value_in_pieces_waits_and_words_before_it_do_not(start, path, body, idle, piece, end):
    """The provider goes on only once the client has what is decided; then it says the rest of a card number."""
    go_on = asyncio.Event()

    async def say(writer):
        for text in ("all work and no play makes Jack a dull boy. ", "pay 4111 1111", " 1111 1"):
            writer.write(framed(piece(text)))
        await go_on.wait()
        for event in (piece("111 now"), piece(" and then"), *end):
            writer.write(framed(event))
        if not end:
            writer.write(b"data: [DONE]\n\n")
        await writer.drain()

    async with provider(say) as url, start(policy("REDACT"), base_url=url) as running:
        reader, writer = await ask(running, path, body)
        got = b""
        async with asyncio.timeout(20):
            while b"no play" not in got:
                got += await reader.read(4 * KIB)
            assert b"4111" not in got
            go_on.set()
            while b" then" not in got:
                got += await reader.read(4 * KIB)
        assert b"4111" not in got
        assert b"[REDACTED:pci.pan]" in got
        writer.close()
