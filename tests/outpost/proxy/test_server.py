import asyncio
import contextlib
import gc
import gzip
import json
import resource
from datetime import UTC, datetime

import httpx
import pytest

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from tests.fakes.outpost import make_key
from tests.outpost.proxy.setup import (
    CARD,
    CHAT,
    EMAIL,
    assert_kept_nowhere,
    chat,
    counted,
    error_of,
    exchange_raw,
    metrics_of,
    port_of,
)

GOOD = json.dumps(chat()).encode()


def head(running, *lines, length=None, target=CHAT, method="POST"):
    first = [f"{method} {target} HTTP/1.1", "Host: x", f"Authorization: Bearer {running.api_key}"]
    more = [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*first, *more, *lines]).encode("latin-1") + b"\r\n\r\n"


def refusals(received):
    """Status and code of each answer in the bytes."""
    found = []
    while received:
        start, _, rest = received.partition(b"\r\n\r\n")
        headers = httpx.Headers([line.split(b": ", 1) for line in start.split(b"\r\n")[1:]])
        length = int(headers["content-length"])
        body, received = rest[:length], rest[length:]
        error = json.loads(body).get("error", {}) if body.startswith(b"{") else {}
        found.append((int(start.split()[1]), error.get("code")))
    return found


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", ErrorCode.INVALID_REQUEST),
        (b"{", ErrorCode.INVALID_REQUEST),
        (b"null", ErrorCode.INVALID_REQUEST),
        (b"[]", ErrorCode.INVALID_REQUEST),
        (b'"x"', ErrorCode.INVALID_REQUEST),
        (b"\xff\xfe", ErrorCode.INVALID_REQUEST),
        (b'{"model":"m","model":"m","messages":[{"role":"user","content":"x"}]}', ErrorCode.INVALID_REQUEST),
        (b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}', ErrorCode.INVALID_REQUEST),
        (b'{"model":"m","messages":[{"role":"user","content":NaN}]}', ErrorCode.INVALID_REQUEST),
        (b"[" * 100_000, ErrorCode.INVALID_REQUEST),
        (b'{"a":' * 60_000 + b"1" + b"}" * 60_000, ErrorCode.INVALID_REQUEST),
        (b'{"model":1,"messages":[{}]}', ErrorCode.INVALID_REQUEST),
        (b'{"model":"","messages":[{}]}', ErrorCode.INVALID_REQUEST),
        (b'{"model":"m"}', ErrorCode.INVALID_REQUEST),
        (b'{"model":"m","messages":[]}', ErrorCode.INVALID_REQUEST),
        (b'{"model":"m","messages":{}}', ErrorCode.INVALID_REQUEST),
        (b'{"model":"m","messages":["x"]}', ErrorCode.INVALID_REQUEST),
        (b'{"model":"m","messages":[{}],"stream":"yes"}', ErrorCode.INVALID_REQUEST),
        (b'{"model":"m","messages":[{}],"n":' + b"9" * 5_000 + b"}", ErrorCode.INVALID_REQUEST),
        (b" " * 10_000_000, ErrorCode.REQUEST_TOO_LARGE),
    ],
)
async def test_a_body_that_is_no_chat_is_refused_and_goes_nowhere(outpost, client, upstream, body, code):
    response = await client.post(CHAT, content=body)

    error_of(response, 413 if code is ErrorCode.REQUEST_TOO_LARGE else 400, code)
    assert response.headers["x-should-retry"] == "false"
    assert not upstream.requests
    (event,) = outpost.events()
    assert (event.outcome, event.code) == ("refused", code)
    assert counted(outpost, code) == 1


async def chunks_of(body):
    yield body


