"""Draining, of a real port with real requests in flight."""

import asyncio
import json
import time

from outpost.proxy.drain import Drain
from tests.outpost.proxy.setup import CHAT, chat, exchange_raw, policy, port_of, provider_saying

OPEN = policy()
ASK = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def post(running, *, stream=False, model="standin-chat"):
    body = json.dumps(chat(model=model, stream=stream)).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-api-key: {running.api_key}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def connected(running, sent=b""):
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(running))
    writer.write(sent)
    return reader, writer


async def answered(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return head + await reader.readexactly(length)


async def test_what_is_in_flight_ends_and_what_is_idle_is_closed(start):
    async with start(OPEN) as running:
        idle, idle_writer = await connected(running, ASK)
        assert b"Connection: close" not in await answered(idle)
        slow, slow_writer = await connected(running, post(running, model="standin-slow"))
        await asyncio.sleep(0.1)
        running.admission.draining = True
        draining = asyncio.create_task(running.port.drain(Drain(grace_s=10)))

        assert not await idle.read()
        received = await slow.read()
        assert received.startswith(b"HTTP/1.1 200")
        assert b"Connection: close" in received
        assert await draining == 0
        assert [event.outcome for event in running.events()] == [None, "ok"]
        for writer in (idle_writer, slow_writer):
            writer.close()


async def test_first_it_says_no_then_it_takes_nothing_new(start):
    async with start(OPEN) as running:
        reader, writer = await connected(running, ASK)
        await answered(reader)
        running.admission.draining = True
        draining = asyncio.create_task(running.port.drain(Drain(delay_s=0.5, grace_s=10)))
        await asyncio.sleep(0)

        # A client that came before and one that comes now are both served, and told not to come back.
        writer.write(ASK)
        assert b"Connection: close" in await reader.read()
        received, closed = await exchange_raw(running, post(running))
        assert closed
        assert received.startswith(b"HTTP/1.1 200")
        assert b"Connection: close" in received
        await draining
        try:
            await connected(running)
        except ConnectionRefusedError:
            writer.close()
            return
        raise AssertionError("the port is still open")


async def test_a_body_that_is_on_its_way_may_still_arrive(start):
    async with start(OPEN) as running:
        sent = post(running)
        reader, writer = await connected(running, sent[:-10])
        await asyncio.sleep(0.1)
        running.admission.draining = True
        draining = asyncio.create_task(running.port.drain(Drain(grace_s=10)))
        await asyncio.sleep(0.1)
        writer.write(sent[-10:])
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        assert await draining == 0
        writer.close()


async def test_what_does_not_end_in_time_is_cut_and_the_record_says_so(start):
    begun = b'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {"choices":[{"index":0,"delta":{}}]}\n\n'
    for stream in (False, True):
        async with provider_saying(begun if stream else b"", hold=True) as (url, _, gone), start(OPEN, url) as running:
            reader, writer = await connected(running, post(running, stream=stream))
            await asyncio.sleep(0.3)
            running.admission.draining = True
            assert await running.port.drain(Drain(grace_s=0.1)) == 1

            received = await reader.read()
            assert (b"delta" in received) == stream
            assert not received.endswith(b"0\r\n\r\n"), "a cut stream must not look whole"
            await asyncio.wait_for(gone.wait(), 3)
            await running.audit.append(running.events()[0])  # whatever was handed in before is durable now
            assert [event.outcome for event in running.events()][:2] == [None, "cut_off"]
            writer.close()


async def test_a_second_signal_ends_every_wait(start):
    async with provider_saying(b"", hold=True) as (url, _, _), start(OPEN, url) as running:
        _, writer = await connected(running, post(running))
        await asyncio.sleep(0.1)
        hurry = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, hurry.set)
        began = time.monotonic()
        assert await running.port.drain(Drain(delay_s=300, grace_s=300, hurry=hurry)) == 1
        assert time.monotonic() - began < 60
        writer.close()


async def test_nothing_open_is_nothing_to_wait_for(start):
    async with start(OPEN) as running:
        assert await running.port.drain(Drain(grace_s=300)) == 0
        assert await running.port.drain(Drain(grace_s=300)) == 0
