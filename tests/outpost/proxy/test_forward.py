import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.routing import Provider
from outpost.proxy.forward import _CODE, _PARAM, Forwarder, ForwardTimeouts
from tests.fakes.upstream import UPSTREAM_KEY
from tests.outpost.proxy.setup import answer, provider_saying

TIMEOUTS = ForwardTimeouts(connect_s=1, read_s=0.3, total_s=2)


async def ask(url, *, key=UPSTREAM_KEY, max_answer_bytes=1_000, body=b"{}"):
    provider = Provider(id="p", surface="openai", base_url=url, models=["*"])
    forwarder = Forwarder(lambda _: key, timeouts=TIMEOUTS, max_answer_bytes=max_answer_bytes)
    async with contextlib.aclosing(forwarder), forwarder.post(provider, "/chat/completions", body) as got:
        return await forwarder.read(got)


async def test_the_provider_sees_its_key_and_what_is_needed_and_no_more():
    async with provider_saying(answer(b"ok")) as (url, seen, _):
        assert await ask(url) == b"ok"

    lines = seen[0].decode().split("\r\n")
    assert lines[0] == "POST /v1/chat/completions HTTP/1.1"
    names = {line.partition(":")[0].lower() for line in lines[1:] if line}
    assert names <= {
        "host",
        "accept",
        "accept-encoding",
        "user-agent",
        "content-type",
        "content-length",
        "authorization",
    }
    assert f"Authorization: Bearer {UPSTREAM_KEY}" in lines
    assert "Accept-Encoding: identity" in lines


async def test_a_provider_without_a_key_is_sent_none():
    async with provider_saying(answer(b"ok")) as (url, seen, _):
        await ask(url, key=None)

    assert b"authorization" not in seen[0].lower()


@pytest.mark.parametrize(
    ("raw", "hold", "code"),
    [
        (b"", True, ErrorCode.PROVIDER_TIMEOUT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", True, ErrorCode.PROVIDER_TIMEOUT),
        (answer(b"", status="500 Oops")[:-30], True, ErrorCode.PROVIDER_TIMEOUT),
        (answer(b"x" * 1_001), False, ErrorCode.PROVIDER_INVALID_RESPONSE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", False, ErrorCode.PROVIDER_INVALID_RESPONSE),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", False, ErrorCode.PROVIDER_INVALID_RESPONSE),
    ],
)
async def test_every_failure_has_its_code(raw, hold, code):
    async with provider_saying(raw, hold=hold) as (url, _, _):
        with pytest.raises(Rejected) as refused:
            await ask(url)

    assert refused.value.code is code
    assert "127.0.0.1" not in refused.value.message


async def arrived(got, size):
    """Wait until so much of an answer has come, without reading it."""
    async with asyncio.timeout(5):
        while got.content.total_bytes < size:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


async def test_a_large_answer_that_is_read_slowly_leaves_a_connection_that_can_be_used():
    """aiohttp pauses a connection at 512 KiB unread, here with the end of the answer already there."""
    large = answer(b"x" * 540_000)
    begun = asyncio.Event()

    async def serve(reader, writer):
        while await reader.readuntil(b"{}"):
            writer.write(large[:520_000])
            await begun.wait()
            writer.write(large[520_000:])

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    provider = Provider(id="p", surface="openai", base_url=url, models=["*"])
    forwarder = Forwarder(lambda _: None, timeouts=TIMEOUTS, max_answer_bytes=2_000_000)
    async with server, contextlib.aclosing(forwarder):
        for _ in range(2):
            async with forwarder.post(provider, "/chat/completions", b"{}") as got:
                await arrived(got, 519_000)
                begun.set()
                await arrived(got, 540_000)
                assert len(await forwarder.read(got)) == 540_000
            await asyncio.sleep(TIMEOUTS.read_s * 2)


async def test_a_redirect_leads_nowhere():
    async with provider_saying(answer(b"ok")) as (other, seen, _):
        moved = answer(b"", f"Location: {other}/chat/completions", status="308 Permanent Redirect")
        async with provider_saying(moved) as (url, _, _):
            with pytest.raises(Rejected):
                await ask(url)

    assert not seen


@pytest.mark.parametrize(
    ("error", "code", "param"),
    [
        (
            {"code": "context_length_exceeded", "param": "messages[3].content"},
            "context_length_exceeded",
            "messages[3].content",
        ),
        ({"code": None, "type": "invalid_request_error", "param": None}, "invalid_request_error", None),
        ({"code": UPSTREAM_KEY, "param": f"key {UPSTREAM_KEY}"}, None, None),
        ({"code": 7, "param": ["x"]}, None, None),
        ("text", None, None),
    ],
)
async def test_identifiers_of_an_error_pass_and_its_words_do_not(error, code, param):
    raw = answer(json.dumps({"error": error, "message": "secret words"}).encode(), status="400 Bad Request")
    async with provider_saying(raw) as (url, _, _):
        with pytest.raises(Rejected) as refused:
            await ask(url)

    assert refused.value.status == 400
    assert refused.value.param == param
    assert (f"(code {code})" in refused.value.message) == (code is not None)
    assert "secret" not in refused.value.message


@given(st.from_regex(r"sk-[A-Za-z0-9-]{8,40}|[0-9]{13,16}|[a-z]+@[a-z]+\.[a-z]{2,3}", fullmatch=True))
def test_no_key_number_or_address_is_an_identifier(text):
    assert not _CODE.fullmatch(text)
    assert "@" not in text or not _PARAM.fullmatch(text)