@pytest.mark.parametrize("chunked", [False, True])
async def test_gzip_bombs_and_large_bodies_fill_no_memory(outpost, client, upstream, *, chunked):
    bomb = gzip.compress(b" " * 200_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for body, headers in [(bomb, {"Content-Encoding": "gzip"}), (b" " * 10_000_000, {})]:
        content = chunks_of(body) if chunked else body
        error_of(await client.post(CHAT, content=content, headers=headers), 413, ErrorCode.REQUEST_TOO_LARGE)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
    assert not upstream.requests


@pytest.mark.parametrize(
    ("encoding", "body", "status", "code"),
    [
        ("br", b"x", 415, ErrorCode.UNSUPPORTED_ENCODING),
        ("gzip, gzip", gzip.compress(GOOD), 415, ErrorCode.UNSUPPORTED_ENCODING),
        ("gzip", GOOD, 400, ErrorCode.INVALID_REQUEST),
        ("gzip", gzip.compress(GOOD)[:-9], 400, ErrorCode.INVALID_REQUEST),
        ("gzip", gzip.compress(GOOD) + b"more", 400, ErrorCode.INVALID_REQUEST),
    ],
)
async def test_a_coding_that_cannot_be_undone_is_refused(client, upstream, encoding, body, status, code):
    error_of(await client.post(CHAT, content=body, headers={"Content-Encoding": encoding}), status, code)
    assert not upstream.requests


async def test_a_compressed_body_is_inspected_and_forwarded_plain(client, upstream):
    packed = gzip.compress(json.dumps(chat(f"card {CARD}")).encode())
    error_of(
        await client.post(CHAT, content=packed, headers={"Content-Encoding": "gzip"}), 403, ErrorCode.POLICY_BLOCKED
    )

    ok = await client.post(CHAT, content=gzip.compress(GOOD), headers={"Content-Encoding": "GZip"})
    assert ok.status_code == 200
    assert upstream.requests[0].body == GOOD


KEYS = {
    "none": ({}, 401, ErrorCode.MISSING_API_KEY),
    "empty": ({"Authorization": "Bearer"}, 401, ErrorCode.MISSING_API_KEY),
    "another scheme": ({"Authorization": "Basic abc"}, 401, ErrorCode.MISSING_API_KEY),
    "a provider's key": ({"Authorization": "Bearer sk-proj-abcdefgh"}, 401, ErrorCode.INVALID_API_KEY),
    "unknown": ({"Authorization": f"Bearer sk-op-test-{'a' * 43}"}, 401, ErrorCode.INVALID_API_KEY),
    "not ASCII": ({"x-api-key": b"\xff\xfe"}, 401, ErrorCode.INVALID_API_KEY),
    "endless": ({"x-api-key": "sk-op-test-" + "a" * 8000}, 401, ErrorCode.INVALID_API_KEY),
}


@pytest.mark.parametrize(("headers", "status", "code"), [pytest.param(*case, id=name) for name, case in KEYS.items()])
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/v1/models/standin-chat"])
async def test_no_key_no_service(outpost, upstream, headers, status, code, path):
    async with httpx.AsyncClient(base_url=outpost.base_url) as client:
        method = "POST" if path == CHAT else "GET"
        response = await client.request(method, path, headers=headers, content=GOOD if path == CHAT else None)

    error_of(response, status, code)
    assert not upstream.requests
    assert outpost.events()[-1].code == code


async def test_a_refused_request_leaves_no_cycle_with_its_body(outpost, client):
    await client.post(CHAT, json=chat(CARD))
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for body in (GOOD[:-1], json.dumps(chat(CARD)).encode()):
            assert (await client.post(CHAT, content=body)).status_code >= 400
        gc.collect()
        left = [found for found in gc.garbage if isinstance(found, Rejected)]
    finally:
        gc.set_debug(0)
        gc.enable()
        gc.garbage.clear()
    assert not left


async def test_two_different_keys_are_none(outpost, client, upstream):
    other = {"x-api-key": make_key()[0]}
    error_of(await client.post(CHAT, json=chat(), headers=other), 401, ErrorCode.INVALID_API_KEY)
    assert not upstream.requests

    same = await client.post(CHAT, json=chat(), headers={"x-api-key": outpost.api_key})
    assert same.status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, 401, ErrorCode.EXPIRED_API_KEY),
        ({"allowed_models": ["other"]}, 403, ErrorCode.MODEL_NOT_ALLOWED),
        ({"allowed_networks": ["10.0.0.0/8"]}, 403, ErrorCode.ADDRESS_NOT_ALLOWED),
        ({"pepper_id": "p2"}, 401, ErrorCode.INVALID_API_KEY),
    ],
)
async def test_a_key_is_worth_what_the_bundle_says(start, client_of, upstream, fields, status, code):
    async with start(keys=[make_key(**fields)]) as running, client_of(running) as client:
        error_of(await client.post(CHAT, json=chat()), status, code)
        event = running.events()[-1]

    assert not upstream.requests
    assert event.code == code


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", CHAT, 405, "POST"),
        ("PUT", CHAT, 405, "POST"),
        ("OPTIONS", CHAT, 405, "POST"),
        ("HEAD", CHAT, 405, "POST"),
        ("POST", "/v1/models", 405, "GET"),
        ("DELETE", "/v1/models/standin-chat", 405, "GET"),
        ("POST", "/v1/images/generations", 404, None),
        ("POST", "/v1/chat/completions/", 404, None),
        ("POST", "/v1/chat/completions/x", 404, None),
        ("POST", "/v1/../v1/files", 404, None),
        ("POST", "/v1/chat/completions/../../files", 404, None),
        ("GET", "/v1", 404, None),
        ("GET", "/", 404, None),
        ("GET", "/metrics", 404, None),
        ("POST", "/healthz", 404, None),
        ("GET", "/v1/batches?x=%0d%0a", 404, None),
    ],
)
async def test_nothing_else_is_served_and_nothing_is_tunnelled(outpost, upstream, method, path, status, allow):
    received, _ = await exchange_raw(
        outpost, head(outpost, "Connection: close", target=path, method=method, length=len(GOOD)) + GOOD
    )

    assert f"HTTP/1.1 {status} ".encode() in received
    assert b"X-Request-Id: " in received
    if method != "HEAD":
        assert refusals(received) == [(status, "method_not_allowed" if allow else "not_found")]
    assert not allow or f"Allow: {allow}".encode() in received
    assert not upstream.requests


# What a proxy before us might read differently than we do. Each is refused, closed, and nothing is forwarded.
SMUGGLED = {
    "both lengths": ("Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n" + b"GET /evil HTTP/1.1\r\n\r\n"),
    "both lengths, other order": ("Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n"),
    "two different lengths": ("Content-Length: 5\r\nContent-Length: 6", b"12345"),
    "two equal lengths": ("Content-Length: 5\r\nContent-Length: 5", b"12345"),
    "lengths in a list": ("Content-Length: 5, 6", b"12345"),
    "negative length": ("Content-Length: -1", b""),
    "signed length": ("Content-Length: +5", b"12345"),
    "hexadecimal length": ("Content-Length: 0x5", b"12345"),
    "endless length": ("Content-Length: 99999999999999999999999", b""),
    "unknown transfer coding": ("Transfer-Encoding: xchunked", b"5\r\n12345\r\n0\r\n\r\n"),
    "chunked not last": ("Transfer-Encoding: chunked, identity", b"5\r\n12345\r\n0\r\n\r\n"),
    "chunk size that is none": ("Transfer-Encoding: chunked", b"zz\r\n12345\r\n0\r\n\r\n"),
    "negative chunk size": ("Transfer-Encoding: chunked", b"-5\r\n12345\r\n0\r\n\r\n"),
    "chunk longer than it says": ("Transfer-Encoding: chunked", b"2\r\n12345\r\n0\r\n\r\n"),
    "endless chunk size": ("Transfer-Encoding: chunked", b"fffffffffffffffff\r\n12345\r\n0\r\n\r\n"),
    "folded header": ("X-Folded: a\r\n b", b""),
    "space before the colon": ("Content-Length : 5", b"12345"),
    "NUL in a header": ("X-Bad: a\x00b", b""),
    "CR in a header": ("X-Bad: a\rb", b""),
    "no name": (": x", b""),
    "no colon": ("nonsense", b""),
}


@pytest.mark.parametrize(("lines", "body"), [pytest.param(*case, id=name) for name, case in SMUGGLED.items()])
async def test_ambiguous_framing_is_refused_and_the_connection_closed(outpost, upstream, capsys, lines, body):
    received, closed = await exchange_raw(outpost, head(outpost, lines) + body + head(outpost, length=len(GOOD)) + GOOD)

    found = refusals(received)
    assert closed
    assert len(found) == 1
    assert found[0][0] in {400, 413}
    assert found[0][1] in {ErrorCode.INVALID_REQUEST, ErrorCode.REQUEST_TOO_LARGE}
    assert not upstream.requests
    assert "Traceback" not in "".join(capsys.readouterr())
    assert b"X-Bad" not in received


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
        b"GET\r\n\r\n",
        b"POST /v1/chat/completions HTTP/9.9\r\n\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /x HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /x HTTP/1.1\r\n" + b"".join(b"X%d: a\r\n" % number for number in range(1000)) + b"\r\n",
    ],
)
async def test_what_is_not_http_gets_the_envelope_and_is_closed(outpost, upstream, capsys, raw):
    received, closed = await exchange_raw(outpost, raw)

    assert closed
    assert refusals(received) in ([(400, ErrorCode.INVALID_REQUEST)], [(431, ErrorCode.INVALID_REQUEST)])
    assert b"aaaa" not in received
    assert "Traceback" not in "".join(capsys.readouterr())
    assert not upstream.requests


async def test_an_absolute_target_does_not_choose_the_provider(outpost, upstream):
    for target in ("http://evil.example" + CHAT, "//evil.example" + CHAT):
        raw = head(outpost, "Connection: close", target=target, length=len(GOOD)) + GOOD
        received, closed = await exchange_raw(outpost, raw)
        assert closed
        assert received.startswith((b"HTTP/1.1 200", b"HTTP/1.1 404"))

    for request in upstream.requests:
        assert request.header("host").startswith("127.0.0.1:")


async def test_connect_is_no_tunnel(outpost, upstream):
    port = upstream.base_url.rsplit(":", 1)[1]
    received, _ = await exchange_raw(
        outpost,
        f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        timeout_s=1,
    )

    assert b"HTTP/1.1 200" not in received
    assert not upstream.requests


async def test_an_upgrade_is_declined(outpost, upstream):
    raw = head(outpost, "Connection: Upgrade", "Upgrade: websocket", length=len(GOOD)) + GOOD
    received, _ = await exchange_raw(outpost, raw, timeout_s=1)
    assert b"101 " not in received

    # Java's HTTP client asks for this on every plain connection, and means its body.
    raw = head(outpost, "Connection: Upgrade, close", "Upgrade: h2c", length=len(GOOD)) + GOOD
    received, _ = await exchange_raw(outpost, raw)
    assert received.startswith(b"HTTP/1.1 200")
    assert upstream.requests[-1].body == GOOD


async def test_pipelined_requests_are_each_judged(outpost, upstream):
    card = json.dumps(chat(f"card {CARD}")).encode()
    last = head(outpost, "Connection: close", length=len(GOOD)) + GOOD
    raw = head(outpost, length=len(GOOD)) + GOOD + head(outpost, length=len(card)) + card + last
    received, closed = await exchange_raw(outpost, raw)

    assert closed
    assert refusals(received) == [(200, None), (403, ErrorCode.POLICY_BLOCKED), (200, None)]
    assert [request.body for request in upstream.requests] == [GOOD, GOOD]


async def test_a_body_that_does_not_come_is_not_waited_for(start):
    async with start(settings={"body_timeout_s": 0.2}) as running:
        received, closed = await exchange_raw(running, head(running, length=1000) + b"{", timeout_s=8)

    assert closed  # not at once, so that the answer arrives
    assert refusals(received) == [(408, ErrorCode.REQUEST_TIMEOUT)]


async def test_a_client_that_asks_first_is_told_to_go_on_or_why_not(outpost, upstream):
    refused, _ = await exchange_raw(outpost, head(outpost, "Expect: 100-continue", length=10_000_000), timeout_s=1)
    assert refused.startswith(b"HTTP/1.1 413")

    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(outpost))
    writer.write(head(outpost, "Expect: 100-continue", "Connection: close", length=len(GOOD)))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(GOOD)
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.transport.abort()
    assert upstream.requests[0].body == GOOD


async def test_headers_that_never_end_are_not_waited_for(start):
    async def drip(writer):
        while not writer.is_closing():
            writer.write(b"X-More: a\r\n")
            await asyncio.sleep(0.05)

    async with start(settings={"keepalive_timeout_s": 0.3}) as running:
        for before in (b"", head(running, length=len(GOOD)) + GOOD):
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(running))
            writer.write(before + b"POST /v1/chat/completions HTTP/1.1\r\n")
            dripping = asyncio.create_task(drip(writer))
            try:
                async with asyncio.timeout(5):
                    with contextlib.suppress(ConnectionResetError):
                        while await reader.read(65_536):
                            pass
            finally:
                dripping.cancel()
                writer.transport.abort()


async def test_a_connection_on_which_nothing_comes_is_closed(start):
    async with start(settings={"keepalive_timeout_s": 0.2}) as running:
        assert await exchange_raw(running, b"") == (b"", True)


async def test_beyond_the_limit_requests_are_refused_and_may_be_repeated(start, client_of, upstream):
    async with start(settings={"max_concurrent_requests": 1}) as running, client_of(running) as client:
        slow = asyncio.create_task(client.post(CHAT, json=chat(model="standin-slow")))
        await asyncio.sleep(0.1)
        refused = await client.post(CHAT, json=chat())
        assert "outpost_requests_in_flight 1.0" in metrics_of(running)
        probe = await client.get("/healthz")

        assert error_of(refused, 503, ErrorCode.OVERLOADED)["type"] == "server_error"
        assert "x-should-retry" not in refused.headers
        assert counted(running, ErrorCode.OVERLOADED) == 1
        assert probe.status_code == 200
        assert (await slow).status_code == 200
        assert (await client.post(CHAT, json=chat())).status_code == 200
        assert "outpost_requests_in_flight 0.0" in metrics_of(running)


async def test_what_is_refused_is_kept_nowhere(outpost, client, capsys):
    body = json.dumps(chat(f"{CARD} {EMAIL}")).encode()
    for content in (body, body[:-1], b'{"' + body, body + body):
        for path in (CHAT, f"/v1/{EMAIL}", f"/v1/models/{EMAIL}"):
            assert (await client.post(path, content=content, headers={"x-note": CARD})).status_code >= 400
            assert (await client.get(path)).status_code >= 400
    await exchange_raw(outpost, b"POST /" + CARD.encode() + b" HTTP/1.1\r\n\r\n")
    await exchange_raw(outpost, head(outpost, f"Bad\x00: {CARD}"))

    assert_kept_nowhere(outpost, "".join(capsys.readouterr()))


async def test_probes_need_no_key(outpost):
    async with httpx.AsyncClient(base_url=outpost.base_url) as client:
        assert [(await client.get(path)).status_code for path in ("/healthz", "/readyz", "/health")] == [200] * 3
        outpost.admission.enforcement = None
        assert [(await client.get(path)).status_code for path in ("/healthz", "/readyz", "/health")] == [200, 503, 503]
        assert (await client.head("/readyz")).status_code == 503
